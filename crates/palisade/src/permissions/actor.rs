//! The user of a request with permissions and groups, as rules and policies ask for them.

use super::PermissionName;
use super::rights::Rights;
use crate::auth::{FactorRule, User, Visitor};
use crate::db::Database;
use crate::http::ClientAddress;
use crate::sessions::Session;
use crate::views::{Error, Result};
use axum::extract::FromRequestParts;
use chrono::{DateTime, Utc};
use http::request::Parts;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The client of a request as an authorization subject: user, permissions and groups, at the time
/// of the request. Nothing is cached across requests.
///
/// One query loads permissions and groups, when a rule, a policy or a template first asks.
///
/// ```
/// use palisade::prelude::*;
/// #[derive(Permission, Clone, Copy)]
/// #[permission(app = "shop")]
/// enum May {
///     ReadReports,
/// }
/// async fn front(actor: Actor) -> &'static str {
///     if actor.may(May::ReadReports) { "reports" } else { "no reports" }
/// }
/// let routes: Routes = Routes::new().route("/", signed_in().get(front));
/// ```
#[derive(Debug, Clone)]
pub struct Actor(Arc<Subject>);

#[derive(Debug, Default)]
struct Subject {
    user: Option<User>,
    rights: Rights,
    /// Whether the configuration requires a second factor for work, and the session has none.
    lacks_factor: bool,
    now: DateTime<Utc>,
    client: Option<ClientAddress>,
    request_id: Arc<str>,
}

impl Actor {
    /// A client without a user: it has no permission, and owns no row.
    pub fn anonymous() -> Self {
        Self(Arc::default())
    }

    /// A user outside of a request, for commands and background jobs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn load(database: &Database, user: &User, now: DateTime<Utc>) -> Result<Self> {
        Ok(Self(Arc::new(Subject {
            user: Some(user.clone()),
            rights: Rights::load(database, user.id, now).await?,
            now,
            ..Subject::default()
        })))
    }

    /// The user.
    pub fn user(&self) -> Option<&User> {
        self.0.user.as_ref()
    }

    /// The primary key of the user.
    pub fn id(&self) -> Option<i32> {
        self.user().map(|user| user.id)
    }

    /// Whether the user has this permission: by own assignment, by a group, or as a superuser.
    /// `false` while a required second factor is missing, as for a route with
    /// [`can`](super::can).
    pub fn may(&self, permission: impl Into<PermissionName>) -> bool {
        self.may_by_name(permission.into().as_str())
    }

    pub(super) fn may_by_name(&self, permission: &str) -> bool {
        !self.0.lacks_factor && self.holds(permission)
    }

    /// Whether the user is staff. `false` while a required second factor is missing, as for a route
    /// with [`staff`](super::staff).
    pub fn is_staff(&self) -> bool {
        !self.0.lacks_factor && self.user().is_some_and(|user| user.is_staff)
    }

    /// Whether the user is a member of a group, and the membership has not ended. `false` while a
    /// required second factor is missing.
    pub fn is_member(&self, group: &str) -> bool {
        !self.0.lacks_factor && self.0.rights.is_member(group)
    }

    /// As [`Actor::may`], without regard to a missing second factor.
    pub(super) fn holds(&self, permission: &str) -> bool {
        self.user()
            .is_some_and(|user| user.is_superuser || self.0.rights.has(permission))
    }

    /// As [`Actor::is_member`], without regard to a missing second factor.
    pub(super) fn belongs_to(&self, group: &str) -> bool {
        self.0.rights.is_member(group)
    }

    pub(super) fn rights(&self) -> &Rights {
        &self.0.rights
    }

    pub(super) fn lacks_factor(&self) -> bool {
        self.0.lacks_factor
    }

    /// The time of the request.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.0.now
    }

    pub(super) fn client(&self) -> Option<ClientAddress> {
        self.0.client
    }

    pub(super) fn request_id(&self) -> &str {
        &self.0.request_id
    }
}

/// The actor of a request, loaded at most once.
#[derive(Clone)]
pub(crate) struct CurrentActor(Arc<Source>);

struct Source {
    visitor: Visitor,
    database: Database,
    actor: OnceCell<Actor>,
}

impl CurrentActor {
    pub(crate) fn new(visitor: Visitor, database: Database) -> Self {
        Self(Arc::new(Source {
            visitor,
            database,
            actor: OnceCell::new(),
        }))
    }

    pub(crate) async fn load(&self) -> Result<&Actor> {
        self.0.actor.get_or_try_init(|| self.query()).await
    }

    async fn query(&self) -> Result<Actor> {
        let Source {
            visitor, database, ..
        } = &*self.0;
        let Some(user) = visitor.user().await? else {
            return Ok(Actor::anonymous());
        };
        let now = visitor.accounts().now();
        let rights = Rights::load(database, user.id, now).await?;
        rotate_after_change(visitor.session(), &rights).await?;
        let rule = &visitor.accounts().factors.rule;
        let is_required = requires_factor(rule, user) || is_grouped(rule, &rights);
        Ok(Actor(Arc::new(Subject {
            lacks_factor: is_required && !visitor.has_factor().await?,
            user: Some(user.clone()),
            rights,
            now,
            client: Some(visitor.client()),
            request_id: visitor.request_id().into(),
        })))
    }
}

/// Session entry of the rights at the last request that asked for them.
const RIGHTS: &str = "_palisade_rights";

/// Rotates the key of a session after a change of permissions or groups (ASVS 7.2.4).
async fn rotate_after_change(session: &Session, rights: &Rights) -> Result<()> {
    let digest = rights.digest();
    match session.value::<String>(RIGHTS).await? {
        Some(known) if known == digest => Ok(()),
        Some(_) => {
            session.rotate().await?;
            session.insert(RIGHTS, digest).await
        }
        None => session.note(RIGHTS, digest).await,
    }
}

/// Whether the configuration requires a second factor of this user for the work of staff.
pub(super) fn requires_factor(rule: &FactorRule, user: &User) -> bool {
    rule.all_users || (rule.staff && (user.is_staff || user.is_superuser))
}

/// Whether it requires one of a group of the user.
pub(super) fn is_grouped(rule: &FactorRule, rights: &Rights) -> bool {
    rule.groups.iter().any(|group| rights.is_member(group))
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let current = parts.extensions.get::<CurrentActor>().cloned();
        let current =
            current.ok_or_else(|| Error::bug("there is no actor: routes must be served by App"))?;
        Ok(current.load().await?.clone())
    }
}
