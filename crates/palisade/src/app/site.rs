use super::acme::Challenges;
use super::health::WriteProbe;
use super::lists::BlockLists;
use super::repeats::Repeats;
use super::server::Slots;
use super::{RouteInfo, SiteSettings, spelling};
use crate::audit_log::{self, Event};
use crate::auth::Accounts;
use crate::crypto::KeyRing;
use crate::csrf::{Csrf, Refusal};
use crate::db::Database;
use crate::headers::SecurityHeaders;
use crate::http::{Link, MemoryBudget, RequestHost, TrustedProxies};
use crate::mail::MailQueue;
use crate::mfa::Factors;
use crate::sessions::Sessions;
use crate::throttle::{By, Limit, Throttle, ThrottleSettings};
use crate::views::{Result, SiteViews};
use axum::Router;
use axum::response::Response;
use http::request::Parts;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio_util::task::TaskTracker;

/// The site's own page for forged requests.
pub(super) type CsrfRefusalPage = Arc<dyn Fn(Refusal) -> Response + Send + Sync>;

/// What the site says to addresses of a block list that it does not refuse outright.
pub(super) type Challenge = Arc<dyn Fn(&Parts) -> Option<Response> + Send + Sync>;

/// A site that is ready to answer.
pub struct Site {
    pub(crate) settings: SiteSettings,
    pub(crate) database: Database,
    pub(crate) accounts: Arc<Accounts>,
    /// Of programs, where there are any.
    #[cfg(feature = "social")]
    pub(super) tokens: Option<crate::api::Tokens>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) mail: Arc<MailQueue>,
    pub(crate) factors: Arc<Factors>,
    pub(super) views: Arc<SiteViews>,
    pub(super) csrf: Csrf,
    pub(super) csrf_refusal: Option<CsrfRefusalPage>,
    pub(super) headers: SecurityHeaders,
    pub(super) proxies: TrustedProxies,
    pub(crate) block_lists: BlockLists,
    pub(super) challenge: Option<Challenge>,
    /// Of certificates that are ordered.
    pub(super) challenges: Option<Arc<Challenges>>,
    pub(super) ring: KeyRing,
    pub(super) throttle: Arc<Throttle>,
    pub(super) limits: SiteLimits,
    /// When it was assembled.
    pub(super) began: Instant,
    /// Connections that are open, as the server counts them.
    pub(super) open: OnceLock<Arc<Slots>>,
    /// The ports of both listeners, where one of them redirects to HTTPS.
    pub(super) ports: OnceLock<Ports>,
    /// Refusals since the last one that was logged.
    pub(super) unlogged: AtomicU64,
    /// Whether it was said that somebody who is no proxy speaks for others.
    pub(super) has_warned: AtomicBool,
    /// Whether the database takes writes.
    pub(super) write_probe: WriteProbe,
    /// What all requests and answers hold in memory.
    pub(super) memory: Arc<MemoryBudget>,
    /// Forms that are sent twice.
    pub(super) repeats: Arc<Repeats>,
    /// Requests that may change something: each runs to its end, even if its client is gone.
    pub(super) changes: TaskTracker,
    /// Paths whose GET changes something, such as the return from an identity provider.
    pub(super) changing_paths: Vec<String>,
    pub(super) router: Router,
    pub(super) table: Vec<RouteInfo>,
}

/// The ports of a server that sends plain HTTP to HTTPS.
pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) encrypted: u16,
}

/// The limits that hold for every request.
pub(super) struct SiteLimits {
    pub(super) requests: Limit,
    pub(super) changes: Limit,
    /// Of requests that another site makes browsers send.
    pub(super) foreign_requests: Limit,
    pub(super) foreign_changes: Limit,
    /// Of lines in the log about requests that were refused before their route.
    pub(super) refusals: Limit,
}

impl SiteLimits {
    pub(super) fn new(settings: &ThrottleSettings) -> Self {
        Self {
            requests: settings.requests("requests"),
            changes: settings.changes("changes"),
            foreign_requests: settings.requests("requests of other sites"),
            foreign_changes: settings.changes("changes of other sites"),
            refusals: Limit::new("refusals in the log", By::Address, "60/m"),
        }
    }
}

impl Site {
    /// The host of the redirect to HTTPS. A Host with the port of the redirecting listener gets the port of the HTTPS listener; with another port, or none, a proxy or
    /// NAT maps the ports, and the default port is used.
    pub(super) fn https_host(&self, host: &RequestHost, link: Link) -> String {
        let named = host.port().map_or(Some(80), |port| port.parse().ok());
        let ports = self
            .ports
            .get()
            .filter(|ports| link == Link::RedirectsOnly && named == Some(ports.plain));
        match ports.filter(|ports| ports.encrypted != 443) {
            Some(ports) => format!("{}:{}", host.domain(), ports.encrypted),
            None => host.domain().to_owned(),
        }
    }

    /// How many connections are open; none where no server runs.
    pub(super) fn connections(&self) -> usize {
        self.open.get().map_or(0, |slots| slots.taken())
    }

    /// Whether a GET of this path changes something.
    pub(super) fn changes_on_read(&self, path: &str) -> bool {
        self.changing_paths
            .iter()
            .any(|pattern| spelling::matches(pattern, path))
    }

    /// Waits for requests that may change something, whose clients may be gone. For tests.
    #[doc(hidden)]
    pub async fn changes_ended(&self) {
        while !self.changes.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// The list of routes, read from those that are served.
    pub fn routes(&self) -> &[RouteInfo] {
        &self.table
    }

    /// The pools of the database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The second factors.
    pub fn factors(&self) -> &Factors {
        &self.factors
    }

    /// The mail that waits.
    pub fn mail(&self) -> &MailQueue {
        &self.mail
    }

    /// The settings.
    pub fn settings(&self) -> &SiteSettings {
        &self.settings
    }
}

impl Site {
    /// Removes the factors that were said to be lost a day ago, ends the sessions of those who had them, and tells them.
    pub(crate) async fn remove_lost_factors(&self) -> Result<usize> {
        let mut gone = 0;
        for user_id in self.factors.due().await? {
            match self.remove_lost(user_id).await {
                Ok(is_gone) => gone += usize::from(is_gone),
                Err(error) => {
                    tracing::warn!(target: "palisade", ?error, user_id, "lost factors were not removed yet")
                }
            }
        }
        Ok(gone)
    }

    async fn remove_lost(&self, user_id: i32) -> Result<bool> {
        let told = "The second factors were removed, as was said a day ago: a password is enough until you add a new one. All sessions have ended.";
        let tx = self.database.begin().await?;
        let is_gone = self.factors.remove_lost(&tx, user_id).await?;
        if is_gone {
            self.accounts
                .tell_in(&tx, user_id, told, &self.accounts.links.main_base())
                .await?;
            self.accounts.commit_and_end_all(tx, user_id).await?;
            self.sessions.end_all(user_id, None).await?;
            audit_log::record(
                Event::FactorRemoved,
                None,
                "",
                &format!("user {user_id}, a day after it was said"),
            );
        }
        Ok(is_gone)
    }

    /// Encrypts with the newest key what an older one has encrypted, as the server does every ten minutes. For tests.
    ///
    /// # Errors
    /// As the database says.
    #[doc(hidden)]
    pub async fn resealed(&self) -> Result<(), sea_orm::DbErr> {
        self.reseal().await
    }

    /// The most bytes that were held at once since this was asked last. For tests.
    #[doc(hidden)]
    pub fn held_bytes_peak(&self) -> u64 {
        self.memory.take_peak()
    }

    /// Bytes that requests and answers hold. For tests.
    #[doc(hidden)]
    pub fn held_bytes(&self) -> u64 {
        self.memory.held()
    }

    /// The same, as the server does every ten minutes. For tests.
    #[doc(hidden)]
    pub async fn lost_factors_removed(&self) -> usize {
        self.remove_lost_factors().await.unwrap_or_default()
    }

    /// Reads block lists again that changed, as the server does every minute. For tests.
    #[doc(hidden)]
    pub fn block_lists_refreshed(&self) {
        self.block_lists.refresh();
    }

    /// Asks for block lists of other sites that are due, as the server does every minute. For tests.
    #[doc(hidden)]
    pub async fn block_lists_fetched(&self) {
        self.block_lists.fetch().await;
    }

    /// Forgets sessions that have ended, as the server does every ten minutes, and says how many. For tests.
    #[doc(hidden)]
    pub async fn sessions_swept(&self) -> u64 {
        self.sessions.sweep().await.unwrap_or_default()
    }
}
