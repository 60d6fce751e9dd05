use super::messages::Messages;
use super::record::Record;
use super::{Binding, CookieStore, Lifetime, Session, SessionSettings, SessionStore};
use crate::clock::Clock;
use crate::db::Database;
use crate::http::cookies::{Cookie, Transport};
use crate::views::Personal;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use palisade_crypto::{KeyRing, Secret, random};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The session manager of a site.
pub struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ring: KeyRing,
    pub(super) idle: TimeDelta,
    pub(super) absolute: TimeDelta,
    /// Both limits of a session whose user chose to stay signed in; zero disables the choice.
    pub(super) kept: TimeDelta,
    pub(super) cookie: Cookie<'static>,
    pub(super) binding: Binding,
    /// Whether sessions are cookie-based.
    pub(super) carried: Option<CookieStore>,
    /// Whether Django reads and writes the sessions too.
    pub(super) is_shared: bool,
    /// Held during a scan of all shared sessions, so that repeated requests for one's own sessions
    /// occupy one core at most.
    pub(super) shared_scan: Semaphore,
}

impl Sessions {
    /// Sessions configured by these settings.
    pub fn new(
        settings: &SessionSettings,
        store: Arc<dyn SessionStore>,
        transport: Transport,
        (clock, ring): (Arc<dyn Clock>, KeyRing),
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

    /// The same, cookie-based.
    #[must_use]
    pub fn cookie_based(mut self, database: Database) -> Self {
        let longest = self.absolute.max(self.kept);
        self.store = Arc::new(CookieStore::new(database.clone(), longest));
        self.carried = Some(CookieStore::new(database, longest));
        self
    }

    /// The same, shared with a Django project that has the same database and key: Django's cookie
    /// name, session keys as ids, and Django's expiry.
    #[must_use]
    pub fn shared_with_django(mut self, cookie: String) -> Self {
        if self.cookie.transport == Transport::Secure {
            self.cookie.transport = Transport::Shared;
        }
        self.cookie.name = cookie.leak(); // once in a process
        self.is_shared = true;
        self
    }

    /// The id of a session in the store.
    pub(super) fn id(&self, key: &str) -> String {
        if self.is_shared {
            key.to_owned()
        } else {
            random::stored_hash(key)
        }
    }

    /// Binds our entries to the session key, which Django may rotate.
    pub(super) fn of_key<'a>(&self, id: &'a str) -> Option<&'a str> {
        self.is_shared.then_some(id)
    }

    pub(super) fn decode(&self, id: &str, text: &str) -> Option<Record> {
        let mut record = Record::decode(&self.ring, text, self.of_key(id))?;
        if self.is_shared {
            // Requests on Django's side do not update the time of last use, so an idle time cannot
            // be determined, and Django's expiry applies.
            let (idle, _) = self.limits(record.lifetime());
            record.seen = record.seen.filter(|seen| self.clock.now() - *seen < idle);
        }
        Some(record)
    }

    /// Expiry of a session in the store. Django does not save a session on reads, so shared
    /// sessions have no idle timeout in the store, and their expiry is set once, by the side that
    /// creates them.
    pub(super) fn end(
        &self,
        now: DateTime<Utc>,
        began: DateTime<Utc>,
        lifetime: Lifetime,
    ) -> DateTime<Utc> {
        let (idle, absolute) = self.limits(lifetime);
        let at_last = began + absolute;
        if self.is_shared {
            at_last
        } else {
            at_last.min(now + idle)
        }
    }

    /// Idle timeout and absolute timeout.
    pub(super) fn limits(&self, lifetime: Lifetime) -> (TimeDelta, TimeDelta) {
        // if the site disables the choice, kept sessions get the usual limits
        if lifetime == Lifetime::Kept && self.kept > TimeDelta::zero() {
            (self.kept, self.kept)
        } else {
            (self.idle, self.absolute)
        }
    }

    /// A new session key; one that fits Django's column, where Django reads it.
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

    /// The session of a request's cookies. Nothing is loaded yet.
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

    /// Deletes expired sessions.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn sweep(&self) -> Result<u64, sea_orm::DbErr> {
        self.store.delete_expired(self.clock.now()).await
    }
}

/// Whether a key has the format of ours: 43 characters of url-safe base64. Others are not looked
/// up.
fn is_key(key: &str) -> bool {
    key.len() == 43
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
