//! Findings of the checks that run before a start and by `check`.

use super::{Prepared, keys};
use crate::checks::{Finding, Level, Report, Weakened};
use palisade_template::LoadError;

impl Prepared {
    /// Findings of all checks for these settings and routes.
    pub fn report(&self) -> Report {
        let mut findings = self.settings.findings();
        findings.extend(keys::weak_fallbacks(&self.settings));
        findings.extend(self.unknown_permissions());
        findings.extend(self.missing_issuer());
        findings.extend(self.routes.impossible().map(contradictory_rule));
        let mut ledger = self.routes.ledger();
        findings.extend(
            ledger
                .iter()
                .filter_map(|weakened| self.dangerous_not_allowed(weakened)),
        );
        ledger.extend(self.settings.django.weakening());
        findings.extend(self.templates().err().iter().map(template_finding));
        Report::new(self.settings.profile, findings, ledger)
    }

    fn unknown_permissions(&self) -> Vec<Finding> {
        let unknown = self
            .routes
            .permissions()
            .into_iter()
            .filter(|(name, _)| !self.app.permissions.iter().any(|(known, _)| known == name));
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
            fix: format!("declare it: App::new().permissions(&[(\"{name}\", \"what it allows\")])"),
        };
        unknown.map(finding).collect()
    }

    fn missing_issuer(&self) -> Option<Finding> {
        let path = self
            .routes
            .takes_tokens()
            .filter(|_| !self.settings.api.is_on())?;
        Some(Finding {
            id: "api.no_issuer".into(),
            django: None,
            level: Level::Error,
            title: format!("the route {path} accepts tokens, and no issuer is configured"),
            why: "every request to it is refused".into(),
            fix: "set api.issue = true, or trusted issuers in api.issuers".into(),
        })
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
