use serde::{Deserialize, Serialize};
use std::fmt;

/// A security event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A login.
    LoggedIn,
    /// A failed login.
    LoginFailed,
    /// A callback from an identity provider without a pending login in this browser (login CSRF).
    CallbackRefused,
    /// A login that was challenged (CAPTCHA) after failed ones.
    LoginChallenged,
    /// A login code was sent by mail.
    LoginCodeSent,
    /// A lockout after too many failed logins.
    Locked,
    /// A lock was lifted.
    LockLifted,
    /// The first factor was correct; the second is pending.
    SecondStepBegun,
    /// A wrong second factor.
    SecondStepFailed,
    /// A second factor was added.
    FactorAdded,
    /// A second factor was removed.
    FactorRemoved,
    /// A social login was linked.
    LoginAdded,
    /// A social login was unlinked.
    LoginRemoved,
    /// All second factors of a user were reported as lost, and will be removed.
    FactorRemovalBegun,
    /// A factor that was reported as lost was used: it stays.
    FactorKept,
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// A re-authentication.
    ProvenAgain,
    /// Other sessions were ended.
    SessionsEnded,
    /// A session was used from another kind of browser, or part of the network, than at its login.
    SessionMoved,
    /// A logout.
    LoggedOut,
    /// An account was created.
    SignedUp,
    /// The password was changed; all other sessions ended.
    PasswordChanged,
    /// A user changed the site's own fields of the account.
    ProfileChanged,
    /// A sign-up was started; there is no account yet.
    SignUpBegun,
    /// A password reset was requested.
    ResetRequested,
    /// A password reset was completed; all sessions ended.
    PasswordReset,
    /// A change of the email address was requested.
    EmailChangeBegun,
    /// The email address was changed.
    EmailChanged,
    /// A data export.
    DataExported,
    /// The account was closed; all sessions ended.
    AccountClosed,
    /// An operator reopened a closed account.
    AccountOpened,
    /// An operator granted a right.
    RightGranted,
    /// An operator revoked a right.
    RightRevoked,
    /// The account was deleted.
    AccountDeleted,
    /// A request failed the CSRF checks.
    CsrfRefused,
    /// An invalid bearer token.
    TokenRefused,
    /// A request was not authorized by the access rule of its route.
    AccessDenied,
    /// A request for a host that is not served.
    HostRefused,
    /// A request from a block-listed address.
    Blocked,
    /// A rate limit was exceeded.
    RateLimited,
    /// A user reached a quota of the business.
    QuotaExceeded,
    /// Rows left the site as a file.
    Exported,
    /// A response with status 500: a fault of the site.
    ErrorRaised,
    /// An operator changed the posture of the site: read-only, paused, blocked.
    PostureChanged,
    /// An operator froze an account during an incident.
    AccountFrozen,
    /// An access token was issued.
    TokenIssued,
    /// A process of the site started.
    SiteStarted,
    /// A process of the site stopped.
    SiteStopped,
    /// An operator added or removed a key of the site.
    KeysChanged,
    /// Entries of the audit log were lost: the queue was full.
    EntriesLost,
    /// The head of the audit log was missing or changed.
    LogDamaged,
    /// Personal data of the audit log was erased.
    PersonErased,
    /// Entries of the audit log were removed after their retention.
    LogPruned,
    /// An event of the site, by its name: `order.refunded`.
    Site(&'static str),
}

/// Whether an event was an action or a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something was done.
    Success,
    /// Something was refused or failed.
    Failure,
}

/// How urgent an event is for the operators of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Everyday.
    Low,
    /// To look at if it is unexpected.
    Moderate,
    /// To look at on the same day.
    High,
    /// To look at now.
    Critical,
}

use Outcome::{Failure, Success};
use Severity::{Critical, High, Low, Moderate};

/// An event, its name, its name in the OWASP logging vocabulary, outcome and severity.
type Row = (Event, &'static str, &'static str, Outcome, Severity);

#[rustfmt::skip]
const EVENTS: &[Row] = &[
    (Event::LoggedIn, "login", "authn_login_success", Success, Low),
    (Event::LoginFailed, "login_failed", "authn_login_fail", Failure, Low),
    (Event::CallbackRefused, "callback_refused", "authn_login_fail", Failure, Moderate),
    (Event::LoginChallenged, "login_challenged", "authn_login_fail", Failure, Low),
    (Event::LoginCodeSent, "login_code_sent", "authn_token_created", Success, Low),
    (Event::Locked, "locked", "authn_login_lock", Failure, Moderate),
    (Event::LockLifted, "lock_lifted", "authn_login_lock", Success, Low),
    (Event::SecondStepBegun, "second_step_begun", "authn_login_success", Success, Low),
    (Event::SecondStepFailed, "second_step_failed", "authn_login_fail", Failure, Moderate),
    (Event::FactorAdded, "factor_added", "user_updated", Success, Moderate),
    (Event::FactorRemoved, "factor_removed", "user_updated", Success, High),
    (Event::FactorRemovalBegun, "factor_removal_begun", "user_updated", Success, High),
    (Event::FactorKept, "factor_kept", "user_updated", Success, Low),
    (Event::LoginAdded, "login_added", "user_updated", Success, Moderate),
    (Event::LoginRemoved, "login_removed", "user_updated", Success, Moderate),
    (Event::RecoveryCodeUsed, "recovery_code_used", "authn_login_success", Success, Moderate),
    (Event::ProvenAgain, "proven_again", "authn_login_success", Success, Low),
    (Event::SessionsEnded, "sessions_ended", "session_expired", Success, Low),
    (Event::SessionMoved, "session_moved", "authn_token_reuse", Failure, High),
    (Event::LoggedOut, "logout", "session_expired", Success, Low),
    (Event::SignedUp, "signup", "user_created", Success, Low),
    (Event::PasswordChanged, "password_changed", "authn_password_change", Success, Moderate),
    (Event::ProfileChanged, "profile_changed", "user_updated", Success, Low),
    (Event::SignUpBegun, "signup_begun", "user_created", Success, Low),
    (Event::ResetRequested, "reset_requested", "authn_password_change", Success, Low),
    (Event::PasswordReset, "password_reset", "authn_password_change", Success, Moderate),
    (Event::EmailChangeBegun, "email_change_begun", "user_updated", Success, Low),
    (Event::EmailChanged, "email_changed", "user_updated", Success, Moderate),
    (Event::DataExported, "data_exported", "sensitive_read", Success, Moderate),
    (Event::AccountClosed, "account_closed", "user_archived", Success, Moderate),
    (Event::AccountOpened, "account_opened", "user_updated", Success, Moderate),
    (Event::RightGranted, "right_granted", "privilege_permissions_changed", Success, High),
    (Event::RightRevoked, "right_revoked", "privilege_permissions_changed", Success, Moderate),
    (Event::AccountDeleted, "account_deleted", "user_deleted", Success, Moderate),
    (Event::CsrfRefused, "csrf_refused", "malicious_cors", Failure, Low),
    (Event::TokenRefused, "token_refused", "authn_token_reuse", Failure, Low),
    (Event::AccessDenied, "access_denied", "authz_fail", Failure, Low),
    (Event::HostRefused, "host_refused", "malicious_extraneous", Failure, Low),
    (Event::Blocked, "blocked", "authz_fail", Failure, Low),
    (Event::RateLimited, "rate_limited", "excess_rate_limit_exceeded", Failure, Low),
    (Event::QuotaExceeded, "quota_exceeded", "excess_rate_limit_exceeded", Failure, Low),
    (Event::Exported, "exported", "sensitive_read", Success, Moderate),
    (Event::ErrorRaised, "error_raised", "sys_crash", Failure, High),
    (Event::PostureChanged, "posture_changed", "authz_admin", Success, High),
    (Event::AccountFrozen, "account_frozen", "user_archived", Success, High),
    (Event::TokenIssued, "token_issued", "authn_token_created", Success, Moderate),
    (Event::SiteStarted, "site_started", "sys_startup", Success, Low),
    (Event::SiteStopped, "site_stopped", "sys_shutdown", Success, Low),
    (Event::KeysChanged, "keys_changed", "authn_token_created", Success, High),
    (Event::EntriesLost, "entries_lost", "sys_monitor_disabled", Failure, High),
    (Event::LogDamaged, "log_damaged", "sys_monitor_disabled", Failure, Critical),
    (Event::PersonErased, "person_erased", "sensitive_delete", Success, Moderate),
    (Event::LogPruned, "log_pruned", "sensitive_delete", Success, Moderate),
];

impl Event {
    /// All events of the framework.
    pub fn all() -> impl Iterator<Item = Self> {
        EVENTS.iter().map(|row| row.0)
    }

    fn row(self) -> Row {
        let found = EVENTS.iter().find(|row| row.0 == self);
        let of_site = (self, self.site_name(), "custom", Success, Low);
        found.copied().unwrap_or(of_site)
    }

    fn site_name(self) -> &'static str {
        match self {
            Self::Site(name) => name,
            _ => "unknown",
        }
    }

    /// Its name, as in the log: `login_failed`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Its name in the
    /// [OWASP logging vocabulary](https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html).
    pub fn owasp(self) -> &'static str {
        self.row().2
    }

    /// Whether it was an action or a refusal.
    pub fn outcome(self) -> Outcome {
        self.row().3
    }

    /// How urgent it is.
    pub fn severity(self) -> Severity {
        self.row().4
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Outcome {
    /// As in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

impl Severity {
    /// As in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Moderate => "moderate",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
