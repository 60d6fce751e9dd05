//! Boot: from settings to a running site, or to an error with its reason and its fix.

use super::endpoints::login_methods;
#[cfg(feature = "social")]
use super::parts::tokens;
use super::parts::{
    counter_store, csrf, django_reset, factor_rule, links, mail_queue, session_store, sessions,
    site_views, transport,
};
use super::site::SiteLimits;
use super::write_probe::WriteProbe;
use super::{App, BootError, KeyFile, Routes, Site, SiteSettings, keys};
use crate::app::django::Beside;
use crate::app::pipeline::{block_list::BlockLists, catch_panic, route_guard};
use crate::app::upstream::Forward;
use crate::auth::{self, AccountParts, Accounts, SecondFactors};
use crate::clock::Clock;
use crate::db::Database;
use crate::db::migrate::Migrations;
use crate::headers::SecurityHeaders;
use crate::http::client::Client;
use crate::http::{MemoryBudget, TrustedProxies};
use crate::mfa::Factors;
use crate::permissions;
use crate::settings::{Profile, SettingsError, Sources};
use crate::static_files::Store;
use crate::throttle::Throttle;
use crate::views;
use axum::extract::Request;
use palisade_template::{Blocked, LoadError, Options, Templates};
use sea_orm::DbErr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio_util::task::TaskTracker;

/// A site whose settings and routes are known, before any access to files or the database.
pub struct Prepared {
    pub(super) app: App,
    pub(super) routes: Routes,
    static_files: Arc<Store>,
    pub(super) settings: SiteSettings,
}

impl Prepared {
    /// Reads the settings of an app.
    ///
    /// # Errors
    /// All invalid settings.
    pub fn new(mut app: App, mut sources: Sources) -> Result<Self, SettingsError> {
        for (key, value) in &app.settings {
            sources.set_weakest(key, value.clone());
        }
        let settings = SiteSettings::read(sources)?;
        let static_files = Arc::new(app.take_static_files());
        let routes = app.take_routes(&static_files, &settings);
        Ok(Self {
            app,
            routes,
            static_files,
            settings,
        })
    }

    /// The settings.
    pub fn settings(&self) -> &SiteSettings {
        &self.settings
    }

    /// The routes.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The migrations of framework and site.
    pub fn migrations(&self) -> &Migrations {
        &self.app.migrations
    }

    /// All templates, compiled and checked.
    ///
    /// # Errors
    /// All templates that were refused.
    pub fn templates(&self) -> Result<Templates, LoadError> {
        let layers = self
            .app
            .templates
            .iter()
            .cloned()
            .chain([views::templates()])
            .collect();
        let options = Options::new().files(self.static_files.links()).on_blocked(|blocked| {
            let Blocked { template, line, expression, context } = *blocked;
            tracing::warn!(target: "palisade", template, line, expression, context, "a template value was refused");
        });
        Templates::load_with(layers, options)
    }

    /// Opens the database, for commands that need nothing else.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn database(&self) -> Result<Database, BootError> {
        let data = self.settings.data();
        std::fs::create_dir_all(data).map_err(|error| BootError::Data(data.into(), error))?;
        let database = Database::connect(&self.settings.database, data)
            .await
            .map_err(BootError::Database)?;
        Ok(database.with_users(self.settings.django.tables()))
    }

    /// Runs migrations and creates the rows of declared permissions.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn migrate(&self, database: &Database) -> Result<(), BootError> {
        let _lock = database
            .lock_migrations()
            .await
            .map_err(BootError::Database)?;
        self.app
            .migrations
            .run(database)
            .await
            .map_err(BootError::Database)?;
        auth::create_user_indexes(database)
            .await
            .map_err(BootError::Database)?;
        permissions::ensure(database, &self.app.permissions)
            .await
            .map_err(BootError::Database)
    }

    /// Reverts [`Prepared::migrate`] with all data: the site's tables and permissions. Django's
    /// tables stay.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn undo(&self, database: &Database) -> Result<(), BootError> {
        let _lock = database
            .lock_migrations()
            .await
            .map_err(BootError::Database)?;
        auth::drop_user_indexes(database)
            .await
            .map_err(BootError::Database)?;
        self.app
            .migrations
            .undo(database)
            .await
            .map_err(BootError::Database)?;
        permissions::forget(database, &self.app.permissions)
            .await
            .map_err(BootError::Database)
    }

    /// Boots the site.
    ///
    /// # Errors
    /// See [`BootError`].
    pub async fn boot(self, clock: Arc<dyn Clock>) -> Result<Site, BootError> {
        self.make_development_key()?;
        self.judge()?;
        let templates = self.templates().map_err(BootError::Templates)?;
        let database = self.database().await?;
        if self.settings.site.migrate_at_start {
            self.migrate(&database).await?;
        }
        let pending = self
            .app
            .migrations
            .pending(&database)
            .await
            .map_err(BootError::Database)?;
        if !pending.is_empty() {
            return Err(BootError::Pending(pending));
        }
        catch_panic::install_hook();
        let beside = Beside::look_at(&self.settings, &database).await?;
        let site = self.assemble(templates, database, clock, beside)?;
        site.accounts
            .restore_locks()
            .await
            .map_err(BootError::Database)?;
        Ok(site)
    }

    /// In the development profile the first start creates a secret key; in other profiles a missing
    /// key is an error.
    fn make_development_key(&self) -> Result<(), BootError> {
        let file = KeyFile::of(&self.settings);
        let is_missing = !file.path().exists();
        if self.settings.profile.is_development()
            && is_missing
            && self.settings.keys.secret.is_none()
        {
            file.add_key()
                .map_err(|error| BootError::Data(file.path().into(), error))?;
        }
        Ok(())
    }

    fn judge(&self) -> Result<(), BootError> {
        let report = self.report().for_start();
        let is_refused = report.errors().next().is_some();
        if is_refused {
            Err(BootError::Refused(Box::new(report)))
        } else {
            Ok(())
        }
    }

    fn assemble(
        self,
        templates: Templates,
        database: Database,
        clock: Arc<dyn Clock>,
        beside: Beside,
    ) -> Result<Site, BootError> {
        let Self {
            app,
            routes,
            static_files,
            settings,
        } = self;
        let ring = keys::ring(&settings)
            .map_err(|error| BootError::Database(DbErr::Custom(error.to_string())))?;
        let transport = transport(&settings);
        let store = session_store(&settings, &database)?;
        if !settings.profile.is_development() {
            static_files.compress();
        }
        let shared = counter_store(&settings)?;
        let client = Client::new(&settings.client).map_err(BootError::Client)?;
        let block_lists = BlockLists::load(&settings, client.clone())?;
        let throttle = Arc::new(Throttle::new(shared));
        let factors = Arc::new(Factors::new(database.clone(), clock.clone(), ring.clone()));
        let links = links(&settings);
        let mail = Arc::new(mail_queue(
            &settings, &links, &database, &clock, &ring, &templates,
        )?);
        let table = routes.table();
        let changing_paths = routes.changing_on_read();
        let router = routes.into_router();
        let served = || table.iter().map(|route| route.path.clone()).collect();
        let forward = settings.django.upstream.as_ref();
        let router = match forward.map(|upstream| Forward::new(upstream, served())) {
            Some(forward) => {
                router.fallback(async move |request: Request| forward.answer(request).await)
            }
            None => router.fallback(route_guard::not_found),
        };
        let home = settings.site.home.clone();
        #[cfg(feature = "social")]
        let base = links.main_base();
        let accounts = Arc::new(Accounts::new(
            &settings.passwords,
            &settings.lockout,
            AccountParts {
                database: database.clone(),
                clock: clock.clone(),
                ring: ring.clone(),
                mail: mail.clone(),
                links,
                throttle: throttle.clone(),
                algorithm: beside.algorithm,
                max_unknown_per_hour: settings.mail.max_unknown_per_hour,
                client: client.clone(),
                factors: SecondFactors {
                    step: factors.clone(),
                    rule: factor_rule(&settings),
                    django: beside.factors,
                },
                transport,
                personal_data: app.personal_data,
                challenge: app.login_challenge,
                methods: login_methods(&settings),
                home,
                django_reset: django_reset(&settings),
            },
        ));
        Ok(Site {
            #[cfg(feature = "social")]
            tokens: tokens(&settings, base, &ring, &client, &accounts)?,
            accounts,
            mail,
            factors,
            sessions: Arc::new(sessions(
                &settings, store, clock, &ring, transport, &database,
            )),
            views: Arc::new(site_views(&settings, templates, client)),
            csrf: csrf(&settings, &ring, transport),
            csrf_refusal: app.csrf_refusal,
            headers: SecurityHeaders::new(&settings.headers, settings.profile == Profile::Staging),
            proxies: TrustedProxies::new(
                &settings.http.trusted_proxies,
                settings.http.forwarded_by,
            ),
            block_lists,
            challenge: app.challenge,
            challenges: settings.acme.is_on().then(Arc::default),
            ring,
            throttle,
            limits: SiteLimits::new(&settings.throttle),
            began: std::time::Instant::now(),
            open: std::sync::OnceLock::new(),
            ports: std::sync::OnceLock::new(),
            write_probe: WriteProbe::default(),
            unlogged: AtomicU64::new(0),
            has_warned: AtomicBool::new(false),
            memory: MemoryBudget::new(
                settings.server.max_held_bytes,
                settings.server.max_held_bytes_per_address,
            ),
            repeats: Arc::default(),
            changes: TaskTracker::new(),
            changing_paths,
            // with its state, so that handlers are assembled now and not at every request
            router: app
                .layers
                .into_iter()
                .fold(router, |router, layer| layer(router))
                .with_state(()),
            table,
            database,
            settings,
        })
    }
}
