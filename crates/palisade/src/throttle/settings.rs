use crate::checks::{Check, Level};
use crate::settings::section;

section! {
    /// How often one client may ask.
    ThrottleSettings("throttle") {
        /// Requests per minute that change something, from one address (IPv6: one /64); as many may come at once
        changes_per_minute: u64 = |_| 1200;
    }
}

/// What can be wrong with these settings.
pub const CHECKS: &[Check<ThrottleSettings>] = &[Check {
    id: "throttle.off",
    django: None,
    level: Level::Warning,
    title: "one client may send any number of changes",
    why: "guessing and flooding cost nothing (ASVS 2.4.1)",
    fix: "set throttle.changes_per_minute to what a busy person needs, 1200 or less",
    fires: |settings| settings.changes_per_minute == 0 || settings.changes_per_minute > 60_000,
}];
