use crate::checks::{Check, Level};
use crate::settings::section;

section! {
    /// Who needs a second factor.
    MfaSettings("mfa") {
        /// Whether staff need one
        require_for_staff: bool = |_| true;
        /// Whether all users need one, on all pages except those of the account
        require_for_all: bool = |_| false;
        /// Groups whose members need one there
        require_for_groups: Vec<String> = |_| Vec::new();
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<MfaSettings>] = &[Check {
    id: "mfa.staff_without",
    django: None,
    level: Level::Warning,
    title: "staff can log in with a password only",
    why: "a password that was guessed, reused or phished gives access to all that they may see \
        (ASVS 6.3.3)",
    fix: "set mfa.require_for_staff = true",
    fires: |settings| !settings.require_for_staff,
}];
