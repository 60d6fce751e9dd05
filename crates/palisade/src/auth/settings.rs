use crate::checks::{Check, Level};
use crate::settings::{Secs, section, setting_words};
use palisade_password::{Algorithm, Policy, Rule};

/// Algorithm of new password hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HasherKind {
    /// Argon2id, 19 MiB, two passes.
    Argon2id,
    /// PBKDF2-SHA256 with 1,500,000 iterations, for a table shared with a Django that has no
    /// Argon2.
    Pbkdf2Sha256,
    /// Django's MD5 hasher for tests. Known here so that a check can refuse it.
    Md5,
}

setting_words!(
    HasherKind,
    "argon2id or pbkdf2_sha256",
    Argon2id = "argon2id",
    Pbkdf2Sha256 = "pbkdf2_sha256",
    Md5 = "md5"
);

/// Behaviour when the list of breached passwords does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnknown {
    /// The new password is accepted.
    Pass,
    /// It is refused, for now.
    Refuse,
}

setting_words!(
    WhenUnknown,
    "pass or refuse",
    Pass = "pass",
    Refuse = "refuse"
);

impl HasherKind {
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::Pbkdf2Sha256 => Algorithm::PBKDF2_SHA256,
            // independent of the setting, no MD5 hash is ever created
            Self::Argon2id | Self::Md5 => Algorithm::ARGON2ID,
        }
    }
}

section! {
    /// Password validation and hashing.
    PasswordSettings("passwords") {
        /// Algorithm of new hashes: argon2id or pbkdf2_sha256; none means argon2id, or next to a
        /// Django project that of its newest login
        hasher: Option<HasherKind> = |_| None;
        /// Minimum length of a new password, never below 8
        min_length: u64 = |_| 12;
        /// The same for users with a second factor, never below 8; none means 8, or min_length
        /// where that is more than 12
        min_length_with_factor: Option<u64> = |_| None;
        /// Rules for new passwords: similar, common, numeric; the length always applies
        validators: Vec<String> = |_| vec!["similar".into(), "common".into(), "numeric".into()];
        /// URL to query ranges of breached passwords, such as
        /// `https://api.pwnedpasswords.com/range` or a mirror; none disables it
        breached_url: Option<String> = |_| None;
        /// Behaviour when that does not answer: pass or refuse
        when_breached_unknown: WhenUnknown = |_| WhenUnknown::Pass;
        /// Concurrent hashes; 0 means one per core
        hash_jobs: u64 = |_| 0;
        /// Queue length of hashes; more get 503
        hash_queue: u64 = |_| 32;
    }
}

impl PasswordSettings {
    /// The rules for new passwords.
    pub fn policy(&self) -> Policy {
        self.policy_of(self.min_length)
    }

    /// The rules for new passwords of users with a second factor.
    pub fn policy_with_factor(&self) -> Policy {
        let usual = if self.min_length > 12 {
            self.min_length
        } else {
            8
        };
        self.policy_of(
            self.min_length_with_factor
                .unwrap_or(usual)
                .min(self.min_length),
        )
    }

    fn policy_of(&self, least: u64) -> Policy {
        let least = usize::try_from(least).unwrap_or(usize::MAX).max(8);
        let named = [
            ("similar", Rule::NotSimilarToUser),
            ("common", Rule::NotCommon),
            ("numeric", Rule::NotNumeric),
        ];
        let chosen = named
            .into_iter()
            .filter(|(name, _)| self.validators.iter().any(|validator| validator == name))
            .map(|(_, rule)| rule);
        Policy::new(
            [Rule::MinLength(least), Rule::MaxLength(128)]
                .into_iter()
                .chain(chosen)
                .chain([Rule::NotStolen]),
        )
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<PasswordSettings>] = &[
    Check {
        id: "passwords.weak_hasher",
        django: None,
        level: Level::Error,
        title: "new passwords are hashed with MD5",
        why: "most passwords of a stolen database are cracked within minutes",
        fix: "set passwords.hasher = \"argon2id\"",
        fires: |settings| settings.hasher == Some(HasherKind::Md5),
    },
    Check {
        id: "passwords.no_validators",
        django: None,
        level: Level::Error,
        title: "new passwords are not compared with common ones",
        why: "a list of the hundred most common passwords opens some account of every large site \
            (ASVS 6.2.4)",
        fix: "set passwords.validators = [\"similar\", \"common\", \"numeric\"]",
        fires: |settings| {
            !settings
                .validators
                .iter()
                .any(|validator| validator == "common")
        },
    },
    Check {
        id: "passwords.unknown_validator",
        django: None,
        level: Level::Error,
        title: "a validator does not exist",
        why: "a misspelt rule has no effect",
        fix: "passwords.validators takes similar, common and numeric",
        fires: |settings| {
            settings
                .validators
                .iter()
                .any(|name| !["similar", "common", "numeric"].contains(&name.as_str()))
        },
    },
    Check {
        id: "passwords.too_short",
        django: None,
        level: Level::Error,
        title: "new passwords may have fewer than 8 characters",
        why: "they are cracked by trying all of them (ASVS 6.2.1)",
        fix: "set passwords.min_length = 12",
        fires: |settings| {
            settings.min_length < 8
                || settings
                    .min_length_with_factor
                    .is_some_and(|least| least < 8)
        },
    },
    Check {
        id: "passwords.endless_queue",
        django: None,
        level: Level::Warning,
        title: "the queue of password hashes is very long",
        why: "during a flood of logins, legitimate ones wait for minutes",
        fix: "set passwords.hash_queue to 32",
        fires: |settings| settings.hash_queue > 1000,
    },
];

section! {
    /// Brute-force protection.
    LockoutSettings("lockout") {
        /// Wrong passwords for one name from one network, within the window, that start a lock
        failures: u64 = |_| 5;
        /// Passwords for one name from one network, within the window, after which the site's
        /// challenge (CAPTCHA) is required, if it has one
        challenge_after: u64 = |_| 3;
        /// Window in which they are counted, in seconds
        window_secs: Secs = |_| Secs(60);
        /// Duration of the first lock in seconds; each further one is twice as long
        lock_secs: Secs = |_| Secs(300);
        /// Longest lock, in seconds
        longest_secs: Secs = |_| Secs(24 * 3600);
        /// Wrong passwords from one network, for any names, within ten windows
        address_failures: u64 = |_| 100;
        /// Wrong passwords for one name, from anywhere but its known browsers, within sixty windows
        account_failures: u64 = |_| 100;
    }
}

/// Configuration checks.
pub const LOCKOUT_CHECKS: &[Check<LockoutSettings>] = &[
    Check {
        id: "lockout.loose",
        django: None,
        level: Level::Warning,
        title: "one client may guess many passwords of an account",
        why: "the most common passwords are tried first (ASVS 6.3.1)",
        fix: "leave lockout.failures at 5, lockout.window_secs and lockout.lock_secs at 60 and \
            300 or more",
        fires: |settings| {
            settings.failures > 10
                || settings.window_secs < Secs(60)
                || settings.lock_secs < Secs(60)
                || settings.account_failures > 1000
        },
    },
    Check {
        id: "lockout.strict",
        django: None,
        level: Level::Warning,
        title: "a person who mistypes once or twice is locked out",
        why: "users who are locked out choose simpler passwords, and an attacker can lock out \
            all users with little effort",
        fix: "leave lockout.failures at 3 or more, and lockout.account_failures at 20 or more",
        fires: |settings| settings.failures < 3 || settings.account_failures < 20,
    },
];

section! {
    /// Login methods in addition to username and password.
    LoginSettings("login") {
        /// Whether a code sent to an account's address can log in
        by_mail: bool = |_| false;
    }
}
