//! Values of the site's own for every page.

use crate::auth::User;
use crate::db::{Database, Db};
use crate::permissions::{Actor, CurrentActor};
use crate::views::{PageName, PageValues, Result, UserLookup};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use futures_util::future::BoxFuture;
use http::Method;
use palisade_template::{Value, absent, context};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value for every page, by its name in templates.
#[derive(Clone)]
pub(super) struct PageValue {
    pub(super) name: &'static str,
    pub(super) load: Arc<dyn Fn(PageRequest) -> BoxFuture<'static, Result<Value>> + Send + Sync>,
}

/// The request of a page, for [`App::page_value`](super::App::page_value).
#[derive(Clone)]
pub struct PageRequest {
    actor: CurrentActor,
    db: Db,
    path: Arc<str>,
    zone: Tz,
}

impl PageRequest {
    /// The database, read-only.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Path of the page, without its query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The time, by the clock of the site.
    pub fn now(&self) -> DateTime<Utc> {
        self.actor.visitor().accounts().now()
    }

    /// The date in the time zone of the site.
    pub fn today(&self) -> NaiveDate {
        self.now().with_timezone(&self.zone).date_naive()
    }

    /// The signed-in user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user(&self) -> Result<Option<&User>> {
        self.actor.visitor().user().await
    }

    /// The visitor with its rights, for queries of the rows that it may see.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn actor(&self) -> Result<&Actor> {
        self.actor.load().await
    }
}

/// The values of a visitor, and those of the site.
pub(super) struct SitePageValues {
    pub(super) actor: CurrentActor,
    pub(super) database: Database,
    pub(super) values: Arc<[PageValue]>,
    pub(super) zone: Tz,
    pub(super) templates: palisade_template::Templates,
}

impl SitePageValues {
    fn wanted<'a>(&'a self, page: PageName<'a>) -> impl Iterator<Item = &'a PageValue> {
        let is_wanted =
            move |value: &&PageValue| self.templates.page_wants(page.template, value.name);
        self.values.iter().filter(is_wanted)
    }

    fn request(&self, page: PageName<'_>) -> PageRequest {
        PageRequest {
            actor: self.actor.clone(),
            db: Db::new(self.database.clone(), Method::GET),
            path: page.path.into(),
            zone: self.zone,
        }
    }
}

impl PageValues for SitePageValues {
    fn load<'a>(&'a self, page: PageName<'a>) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let common = PageValues::load(&self.actor, page).await?;
            let mut values = BTreeMap::new();
            for value in self.wanted(page) {
                values.insert(value.name, (value.load)(self.request(page)).await?);
            }
            Ok(context! { ..Value::from(values), ..common })
        })
    }

    fn user(&self, lookup: UserLookup) -> BoxFuture<'_, Option<Value>> {
        PageValues::user(&self.actor, lookup)
    }

    fn of_error_page<'a>(&'a self, page: PageName<'a>, lookup: UserLookup) -> BoxFuture<'a, Value> {
        Box::pin(async move {
            let common = self.actor.of_error_page(page, lookup).await;
            let mut values = BTreeMap::new();
            for value in self.wanted(page) {
                let loaded = match lookup {
                    UserLookup::Query => (value.load)(self.request(page)).await.ok(),
                    UserLookup::Loaded => None,
                };
                values.insert(value.name, loaded.unwrap_or_else(absent));
            }
            context! { ..Value::from(values), ..common }
        })
    }
}
