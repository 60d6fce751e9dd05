//! The parts of every page of the admin, and the clearance of a request for an operation.

use super::Operation;
use super::entry::Entry;
use super::policy::{Verdict, judge};
use super::site::AdminSite;
use crate::audit_log::{self, Entry as AuditEntry, Event};
use crate::db::Db;
use crate::http::redirect_to;
use crate::permissions::{Actor, PermissionName};
use crate::sessions::Flash;
use crate::views::{Error, Page, Result};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::Response;
use chrono::DateTime;
use chrono_tz::Tz;
use http::Extensions;
use http::request::Parts;
use palisade_template::{Value, context};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The request of a member of staff.
pub(crate) struct Desk {
    pub(crate) site: Arc<AdminSite>,
    pub(crate) actor: Actor,
    pub(crate) db: Db,
    pub(crate) page: Page,
    pub(crate) flash: Flash,
    /// Of the request, for choices from the database.
    pub(crate) extensions: Extensions,
    /// Of the URL.
    pub(crate) query: String,
}

impl Desk {
    pub(crate) fn zone(&self) -> Tz {
        self.page.context().site().time_zone
    }

    /// A time of seconds since 1970, in the zone of the site.
    pub(crate) fn time(&self, seconds: i64) -> String {
        let at = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let at = at.with_timezone(&self.zone());
        at.format("%Y-%m-%d %H:%M").to_string()
    }

    pub(crate) fn user_id(&self) -> i32 {
        // the access rule of the admin requires a user
        self.actor.id().unwrap_or_default()
    }

    pub(crate) fn holds(&self, permission: impl Into<PermissionName>) -> bool {
        self.actor.may(permission)
    }

    /// Longest time of a statement of a list.
    pub(crate) fn most_time(&self) -> Duration {
        Duration::from_millis(self.site.settings.max_statement_ms)
    }

    /// A page with the menu.
    pub(crate) async fn render(&self, template: &str, values: Value) -> Result<Response> {
        self.page.render(template, self.with_menu(values)).await
    }

    /// The values of a page with those of the menu.
    pub(crate) fn with_menu(&self, values: Value) -> Value {
        let base = self.site.path.as_str();
        let item = |entry: &&Arc<Entry>| {
            context! { title => entry.title, url => format!("{base}/{}", entry.name) }
        };
        let holds = |name: PermissionName| self.actor.may(name);
        let visible = self.site.visible(holds);
        let menu: Vec<Value> = visible.iter().map(item).collect();
        let tool = |(permission, title, page): &(&'static str, &'static str, &str)| {
            let is_open = permission.is_empty() || self.holds(*permission);
            is_open.then(|| context! { title => *title, url => format!("{base}/{page}") })
        };
        let tools: Vec<Value> = TOOLS.iter().filter_map(tool).collect();
        context! { admin => base, menu, tools, ..values }
    }

    /// Refuses a permission of the admin itself as not found, and records it.
    pub(crate) fn require(&self, permission: &'static str) -> Result<()> {
        match self.holds(permission) {
            true => Ok(()),
            false => Err(self.denied(permission, Verdict::Hide)),
        }
    }

    /// The error of a refusal, which is an event.
    pub(crate) fn denied(&self, what: &str, verdict: Verdict) -> Error {
        let detail = format!("user {}: admin, {what}", self.user_id());
        audit_log::record(AuditEntry::new(Event::AccessDenied).detail(detail));
        match verdict {
            Verdict::Hide => Error::not_found(),
            _ => Error::forbidden(),
        }
    }

    /// Requires an operation on a resource.
    pub(crate) fn clear(&self, entry: &Entry, operation: Operation) -> Result<()> {
        match judge(|name| self.actor.may(name), entry, operation) {
            Verdict::Allow => Ok(()),
            verdict => Err(self.denied(&format!("{} {}", operation.word(), entry.name), verdict)),
        }
    }

    /// Whether an operation is allowed, for a link.
    pub(crate) fn allows(&self, entry: &Entry, operation: Operation) -> bool {
        judge(|name| self.actor.may(name), entry, operation) == Verdict::Allow
    }

    /// Says something on the next page.
    pub(crate) async fn say(&self, text: String, path: &str) -> Result<Response> {
        self.flash.success(text).await?;
        Ok(redirect_to(path))
    }
}

/// Further pages: permission, title, path.
const TOOLS: &[(&str, &str, &str)] = &[
    ("", "Bin", "bin"),
    ("", "Proposals", "proposals"),
    (super::site::VIEW_HISTORY, "History", "history"),
    (super::site::VIEW_AUDIT, "Audit log", "audit"),
    (super::site::MANAGE_SESSIONS, "Locks", "locks"),
    (super::site::MANAGE_FILES, "Quarantine", "files"),
    (super::site::VIEW_MAIL, "Mail queue", "mail"),
];

impl<S: Send + Sync> FromRequestParts<S> for Desk {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let page = Page::from_request_parts(parts, state).await?;
        let site = page
            .context()
            .site()
            .services
            .get::<Arc<AdminSite>>()
            .cloned();
        let db = Db::from_request_parts(parts, state).await;
        Ok(Self {
            site: site.ok_or_else(|| Error::bug("this site has no admin"))?,
            actor: Actor::from_request_parts(parts, state).await?,
            db: db.map_err(|(_, why)| Error::bug(why))?,
            flash: Flash::from_request_parts(parts, state).await?,
            page,
            extensions: parts.extensions.clone(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

/// An operation as a type.
pub(crate) trait Cleared: Send + 'static {
    const OPERATION: Operation;
}

macro_rules! operations {
    ($($name:ident),+) => {$(
        pub(crate) enum $name {}

        impl Cleared for $name {
            const OPERATION: Operation = Operation::$name;
        }
    )+};
}

operations!(View, Add, Change, Delete, Export, Import);

/// A request for an operation on the resource of the path, which its user may use. Handlers get
/// rows by this extractor only.
pub(crate) struct On<O> {
    pub(crate) desk: Desk,
    pub(crate) entry: Arc<Entry>,
    /// The key in the path; empty without one.
    pub(crate) key: String,
    operation: PhantomData<fn() -> O>,
}

impl<O: Cleared> On<O> {
    /// The page of the list.
    pub(crate) fn list_url(&self) -> String {
        format!("{}/{}", self.desk.site.path, self.entry.name)
    }

    /// The page of the row.
    pub(crate) fn row_url(&self) -> String {
        self.desk.site.url_of(&self.entry, &self.key)
    }
}

impl<S: Send + Sync, O: Cleared> FromRequestParts<S> for On<O> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| Error::not_found())?;
        let param = |wanted: &str| {
            let mut all = params.iter();
            all.find(|(name, _)| *name == wanted)
                .map(|(_, value)| value.to_owned())
        };
        let desk = Desk::from_request_parts(parts, state).await?;
        let entry = param("resource").and_then(|name| desk.site.entry(&name).cloned());
        let entry = entry.ok_or_else(Error::not_found)?;
        desk.clear(&entry, O::OPERATION)?;
        Ok(Self {
            desk,
            entry,
            key: param("key").unwrap_or_default(),
            operation: PhantomData,
        })
    }
}
