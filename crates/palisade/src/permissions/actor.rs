//! The authorization subject: the user of a request with permissions and groups.

use super::authorizer::Authorizer;
use super::rights::Rights;
use super::{PermissionName, Roles};
use crate::audit_log::{self, Entry, Event, record_in};
use crate::auth::User;
use crate::db::{Db, FromRow, Tx};
use crate::views::{Error, Result};
use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

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
    authorizer: Option<Arc<Authorizer>>,
    /// Permissions that a policy asked for, of a probe.
    asked: Option<Mutex<BTreeSet<String>>>,
}

/// The request of an actor.
pub(super) struct RequestOf<'a> {
    pub(super) authorizer: &'a Arc<Authorizer>,
    pub(super) lacks_factor: bool,
    pub(super) now: DateTime<Utc>,
}

impl Actor {
    /// A client without a user: it has no permission, and owns no row.
    pub fn anonymous() -> Self {
        Self(Arc::default())
    }

    /// A user outside of a request, with the rights of this moment; an anonymous actor, if the
    /// account is closed or deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn load(authorizer: &Arc<Authorizer>, user: &User) -> Result<Self> {
        let subject = Subject {
            user: Some(user.clone()),
            authorizer: Some(authorizer.clone()),
            ..Subject::default()
        };
        let db = authorizer.database.handle();
        Self(Arc::new(subject)).refreshed(&db).await
    }

    /// The user of a request.
    pub(super) fn of_request(user: &User, rights: Rights, request: RequestOf<'_>) -> Self {
        Self(Arc::new(Subject {
            user: Some(user.clone()),
            rights,
            lacks_factor: request.lacks_factor,
            now: request.now,
            authorizer: Some(request.authorizer.clone()),
            asked: None,
        }))
    }

    /// The same user with the rights of this moment; an anonymous actor, if the account is closed or
    /// deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn refreshed(&self, db: &Db) -> Result<Self> {
        let Some(user) = self.user() else {
            return Ok(Self::anonymous());
        };
        let Some(flags) = current_flags(db, user.id).await? else {
            return Ok(Self::anonymous());
        };
        let user = User {
            is_staff: flags.0,
            is_superuser: flags.1,
            ..user.clone()
        };
        let now = match &self.0.authorizer {
            Some(authorizer) => authorizer.now(),
            None => self.now(),
        };
        let rights = Rights::load(db, db.users(), (user.id, now)).await?;
        let mut subject = self.subject_with(rights, now);
        subject.user = Some(user);
        subject.authorizer = self.0.authorizer.clone();
        Ok(Self(Arc::new(subject)))
    }

    /// The same user with other rights, at another time.
    pub(super) fn with_rights(&self, rights: Rights, now: DateTime<Utc>) -> Self {
        Self(Arc::new(self.subject_with(rights, now)))
    }

    fn subject_with(&self, rights: Rights, now: DateTime<Utc>) -> Subject {
        Subject {
            user: self.0.user.clone(),
            rights,
            now,
            lacks_factor: self.0.lacks_factor,
            authorizer: None,
            asked: None,
        }
    }

    /// The user.
    pub fn user(&self) -> Option<&User> {
        self.0.user.as_ref()
    }

    /// The primary key of the user.
    pub fn id(&self) -> Option<i32> {
        self.user().map(|user| user.id)
    }

    /// The same for a row of the user's own.
    ///
    /// # Errors
    /// 403 for an anonymous client.
    pub fn user_id(&self) -> Result<i32> {
        self.id().ok_or_else(Error::forbidden)
    }

    /// Whether the user has this permission: by own assignment, by a group, or as a superuser.
    /// `false` while a required second factor is missing, as for a route with
    /// [`can`](super::can).
    pub fn may(&self, permission: impl Into<PermissionName>) -> bool {
        self.may_by_name(permission.into().as_str())
    }

    /// A user without rights, to find the permissions that a policy asks for.
    pub(super) fn probe() -> Self {
        Self(Arc::new(Subject {
            asked: Some(Mutex::default()),
            ..Subject::default()
        }))
    }

    /// Whether this probe was asked for a permission.
    pub(super) fn was_asked(&self, permission: &str) -> bool {
        let asked = self.0.asked.as_ref();
        asked.is_some_and(|asked| asked.lock().is_ok_and(|asked| asked.contains(permission)))
    }

    /// Notes a question, of a probe.
    pub(super) fn note_question(&self, permission: &str) {
        if let Some(asked) = &self.0.asked
            && let Ok(mut asked) = asked.lock()
        {
            asked.insert(permission.to_owned());
        }
    }

    pub(crate) fn may_by_name(&self, permission: &str) -> bool {
        self.note_question(permission);
        let is_allowed = !self.0.lacks_factor && self.holds(permission);
        if is_allowed {
            self.note_use(permission);
        }
        is_allowed
    }

    /// Whether no use of a permission by this user is recorded today, and it can be.
    pub(super) fn is_use_new(&self, permission: &str) -> bool {
        match (self.id(), &self.0.authorizer) {
            (Some(user), Some(authorizer)) => {
                !authorizer.uses.is_noted(user, permission, self.0.now)
            }
            _ => false,
        }
    }

    /// Records a use of a permission.
    pub(super) fn note_use(&self, permission: &str) {
        if let (Some(user), Some(authorizer)) = (self.id(), &self.0.authorizer) {
            authorizer.uses.note(user, permission, self.0.now);
        }
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

    /// The declared roles of the site; `None` for an unauthenticated client.
    pub(super) fn roles(&self) -> Option<&Roles> {
        self.0
            .authorizer
            .as_ref()
            .map(|authorizer| &authorizer.roles)
    }

    pub(super) fn lacks_factor(&self) -> bool {
        self.0.lacks_factor
    }

    /// The time of the request.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.0.now
    }

    /// Records a change of rights by this user, in its transaction.
    pub(super) async fn record_change(&self, tx: &Tx, event: Event, detail: &str) -> Result<()> {
        Ok(record_in(tx, self.entry(event, detail)).await?)
    }

    /// Records that a change of rights was refused.
    pub(super) fn record_refusal(&self, detail: &str) {
        audit_log::record(self.entry(Event::AccessDenied, detail));
    }

    fn entry(&self, event: Event, detail: &str) -> Entry {
        let by = self.id().map(|id| format!(", by user {id}"));
        Entry::new(event).detail(format!("{detail}{}", by.unwrap_or_default()))
    }
}

/// Whether an active user is staff, and a superuser.
async fn current_flags(db: &Db, user_id: i32) -> Result<Option<(bool, bool)>> {
    let query = Query::select()
        .column("is_staff")
        .column("is_superuser")
        .from("auth_user")
        .and_where(Expr::col("id").eq(user_id))
        .and_where(Expr::col("is_active").eq(true))
        .to_owned();
    let row = db.query_one(&query).await?;
    Ok(row.map(|row| <(bool, bool)>::from_row(&row)).transpose()?)
}
