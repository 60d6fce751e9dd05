//! Memberships and own permissions of users, given by a user within that user's rights, or by a rule
//! of the site.

use super::grants::store::unknown;
use super::roles::escalation::{AccountChange, Authority};
use super::store::{EndingMembership, grant, join_until, revoke, set_member};
use super::{Actor, PermissionName, Roles};
use crate::audit_log::{Entry, Event, record_in};
use crate::auth::{RightChange, lock_user};
use crate::db::Tx;
use crate::views::{Error, ErrorKind, Result};
use chrono::{DateTime, Utc};

/// The membership of a user in a group or role, with an optional end.
///
/// ```
/// use palisade::permissions::Membership;
/// use palisade::prelude::*;
/// async fn promote(actor: Actor, db: Db, Path(user): Path<i32>) -> Result<Response> {
///     let membership = Membership::new("agents", user)
///         .until(chrono::Utc::now() + chrono::TimeDelta::days(30))
///         .because("holiday replacement");
///     db.write(async |tx| actor.add_member(tx, &membership).await).await?;
///     Ok(redirect_to("/team"))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    group: String,
    user: i32,
    until: Option<DateTime<Utc>>,
    reason: String,
}

impl Membership {
    /// The membership of the user with this primary key.
    pub fn new(group: impl Into<String>, user: i32) -> Self {
        Self {
            group: group.into(),
            user,
            until: None,
            reason: String::new(),
        }
    }

    /// Its end. Without one, it lasts until it is revoked.
    #[must_use]
    pub fn until(mut self, end: DateTime<Utc>) -> Self {
        self.until = Some(end);
        self
    }

    /// Its reason; at most 200 characters are stored, of a membership with an end.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Stores the membership by a rule of the site, without regard to the rights of a user. An earlier
    /// one in the same group is replaced. For a change by a user, use [`Actor::add_member`].
    ///
    /// # Errors
    /// 400 for an unknown user or group, and for an end in the past; when the database does not answer.
    pub async fn store(&self, tx: &Tx) -> Result<()> {
        if !lock_user(tx, self.user).await? {
            return Err(unknown("user", &self.user.to_string()));
        }
        self.put(tx, Utc::now()).await?;
        let detail = format!("{}, by the site", self.detail());
        Ok(record_in(tx, Entry::new(Event::RightGranted).detail(detail)).await?)
    }

    /// Ends the membership by a rule of the site.
    ///
    /// # Errors
    /// 400 for an unknown group; when the database does not answer.
    pub async fn remove(&self, tx: &Tx) -> Result<()> {
        self.end(tx).await?;
        let detail = format!("{}, by the site", self.detail());
        Ok(record_in(tx, Entry::new(Event::RightRevoked).detail(detail)).await?)
    }

    async fn put(&self, tx: &Tx, now: DateTime<Utc>) -> Result<()> {
        let is_known = match self.until {
            Some(until) if until <= now => {
                return Err(Error::new(
                    ErrorKind::BadRequest,
                    "This end is in the past.",
                ));
            }
            Some(until) => {
                let membership = EndingMembership {
                    group: &self.group,
                    until,
                    reason: &self.reason,
                    now,
                };
                join_until(tx, self.user, membership).await?
            }
            None => set_member(tx, self.user, (&self.group, RightChange::Grant)).await?,
        };
        is_known
            .then_some(())
            .ok_or_else(|| unknown("group", &self.group))
    }

    async fn end(&self, tx: &Tx) -> Result<()> {
        let change = (self.group.as_str(), RightChange::Revoke);
        let is_known = set_member(tx, self.user, change).await?;
        is_known
            .then_some(())
            .ok_or_else(|| unknown("group", &self.group))
    }

    fn detail(&self) -> String {
        let end = self.until.map(|end| format!(" until {}", end.to_rfc3339()));
        let end = end.unwrap_or_default();
        format!("the group {} for user {}{end}", self.group, self.user)
    }
}

impl Actor {
    /// Adds a user to a group within the actor's own rights. The session of the user is rotated at the
    /// next request.
    ///
    /// # Errors
    /// 403 for an escalation of privileges: a role that no role of the actor gives, a user who holds
    /// more, the actor's own account, a right of the actor that ends before the membership, or a role
    /// that excludes another one of the user (ASVS 8.2.2);
    /// 404 for an unknown user; 400 for an unknown group, and for an end in the past.
    pub async fn add_member(&self, tx: &Tx, membership: &Membership) -> Result<()> {
        let change = AccountChange::Join(&membership.group);
        let until = membership.until.unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.require_authority(tx, (membership.user, change), until)
            .await?;
        membership.put(tx, self.now()).await?;
        self.record_change(tx, Event::RightGranted, &membership.detail())
            .await
    }

    /// Removes a user from a group within the actor's own rights.
    ///
    /// # Errors
    /// As [`Actor::add_member`].
    pub async fn remove_member(&self, tx: &Tx, membership: &Membership) -> Result<()> {
        let change = AccountChange::Leave(&membership.group);
        self.require_authority(tx, (membership.user, change), self.now())
            .await?;
        membership.end(tx).await?;
        self.record_change(tx, Event::RightRevoked, &membership.detail())
            .await
    }

    /// Gives another user a permission that the actor holds.
    ///
    /// # Errors
    /// 403 for an escalation of privileges, 404 for an unknown user, 400 for an unknown permission.
    pub async fn give_permission(
        &self,
        tx: &Tx,
        user: i32,
        permission: impl Into<PermissionName>,
    ) -> Result<()> {
        self.give_named(tx, user, permission.into().as_str()).await
    }

    /// The same for a name that a request sends.
    pub(crate) async fn give_named(&self, tx: &Tx, user: i32, name: &str) -> Result<()> {
        let change = AccountChange::Permission(name);
        let never = DateTime::<Utc>::MAX_UTC;
        self.require_authority(tx, (user, change), never).await?;
        let is_known = grant(tx, user, name).await?;
        is_known
            .then_some(())
            .ok_or_else(|| unknown("permission", name))?;
        let detail = format!("{name} for user {user}");
        self.record_change(tx, Event::RightGranted, &detail).await
    }

    /// Revokes another user's own permission.
    ///
    /// # Errors
    /// As [`Actor::give_permission`].
    pub async fn take_permission(
        &self,
        tx: &Tx,
        user: i32,
        permission: impl Into<PermissionName>,
    ) -> Result<()> {
        self.take_named(tx, user, permission.into().as_str()).await
    }

    /// The same for a name that a request sends.
    pub(crate) async fn take_named(&self, tx: &Tx, user: i32, name: &str) -> Result<()> {
        let change = AccountChange::Permission(name);
        self.require_authority(tx, (user, change), self.now())
            .await?;
        let is_known = revoke(tx, user, name).await?;
        is_known
            .then_some(())
            .ok_or_else(|| unknown("permission", name))?;
        let detail = format!("{name} for user {user}");
        self.record_change(tx, Event::RightRevoked, &detail).await
    }

    /// Refuses a change of the account of a user who holds more.
    ///
    /// # Errors
    /// 403 for an escalation of privileges, 404 for an unknown user.
    pub(crate) async fn require_account_authority(&self, tx: &Tx, user: i32) -> Result<()> {
        let change = (user, AccountChange::Account);
        self.require_authority(tx, change, self.now()).await
    }

    /// Refuses an escalation of privileges. The rights of both users are those of the transaction, which
    /// locks the account of the second one.
    async fn require_authority(
        &self,
        tx: &Tx,
        (user, change): (i32, AccountChange<'_>),
        until: DateTime<Utc>,
    ) -> Result<()> {
        let actor = self.id().filter(|_| !self.lacks_factor());
        let actor = actor.ok_or_else(Error::forbidden)?;
        if !lock_user(tx, user).await? {
            return Err(Error::not_found());
        }
        let none = Roles::default();
        let authority = Authority {
            tx,
            roles: self.roles().unwrap_or(&none),
            now: self.now(),
            until,
        };
        let judged = authority.judge((actor, user), std::iter::once(change));
        match judged.await? {
            None => Ok(()),
            Some(why) => {
                let detail = format!("{change:?} of user {user}: {why}");
                self.record_refusal(&detail);
                Err(Error::forbidden())
            }
        }
    }
}
