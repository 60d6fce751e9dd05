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
    /// An operator ended sessions, tokens, trusted browsers and mailed links.
    AccessRevoked,
    /// A name or path was used that no user has a reason to use.
    CanaryTouched,
    /// Evidence of an incident was collected.
    EvidenceTaken,
    /// The certificate of the site ends within a week.
    CertificateNearEnd,
    /// A task failed, or a job failed and is not retried.
    WorkFailed,
    /// More than five per cent of the requests of five minutes failed.
    ErrorRateHigh,
    /// Two logins of one user at places that no traveller reaches in the time between them.
    ImpossibleTravel,
    /// Personal data was deleted after its time.
    RetentionRun,
    /// A backup was written.
    BackupTaken,
    /// A backup was restored in a scratch place, and is whole.
    BackupVerified,
    /// A backup was restored.
    BackupRestored,
    /// The last backup, or the last verified one, is too old.
    BackupOverdue,
    /// A file of a form was refused.
    FileRefused,
    /// A file was stored for a row.
    FileStored,
    /// The virus scanner found something in a file, which was withdrawn.
    FileQuarantined,
    /// Two persons released a file from quarantine.
    FileReleased,
    /// An access token was issued.
    TokenIssued,
    /// A user made a personal access token.
    TokenMade,
    /// A personal access token was ended.
    TokenEnded,
    /// A personal access token was reported as found, or sent in a URL.
    TokenFound,
    /// The delivery of a webhook whose signature is not that of its source.
    WebhookRefused,
    /// A personal access token was used from another network than before.
    TokenMoved,
    /// A row was changed in the admin.
    AdminChanged,
    /// An operation of the admin waits for a second person.
    AdminProposed,
    /// A second person decided about a proposal, or the proposer withdrew it.
    AdminDecided,
    /// A member of staff began to view the site as another user.
    ViewedAs,
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

/// The runbook of a site's own events.
const OF_SITE: &str = "site-events";

use Outcome::{Failure, Success};
use Severity::{Critical, High, Low, Moderate};

/// An event, its name, its name in the OWASP logging vocabulary, outcome, severity and runbook.
type Row = (
    Event,
    &'static str,
    &'static str,
    Outcome,
    Severity,
    &'static str,
);

#[rustfmt::skip]
const EVENTS: &[Row] = &[
    (Event::LoggedIn, "login", "authn_login_success", Success, Low, "account-takeover"),
    (Event::LoginFailed, "login_failed", "authn_login_fail", Failure, Low, "failed-logins"),
    (Event::CallbackRefused, "callback_refused", "authn_login_fail", Failure, Moderate, "failed-logins"),
    (Event::LoginChallenged, "login_challenged", "authn_login_fail", Failure, Low, "failed-logins"),
    (Event::LoginCodeSent, "login_code_sent", "authn_token_created", Success, Low, "account-takeover"),
    (Event::Locked, "locked", "authn_login_lock", Failure, Moderate, "failed-logins"),
    (Event::LockLifted, "lock_lifted", "authn_login_lock", Success, Low, "failed-logins"),
    (Event::SecondStepBegun, "second_step_begun", "authn_login_success", Success, Low, "account-takeover"),
    (Event::SecondStepFailed, "second_step_failed", "authn_login_fail", Failure, Moderate, "failed-logins"),
    (Event::FactorAdded, "factor_added", "user_updated", Success, Moderate, "account-takeover"),
    (Event::FactorRemoved, "factor_removed", "user_updated", Success, High, "account-takeover"),
    (Event::FactorRemovalBegun, "factor_removal_begun", "user_updated", Success, High, "account-takeover"),
    (Event::FactorKept, "factor_kept", "user_updated", Success, Low, "account-takeover"),
    (Event::LoginAdded, "login_added", "user_updated", Success, Moderate, "account-takeover"),
    (Event::LoginRemoved, "login_removed", "user_updated", Success, Moderate, "account-takeover"),
    (Event::RecoveryCodeUsed, "recovery_code_used", "authn_login_success", Success, Moderate, "account-takeover"),
    (Event::ProvenAgain, "proven_again", "authn_login_success", Success, Low, "account-takeover"),
    (Event::SessionsEnded, "sessions_ended", "session_expired", Success, Low, "account-takeover"),
    (Event::SessionMoved, "session_moved", "authn_token_reuse", Failure, High, "account-takeover"),
    (Event::LoggedOut, "logout", "session_expired", Success, Low, "account-takeover"),
    (Event::SignedUp, "signup", "user_created", Success, Low, "sign-ups"),
    (Event::PasswordChanged, "password_changed", "authn_password_change", Success, Moderate, "account-takeover"),
    (Event::ProfileChanged, "profile_changed", "user_updated", Success, Low, "account-takeover"),
    (Event::SignUpBegun, "signup_begun", "user_created", Success, Low, "sign-ups"),
    (Event::ResetRequested, "reset_requested", "authn_password_change", Success, Low, "account-takeover"),
    (Event::PasswordReset, "password_reset", "authn_password_change", Success, Moderate, "account-takeover"),
    (Event::EmailChangeBegun, "email_change_begun", "user_updated", Success, Low, "account-takeover"),
    (Event::EmailChanged, "email_changed", "user_updated", Success, Moderate, "account-takeover"),
    (Event::DataExported, "data_exported", "sensitive_read", Success, Moderate, "data-left"),
    (Event::AccountClosed, "account_closed", "user_archived", Success, Moderate, "accounts-closed"),
    (Event::AccountOpened, "account_opened", "user_updated", Success, Moderate, "accounts-closed"),
    (Event::RightGranted, "right_granted", "privilege_permissions_changed", Success, High, "rights"),
    (Event::RightRevoked, "right_revoked", "privilege_permissions_changed", Success, Moderate, "rights"),
    (Event::AccountDeleted, "account_deleted", "user_deleted", Success, Moderate, "accounts-closed"),
    (Event::CsrfRefused, "csrf_refused", "malicious_cors", Failure, Low, "requests-refused"),
    (Event::TokenRefused, "token_refused", "authn_token_reuse", Failure, Low, "tokens"),
    (Event::AccessDenied, "access_denied", "authz_fail", Failure, Low, "requests-refused"),
    (Event::HostRefused, "host_refused", "malicious_extraneous", Failure, Low, "requests-refused"),
    (Event::Blocked, "blocked", "authz_fail", Failure, Low, "requests-refused"),
    (Event::RateLimited, "rate_limited", "excess_rate_limit_exceeded", Failure, Low, "requests-refused"),
    (Event::QuotaExceeded, "quota_exceeded", "excess_rate_limit_exceeded", Failure, Low, "requests-refused"),
    (Event::Exported, "exported", "sensitive_read", Success, Moderate, "data-left"),
    (Event::ErrorRaised, "error_raised", "sys_crash", Failure, High, "errors"),
    (Event::PostureChanged, "posture_changed", "authz_admin", Success, High, "operators"),
    (Event::AccountFrozen, "account_frozen", "user_archived", Success, High, "operators"),
    (Event::AccessRevoked, "access_revoked", "session_expired", Success, High, "operators"),
    (Event::CanaryTouched, "canary_touched", "malicious_direct_reference", Failure, Critical, "canary"),
    (Event::EvidenceTaken, "evidence_taken", "sensitive_read", Success, High, "operators"),
    (Event::CertificateNearEnd, "certificate_near_end", "crypt_encrypt_fail", Failure, High, "certificate"),
    (Event::WorkFailed, "work_failed", "sys_crash", Failure, High, "errors"),
    (Event::ErrorRateHigh, "error_rate_high", "sys_crash", Failure, High, "errors"),
    (Event::ImpossibleTravel, "impossible_travel", "authn_impossible_travel", Failure, Moderate, "account-takeover"),
    (Event::RetentionRun, "retention_run", "sensitive_delete", Success, Low, "accounts-closed"),
    (Event::BackupTaken, "backup_taken", "sensitive_read", Success, Low, "backups"),
    (Event::BackupVerified, "backup_verified", "sensitive_read", Success, Low, "backups"),
    (Event::BackupRestored, "backup_restored", "sensitive_update", Success, High, "backups"),
    (Event::BackupOverdue, "backup_overdue", "sys_monitor_disabled", Failure, High, "backups"),
    (Event::FileRefused, "file_refused", "upload_validation", Failure, Low, "files"),
    (Event::FileStored, "file_stored", "upload_stored", Success, Low, "files"),
    (Event::FileQuarantined, "file_quarantined", "upload_validation", Failure, High, "files"),
    (Event::FileReleased, "file_released", "upload_validation", Success, High, "files"),
    (Event::TokenIssued, "token_issued", "authn_token_created", Success, Moderate, "tokens"),
    (Event::TokenMade, "token_made", "authn_token_created", Success, Moderate, "tokens"),
    (Event::TokenEnded, "token_ended", "authn_token_revoked", Success, Low, "tokens"),
    (Event::TokenFound, "token_found", "authn_token_revoked", Failure, High, "tokens"),
    (Event::WebhookRefused, "webhook_refused", "authn_token_reuse", Failure, Low, "tokens"),
    (Event::TokenMoved, "token_moved", "authn_token_reuse", Failure, Low, "tokens"),
    (Event::AdminChanged, "admin_changed", "sensitive_update", Success, Low, "operators"),
    (Event::AdminProposed, "admin_proposed", "authz_admin", Success, Moderate, "operators"),
    (Event::AdminDecided, "admin_decided", "authz_admin", Success, Moderate, "operators"),
    (Event::ViewedAs, "viewed_as", "sensitive_read", Success, High, "operators"),
    (Event::SiteStarted, "site_started", "sys_startup", Success, Low, "operators"),
    (Event::SiteStopped, "site_stopped", "sys_shutdown", Success, Low, "operators"),
    (Event::KeysChanged, "keys_changed", "authn_token_created", Success, High, "keys"),
    (Event::EntriesLost, "entries_lost", "sys_monitor_disabled", Failure, High, "audit-log"),
    (Event::LogDamaged, "log_damaged", "sys_monitor_disabled", Failure, Critical, "audit-log"),
    (Event::PersonErased, "person_erased", "sensitive_delete", Success, Moderate, "accounts-closed"),
    (Event::LogPruned, "log_pruned", "sensitive_delete", Success, Moderate, "audit-log"),
];

impl Event {
    /// All events of the framework.
    pub fn all() -> impl Iterator<Item = Self> {
        EVENTS.iter().map(|row| row.0)
    }

    fn row(self) -> Row {
        let found = EVENTS.iter().find(|row| row.0 == self);
        let of_site = (self, self.site_name(), "custom", Success, Low, OF_SITE);
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

    /// The runbook for it, which `runbook` prints.
    pub fn runbook(self) -> &'static str {
        self.row().5
    }

    /// The runbook for the event of a name.
    pub(crate) fn runbook_of(name: &str) -> &'static str {
        let known = Self::all().find(|event| event.name() == name);
        known.map_or(OF_SITE, Self::runbook)
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
