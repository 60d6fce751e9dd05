use super::{Finding, Level};
use crate::settings::{Profile, SettingsError};
use serde_json::{Value, json};
use std::fmt;

/// One `dangerous_*` call of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakened {
    /// The name that `site.allow_dangerous` lists: `without_csrf /hooks/pay`.
    pub name: String,
    /// The reason in the source.
    pub reason: &'static str,
    /// File and line of the call.
    pub source: String,
}

/// Result of `check`, as text and as JSON.
#[derive(Debug, Clone)]
pub struct Report {
    /// The checked profile.
    pub profile: Profile,
    /// All findings, worst first.
    pub findings: Vec<Finding>,
    /// Every weakened protection of the site.
    pub ledger: Vec<Weakened>,
}

impl Report {
    /// A report, sorted by severity.
    pub fn new(profile: Profile, mut findings: Vec<Finding>, ledger: Vec<Weakened>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        Self {
            profile,
            findings,
            ledger,
        }
    }

    /// A report on settings that could not be read: each problem is a finding.
    pub fn unreadable(error: &SettingsError) -> Self {
        let findings = error.0.iter().map(|problem| Finding {
            id: format!("settings.{}", problem.key),
            django: DJANGO
                .iter()
                .find(|(key, _)| *key == problem.key)
                .map(|(_, id)| *id),
            level: Level::Error,
            title: format!("{} ({}): {}", problem.key, problem.place, problem.message),
            why: "an invalid setting protects nothing; no other check could run".into(),
            fix: problem.fix.clone(),
        });
        Self::new(Profile::DEFAULT, findings.collect(), Vec::new())
    }

    /// The worst level.
    pub fn worst(&self) -> Option<Level> {
        self.findings.first().map(|finding| finding.level)
    }

    /// The same with further findings.
    #[must_use]
    pub fn with_findings(self, findings: Vec<Finding>) -> Self {
        Self::new(
            self.profile,
            self.findings.into_iter().chain(findings).collect(),
            self.ledger,
        )
    }

    /// The findings that apply to this profile: in development, those about production only are
    /// omitted.
    #[must_use]
    pub fn for_start(mut self) -> Self {
        if self.profile.is_development() {
            self.findings
                .retain(|finding| finding.concerns_development());
        }
        self
    }

    /// The errors only.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.level == Level::Error)
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "id": finding.id, "django": finding.django, "level": finding.level.word(),
                "title": finding.title, "why": finding.why, "fix": finding.fix,
            })
        };
        let weakened = |entry: &Weakened| json!({ "name": entry.name, "reason": entry.reason, "source": entry.source });
        json!({
            "profile": self.profile.to_string(),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "ledger": self.ledger.iter().map(weakened).collect::<Vec<_>>(),
        })
    }
}

/// Settings whose wrong values Django finds by a check, and we by type.
const DJANGO: [(&str, &str); 6] = [
    ("headers.frames", "security.W019"),
    ("sessions.http_only", "security.W015"),
    ("headers.referrer_policy", "security.E023"),
    ("headers.opener_policy", "security.E024"),
    ("site.debug", "security.W018"),
    ("headers.nosniff", "security.W006"),
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding {
            id,
            django,
            level,
            title,
            why,
            fix,
        } in &self.findings
        {
            let django = django
                .map(|id| format!(", Django's {id}"))
                .unwrap_or_default();
            writeln!(
                f,
                "{}: {title} [{id}{django}]\n  why: {why}\n  fix: {fix}\n",
                level.word()
            )?;
        }
        for Weakened {
            name,
            reason,
            source,
        } in &self.ledger
        {
            writeln!(f, "dangerous: {name}\n  reason: {reason}\n  at: {source}\n")?;
        }
        let count = |level| {
            self.findings
                .iter()
                .filter(|finding| finding.level == level)
                .count()
        };
        writeln!(
            f,
            "{} profile: {} error(s), {} warning(s), {} note(s), {} weakened protection(s)",
            self.profile,
            count(Level::Error),
            count(Level::Warning),
            count(Level::Info),
            self.ledger.len()
        )
    }
}
