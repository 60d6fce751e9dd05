use crate::settings::section;
use chrono::TimeDelta;

section! {
    /// The audit log.
    AuditSettings("audit") {
        /// Days for which entries are kept
        keep_days: u64 = |_| 400;
        /// Days for which their personal parts are kept: names, addresses and user agents
        keep_personal_days: u64 = |_| 90;
    }
}

impl AuditSettings {
    /// For how long entries and their personal parts are kept.
    pub(crate) fn keep(&self) -> (TimeDelta, TimeDelta) {
        let days = |days: u64| TimeDelta::days(days.min(MOST_DAYS).cast_signed());
        (days(self.keep_days), days(self.keep_personal_days))
    }
}

/// A thousand years.
const MOST_DAYS: u64 = 365_000;
