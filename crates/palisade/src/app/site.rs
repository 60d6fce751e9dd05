use super::SiteSettings;
use super::acme::Challenges;
use super::metrics::SiteMetrics;
use super::monitor::Monitor;
use super::page_values::{PageValue, SitePageValues};
use super::route_info::RouteInfo;
use super::server::{Certificates, ConnectionLimiter};
use super::telemetry::SiteTelemetry;
use super::write_probe::WriteProbe;
use crate::alerts::Alerts;
use crate::api::WebhookSources;
use crate::app::pipeline::block_list::BlockLists;
use crate::app::pipeline::repeats::Repeats;
use crate::app::upstream::normalize_path;
use crate::audit_log::{AuditLog, Entry, Event, record_in};
use crate::auth::{Accounts, Notice, User};
use crate::crypto::KeyRing;
use crate::csrf::{Csrf, Refusal};
use crate::db::{Database, EntityTable, differences};
use crate::headers::SecurityHeaders;
use crate::http::{Link, MemoryBudget, RequestHost, TrustedProxies};
use crate::incident::Incident;
use crate::mail::MailQueue;
use crate::mfa::Factors;
use crate::permissions::{Actor, Authorizer, CurrentActor, EntityPolicy, PermissionName, Roles};
use crate::sessions::Sessions;
use crate::tasks::{Background, JobQueue, TaskRows};
use crate::throttle::{By, Limit, Throttle, ThrottleSettings};
use crate::views::{PageValues, Result, SiteViews};
use axum::Router;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use http::request::Parts;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// Custom page for requests that fail the CSRF checks.
pub(super) type CsrfRefusalPage = Arc<dyn Fn(Refusal) -> Response + Send + Sync>;

/// Custom handler for block-listed addresses that are not refused outright.
pub(super) type Challenge = Arc<dyn Fn(&Parts) -> Option<Response> + Send + Sync>;

/// A booted site.
pub struct Site {
    pub(crate) settings: SiteSettings,
    pub(crate) database: Database,
    pub(crate) accounts: Arc<Accounts>,
    /// Access tokens, if enabled.
    #[cfg(feature = "social")]
    pub(super) tokens: Option<crate::api::Tokens>,
    pub(crate) sessions: Arc<Sessions>,
    /// Sources of webhooks.
    pub(super) webhooks: WebhookSources,
    pub(crate) mail: MailQueue,
    pub(crate) audit: AuditLog,
    pub(crate) alerts: Alerts,
    pub(crate) incident: Arc<Incident>,
    pub(super) job_queue: JobQueue,
    pub(super) task_rows: TaskRows,
    pub(super) background: Background<Self>,
    /// Values of the site's own for every page.
    pub(super) page_values: Arc<[PageValue]>,
    /// Tasks with a row.
    pub(super) declared_tasks: tokio::sync::Mutex<BTreeSet<&'static str>>,
    pub(crate) factors: Arc<Factors>,
    pub(super) authorizer: Arc<Authorizer>,
    /// Policies of registered entities.
    pub(super) policies: Vec<Arc<dyn EntityPolicy>>,
    pub(super) entities: Vec<EntityTable>,
    pub(super) views: Arc<SiteViews>,
    pub(super) csrf: Csrf,
    pub(super) csrf_refusal: Option<CsrfRefusalPage>,
    pub(super) headers: SecurityHeaders,
    pub(super) proxies: TrustedProxies,
    pub(crate) block_lists: BlockLists,
    pub(super) challenge: Option<Challenge>,
    /// Responses to ACME challenges.
    pub(super) challenges: Option<Arc<Challenges>>,
    pub(super) ring: KeyRing,
    pub(super) throttle: Arc<Throttle>,
    pub(super) limits: SiteLimits,
    /// Time of boot.
    pub(super) began: Instant,
    /// Open connections.
    pub(super) open: OnceLock<Arc<ConnectionLimiter>>,
    /// Certificates of the server, where it terminates TLS.
    pub(super) certificates: OnceLock<Arc<Certificates>>,
    pub(super) metrics: SiteMetrics,
    pub(super) monitor: Monitor,
    pub(super) telemetry: SiteTelemetry,
    /// Places of logins, with a geo file.
    #[cfg(feature = "geo")]
    pub(super) travel: Option<Arc<super::travel::Travel>>,
    /// Ports of both listeners, where one redirects to HTTPS.
    pub(super) ports: OnceLock<Ports>,
    /// Refusals since the last one that was logged.
    pub(super) unlogged: AtomicU64,
    /// Whether forwarding headers of an untrusted peer were logged.
    pub(super) has_warned: AtomicBool,
    /// Whether the database accepts writes.
    pub(super) write_probe: WriteProbe,
    /// Memory held by all requests and responses.
    pub(super) memory: Arc<MemoryBudget>,
    /// Double submissions.
    pub(super) repeats: Arc<Repeats>,
    /// Requests with unsafe methods, which run to their end even if the client disconnects.
    pub(super) changes: TaskTracker,
    /// Paths whose GET changes state, such as the return from an identity provider.
    pub(super) changing_paths: Vec<String>,
    pub(super) router: Router,
    pub(super) table: Vec<RouteInfo>,
}

/// Ports of a server that redirects HTTP to HTTPS.
pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) encrypted: u16,
}

/// Rate limits of all requests.
pub(super) struct SiteLimits {
    pub(super) requests: Limit,
    pub(super) changes: Limit,
    /// Of the API, by user.
    pub(super) api: Limit,
    /// For cross-site requests.
    pub(super) foreign_requests: Limit,
    pub(super) foreign_changes: Limit,
    /// For log lines about requests that were refused before their route.
    pub(super) refusals: Limit,
    /// For events of canaries.
    pub(super) canaries: Limit,
}

impl SiteLimits {
    pub(super) fn new(settings: &ThrottleSettings) -> Self {
        Self {
            api: settings.api("api"),
            requests: settings.requests("requests"),
            changes: settings.changes("changes"),
            foreign_requests: settings.requests("requests of other sites"),
            foreign_changes: settings.changes("changes of other sites"),
            refusals: Limit::new("refusals in the log", By::Address, "60/m"),
            canaries: Limit::new("canaries in the log", By::Address, "60/m"),
        }
    }
}

impl Site {
    /// The host of the redirect to HTTPS. A Host with the port of the redirecting listener gets the
    /// port of the HTTPS listener; with another port, or none, a proxy or NAT maps the ports, and
    /// the default port is used.
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

    /// Number of open connections; 0 without a server.
    pub(super) fn connections(&self) -> usize {
        self.open.get().map_or(0, |slots| slots.open_count())
    }

    /// End of the certificate, in seconds since 1970, where the server has one.
    pub(crate) fn certificate_end(&self) -> Option<i64> {
        self.certificates.get()?.end()
    }

    /// Whether a GET of this path changes state.
    pub(super) fn changes_on_read(&self, path: &str) -> bool {
        self.changing_paths
            .iter()
            .any(|pattern| normalize_path::matches(pattern, path))
    }

    /// Waits for requests with unsafe methods, whose clients may have disconnected. For tests.
    #[doc(hidden)]
    pub async fn changes_ended(&self) {
        while !self.changes.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// The route table.
    pub fn routes(&self) -> &[RouteInfo] {
        &self.table
    }

    /// The time, by the clock of the site: tests can advance it.
    pub fn now(&self) -> DateTime<Utc> {
        self.accounts().now()
    }

    /// The date in the time zone of the site.
    pub fn today(&self) -> NaiveDate {
        let zone = self.settings.site.time_zone;
        self.now().with_timezone(&zone).date_naive()
    }

    /// Differences between the registered entities and their tables, each a sentence.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schema_differences(&self) -> Result<Vec<String>> {
        let found = differences(&self.entities, &self.database).await?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    /// The database pools.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A user outside of a request, with the rights of this moment, for commands and background
    /// jobs: an anonymous actor, if the account is closed or deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn actor(&self, user: &User) -> Result<Actor> {
        Actor::load(&self.authorizer, user).await
    }

    /// The declared or adopted permission of this name.
    pub(crate) fn permission(&self, name: &str) -> Option<PermissionName> {
        self.authorizer.permission(name)
    }

    /// The declared roles.
    pub(crate) fn roles(&self) -> &Roles {
        &self.authorizer.roles
    }

    /// The policy of a registered entity, by its table, or its model where that is unambiguous.
    ///
    /// # Errors
    /// A sentence, if no entity has this name.
    pub(crate) fn policy(&self, name: &str) -> Result<&Arc<dyn EntityPolicy>, String> {
        let is_named = |table: &str| table == name || table.ends_with(&format!("_{name}"));
        let mut named = self
            .policies
            .iter()
            .filter(|policy| is_named(policy.table()));
        match (named.next(), named.next()) {
            (Some(policy), None) => Ok(policy),
            (Some(_), Some(_)) => Err(format!("several entities are named {name}: name the table")),
            (None, _) => Err(format!(
                "there is no entity {name}: register it with App::entity; known are: {}",
                self.policies
                    .iter()
                    .map(|policy| policy.table())
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
        }
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The second factors.
    pub fn factors(&self) -> &Factors {
        &self.factors
    }

    /// The mail queue.
    pub fn mail(&self) -> &MailQueue {
        &self.mail
    }

    /// Sends queued mail, and polls for retries and for mail of other instances, as the server does.
    #[doc(hidden)]
    pub async fn send_mail(&self) {
        loop {
            if let Err(error) = self.mail.deliver().await {
                tracing::warn!(target: "palisade", %error, "the mail queue cannot be read: the database does not answer");
            }
            self.mail.next(Duration::from_secs(15)).await;
        }
    }

    /// The values of a page for a visitor.
    pub(super) fn page_values_of(&self, actor: &CurrentActor) -> Arc<dyn PageValues> {
        if self.page_values.is_empty() {
            return Arc::new(actor.clone());
        }
        Arc::new(SitePageValues {
            actor: actor.clone(),
            database: self.database.clone(),
            values: self.page_values.clone(),
            zone: self.settings.site.time_zone,
            templates: self.views.templates.clone(),
        })
    }

    /// The settings.
    pub fn settings(&self) -> &SiteSettings {
        &self.settings
    }
}

impl Site {
    /// Removes factors that were reported as lost a day ago, ends the sessions of their users, and
    /// notifies them.
    pub(crate) async fn remove_lost_factors(&self) -> Result<usize> {
        let mut gone = 0;
        for user_id in self.factors.due().await? {
            match self.remove_lost(user_id).await {
                Ok(is_gone) => gone += usize::from(is_gone),
                Err(error) => {
                    tracing::warn!(target: "palisade", ?error, user_id, "lost factors could not be removed yet")
                }
            }
        }
        Ok(gone)
    }

    async fn remove_lost(&self, user_id: i32) -> Result<bool> {
        let text = "The second factors were removed, as announced a day ago: a password is enough until you add a new one. All sessions have ended.";
        let tx = self.database.begin().await?;
        let is_gone = self.factors.remove_lost(&tx, user_id).await?;
        if is_gone {
            let (email, sessions) = (&self.accounts.email, &self.accounts.sessions);
            let base = &email.links.main_base();
            email.notify_id(&tx, user_id, Notice { text, base }).await?;
            let removed = Entry::new(Event::FactorRemoved).about(user_id);
            record_in(&tx, removed.detail("a day after the request")).await?;
            sessions.commit_and_end_all(tx, user_id).await?;
            self.sessions.end_all(user_id, None).await?;
        }
        Ok(is_gone)
    }

    /// Re-encrypts values of older keys with the newest, as the server does every ten minutes. For
    /// tests.
    ///
    /// # Errors
    /// Errors of the database.
    #[doc(hidden)]
    pub async fn reencrypt(&self) -> Result<(), sea_orm::DbErr> {
        self.reseal().await
    }

    /// Peak of held bytes since the last call. For tests.
    #[doc(hidden)]
    pub fn held_bytes_peak(&self) -> u64 {
        self.memory.take_peak()
    }

    /// Bytes held by requests and responses. For tests.
    #[doc(hidden)]
    pub fn held_bytes(&self) -> u64 {
        self.memory.held_bytes()
    }

    /// Runs the ten-minute housekeeping of the server. For tests.
    #[doc(hidden)]
    pub async fn lost_factors_removed(&self) -> usize {
        self.remove_lost_factors().await.unwrap_or_default()
    }

    /// Reloads changed block list files, as the server does every minute. For tests.
    #[doc(hidden)]
    pub fn block_lists_refreshed(&self) {
        self.block_lists.refresh();
    }

    /// Fetches due block lists of other sites, as the server does every minute. For tests.
    #[doc(hidden)]
    pub async fn block_lists_fetched(&self) {
        self.block_lists.fetch().await;
    }

    /// Deletes expired sessions, as the server does every ten minutes, and returns their number.
    /// For tests.
    #[doc(hidden)]
    pub async fn sessions_swept(&self) -> u64 {
        self.sessions.sweep().await.unwrap_or_default()
    }
}
