//! What people did, as structured events of the target `palisade::audit`: who, from where, what, how it ended. Never a password.
//!
//! This is the seam; a table of hash-chained entries and alerts will stand behind it.

use crate::http::ClientAddress;
use std::fmt;

/// A security event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Logged in.
    LoggedIn,
    /// Tried to log in and failed.
    LoginFailed,
    /// A callback from an identity provider without a pending login in this browser (login CSRF).
    CallbackRefused,
    /// Tried so many passwords that the site's puzzle is asked for.
    LoginChallenged,
    /// Asked for a code by mail, to log in.
    LoginCodeSent,
    /// Guessed too often: there is a lock.
    Locked,
    /// Lifted a lock.
    LockLifted,
    /// Typed the right password; the second factor is missing.
    SecondStepBegun,
    /// The second factor was wrong.
    SecondStepFailed,
    /// Added a second factor.
    FactorAdded,
    /// Removed a second factor.
    FactorRemoved,
    /// Added a login by another site.
    LoginAdded,
    /// Removed a login by another site.
    LoginRemoved,
    /// Is said to have lost all second factors, which will be removed.
    FactorRemovalBegun,
    /// Logged in with a second factor that was said to be lost: it stays.
    FactorKept,
    /// Used up a recovery code.
    RecoveryCodeUsed,
    /// Proved again who they are.
    ProvenAgain,
    /// Ended other sessions.
    SessionsEnded,
    /// A session is used from another kind of browser, or part of the network, than it was made in.
    SessionMoved,
    /// Logged out.
    LoggedOut,
    /// Made an account.
    SignedUp,
    /// Changed the password; all other sessions ended.
    PasswordChanged,
    /// Began to sign up; there is no account yet.
    SignUpBegun,
    /// Asked for a new password by mail.
    ResetRequested,
    /// Chose a new password by a link from a mail; all sessions ended.
    PasswordReset,
    /// Asked for another e-mail address.
    EmailChangeBegun,
    /// Has another e-mail address.
    EmailChanged,
    /// Took all data along.
    DataExported,
    /// Closed the account; all sessions ended.
    AccountClosed,
    /// An operator opened a closed account.
    AccountOpened,
    /// An operator gave an account a right.
    RightGranted,
    /// An operator took a right from an account.
    RightRevoked,
    /// Deleted the account.
    AccountDeleted,
    /// A forged or foreign request was refused.
    CsrfRefused,
    /// A program brought a token that is not believed.
    TokenRefused,
    /// An access rule said no.
    AccessDenied,
    /// A request for a host that is not served.
    HostRefused,
    /// An address of a block list.
    Blocked,
    /// Too many requests.
    RateLimited,
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
        })
    }
}

/// Characters of what is told of an event: a client must not fill the log with a request.
const LONGEST_DETAIL: usize = 200;

/// Records an event. `detail` may hold input: it is quoted, so that it cannot start a line of its own.
pub fn record(event: Event, client: Option<ClientAddress>, request_id: &str, detail: &str) {
    let client = client.map(|client| client.to_string()).unwrap_or_default();
    let detail: String = detail.chars().take(LONGEST_DETAIL).collect();
    tracing::info!(target: "palisade::audit", event = %event, client, request = request_id, ?detail);
}
