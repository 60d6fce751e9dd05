//! Constructors of the parts of a site, from its settings.

use super::{BootError, SiteSettings};
#[cfg(feature = "social")]
use crate::api::Tokens;
#[cfg(feature = "social")]
use crate::auth::Accounts;
use crate::auth::FactorRule;
use crate::clock::Clock;
use crate::crypto::KeyRing;
use crate::csrf::{Csrf, SecretStorage};
use crate::db::Database;
#[cfg(feature = "social")]
use crate::http::client::Client;
use crate::http::cookies::Transport;
use crate::mail::{Links, MailError, MailParts, MailQueue};
use crate::sessions::{DatabaseStore, MemoryStore, SessionStore, Sessions, StoreKind};
use crate::throttle::CounterStore;
use palisade_template::Templates;
use std::sync::Arc;

pub(super) fn transport(settings: &SiteSettings) -> Transport {
    match (settings.profile.is_development(), settings.django.beside) {
        (false, _) => Transport::Secure,
        // under the cookie names that Django reads
        (true, true) => Transport::Plain,
        (true, false) => Transport::in_development(settings.server.address.port().unwrap_or(0)),
    }
}

pub(super) fn session_store(
    settings: &SiteSettings,
    database: &Database,
) -> Result<Arc<dyn SessionStore>, BootError> {
    Ok(match settings.sessions.store {
        // cookie-based sessions get a store per request
        StoreKind::Database | StoreKind::Cookie => Arc::new(DatabaseStore(database.clone())),
        StoreKind::Redis => cached_sessions(settings, database)?,
        StoreKind::Memory => Arc::new(MemoryStore::default()),
    })
}

pub(super) fn factor_rule(settings: &SiteSettings) -> FactorRule {
    FactorRule {
        staff: settings.mfa.require_for_staff,
        all_users: settings.mfa.require_for_all,
        groups: settings.mfa.require_for_groups.clone(),
    }
}

pub(super) fn django_reset(settings: &SiteSettings) -> Option<String> {
    let django = &settings.django;
    django.beside.then(|| django.reset_path.to_string())
}

#[cfg(feature = "social")]
pub(super) fn tokens(
    settings: &SiteSettings,
    base: String,
    client: &Client,
    accounts: &Arc<Accounts>,
) -> Result<Option<Tokens>, BootError> {
    let make = || Tokens::new(&settings.api, base, client.clone(), accounts.clone());
    let unusable =
        |error: crate::views::Error| BootError::Database(sea_orm::DbErr::Custom(error.to_string()));
    settings
        .api
        .is_on()
        .then(make)
        .transpose()
        .map_err(unusable)
}

pub(super) fn csrf(settings: &SiteSettings, ring: &KeyRing, transport: Transport) -> Csrf {
    let csrf = Csrf::new(
        &settings.csrf,
        ring.clone(),
        transport,
        settings.http.input_limits(),
    );
    let django = &settings.django;
    if django.beside {
        let storage = match django.csrf_use_sessions {
            true => SecretStorage::DjangoSession,
            false => SecretStorage::DjangoCookie,
        };
        csrf.beside_django(django.csrf_cookie.to_string(), storage)
    } else {
        csrf
    }
}

/// State that most parts of a site use.
pub(super) struct Foundation<'a> {
    pub(super) settings: &'a SiteSettings,
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ring: KeyRing,
}

pub(super) fn sessions(
    foundation: &Foundation<'_>,
    store: Arc<dyn SessionStore>,
    transport: Transport,
) -> Sessions {
    let Foundation {
        settings, database, ..
    } = foundation;
    let keys = (foundation.clock.clone(), foundation.ring.clone());
    let sessions = Sessions::new(&settings.sessions, store, transport, keys);
    match settings.sessions.store {
        _ if settings.django.beside => {
            sessions.shared_with_django(settings.django.session_cookie.to_string())
        }
        StoreKind::Cookie => sessions.cookie_based(database.clone()),
        _ => sessions,
    }
}

pub(super) fn links(settings: &SiteSettings) -> Links {
    Links {
        fixed: settings.site.url.as_ref().map(ToString::to_string),
        hosts: settings.http.allowed_hosts.clone(),
        is_development: settings.profile.is_development(),
    }
}

/// Name of the site for its users.
pub(super) fn site_name(settings: &SiteSettings, links: &Links) -> String {
    let host = || links.main().to_owned();
    settings
        .site
        .name
        .as_ref()
        .map_or_else(host, ToString::to_string)
}

pub(super) fn mail_queue(
    foundation: &Foundation<'_>,
    links: &Links,
    templates: &Templates,
) -> Result<MailQueue, BootError> {
    let settings = foundation.settings;
    let noreply = || format!("noreply@{}", links.main()).parse();
    let sender = settings
        .mail
        .from
        .clone()
        .map_or_else(noreply, Ok)
        .map_err(|()| BootError::Mail("mail.from is needed".into()))?;
    let parts = MailParts {
        database: foundation.database.clone(),
        clock: foundation.clock.clone(),
        ring: foundation.ring.clone(),
        templates: templates.clone(),
        links: links.clone(),
        site_name: site_name(settings, links),
    };
    let queue = MailQueue::new(&settings.mail, sender, settings.profile, parts)
        .map_err(|why: MailError| BootError::Mail(why.0))?;
    if !queue.is_real() {
        tracing::warn!(target: "palisade", "mail.url is not set: sign-up and password reset are disabled");
    }
    Ok(queue)
}

/// Sessions in the database, with copies in the Redis of `cache.url`.
pub(super) fn cached_sessions(
    settings: &SiteSettings,
    database: &Database,
) -> Result<Arc<dyn SessionStore>, BootError> {
    let url = settings.cache.url.expose();
    if !url.starts_with("redis") {
        return Err(BootError::Cache(
            "sessions.store is redis, and no Redis is configured".into(),
        ));
    }
    #[cfg(feature = "redis")]
    let store = crate::sessions::CachedStore::new(DatabaseStore(database.clone()), url)
        .map(|store| Arc::new(store) as _);
    #[cfg(not(feature = "redis"))]
    let store = {
        let _ = database;
        Err::<Arc<dyn SessionStore>, _>(
            "this program was built without the feature redis".to_owned(),
        )
    };
    store.map_err(BootError::Cache)
}

/// Store of rate limits: shared in Redis, if `cache.url` names one.
pub(super) fn counter_store(
    settings: &SiteSettings,
) -> Result<Option<Arc<dyn CounterStore>>, BootError> {
    let url = settings.cache.url.expose();
    if !url.starts_with("redis") {
        return Ok(None);
    }
    #[cfg(feature = "redis")]
    let store = crate::throttle::RedisStore::new(url)
        .map(|store| Some(Arc::new(store) as Arc<dyn CounterStore>));
    #[cfg(not(feature = "redis"))]
    let store = Err(crate::throttle::StoreDown(
        "this program was built without the feature redis".into(),
    ));
    store.map_err(|error| BootError::Cache(error.to_string()))
}

/// Name of the session cookie in production, for documents.
pub(crate) fn session_cookie(settings: &SiteSettings) -> String {
    match settings.django.beside {
        true => settings.django.session_cookie.to_string(),
        false => "__Host-session".into(),
    }
}
