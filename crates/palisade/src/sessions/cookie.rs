use super::{Binding, Session, SessionSettings, SessionStore};
use crate::clock::Clock;
use crate::http::cookies::{Cookie, Transport};
use crate::views::Personal;
use chrono::TimeDelta;
use http::HeaderMap;
use palisade_crypto::{KeyRing, Secret};
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
            clock,
            ring,
            binding: settings.binding,
            idle: seconds(settings.idle_secs.0),
            absolute: seconds(settings.absolute_secs.0),
            cookie: Cookie { name: "session", transport, same_site: settings.same_site, max_age_secs },
        }
    }

    /// The session of the visitor who sent these headers. Nothing is loaded yet.
    pub(crate) fn open(self: &Arc<Self>, headers: &HeaderMap, personal: Personal) -> Session {
        let key = self.cookie.read(headers).filter(|key| is_key(key)).map(|key| Secret::new(key.to_owned()));
        Session::new(self.clone(), key, personal)
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
