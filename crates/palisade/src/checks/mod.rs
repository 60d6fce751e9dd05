//! Checks of settings: what each looks at, why it matters and how to fix it. The site's own settings are judged, nothing else.
//!
//! The same checks run at every start and in `check --deploy`. An error stops a production start; see [`Level`].
//! Checks look at settings, `scan` looks at source, the audit log looks at people.

mod report;

pub use report::{Report, Weakened};

/// What a finding means for the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Should be mended; the site starts.
    Warning,
    /// Must be mended; production does not start.
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
    /// The check of Django that asks the same, if there is one.
    pub django: Option<&'static str>,
    /// How bad it is.
    pub level: Level,
    /// What was found, in one line.
    pub title: &'static str,
    /// What an attacker gains.
    pub why: &'static str,
    /// What to write where.
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
    /// Whether it is as wrong on a developer's machine: keys, permissions, templates, settings that cannot be read or cannot work, weakened protections.
    fn concerns_development(&self) -> bool {
        [
            "keys.",
            "permissions.",
            "templates.",
            "settings.",
            "api.nobodys_",
            "site.dangerous",
            "headers.referrer_breaks_",
        ]
        .iter()
        .any(|area| self.id.starts_with(area))
    }
}

/// The findings of one area.
pub fn run<S>(checks: &[Check<S>], settings: &S) -> Vec<Finding> {
    checks
        .iter()
        .filter(|check| (check.fires)(settings))
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
