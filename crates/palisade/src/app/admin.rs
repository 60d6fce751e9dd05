//! The admin of a site: its declaration, its path, and its job.

use super::background::Job;
use super::{App, Prepared, Site, endpoints, keys};
use crate::admin::bulk::{self, BulkJob};
use crate::admin::{Admin, AdminSite, path_of};
use crate::permissions::Actor;
use crate::tasks::JobRun;
use crate::views::{Error, Result};
use std::sync::Arc;

impl App {
    /// Serves an admin with these resources, at a path that `routes` and `serve` print.
    ///
    /// # Panics
    /// If the site has one already.
    #[must_use]
    pub fn admin(mut self, admin: Admin) -> Self {
        assert!(self.admin.is_none(), "the site has an admin already");
        self.permissions.extend(admin.permissions());
        self.admin = Some(admin);
        self.job::<BulkJob>()
    }
}

impl Prepared {
    /// Adds the routes of the admin as soon as the site has a key, from which their path is derived.
    pub(super) fn add_admin(&mut self) {
        let is_due = self.app.admin.is_some() && self.admin_path.is_none();
        let Some(ring) = keys::ring(&self.settings).ok().filter(|_| is_due) else {
            return;
        };
        let path = path_of(&self.settings.admin, &ring);
        let routes = endpoints::admin::routes(&path, &self.settings.admin);
        self.routes = std::mem::take(&mut self.routes).merge(routes);
        self.admin_path = Some(path);
    }

    /// The permissions that the admin asks for.
    pub(super) fn permissions_of_admin(&self) -> impl Iterator<Item = &'static str> {
        self.app.admin.iter().flat_map(Admin::asked_permissions)
    }
}

impl Site {
    /// The admin, if the site has one.
    pub(crate) fn admin(&self) -> Option<&Arc<AdminSite>> {
        self.views.services.get::<Arc<AdminSite>>()
    }

    /// The path of the admin, if the site has one.
    pub(crate) fn admin_path(&self) -> Option<&str> {
        Some(&self.admin()?.path)
    }
}

/// Actions on many rows run in the name of their user, with the rights of the moment.
impl Job for BulkJob {
    const NAME: &'static str = bulk::JOB;

    async fn run(self, site: Arc<Site>, run: JobRun) -> Result<()> {
        let admin = site.admin().cloned();
        let admin = admin.ok_or_else(|| Error::bug("this site has no admin"))?;
        let actor = match site.accounts().user_by_id(self.user_id).await? {
            Some(user) => site.actor(&user).await?,
            None => Actor::anonymous(),
        };
        bulk::run((&admin, &actor), self, &run).await
    }
}
