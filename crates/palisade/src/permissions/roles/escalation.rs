//! Escalation of privileges: a user gives own rights only, and touches no account that holds
//! more.

use crate::auth::User;
use crate::db::Database;
use crate::permissions::Actor;
use crate::permissions::roles::Roles;
use crate::views::Result;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::fmt;

/// Rights of a user, for a decision about a change of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) id: i32,
    pub(crate) is_staff: bool,
    pub(crate) is_superuser: bool,
    pub(crate) permissions: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
}

impl Holdings {
    /// Loads them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn load(database: &Database, user: &User, now: DateTime<Utc>) -> Result<Self> {
        let actor = Actor::load(database, user, now).await?;
        let rights = actor.rights();
        Ok(Self {
            id: user.id,
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            permissions: rights.permission_names().map(str::to_owned).collect(),
            groups: rights.group_names().map(str::to_owned).collect(),
        })
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
        self.is_superuser
            || (!other.is_superuser
                && (self.is_staff || !other.is_staff)
                && other.permissions.is_subset(&self.permissions)
                && other.groups.iter().all(is_covered))
    }
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

/// Authorizes a change of `target`'s account by `actor`.
pub(crate) fn judge(
    (actor, target): (&Holdings, &Holdings),
    change: AccountChange<'_>,
    roles: &Roles,
) -> std::result::Result<(), Escalation> {
    if let AccountChange::Join(role) = change
        && let Some(excluded) = roles.conflict(&target.groups, role)
    {
        return Err(Escalation::Excluded(excluded.to_owned()));
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
