//! Configuration checks: what each looks at, why it matters and how to fix it.
//!
//! The same checks run at every start and in `check --deploy`. An error stops a production start;
//! see [`Level`].

mod report;

pub use report::{Report, Weakened};

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Information.
    Info,
    /// Should be fixed; the site starts.
    Warning,
    /// Must be fixed; production does not start.
    Error,
}

impl Level {
    /// The level as a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One check of an area's settings `S`.
pub struct Check<S> {
    /// Stable name: `http.hosts_missing`.
    pub id: &'static str,
    /// The equivalent check of Django, if there is one.
    pub django: Option<&'static str>,
    /// Severity.
    pub level: Level,
    /// The finding, in one line.
    pub title: &'static str,
    /// The impact of an attack.
    pub why: &'static str,
    /// The setting to change.
    pub fix: &'static str,
    /// Whether the settings have this fault.
    pub fires: fn(&S) -> bool,
}

/// A check that fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// As [`Check::id`].
    pub id: String,
    /// As [`Check::django`].
    pub django: Option<&'static str>,
    /// As [`Check::level`].
    pub level: Level,
    /// As [`Check::title`].
    pub title: String,
    /// As [`Check::why`].
    pub why: String,
    /// As [`Check::fix`].
    pub fix: String,
}

impl Finding {
    /// Whether it applies in development too: keys, permissions, templates, invalid or
    /// contradictory settings, weakened protections.
    fn concerns_development(&self) -> bool {
        [
            "keys.",
            "permissions.",
            "templates.",
            "settings.",
            "api.no_issuer",
            "api.contradictory_rule",
            "webhooks.mixed_rule",
            "site.dangerous",
            "storage.",
            "headers.referrer_breaks_",
        ]
        .iter()
        .any(|area| self.id.starts_with(area))
    }
}

/// The findings of one area.
pub fn run<S>(checks: &[Check<S>], settings: &S) -> Vec<Finding> {
    select(checks, settings, Selection::Firing)
}

/// Which checks are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Those that fire.
    Firing,
    /// All, for the reference.
    All,
}

pub(crate) fn select<S>(checks: &[Check<S>], settings: &S, which: Selection) -> Vec<Finding> {
    let is_selected = |check: &&Check<S>| which == Selection::All || (check.fires)(settings);
    checks
        .iter()
        .filter(is_selected)
        .map(Check::finding)
        .collect()
}

impl<S> Check<S> {
    fn finding(&self) -> Finding {
        Finding {
            id: self.id.into(),
            django: self.django,
            level: self.level,
            title: self.title.into(),
            why: self.why.into(),
            fix: self.fix.into(),
        }
    }
}
