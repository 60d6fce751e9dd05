//! Actions of the site's own on rows.

use super::operation::Operation;
use crate::permissions::{Actor, PermissionName, PureChange};
use sea_orm::EntityTrait;
use std::sync::Arc;

/// An action on one or several rows. It is a pure function from a row to a change, which the admin
/// carries out: by the policy of the rows, in one transaction, with its history and its undo.
///
/// ```
/// # mod ticket {
/// #     use palisade::entity::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "ticket")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub status: String }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// use palisade::admin::Action;
/// use palisade::entity::*;
///
/// fn actions() -> Vec<Action<ticket::Entity>> {
///     let close = |_: &ticket::Model, _: &palisade::permissions::Actor| ticket::ActiveModel {
///         status: Set("closed".into()),
///         ..Default::default()
///     };
///     vec![
///         Action::change("close", "Close", close),
///         Action::purge("purge", "Delete for good").two_person(),
///     ]
/// }
/// ```
pub struct Action<E: EntityTrait> {
    pub(crate) info: ActionInfo,
    pub(crate) change: Option<PureChange<E>>,
}

/// An action, as pages and requests name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActionInfo {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    /// The operation whose permission and policy authorize it.
    pub(crate) operation: Operation,
    pub(crate) permission: Option<PermissionName>,
    pub(crate) is_two_person: bool,
}

impl<E: EntityTrait> Action<E> {
    /// Changes columns of each row. It needs the permission to change rows.
    pub fn change(
        name: &'static str,
        label: &'static str,
        change: impl Fn(&E::Model, &Actor) -> E::ActiveModel + Send + Sync + 'static,
    ) -> Self {
        Self {
            info: ActionInfo::new(name, label, Operation::Change),
            change: Some(Arc::new(change)),
        }
    }

    /// Deletes each row without the bin. It needs the permission to delete rows.
    pub fn purge(name: &'static str, label: &'static str) -> Self {
        Self {
            info: ActionInfo::new(name, label, Operation::Delete),
            change: None,
        }
    }

    /// Requires this permission, too.
    #[must_use]
    pub fn permission(mut self, permission: impl Into<PermissionName>) -> Self {
        self.info.permission = Some(permission.into());
        self
    }

    /// Makes it a proposal, which another person approves.
    #[must_use]
    pub fn two_person(mut self) -> Self {
        self.info.is_two_person = true;
        self
    }
}

impl ActionInfo {
    const fn new(name: &'static str, label: &'static str, operation: Operation) -> Self {
        Self {
            name,
            label,
            operation,
            permission: None,
            is_two_person: false,
        }
    }
}
