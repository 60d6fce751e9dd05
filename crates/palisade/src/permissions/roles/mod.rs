//! Roles: groups that the site declares, with their permissions.

pub(in crate::permissions) mod escalation;
pub(in crate::permissions) mod groups;

use crate::db::{Database, Db, Tx};
use crate::permissions::{DeclaredPermission, PermissionName};
use crate::sql;
use sea_orm::DbErr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A role: a group of Django's with declared permissions.
///
/// `permissions sync` writes the declarations into the groups. Included roles are flattened, so that
/// Django sees plain groups.
///
/// ```
/// use palisade::permissions::Role;
/// use palisade::prelude::*;
/// # #[derive(Permission, Clone, Copy)]
/// # #[permission(app = "desk")]
/// # enum May { View, Answer, Audit }
/// App::new()
///     .permissions::<May>()
///     .role(Role::new("readers").may([May::View]))
///     .role(Role::new("agents").may([May::Answer]).includes("readers").gives("readers"))
///     .role(Role::new("auditors").may([May::Audit]).never_with("agents"));
/// ```
#[derive(Debug, Clone)]
pub struct Role {
    name: &'static str,
    permissions: Vec<PermissionName>,
    includes: Vec<&'static str>,
    gives: Vec<&'static str>,
    never_with: Vec<&'static str>,
}

impl Role {
    /// A role without permissions. `name` is the name of the group, at most 150 characters.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            permissions: Vec::new(),
            includes: Vec::new(),
            gives: Vec::new(),
            never_with: Vec::new(),
        }
    }

    /// Adds permissions.
    #[must_use]
    pub fn may<P: Into<PermissionName>>(
        mut self,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        self.permissions
            .extend(permissions.into_iter().map(Into::into));
        self
    }

    /// Adds all permissions of another role.
    #[must_use]
    pub fn includes(mut self, role: &'static str) -> Self {
        self.includes.push(role);
        self
    }

    /// Lets users with this role give another one to other users.
    #[must_use]
    pub fn gives(mut self, role: &'static str) -> Self {
        self.gives.push(role);
        self
    }

    /// Excludes another role: no user has both (separation of duties).
    #[must_use]
    pub fn never_with(mut self, role: &'static str) -> Self {
        self.never_with.push(role);
        self
    }
}

/// The roles of a site.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roles(Vec<Role>);

impl Roles {
    pub(crate) fn add(&mut self, role: Role) {
        self.0.push(role);
    }

    /// Whether a group is a declared role.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether a role has a permission.
    pub(crate) fn has_permission(&self, name: &str) -> bool {
        let all = self.0.iter().flat_map(|role| &role.permissions);
        all.map(|permission| permission.as_str())
            .any(|known| known == name)
    }

    fn find(&self, name: &str) -> Option<&Role> {
        self.0.iter().find(|role| role.name == name)
    }

    /// A role, and all that it includes.
    pub(in crate::permissions) fn with_included<'a>(&'a self, name: &'a str) -> BTreeSet<&'a str> {
        let (mut all, mut waiting) = (BTreeSet::new(), vec![name]);
        while let Some(name) = waiting.pop() {
            if all.insert(name) {
                waiting.extend(self.find(name).map_or(&[][..], |role| &role.includes));
            }
        }
        all
    }

    /// The permissions of a role, with those of included roles.
    fn permissions_of(&self, name: &str) -> BTreeSet<&'static str> {
        let (mut all, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting = vec![name];
        while let Some(name) = waiting.pop() {
            if let Some(role) = self.find(name).filter(|role| seen.insert(role.name)) {
                all.extend(
                    role.permissions
                        .iter()
                        .map(|permission| permission.as_str()),
                );
                waiting.extend(&role.includes);
            }
        }
        all
    }

    /// Whether one of these roles gives another one.
    pub(in crate::permissions) fn gives(&self, held: &BTreeSet<String>, role: &str) -> bool {
        let givers = self.0.iter().filter(|giver| held.contains(giver.name));
        givers
            .flat_map(|giver| &giver.gives)
            .any(|given| *given == role)
    }

    /// One of these roles that excludes another one, or is excluded by it.
    pub(crate) fn conflict(&self, held: &BTreeSet<String>, role: &str) -> Option<String> {
        let excludes = |one: &BTreeSet<&str>, other: &BTreeSet<&str>| {
            let roles = one.iter().filter_map(|name| self.find(name));
            roles
                .flat_map(|role| &role.never_with)
                .any(|name| other.contains(name))
        };
        let wanted = self.with_included(role);
        let is_excluded = |held: &&String| {
            let held = self.with_included(held);
            excludes(&held, &wanted) || excludes(&wanted, &held)
        };
        held.iter().find(is_excluded).cloned()
    }

    /// Faults of the declarations, a sentence each.
    pub(crate) fn faults(&self, declared: &[DeclaredPermission]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut names = BTreeSet::new();
        for role in &self.0 {
            if !names.insert(role.name) {
                faults.push(format!("the role {} is declared twice", role.name));
            }
            let others = role
                .includes
                .iter()
                .chain(&role.gives)
                .chain(&role.never_with);
            for other in others.filter(|other| self.find(other).is_none()) {
                faults.push(format!(
                    "the role {} names {other}, which is not declared",
                    role.name
                ));
            }
            let is_declared = |name: &&str| declared.iter().any(|declared| declared.name == *name);
            let own = role
                .permissions
                .iter()
                .map(|permission| permission.as_str());
            for permission in own.filter(|name| !is_declared(name)) {
                faults.push(format!(
                    "the role {} has {permission}, which is not declared",
                    role.name
                ));
            }
            faults.extend(self.contradiction(role));
        }
        faults
    }

    /// A role that includes itself, or a role that it excludes.
    fn contradiction(&self, role: &Role) -> Option<String> {
        let (mut included, mut waiting) = (BTreeSet::new(), role.includes.clone());
        while let Some(name) = waiting.pop() {
            if included.insert(name) {
                waiting.extend(self.find(name).map_or(&[][..], |role| &role.includes));
            }
        }
        if included.contains(role.name) {
            return Some(format!("the role {} includes itself", role.name));
        }
        let excluded = role
            .never_with
            .iter()
            .find(|name| included.contains(*name))?;
        Some(format!(
            "the role {} includes {excluded}, which it excludes",
            role.name
        ))
    }

    /// Creates the groups of roles that have none. Groups that exist are changed by
    /// `permissions sync` only.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn create_missing(&self, database: &Database) -> Result<(), DbErr> {
        let differences = self.differences(&database.handle()).await?;
        let new: Vec<_> = differences
            .iter()
            .filter(|difference| difference.is_new)
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let create = async |tx: &Tx| {
            for difference in new {
                difference.apply(tx).await?;
            }
            Ok(())
        };
        database.write_always(create).await
    }

    /// The roles with a group that differs from the declaration.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn differences(&self, db: &Db) -> Result<Vec<RoleDifference>, DbErr> {
        let stored = stored_groups(db).await?;
        let differences = self.0.iter().filter_map(|role| {
            let declared = self.permissions_of(role.name);
            let group = stored.get(role.name);
            let has = |name: &str| group.is_some_and(|group| group.contains(name));
            let missing = declared.iter().filter(|name| !has(name));
            let extra = group
                .into_iter()
                .flatten()
                .filter(|name| !declared.contains(name.as_str()));
            let difference = RoleDifference {
                role: role.name,
                is_new: group.is_none(),
                missing: missing.map(|name| (*name).to_owned()).collect(),
                extra: extra.cloned().collect(),
            };
            let is_same =
                !difference.is_new && difference.missing.is_empty() && difference.extra.is_empty();
            (!is_same).then_some(difference)
        });
        Ok(differences.collect())
    }
}

/// The permissions of each group.
async fn stored_groups(db: &Db) -> Result<BTreeMap<String, BTreeSet<String>>, DbErr> {
    let query = sql!(
        "SELECT role.name, coalesce(type.app_label, ''), coalesce(permission.codename, '') FROM auth_group role \
         LEFT JOIN auth_group_permissions link ON link.group_id = role.id \
         LEFT JOIN auth_permission permission ON permission.id = link.permission_id \
         LEFT JOIN django_content_type type ON type.id = permission.content_type_id"
    );
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (group, app, codename) in db.fetch_all::<(String, String, String)>(query).await? {
        let permissions = groups.entry(group).or_default();
        if !codename.is_empty() {
            permissions.insert(format!("{app}.{codename}"));
        }
    }
    Ok(groups)
}

/// The difference of a group from its declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleDifference {
    role: &'static str,
    is_new: bool,
    missing: Vec<String>,
    extra: Vec<String>,
}

impl fmt::Display for RoleDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let new = if self.is_new { " (new)" } else { "" };
        writeln!(f, "{}{new}", self.role)?;
        self.missing
            .iter()
            .try_for_each(|name| writeln!(f, "  + {name}"))?;
        self.extra
            .iter()
            .try_for_each(|name| writeln!(f, "  - {name}"))
    }
}

impl RoleDifference {
    /// Name of the role.
    pub(crate) fn role(&self) -> &'static str {
        self.role
    }

    /// Makes the group equal to its declaration.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn apply(&self, tx: &Tx) -> Result<(), DbErr> {
        if self.is_new {
            tx.execute_sql(sql!("INSERT INTO auth_group (name) VALUES (?)", self.role))
                .await?;
        }
        for name in &self.missing {
            let (app, codename) = crate::permissions::permission::split(name);
            tx.execute_sql(sql!(
                "INSERT INTO auth_group_permissions (group_id, permission_id) \
                 SELECT role.id, permission.id FROM auth_group role, auth_permission permission \
                 JOIN django_content_type type ON type.id = permission.content_type_id \
                 WHERE role.name = ? AND type.app_label = ? AND permission.codename = ? ON CONFLICT DO NOTHING",
                self.role,
                app,
                codename
            ))
            .await?;
        }
        for name in &self.extra {
            let (app, codename) = crate::permissions::permission::split(name);
            tx.execute_sql(sql!(
                "DELETE FROM auth_group_permissions WHERE group_id IN (SELECT id FROM auth_group WHERE name = ?) \
                 AND permission_id IN (SELECT permission.id FROM auth_permission permission \
                 JOIN django_content_type type ON type.id = permission.content_type_id \
                 WHERE type.app_label = ? AND permission.codename = ?)",
                self.role,
                app,
                codename
            ))
            .await?;
        }
        Ok(())
    }
}
