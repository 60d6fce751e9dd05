//! Audit log: security events as structured logs of the target `palisade::audit`, with user,
//! client, action and outcome. Never a password.
//!
//! Storage (a table of hash-chained entries) and alerts will be added behind this interface.

use crate::http::ClientAddress;
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
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoggedIn => "login",
            Self::LoginFailed => "login_failed",
            Self::CallbackRefused => "callback_refused",
            Self::LoginChallenged => "login_challenged",
            Self::LoginCodeSent => "login_code_sent",
            Self::Locked => "locked",
            Self::LockLifted => "lock_lifted",
            Self::SecondStepBegun => "second_step_begun",
            Self::SecondStepFailed => "second_step_failed",
            Self::FactorAdded => "factor_added",
            Self::FactorRemoved => "factor_removed",
            Self::FactorRemovalBegun => "factor_removal_begun",
            Self::FactorKept => "factor_kept",
            Self::LoginAdded => "login_added",
            Self::LoginRemoved => "login_removed",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::ProvenAgain => "proven_again",
            Self::SessionsEnded => "sessions_ended",
            Self::SessionMoved => "session_moved",
            Self::LoggedOut => "logout",
            Self::SignedUp => "signup",
            Self::PasswordChanged => "password_changed",
            Self::ProfileChanged => "profile_changed",
            Self::SignUpBegun => "signup_begun",
            Self::ResetRequested => "reset_requested",
            Self::PasswordReset => "password_reset",
            Self::EmailChangeBegun => "email_change_begun",
            Self::EmailChanged => "email_changed",
            Self::DataExported => "data_exported",
            Self::AccountClosed => "account_closed",
            Self::AccountOpened => "account_opened",
            Self::RightGranted => "right_granted",
            Self::RightRevoked => "right_revoked",
            Self::AccountDeleted => "account_deleted",
            Self::CsrfRefused => "csrf_refused",
            Self::TokenRefused => "token_refused",
            Self::AccessDenied => "access_denied",
            Self::HostRefused => "host_refused",
            Self::Blocked => "blocked",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Exported => "exported",
        })
    }
}

/// Longest logged detail, in characters: a client must not flood the log with one request.
const LONGEST_DETAIL: usize = 200;

/// Records an event. `detail` may hold input: it is quoted, so that it cannot start a log line of
/// its own (log injection).
pub fn record(event: Event, client: Option<ClientAddress>, request_id: &str, detail: &str) {
    let client = client.map(|client| client.to_string()).unwrap_or_default();
    let detail: String = detail.chars().take(LONGEST_DETAIL).collect();
    tracing::info!(target: "palisade::audit", event = %event, client, request = request_id, ?detail);
}
