use super::{Binding, CookieStore, Session, SessionSettings, SessionStore};
use crate::clock::Clock;
use crate::db::Database;
use crate::http::cookies::{Cookie, Transport};
use crate::views::Personal;
use chrono::TimeDelta;
use http::HeaderMap;
use palisade_crypto::{KeyRing, Secret, random};
use std::sync::Arc;

/// The sessions of a site.
pub struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ring: KeyRing,
    pub(super) idle: TimeDelta,
    pub(super) absolute: TimeDelta,
    pub(super) cookie: Cookie<'static>,
    pub(super) binding: Binding,
    /// Whether browsers carry their sessions.
    pub(super) carried: Option<CookieStore>,
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
        let transport = if settings.cookie_secure { transport } else { Transport::Plain };
        let max_age_secs = (!settings.expire_at_browser_close).then_some(settings.absolute_secs.0);
        let seconds = |secs: u64| TimeDelta::seconds(i64::try_from(secs).unwrap_or(i64::MAX / 1000));
        Self {
            store,
            carried: None,
            clock,
            ring,
            binding: settings.binding,
            idle: seconds(settings.idle_secs.0),
            absolute: seconds(settings.absolute_secs.0),
            cookie: Cookie { name: "session", transport, same_site: settings.same_site, max_age_secs },
        }
    }

    /// The same sessions, carried by the browsers.
    #[must_use]
    pub fn carried(mut self, database: Database) -> Self {
        self.store = Arc::new(CookieStore::new(database.clone(), self.absolute));
        self.carried = Some(CookieStore::new(database, self.absolute));
        self
    }

    /// The session of the visitor who sent these headers. Nothing is loaded yet.
    pub(crate) fn open(self: &Arc<Self>, headers: &HeaderMap, personal: Personal) -> Session {
        let value = self.cookie.read(headers).unwrap_or_default();
        let (key, sealed) = value.split_once('.').unwrap_or((value, ""));
        let key = Some(key).filter(|key| is_key(key) && (sealed.is_empty() || self.carried.is_some()));
        let carried = self.carried.as_ref().map(|store| {
            let id = key.map(random::stored_hash).unwrap_or_default();
            Arc::new(store.with(&self.ring, &id, sealed))
        });
        Session::new(self.clone(), carried, key.map(|key| Secret::new(key.to_owned())), personal)
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
    key.len() == 43 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
