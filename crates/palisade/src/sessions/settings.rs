use crate::checks::{Check, Level};
use crate::http::cookies::SameSite;
use crate::settings::{Secs, section, setting_words};

/// Session store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// In the database: persistent, and shared by all instances.
    Database,
    /// In the database, with copies in the Redis of `cache.url` that all instances read.
    Redis,
    /// In the cookie, encrypted; the database stores revoked sessions, and the users of
    /// authenticated ones.
    Cookie,
    /// In the memory of this process: for tests, and sites of one process that may lose sessions.
    Memory,
}

/// Reaction to a session used from another kind of browser, or another part of the network, than at
/// its login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// None.
    Off,
    /// It is recorded.
    Note,
    /// The client must log in again; the session goes on elsewhere.
    Ask,
    /// It ends.
    End,
}

setting_words!(
    Binding,
    "off, note, ask or end",
    Off = "off",
    Note = "note",
    Ask = "ask",
    End = "end"
);

setting_words!(
    StoreKind,
    "database, redis, cookie or memory",
    Database = "database",
    Redis = "redis",
    Cookie = "cookie",
    Memory = "memory"
);

section! {
    /// Lifetime and cookie of sessions.
    SessionSettings("sessions") {
        /// Session store: database, redis, cookie or memory
        store: StoreKind = |_| StoreKind::Database;
        /// Idle timeout in seconds
        idle_secs: Secs = |_| Secs(8 * 3600);
        /// Absolute timeout in seconds, from the login
        absolute_secs: Secs = |_| Secs(7 * 24 * 3600);
        /// Lifetime in days, of session and cookie, where the user chose to stay signed in; 0
        /// disables the choice
        kept_days: u64 = |_| 14;
        /// Reaction to use from another kind of browser or part of the network: off, note, ask or
        /// end
        binding: Binding = |_| Binding::Note;
        /// Whether the browser drops the cookie when it closes
        expire_at_browser_close: bool = |_| true;
        /// Whether the cookie is sent over HTTPS only
        cookie_secure: bool = |_| true;
        /// SameSite attribute of the cookie: strict, lax or none
        same_site: SameSite = |_| SameSite::Lax;
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<SessionSettings>] = &[
    Check {
        id: "sessions.cookie_insecure",
        django: Some("security.W012"),
        level: Level::Error,
        title: "the session cookie is sent over plain HTTP",
        why: "an eavesdropper can take over the session",
        fix: "set sessions.cookie_secure = true",
        fires: |settings| !settings.cookie_secure,
    },
    Check {
        id: "sessions.same_site_none",
        django: None,
        level: Level::Error,
        title: "the session cookie is sent with cross-site requests",
        why: "it weakens the CSRF protection and allows tracking of the visitor",
        fix: "set sessions.same_site = \"lax\"",
        fires: |settings| settings.same_site == SameSite::None,
    },
    Check {
        id: "sessions.too_long",
        django: None,
        level: Level::Warning,
        title: "a session lives longer than a month",
        why: "a stolen cookie or a forgotten computer stays signed in",
        fix: "set sessions.absolute_secs to 2592000 or less, and sessions.kept_days to 30 or less",
        fires: |settings| settings.absolute_secs > Secs(30 * 24 * 3600) || settings.kept_days > 30,
    },
    Check {
        id: "sessions.in_memory",
        django: None,
        level: Level::Warning,
        title: "sessions are kept in the memory of one process",
        why: "a restart ends all sessions, and other instances do not know them",
        fix: "set sessions.store = \"database\"",
        fires: |settings| settings.store == StoreKind::Memory,
    },
];
