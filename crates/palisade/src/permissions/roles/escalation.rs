//! Escalation of privileges: a user gives own rights only, and touches no account that holds
//! more.

use crate::db::{FromRow, Tx};
use crate::permissions::grants::list::{Names, all_grants, has_not_ended, roles_of_group};
use crate::permissions::rights::Rights;
use crate::permissions::roles::Roles;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::BTreeSet;
use std::fmt;

/// Rights of a user, for a decision about a change of accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) id: i32,
    pub(crate) is_staff: bool,
    pub(crate) is_superuser: bool,
    pub(crate) permissions: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    /// Roles on an object.
    pub(crate) object_roles: BTreeSet<String>,
    /// Permissions on an object: the object, and the permission.
    pub(crate) granted: BTreeSet<(String, String)>,
}

impl Holdings {
    /// Loads them in the transaction of the change, so that no other change of the account comes in
    /// between (ASVS 15.4.2). `None` if there is no such account.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn load(
        tx: &Tx,
        user_id: i32,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, DbErr> {
        let Some((is_staff, is_superuser)) = flags(tx, user_id).await? else {
            return Ok(None);
        };
        let rights = Rights::load(tx, tx.users(), (user_id, now)).await?;
        let mut holdings = Self {
            id: user_id,
            is_staff,
            is_superuser,
            permissions: rights.permission_names().map(str::to_owned).collect(),
            groups: rights.group_names().map(str::to_owned).collect(),
            ..Self::default()
        };
        holdings.add_grants(tx, (&rights, now)).await?;
        Ok(Some(holdings))
    }

    async fn add_grants(
        &mut self,
        tx: &Tx,
        (rights, now): (&Rights, DateTime<Utc>),
    ) -> Result<(), DbErr> {
        let groups: Vec<i32> = rights.group_ids().collect();
        let mut recipient = Condition::any().add(Expr::col("user_id").eq(self.id));
        if !groups.is_empty() {
            recipient = recipient.add(Expr::col("group_id").is_in(groups));
        }
        let grants =
            all_grants(tx, &Condition::all().add(has_not_ended(now)).add(recipient)).await?;
        if grants.is_empty() {
            return Ok(());
        }
        let names = Names::load(tx).await?;
        for grant in &grants {
            let role = grant.role.and_then(|role| names.group(role));
            self.object_roles.extend(role.map(str::to_owned));
            for permission in names.permissions_in(grant) {
                let on_object = (grant.object.clone(), permission.to_owned());
                self.granted.insert(on_object);
            }
        }
        Ok(())
    }

    /// The roles of the user, everywhere and on objects.
    pub(crate) fn roles(&self) -> BTreeSet<String> {
        self.groups.union(&self.object_roles).cloned().collect()
    }

    /// Whether everything in `other` is held here, too.
    fn covers(&self, other: &Self, roles: &Roles) -> bool {
        let included: BTreeSet<&str> = self
            .groups
            .iter()
            .flat_map(|group| roles.with_included(group))
            .collect();
        let is_covered =
            |group: &String| included.contains(&**group) || roles.gives(&self.groups, group);
        let is_held = |on_object: &(String, String)| {
            self.permissions.contains(&on_object.1) || self.granted.contains(on_object)
        };
        self.is_superuser
            || (!other.is_superuser
                && (self.is_staff || !other.is_staff)
                && other.permissions.is_subset(&self.permissions)
                && other.groups.iter().all(is_covered)
                && other.granted.iter().all(is_held))
    }
}

/// Whether an account is staff, and a superuser.
async fn flags(tx: &Tx, user_id: i32) -> Result<Option<(bool, bool)>, DbErr> {
    let query = Query::select()
        .column("is_staff")
        .column("is_superuser")
        .from("auth_user")
        .and_where(Expr::col("id").eq(user_id))
        .to_owned();
    let row = tx.query_one(&query).await?;
    row.map(|row| <(bool, bool)>::from_row(&row)).transpose()
}

/// A change of another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountChange<'a> {
    /// Grant or revocation of the rank of staff.
    Staff,
    /// Grant or revocation of the rank of superusers.
    Superuser,
    /// Grant or revocation of a permission.
    Permission(&'a str),
    /// Grant of a role or group.
    Join(&'a str),
    /// Revocation of a role or group.
    Leave(&'a str),
    /// Change of the password, the address or the factors, or the end of the account: this lets the
    /// actor log in as the user, or lock the user out.
    Account,
}

/// Why a change is not authorized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Escalation {
    /// Rights of one's own account.
    OwnRights,
    /// Something that the actor does not hold.
    NotHeld,
    /// A role that no role of the actor gives.
    NotGiven,
    /// An account that holds more than the actor.
    HoldsMore,
    /// A role that excludes another one of the user.
    Excluded(String),
}

impl fmt::Display for Escalation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnRights => f.write_str("users do not change their own rights"),
            Self::NotHeld => f.write_str("users give and revoke only rights that they hold"),
            Self::NotGiven => f.write_str("no role of this user gives this role"),
            Self::HoldsMore => f.write_str("the account holds rights that this user does not hold"),
            Self::Excluded(role) => write!(f, "the role {role} of the account excludes it"),
        }
    }
}

/// Authorization of changes of accounts, in their transaction.
pub(crate) struct Authority<'a> {
    pub(crate) tx: &'a Tx,
    pub(crate) roles: &'a Roles,
    pub(crate) now: DateTime<Utc>,
    /// The end of the given right, until which the actor must hold it; now for a revocation.
    pub(crate) until: DateTime<Utc>,
}

impl Authority<'_> {
    /// Authorizes changes of an account by a user: the first refusal, if there is one. Rights that end
    /// earlier than the given one do not count: otherwise a user could pass them on for longer.
    ///
    /// # Errors
    /// When the database does not answer, or there is no such account.
    pub(crate) async fn judge(
        &self,
        (actor, target): (i32, i32),
        changes: impl Iterator<Item = AccountChange<'_>>,
    ) -> Result<Option<Escalation>, DbErr> {
        let (actor, target) = (
            self.holdings(actor, self.until).await?,
            self.holdings(target, self.now).await?,
        );
        for change in changes {
            if let Err(refusal) = judge((&actor, &target), change, self.roles) {
                return Ok(Some(refusal));
            }
            if let AccountChange::Join(group) = change
                && let Some((_, excluded)) = self.exclusion(&target, group).await?
            {
                return Ok(Some(Escalation::Excluded(excluded)));
            }
        }
        Ok(None)
    }

    /// A role that comes with a group, itself or on an object, and the role of an account that it
    /// excludes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn exclusion(
        &self,
        target: &Holdings,
        group: &str,
    ) -> Result<Option<(String, String)>, DbErr> {
        let mut roles = roles_of_group(self.tx, group, self.now).await?;
        roles.insert(group.to_owned());
        let held = target.roles();
        Ok(roles.into_iter().find_map(|role| {
            let excluded = self.roles.conflict(&held, &role)?;
            Some((role, excluded))
        }))
    }

    /// # Errors
    /// When the database does not answer, or there is no such account.
    pub(crate) async fn holdings(&self, id: i32, at: DateTime<Utc>) -> Result<Holdings, DbErr> {
        let found = Holdings::load(self.tx, id, at).await?;
        found.ok_or_else(|| DbErr::RecordNotFound(format!("the account {id}")))
    }
}

/// Authorizes a change of `target`'s account by `actor`.
pub(crate) fn judge(
    (actor, target): (&Holdings, &Holdings),
    change: AccountChange<'_>,
    roles: &Roles,
) -> std::result::Result<(), Escalation> {
    if let AccountChange::Join(role) = change
        && let Some(excluded) = roles.conflict(&target.roles(), role)
    {
        return Err(Escalation::Excluded(excluded));
    }
    if actor.id == target.id {
        // one's own password, address and factors have pages of their own
        return Err(Escalation::OwnRights);
    }
    if !actor.covers(target, roles) {
        return Err(Escalation::HoldsMore);
    }
    let is_held = match change {
        AccountChange::Account => actor.is_superuser || actor.is_staff,
        AccountChange::Superuser => actor.is_superuser,
        AccountChange::Staff => actor.is_superuser || actor.is_staff,
        AccountChange::Permission(name) => actor.is_superuser || actor.permissions.contains(name),
        AccountChange::Join(role) | AccountChange::Leave(role) => {
            let is_given = actor.is_superuser || roles.gives(&actor.groups, role);
            return is_given.then_some(()).ok_or(Escalation::NotGiven);
        }
    };
    is_held.then_some(()).ok_or(Escalation::NotHeld)
}
