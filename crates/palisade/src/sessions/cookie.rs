use super::messages::Messages;
use super::record::Record;
use super::{Binding, CookieStore, Session, SessionSettings, SessionStore};
use crate::clock::Clock;
use crate::db::Database;
use crate::http::cookies::{Cookie, Transport};
use crate::views::Personal;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use palisade_crypto::{KeyRing, Secret, random};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The sessions of a site.
pub struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ring: KeyRing,
    pub(super) idle: TimeDelta,
    pub(super) absolute: TimeDelta,
    /// The same where the user chose to stay signed in; zero offers no such choice.
    pub(super) kept: TimeDelta,
    pub(super) cookie: Cookie<'static>,
    pub(super) binding: Binding,
    /// Whether browsers carry their sessions.
    pub(super) carried: Option<CookieStore>,
    /// Whether Django reads and writes them too.
    pub(super) is_shared: bool,
    /// Taken while all shared sessions are read, so that users who ask for theirs again and again keep one core busy at the most.
    pub(super) shared_scan: Semaphore,
}

impl Sessions {
    /// The sessions that these settings ask for.
    pub fn new(
        settings: &SessionSettings,
        store: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        ring: KeyRing,
        transport: Transport,
    ) -> Self {
        let transport = if settings.cookie_secure {
            transport
        } else {
            Transport::Plain
        };
        let max_age_secs = (!settings.expire_at_browser_close).then_some(settings.absolute_secs.0);
        let seconds =
            |secs: u64| TimeDelta::seconds(i64::try_from(secs).unwrap_or(i64::MAX / 1000));
        Self {
            store,
            carried: None,
            is_shared: false,
            shared_scan: Semaphore::new(1),
            clock,
            ring,
            binding: settings.binding,
            idle: seconds(settings.idle_secs.0),
            absolute: seconds(settings.absolute_secs.0),
            kept: seconds(settings.kept_days.saturating_mul(24 * 3600)),
            cookie: Cookie {
                name: "session",
                transport,
                same_site: settings.same_site,
                max_age_secs,
            },
        }
    }

    /// The same sessions, carried by the browsers.
    #[must_use]
    pub fn carried(mut self, database: Database) -> Self {
        let longest = self.absolute.max(self.kept);
        self.store = Arc::new(CookieStore::new(database.clone(), longest));
        self.carried = Some(CookieStore::new(database, longest));
        self
    }

    /// The same sessions, shared with a Django project that has the same database and key: under its cookie's name, by the keys themselves, as long as
    /// Django says.
    #[must_use]
    pub fn shared(mut self, cookie: String) -> Self {
        if self.cookie.transport == Transport::Secure {
            self.cookie.transport = Transport::Shared;
        }
        self.cookie.name = cookie.leak(); // once in a process
        self.is_shared = true;
        self
    }

    /// What the store knows a session by.
    pub(super) fn id(&self, key: &str) -> String {
        if self.is_shared {
            key.to_owned()
        } else {
            random::stored_hash(key)
        }
    }

    /// What ties our entries to the key of a session that Django may give another one.
    pub(super) fn of_key<'a>(&self, id: &'a str) -> Option<&'a str> {
        self.is_shared.then_some(id)
    }

    pub(super) fn decode(&self, id: &str, text: &str) -> Option<Record> {
        let mut record = Record::decode(&self.ring, text, self.of_key(id))?;
        if self.is_shared {
            // what is seen on the other side only is not written down: how long it was idle is known to nobody, and Django's end holds
            let (idle, _) = self.limits(record.is_kept());
            record.seen = record.seen.filter(|seen| self.clock.now() - *seen < idle);
        }
        Some(record)
    }

    /// When the store ends a session that is written down now. Django does not write down that a page was read: there the idle time says nothing, and the end is
    /// said once, by whoever makes the session.
    pub(super) fn end(
        &self,
        now: DateTime<Utc>,
        began: DateTime<Utc>,
        is_kept: bool,
    ) -> DateTime<Utc> {
        let (idle, absolute) = self.limits(is_kept);
        let at_last = began + absolute;
        if self.is_shared {
            at_last
        } else {
            at_last.min(now + idle)
        }
    }

    /// How long a session lives without a request, and since it began.
    pub(super) fn limits(&self, is_kept: bool) -> (TimeDelta, TimeDelta) {
        // a site that takes the choice back ends those that were kept as it ends the others
        if is_kept && self.kept > TimeDelta::zero() {
            (self.kept, self.kept)
        } else {
            (self.idle, self.absolute)
        }
    }

    /// A key of a new session: as many characters as Django's column holds, where it reads them.
    pub(super) fn new_key(&self) -> Secret<String> {
        if self.is_shared {
            random::alphanumeric(32)
        } else {
            random::token()
        }
    }

    fn is_key(&self, key: &str) -> bool {
        let is_djangos = || {
            (32..=40).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if self.is_shared {
            is_djangos()
        } else {
            is_key(key)
        }
    }

    /// The session of the visitor who sent these headers. Nothing is loaded yet.
    pub(crate) fn open(self: &Arc<Self>, headers: &HeaderMap, personal: Personal) -> Session {
        let value = self.cookie.read(headers).unwrap_or_default();
        let (key, sealed) = value.split_once('.').unwrap_or((value, ""));
        let key = Some(key)
            .filter(|key| self.is_key(key) && (sealed.is_empty() || self.carried.is_some()));
        let carried = self.carried.as_ref().map(|store| {
            let id = key.map(|key| self.id(key)).unwrap_or_default();
            Arc::new(store.with(&self.ring, &id, sealed))
        });
        let said = self.is_shared.then(|| Messages::new(&self.ring, headers));
        Session::new(
            self.clone(),
            (carried, said),
            key.map(|key| Secret::new(key.to_owned())),
            personal,
        )
    }

    /// Forgets sessions that have ended.
    ///
    /// # Errors
    /// When it could not be done.
    pub async fn sweep(&self) -> Result<u64, sea_orm::DbErr> {
        self.store.delete_expired(self.clock.now()).await
    }
}

/// Only what we could have made is looked up: 43 characters of url-safe base64.
fn is_key(key: &str) -> bool {
    key.len() == 43
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
