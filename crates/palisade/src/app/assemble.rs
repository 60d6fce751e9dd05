//! Assembles a site from its parts.

use super::background::jobs_of;
use super::builder::LayerFn;
use super::django::Beside;
use super::endpoints::login_methods;
use super::files;
use super::metrics::SiteMetrics;
use super::monitor::Monitor;
#[cfg(feature = "social")]
use super::parts::tokens;
use super::parts::{
    Foundation, counter_store, csrf, django_reset, factor_rule, links, mail_queue, session_store,
    sessions, transport,
};
use super::pipeline::{block_list::BlockLists, route_guard};
use super::site::SiteLimits;
use super::telemetry::SiteTelemetry;
#[cfg(feature = "geo")]
use super::travel::Travel;
use super::upstream::Forward;
use super::write_probe::WriteProbe;
use super::{App, BootError, Prepared, RouteInfo, Routes, Site, SiteSettings, keys};
use crate::admin::AdminSite;
use crate::alerts::{AlertParts, Alerts};
use crate::api::{ResourceServices, WebhookSources};
use crate::audit_log::{AuditLog, Event};
use crate::auth::{AccessTokenRules, AccountParts, Accounts, ActionLinks, SecondFactors};
use crate::clock::Clock;
use crate::db::Database;
use crate::flows::OnceServices;
use crate::headers::{SecurityHeaders, Source};
use crate::http::client::Client;
use crate::http::{MemoryBudget, TrustedProxies};
use crate::incident::Incident;
use crate::mail::{Links, MailQueue};
use crate::mfa::Factors;
use crate::permissions::{Authorizer, Declarations};
use crate::tasks::{JobQueue, TaskRows};
use crate::throttle::Throttle;
use crate::views::{Development, SiteClock, SiteViews, current_context};
use axum::Router;
use axum::extract::Request;
use palisade_template::{Layer, Templates};
use sea_orm::DbErr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

/// Parts that the accounts share with the rest of a site.
struct Shared {
    mail: MailQueue,
    jobs: JobQueue,
    throttle: Arc<Throttle>,
    client: Client,
    factors: Arc<Factors>,
}

fn authorizer(app: &App, foundation: &Foundation<'_>, templates: &Templates) -> Authorizer {
    let declared = Declarations {
        permissions: &app.permissions,
        adopted: &app.adopted_permissions,
        roles: app.roles.clone(),
    };
    let parts = (foundation.database.clone(), foundation.clock.clone());
    Authorizer::new(parts, templates.clone(), declared)
}

/// The accounts of a site.
fn accounts(
    foundation: &Foundation<'_>,
    app: &App,
    shared: &Shared,
    (beside, links): (Beside, Links),
) -> Arc<Accounts> {
    let settings = foundation.settings;
    let parts = AccountParts {
        database: foundation.database.clone(),
        clock: foundation.clock.clone(),
        ring: foundation.ring.clone(),
        mail: shared.mail.clone(),
        links,
        throttle: shared.throttle.clone(),
        algorithm: beside.algorithm,
        max_unknown_per_hour: settings.mail.max_unknown_per_hour,
        client: shared.client.clone(),
        factors: SecondFactors {
            step: shared.factors.clone(),
            rule: factor_rule(settings),
            django: beside.factors,
        },
        transport: transport(settings),
        personal_data: app.all_personal_data(),
        challenge: app.login_challenge.clone(),
        methods: login_methods(settings),
        home: settings.site.home.clone(),
        profile: app.profile.clone(),
        hooks: app.account_hooks.clone(),
        site_name: settings.site.name.as_ref().map(ToString::to_string),
        django_reset: django_reset(settings),
        access_tokens: AccessTokenRules {
            scopes: app.scopes.clone(),
            most_days: u32::try_from(settings.api.token_days_max).unwrap_or(1),
            most: usize::try_from(settings.api.tokens_per_user).unwrap_or(usize::MAX),
        },
    };
    Arc::new(Accounts::new(&settings.passwords, &settings.lockout, parts))
}

/// Paths without a route go to the upstream, if there is one.
fn with_fallback(router: Router, settings: &SiteSettings, table: &[RouteInfo]) -> Router {
    let Some(upstream) = &settings.django.upstream else {
        return router.fallback(route_guard::not_found);
    };
    let served = table.iter().map(|route| route.path.clone()).collect();
    let forward = Forward::new(upstream, served);
    router.fallback(async move |request: Request| forward.answer(request).await)
}

fn shared(
    foundation: &Foundation<'_>,
    links: &Links,
    templates: &Templates,
) -> Result<Shared, BootError> {
    let Foundation {
        settings,
        database,
        clock,
        ring,
    } = foundation;
    let factors = Factors::new(database.clone(), clock.clone(), ring.clone());
    Ok(Shared {
        mail: mail_queue(foundation, links, templates)?,
        jobs: JobQueue::new(database.clone(), clock.clone(), ring.clone()),
        throttle: Arc::new(Throttle::new(counter_store(settings)?)),
        client: Client::new(&settings.client).map_err(BootError::Client)?,
        factors: Arc::new(factors),
    })
}

/// Services of the site that pages and handlers use.
fn views(
    foundation: &Foundation<'_>,
    app: &App,
    (templates, routes): (Templates, &Routes),
    shared: &Shared,
) -> SiteViews {
    let settings = foundation.settings;
    let mut services = settings.own.clone();
    services.insert(SiteClock(foundation.clock.clone()));
    services.insert(OnceServices {
        clock: foundation.clock.clone(),
        ring: foundation.ring.clone(),
    });
    services.insert(ResourceServices {
        ring: foundation.ring.clone(),
        all: Arc::new(routes.resources()),
    });
    services.insert(shared.mail.clone());
    services.insert(jobs_of(&shared.jobs, &app.background));
    SiteViews {
        templates,
        profile: settings.profile,
        time_zone: settings.site.time_zone,
        site_name: shared.mail.site_name().into(),
        client: shared.client.clone(),
        input_limits: settings.http.input_limits(),
        settings: settings.effective.clone(),
        development: development(app),
        api_prefixes: routes.api_prefixes(),
        services,
    }
}

/// Sources are looked up in the folders above the templates, and above that of the process.
fn development(app: &App) -> Development {
    let folders = app.templates.iter().filter_map(Layer::directory);
    let current = std::env::current_dir().unwrap_or_default();
    let roots = folders.chain([current.as_path()]);
    let roots = roots.flat_map(Path::ancestors).map(Path::to_owned);
    Development {
        reloads: app.reloads,
        roots: roots.collect(),
    }
}

fn task_rows(foundation: &Foundation<'_>) -> TaskRows {
    TaskRows {
        database: foundation.database.clone(),
        clock: foundation.clock.clone(),
        zone: foundation.settings.site.time_zone,
    }
}

fn with_layers(router: Router, layers: Vec<LayerFn>) -> Router {
    let add = |router, layer: LayerFn| layer(router);
    layers.into_iter().fold(router, add)
}

/// The posture of an incident, which refuses commits of frozen accounts and knows canaries.
fn incident(database: &Database, audit: &AuditLog) -> Arc<Incident> {
    let incident = Arc::new(Incident::default());
    let frozen = incident.clone();
    database.lock().refuse_frozen(move || {
        let posture = frozen.posture();
        let user = || current_context().and_then(|context| context.user_id());
        posture.has_frozen() && user().is_some_and(|id| posture.is_frozen(id))
    });
    let canaries = incident.clone();
    audit.observe(move |recorded| {
        // an event that follows from another one has no name
        let is_canary = !recorded.name.is_empty() && canaries.posture().is_canary(recorded.name);
        is_canary.then_some(Event::CanaryTouched)
    });
    incident
}

fn memory(settings: &SiteSettings) -> Arc<MemoryBudget> {
    let server = &settings.server;
    MemoryBudget::new(server.max_held_bytes, server.max_held_bytes_per_address)
}

fn proxies(settings: &SiteSettings) -> TrustedProxies {
    TrustedProxies::new(&settings.http.trusted_proxies, settings.http.forwarded_by)
}

impl Prepared {
    pub(super) fn assemble(
        self,
        templates: Templates,
        (database, audit): (Database, AuditLog),
        clock: Arc<dyn Clock>,
        beside: Beside,
    ) -> Result<Site, BootError> {
        let Self {
            mut app,
            routes,
            static_files,
            settings,
            admin_path,
            ..
        } = self;
        let admin = app.admin.take();
        let ring = keys::ring(&settings)
            .map_err(|error| BootError::Database(DbErr::Custom(error.to_string())))?;
        if !settings.profile.is_development() {
            static_files.compress();
        }
        let foundation = Foundation {
            settings: &settings,
            database: database.clone(),
            clock,
            ring: ring.clone(),
        };
        let links = links(&settings);
        #[cfg(feature = "social")]
        let base = links.main_base();
        let shared = shared(&foundation, &links, &templates)?;
        let accounts = accounts(&foundation, &app, &shared, (beside, links));
        let store = session_store(&settings, &database)?;
        let sessions = Arc::new(sessions(&foundation, store, transport(&settings)));
        let table = routes.table();
        let changing_paths = routes.changing_on_read();
        let client = shared.client.clone();
        let authorizer = Arc::new(authorizer(&app, &foundation, &templates));
        let mut views = views(&foundation, &app, (templates, &routes), &shared);
        let router = with_fallback(routes.into_router(), &settings, &table);
        views.services.insert(ActionLinks(accounts.clone()));
        views.services.insert(audit.clone());
        let parts = (&database, &ring, &foundation.clock);
        let policies = &app.policies[..];
        files::add_service(
            &mut views.services,
            &settings,
            parts,
            (&app.files, policies),
        )?;
        if let Some((admin, path)) = admin.zip(admin_path) {
            let parts = (ring.clone(), database.clone(), foundation.clock.clone());
            let admin = AdminSite::new(
                admin,
                (settings.admin.clone(), path),
                parts,
                shared.jobs.clone(),
            );
            views.services.insert(Arc::new(admin));
        }
        let origin = settings.uploads.origin.as_ref();
        let pictures = origin.and_then(|origin| Source::origin(&origin.to_string()));
        let shared_parts = (client.clone(), ring.clone());
        let name = shared.mail.site_name();
        let telemetry = SiteTelemetry::new(&settings, shared_parts, &mut views.services, name)?;
        let views = Arc::new(views);
        #[cfg(feature = "geo")]
        let travel = Travel::new(&settings, &audit)?;
        let incident = incident(&database, &audit);
        let metrics = SiteMetrics::new(&settings, &table, (&database, &audit));
        if !settings.profile.is_development() && !settings.alerts.has_receiver() {
            tracing::warn!(target: "palisade", "no one gets alerts: set alerts.mail_to, alerts.webhook_url, alerts.chat_url or alerts.syslog");
        }
        let alerts = AlertParts {
            settings: &settings.alerts,
            rules: app.alert_rules,
            clock: foundation.clock.clone(),
            mail: shared.mail.clone(),
            client: client.clone(),
            site: shared.mail.site_name().to_owned(),
        };
        Ok(Site {
            views,
            authorizer,
            #[cfg(feature = "social")]
            tokens: tokens(&settings, base, &client, &accounts)?,
            block_lists: BlockLists::load(&settings, client.clone())?,
            webhooks: WebhookSources::new(&app.webhook_sources, &settings.webhooks),
            accounts,
            factors: shared.factors.clone(),
            sessions,
            alerts: Alerts::new(alerts, &audit),
            incident,
            mail: shared.mail,
            audit,
            job_queue: shared.jobs,
            task_rows: task_rows(&foundation),
            background: app.background,
            page_values: app.page_values.into(),
            declared_tasks: Mutex::default(),
            policies: app.policies,
            entities: app.entities,
            csrf: csrf(&settings, &ring, transport(&settings)),
            csrf_refusal: app.csrf_refusal,
            headers: SecurityHeaders::with_pictures(&settings.headers, settings.profile, pictures),
            proxies: proxies(&settings),
            challenge: app.challenge,
            challenges: settings.acme.is_on().then(Arc::default),
            ring,
            throttle: shared.throttle,
            limits: SiteLimits::new(&settings.throttle),
            began: std::time::Instant::now(),
            open: std::sync::OnceLock::new(),
            certificates: std::sync::OnceLock::new(),
            metrics,
            monitor: Monitor::default(),
            telemetry,
            #[cfg(feature = "geo")]
            travel,
            ports: std::sync::OnceLock::new(),
            write_probe: WriteProbe::default(),
            unlogged: AtomicU64::new(0),
            has_warned: AtomicBool::new(false),
            memory: memory(&settings),
            repeats: Arc::default(),
            changes: TaskTracker::new(),
            changing_paths,
            // with its state, so that handlers are assembled now and not at every request
            router: with_layers(router, app.layers).with_state(()),
            table,
            database,
            settings,
        })
    }
}
