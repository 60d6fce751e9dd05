//! Findings of the checks that run before a start and by `check`.

use super::uncovered::uncovered_references;
use super::{Prepared, data_keys, keys};
use crate::checks::{Finding, Level, Report, Weakened};
use crate::db::{Database, Difference, OnDelete, Reference, differences};
use crate::permissions::{DeclaredPermission, RoleDifference, Roles};
use palisade_template::LoadError;
use sea_orm::DbErr;
use std::collections::BTreeSet;

fn not_ready(why: &str) -> Finding {
    Finding {
        id: "database.not_ready".into(),
        django: None,
        level: Level::Error,
        title: format!("the database cannot be used: {why}"),
        why: "the site does not start".into(),
        fix: "correct DATABASE_URL, or start the database server".into(),
    }
}

fn pending_migrations(names: &[String]) -> Finding {
    Finding {
        id: "database.pending_migrations".into(),
        django: None,
        level: Level::Error,
        title: format!(
            "{} migrations have not run: {}",
            names.len(),
            names.join(", ")
        ),
        why: "the site does not start".into(),
        fix: "run `migrate`".into(),
    }
}

fn uncovered_finding(reference: &Reference) -> Finding {
    let table = &reference.table;
    let why = match reference.on_delete {
        OnDelete::Refuse => "a user with such rows cannot delete the account",
        OnDelete::Follow => "the export of a user's data lacks these rows",
    };
    Finding {
        id: "accounts.uncovered_table".into(),
        django: None,
        level: Level::Warning,
        title: format!("the table {table} refers to users, and is not personal data of the site"),
        why: why.into(),
        fix: format!(
            "name {table} in PersonalData::tables of the part that exports and erases its rows, and \
             register it: App::new().personal_data(…)"
        ),
    }
}

fn schema_finding(difference: &Difference) -> Finding {
    Finding {
        id: "database.schema_difference".into(),
        django: None,
        level: Level::Warning,
        title: difference.to_string(),
        why: "queries of this entity fail, or will".into(),
        fix:
            "write a migration: `migrate --draft NAME` prints its beginning; or correct the entity"
                .into(),
    }
}

impl Prepared {
    /// Findings of all checks for these settings and routes.
    pub fn report(&self) -> Report {
        let mut findings = self.settings.findings();
        let own = self.app.sections.iter();
        findings.extend(own.flat_map(|section| section.findings(&self.settings.own)));
        findings.extend(keys::weak_fallbacks(&self.settings));
        findings.extend(self.missing_data_key());
        findings.extend(self.unknown_permissions());
        findings.extend(self.unused_permissions());
        findings.extend(self.invalid_roles());
        findings.extend(self.missing_issuer());
        findings.extend(self.routes.impossible().map(contradictory_rule));
        findings.extend(self.routes.mixing_signatures().map(mixed_signature));
        findings.extend(self.sources_without_secret());
        findings.extend(self.app.files.missing_scanner(&self.settings));
        findings.extend(self.app.files.missing_origin(&self.settings));
        findings.extend(self.served_storage());
        let mut ledger = self.routes.ledger();
        ledger.extend(self.app.files.ledger());
        findings.extend(
            ledger
                .iter()
                .filter_map(|weakened| self.dangerous_not_allowed(weakened)),
        );
        ledger.extend(self.settings.django.weakening());
        findings.extend(self.templates().err().iter().map(template_finding));
        findings.extend(self.dead_links());
        Report::new(self.settings.profile, findings, ledger)
    }

    /// Encrypted columns without a key.
    fn missing_data_key(&self) -> Option<Finding> {
        let is_missing = matches!(data_keys(&self.settings), Ok(None));
        (is_missing && !self.app.encrypted.is_empty()).then(|| Finding {
            id: "keys.data_missing".into(),
            django: None,
            level: Level::Error,
            title: "there is no key for encrypted columns".into(),
            why: "they cannot be read or written".into(),
            fix: "run `keys new`, which writes one into the data folder".into(),
        })
    }

    fn unknown_permissions(&self) -> Vec<Finding> {
        let of_admin = self
            .permissions_of_admin()
            .map(|name| (name, "of the admin"));
        let unknown = self
            .routes
            .permissions()
            .into_iter()
            .chain(of_admin)
            .filter(|(name, _)| !self.is_declared(name));
        let finding = |(name, path): (&str, &str)| Finding {
            id: "permissions.unknown".into(),
            django: None,
            level: Level::Error,
            title: format!(
                "the route {path} requires the permission {name}, which is not declared"
            ),
            why:
                "no user could be granted it, or a user could hold another permission of that name"
                    .into(),
            fix: format!(
                "derive Permission for an enum with {name}, and declare it: \
                 App::new().permissions::<May>(); or, if a Django project declares it: \
                 App::new().adopted_permissions(&[\"{name}\"])"
            ),
        };
        unknown.map(finding).collect()
    }

    fn invalid_roles(&self) -> Vec<Finding> {
        let finding = |title: String| Finding {
            id: "permissions.invalid_role".into(),
            django: None,
            level: Level::Error,
            title,
            why: "the group of the role would not have the permissions that the code names".into(),
            fix: "correct the declaration of the role".into(),
        };
        let faults = self.app.roles.faults(&self.app.permissions);
        faults.into_iter().map(finding).collect()
    }

    /// Groups that differ from the declarations of their roles. Nothing without a database.
    pub(crate) async fn role_findings(&self) -> Vec<Finding> {
        let Some(database) = self.ready_database().await else {
            return Vec::new();
        };
        let differences = self.app.roles.differences(&database.handle()).await;
        let finding = |difference: RoleDifference| Finding {
            id: "permissions.role_differs".into(),
            django: None,
            level: Level::Warning,
            title: format!("the group differs from its role: {difference}"),
            why: "its members have other permissions than the code says".into(),
            fix: "run `permissions sync`, and with --write to change the groups".into(),
        };
        match differences {
            Ok(differences) => differences.into_iter().map(finding).collect(),
            Err(error) => vec![no_answer("the groups of roles", &error)],
        }
    }

    /// A site that connects with more rights than it needs, on PostgreSQL. Nothing without a
    /// database.
    pub(crate) async fn privilege_findings(&self) -> Vec<Finding> {
        let Some(database) = self.ready_database().await else {
            return Vec::new();
        };
        let finding = |excess: &str| Finding {
            id: "db.excess_privileges".into(),
            django: None,
            level: Level::Warning,
            title: format!("the site connects to PostgreSQL as {excess}"),
            why: "an SQL injection, or a stolen password of the database, could drop tables".into(),
            fix:
                "run `migrate` as the owner, and `serve` as the role that `deploy grants postgres` \
                creates"
                    .into(),
        };
        match database.excess_privileges().await {
            Ok(excess) => excess.iter().map(|excess| finding(excess)).collect(),
            Err(error) => vec![no_answer("the privileges of the connection", &error)],
        }
    }

    /// Reasons for which `serve` would not start, or would not send mail, beyond the settings.
    pub(crate) async fn start_findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.unsent_mail().into_iter().collect();
        let settings = &self.settings;
        let file = settings.database.file(settings.data());
        if file.is_some_and(|file| !file.exists()) {
            return findings;
        }
        let pending = match self.database().await {
            Ok(database) => self.app.migrations.pending(&database).await,
            Err(error) => {
                findings.push(not_ready(&error.to_string()));
                return findings;
            }
        };
        match pending {
            Ok(pending) if pending.is_empty() || settings.site.migrate_at_start => {}
            Ok(pending) => findings.push(pending_migrations(&pending)),
            Err(error) => findings.push(not_ready(&error.to_string())),
        }
        findings
    }

    fn unsent_mail(&self) -> Option<Finding> {
        let is_nowhere = self.settings.mail.url.expose().starts_with("console:");
        let is_production = !self.settings.profile.is_development();
        (is_nowhere && is_production).then(|| Finding {
            id: "mail.nowhere".into(),
            django: None,
            level: Level::Info,
            title: "mail.url is not set: no mail is sent".into(),
            why: "sign-up and password reset are disabled".into(),
            fix: "set mail.url = \"smtps://USER:PASSWORD@HOST\"".into(),
        })
    }

    /// Foreign keys to the users' table that no [`PersonalData`](crate::auth::PersonalData) covers.
    /// None without a database.
    pub(crate) async fn uncovered_references(&self) -> Vec<Finding> {
        let Some(database) = self.ready_database().await else {
            return Vec::new();
        };
        match uncovered_references(&self.app, &database).await {
            Ok(references) => references.iter().map(uncovered_finding).collect(),
            Err(error) => vec![no_answer("the foreign keys to the users' table", &error)],
        }
    }

    /// Differences between the registered entities and their tables. None without a database.
    pub(crate) async fn schema_findings(&self) -> Vec<Finding> {
        let Some(database) = self.ready_database().await else {
            return Vec::new();
        };
        match differences(&self.app.entities, &database).await {
            Ok(found) => found.iter().map(schema_finding).collect(),
            Err(error) => vec![no_answer("the columns of its tables", &error)],
        }
    }

    /// The changes of a migration, as Rust code, after which the tables are those of the registered
    /// entities.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn draft(&self, database: &Database) -> Result<Vec<String>, DbErr> {
        let found = differences(&self.app.entities, database).await?;
        Ok(found.iter().map(Difference::draft).collect())
    }

    /// The roles of the site.
    pub(crate) fn roles(&self) -> &Roles {
        &self.app.roles
    }

    /// Declared permissions that no rule, policy, role or template names. Handlers may still ask for
    /// them, so this is a note.
    fn unused_permissions(&self) -> Vec<Finding> {
        let ruled: BTreeSet<&str> = self
            .routes
            .permissions()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let asked = |name: &str| {
            ruled.contains(name)
                || self.permissions_of_admin().any(|known| known == name)
                || self.app.roles.has_permission(name)
                || self.app.policies.iter().any(|policy| policy.asks_for(name))
        };
        let unused = self
            .app
            .permissions
            .iter()
            .filter(|permission| !asked(permission.name));
        let finding = |permission: &DeclaredPermission| Finding {
            id: "permissions.unused".into(),
            django: None,
            level: Level::Info,
            title: format!(
                "no route, policy or role names the permission {}",
                permission.name
            ),
            why: "a permission without an effect is granted, and gives nothing".into(),
            fix: "remove it, unless a handler or a template asks for it".into(),
        };
        unused.map(finding).collect()
    }

    fn is_declared(&self, name: &str) -> bool {
        let own = self.app.permissions.iter();
        own.map(|declared| declared.name)
            .chain(self.app.adopted_permissions.iter().copied())
            .any(|known| known == name)
    }

    /// A scope that no token can have.
    fn missing_issuer(&self) -> Option<Finding> {
        let is_declared = |scope: &str| self.app.scopes.iter().any(|known| known.name == scope);
        let mut scopes = self.routes.scopes().into_iter();
        let unknown = scopes.find(|(scope, _)| !is_declared(scope) && !self.settings.api.is_on());
        let (scope, path) = unknown?;
        Some(Finding {
            id: "api.no_issuer".into(),
            django: None,
            level: Level::Error,
            title: format!(
                "the route {path} accepts tokens of the scope {scope}, which no token can have"
            ),
            why: "every request with a token is refused there".into(),
            fix: format!(
                "declare it, App::scopes(&[(\"{scope}\", \"…\")]), or set api.issue = true or trusted issuers in api.issuers"
            ),
        })
    }

    /// Webhooks that no delivery could satisfy.
    fn sources_without_secret(&self) -> Vec<Finding> {
        let declared = |name: &str| self.app.webhook_sources.iter().any(|one| one.name == name);
        let secrets = &self.settings.webhooks.secrets;
        let has_secret = |name: &str| secrets.iter().any(|secret| secret.source == name);
        let all = self.routes.webhook_sources();
        let unusable = all.filter(|(name, _)| !declared(name) || !has_secret(name));
        let finding = |(name, path): (&str, &str)| Finding {
            id: "webhooks.no_secret".into(),
            django: None,
            level: Level::Error,
            title: format!("the route {path} takes deliveries of {name}, which has no secret"),
            why: "every delivery is refused".into(),
            fix: format!(
                "declare it, App::webhook_source(\"{name}\", …), and add its secret to webhooks.secrets: \"{name} whsec_…\""
            ),
        };
        unusable.map(finding).collect()
    }

    fn dangerous_not_allowed(&self, weakened: &Weakened) -> Option<Finding> {
        let is_allowed = self.settings.site.allow_dangerous.contains(&weakened.name);
        (!is_allowed).then(|| Finding {
            id: "site.dangerous_not_allowed".into(),
            django: None,
            level: if self.settings.profile.is_development() {
                Level::Warning
            } else {
                Level::Error
            },
            title: format!("a protection is weakened: {}", weakened.name),
            why: format!("the reason in the code: {}", weakened.reason),
            fix: format!(
                "remove the call at {}, or accept it: site.allow_dangerous = [\"{}\"]",
                weakened.source, weakened.name
            ),
        })
    }
}

fn contradictory_rule((path, access): (&str, String)) -> Finding {
    Finding {
        id: "api.contradictory_rule".into(),
        django: None,
        level: Level::Error,
        title: format!("no request can satisfy the access rule of {path}: {access}"),
        why: "requests with a bearer token ignore the session cookie, so no request can satisfy \
            both rules"
            .into(),
        fix: "write token(…).or(…), or a route for each".into(),
    }
}

fn mixed_signature((path, access): (&str, String)) -> Finding {
    Finding {
        id: "webhooks.mixed_rule".into(),
        django: None,
        level: Level::Error,
        title: format!(
            "the access rule of {path} mixes a signature with other conditions: {access}"
        ),
        why:
            "a delivery has neither a session nor a token, so that the rule is not the intended one"
                .into(),
        fix: "write a route for each".into(),
    }
}

/// A check that the database did not answer, which is no clean result.
pub(super) fn no_answer(of: &str, error: &DbErr) -> Finding {
    Finding {
        id: "db.no_answer".into(),
        django: None,
        level: Level::Warning,
        title: format!("{of} could not be checked"),
        why: format!("the database answered: {error}"),
        fix: "grant the connection SELECT on the tables, or run the check with another one".into(),
    }
}

fn template_finding(error: &LoadError) -> Finding {
    Finding {
        id: "templates.unsafe".into(),
        django: None,
        level: Level::Error,
        title: error.to_string(),
        why: "a template that cannot be understood cannot be made safe".into(),
        fix: "fix the template".into(),
    }
}
