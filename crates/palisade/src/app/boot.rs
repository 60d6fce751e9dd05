//! Boot: from settings to a running site, or to an error with its reason and its fix.

use super::parts::links;
use super::uncovered::uncovered_references;
use super::{App, BootError, KeyFile, Routes, Site, SiteSettings, keys};
use crate::admin;
use crate::app::django::Beside;
use crate::app::pipeline::catch_panic;
use crate::audit_log::{AUDIT_TABLES, AuditLog, create_head};
use crate::auth;
use crate::clock::{Clock, SystemClock};
use crate::crypto::KeyError;
use crate::db::migrate::{Migrations, Steps};
use crate::db::{Database, DatabaseUrl};
use crate::permissions;
use crate::settings::{SettingsError, Sources};
use crate::static_files::Store;
#[cfg(feature = "backup")]
use crate::storage::StorageUrl;
use crate::views;
use palisade_template::{Blocked, LoadError, Options, Templates};
use sea_orm::DbErr;
use std::sync::Arc;

/// A site whose settings and routes are known, before any access to files or the database.
pub struct Prepared {
    pub(super) app: App,
    pub(super) routes: Routes,
    pub(super) static_files: Arc<Store>,
    pub(super) settings: SiteSettings,
    /// Path of the admin; `None` without one, and before the site's first key.
    pub(super) admin_path: Option<String>,
    /// Whether the database is one that is being restored.
    pub(super) is_restoring: bool,
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
        let settings = SiteSettings::read_with(sources, &app.sections)?;
        let static_files = Arc::new(app.take_static_files());
        let routes = app.take_routes(&static_files, &settings);
        let mut prepared = Self {
            app,
            routes,
            static_files,
            settings,
            admin_path: None,
            is_restoring: false,
        };
        prepared.add_admin();
        Ok(prepared)
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

    /// The same site with another database, which is being restored, and other files.
    #[cfg(feature = "backup")]
    #[must_use]
    pub(crate) fn restoring(mut self, database: DatabaseUrl, storage: StorageUrl) -> Self {
        self.settings.database.url = database;
        self.settings.storage.url = storage;
        self.is_restoring = true;
        self
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
            .chain(self.app.admin.iter().map(|_| admin::templates()))
            .chain([views::templates()])
            .collect();
        let options = Options::new().files(self.static_files.links()).on_blocked(|blocked| {
            let Blocked { template, line, expression, context } = *blocked;
            tracing::warn!(target: "palisade", template, line, expression, context, "a template value was refused");
        });
        let zone = self.settings.site.time_zone;
        Templates::load_with(layers, views::filters::add(options, zone))
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
        let fields = Arc::new(self.field_keys(Arc::new(SystemClock)));
        let mut database = database.with_fields(fields);
        // unreadable keys are findings of `check`, and stop the start
        if let Ok(audit) = self.audit_log(Arc::new(SystemClock)) {
            database = database.with_service(audit);
        }
        Ok(database.with_users(self.settings.django.tables()))
    }

    /// The audit log, with the site's keys.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub(crate) fn audit_log(&self, clock: Arc<dyn Clock>) -> Result<AuditLog, BootError> {
        let unusable = |error: KeyError| BootError::Database(DbErr::Custom(error.to_string()));
        let ring = keys::ring(&self.settings).map_err(unusable)?;
        let base = links(&self.settings).main_base();
        let host = base.rsplit('/').next().unwrap_or_default();
        Ok(AuditLog::new(&ring, clock, host))
    }

    /// Runs migrations, and creates the rows of declared permissions and the groups of new roles.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn migrate(&self, database: &Database) -> Result<(), BootError> {
        let _lock = database
            .lock_migrations()
            .await
            .map_err(BootError::Database)?;
        let pending = self.app.migrations.pending(database).await;
        let pending = pending.map_err(BootError::Database)?;
        self.app
            .migrations
            .run(database)
            .await
            .map_err(BootError::Database)?;
        self.create_audit_head(database, &pending).await?;
        auth::create_user_indexes(database)
            .await
            .map_err(BootError::Database)?;
        permissions::ensure(database, &self.app.permissions)
            .await
            .map_err(BootError::Database)?;
        self.app
            .roles
            .create_missing(database)
            .await
            .map_err(BootError::Database)
    }

    /// Creates the head of the audit log after the migration of its tables.
    async fn create_audit_head(
        &self,
        database: &Database,
        ran: &[String],
    ) -> Result<(), BootError> {
        if !ran.iter().any(|name| name == AUDIT_TABLES) {
            return Ok(());
        }
        let created = create_head(database).await;
        created.map_err(BootError::Database)
    }

    /// Takes the steps of `migrate --to`.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn take_steps(
        &self,
        database: &Database,
        steps: &Steps,
    ) -> Result<(), BootError> {
        let locked = database.lock_migrations().await;
        let _lock = locked.map_err(BootError::Database)?;
        let taken = self.app.migrations.take(database, steps).await;
        taken.map_err(BootError::Database)?;
        self.create_audit_head(database, &steps.up).await
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

    /// Serves a database that is migrated already, such as with a role that cannot migrate.
    #[must_use]
    pub(crate) fn on_migrated(mut self, url: DatabaseUrl) -> Self {
        self.settings.database.url = url;
        self.settings.site.migrate_at_start = false;
        self
    }

    /// Boots the site.
    ///
    /// # Errors
    /// See [`BootError`].
    pub async fn boot(mut self, clock: Arc<dyn Clock>) -> Result<Site, BootError> {
        self.make_development_key()?;
        self.add_admin();
        self.make_development_data_key()?;
        self.judge()?;
        let templates = self.templates().map_err(BootError::Templates)?;
        let fields = Arc::new(self.field_keys(clock.clone()));
        let audit = self.audit_log(clock.clone())?;
        let database = self.database().await?.with_fields(fields);
        let restoring = database.is_restoring().await;
        if restoring.map_err(BootError::Database)? && !self.is_restoring {
            return Err(BootError::Restoring);
        }
        let database = database.with_service(audit.clone());
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
        self.warn_of_newer(&database).await?;
        self.require_data_keys(&database).await?;
        let missing = permissions::missing(&database, &self.app.adopted_permissions).await;
        let missing = missing.map_err(BootError::Database)?;
        if !missing.is_empty() {
            return Err(BootError::MissingPermissions(missing));
        }
        self.warn_of_uncovered(&database).await?;
        catch_panic::install_hook();
        let beside = Beside::look_at(&self.settings, &database).await?;
        let site = self.assemble(templates, (database, audit), clock, beside)?;
        site.refresh_posture().await.map_err(BootError::Database)?;
        site.accounts
            .restore_locks()
            .await
            .map_err(BootError::Database)?;
        Ok(site)
    }

    /// A release that was rolled back starts beside the tables of the newer one.
    async fn warn_of_newer(&self, database: &Database) -> Result<(), BootError> {
        let unknown = self.app.migrations.unknown(database).await;
        let unknown = unknown.map_err(BootError::Database)?;
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            tracing::warn!(target: "palisade", migrations = names, "the database has migrations of a newer release: this one may not know its columns");
        }
        Ok(())
    }

    /// Names tables whose rows would make the deletion of an account fail.
    async fn warn_of_uncovered(&self, database: &Database) -> Result<(), BootError> {
        let references = uncovered_references(&self.app, database).await;
        for reference in references.map_err(BootError::Database)? {
            let table = reference.table;
            tracing::warn!(target: "palisade", table, "a table refers to users, and is not personal data of the site: name it in PersonalData::tables of the part that exports and erases its rows");
        }
        Ok(())
    }

    /// In the development profile the first start creates a secret key; in other profiles a missing
    /// key is an error.
    fn make_development_key(&self) -> Result<(), BootError> {
        let file = KeyFile::in_settings(&self.settings);
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
}
