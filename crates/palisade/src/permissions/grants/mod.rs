//! Authorization for one object: grants of a permission or a role, for a user or a group, with an
//! optional end.
//!
//! Each entity has a table of its own with cascading foreign keys: a grant ends with its object, and
//! does not come back when the database reuses the key.

mod guardian;
pub(in crate::permissions) mod list;
mod separation;
pub(in crate::permissions) mod store;
pub(in crate::permissions) mod tables;

use crate::permissions::grants::list::has_not_ended;
use crate::permissions::permission::split;
use crate::permissions::rows::RowCondition;
use crate::permissions::rows::single_key;
use crate::permissions::{Actor, PermissionName};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait};

/// The recipient of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// The user with this primary key.
    User(i32),
    /// The members of a group.
    Group(String),
}

/// The content of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::permissions) enum Content {
    Permission(PermissionName),
    Role(String),
}

/// A permission or a role on one object.
///
/// ```
/// use palisade::permissions::{Grant, Recipient};
/// use palisade::prelude::*;
/// # #[derive(Permission, Clone, Copy)]
/// # #[permission(app = "desk")]
/// # enum May { ViewTicket }
/// let grant = Grant::permission(May::ViewTicket, Recipient::User(7))
///     .until(chrono::Utc::now() + chrono::TimeDelta::days(30))
///     .because("the auditor of 2026");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub(in crate::permissions) content: Content,
    pub(in crate::permissions) recipient: Recipient,
    pub(in crate::permissions) until: Option<DateTime<Utc>>,
    pub(in crate::permissions) reason: String,
}

impl Grant {
    /// One permission.
    pub fn permission(permission: impl Into<PermissionName>, recipient: Recipient) -> Self {
        Self::new(Content::Permission(permission.into()), recipient)
    }

    /// All permissions of a role, which is a group.
    pub fn role(role: impl Into<String>, recipient: Recipient) -> Self {
        Self::new(Content::Role(role.into()), recipient)
    }

    fn new(content: Content, recipient: Recipient) -> Self {
        Self {
            content,
            recipient,
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

    /// Its reason, for the report; at most 200 characters are stored.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}

/// The table of an entity's grants.
pub(in crate::permissions) fn table_of_grants<E: EntityTrait>() -> String {
    format!("{}_grant", E::default().table_name())
}

impl Actor {
    /// The rows of this entity on which the user was granted a permission: directly, by a group, or
    /// by a role on the object.
    ///
    /// ```
    /// # use palisade::prelude::*;
    /// # #[derive(Permission, Clone, Copy)]
    /// # #[permission(app = "desk")]
    /// # enum May { ViewTicket }
    /// fn shared<E: Scoped>(actor: &Actor) -> Rows<E> {
    ///     Rows::none().or("shared", actor.granted::<E>(May::ViewTicket))
    /// }
    /// ```
    pub fn granted<E: EntityTrait>(&self, permission: impl Into<PermissionName>) -> RowCondition {
        match single_key::<E>() {
            Some(key) => self.granted_on::<E>(key, permission),
            None => false.into(),
        }
    }

    /// The rows with a foreign key to an object on which the user was granted a permission:
    /// the tickets of an organisation in which the user is an agent.
    pub fn granted_on<E: EntityTrait>(
        &self,
        column: impl ColumnTrait,
        permission: impl Into<PermissionName>,
    ) -> RowCondition {
        self.granted_by_name::<E>(column, permission.into().as_str())
    }

    pub(in crate::permissions) fn granted_by_name<E: EntityTrait>(
        &self,
        column: impl ColumnTrait,
        permission: &str,
    ) -> RowCondition {
        self.note_question(permission);
        if self.id().is_none() || self.lacks_factor() {
            return false.into();
        }
        let objects = self.granted_objects::<E>(permission);
        let is_object = Expr::col((column.entity_name(), column)).in_subquery(objects);
        RowCondition::granted(permission, is_object)
    }

    fn granted_objects<E: EntityTrait>(&self, permission: &str) -> SelectStatement {
        Query::select()
            .column("object_id")
            .from(Alias::new(table_of_grants::<E>()))
            .cond_where(self.is_recipient())
            .cond_where(has_not_ended(self.now()))
            .cond_where(gives(permission))
            .to_owned()
    }

    /// Whether a grant's recipient is the user or one of the user's groups.
    fn is_recipient(&self) -> Condition {
        let own = Condition::any().add(Expr::col("user_id").eq(self.id()));
        let groups: Vec<i32> = self.rights().group_ids().collect();
        match groups.is_empty() {
            true => own,
            false => own.add(Expr::col("group_id").is_in(groups)),
        }
    }
}

/// Whether a grant gives a permission, itself or by its role.
fn gives(permission: &str) -> Condition {
    let roles = Query::select()
        .column("group_id")
        .from("auth_group_permissions")
        .and_where(Expr::col("permission_id").in_subquery(id_of(permission)))
        .to_owned();
    Condition::any()
        .add(Expr::col("permission_id").in_subquery(id_of(permission)))
        .add(Expr::col("role_id").in_subquery(roles))
}

/// The primary key of a permission.
pub(in crate::permissions) fn id_of(permission: &str) -> SelectStatement {
    let (app, codename) = split(permission);
    let content_type = Expr::col(("django_content_type", "id"));
    Query::select()
        .column(("auth_permission", "id"))
        .from("auth_permission")
        .inner_join(
            "django_content_type",
            content_type.equals(("auth_permission", "content_type_id")),
        )
        .and_where(Expr::col(("django_content_type", "app_label")).eq(app))
        .and_where(Expr::col(("auth_permission", "codename")).eq(codename))
        .to_owned()
}
