//! The declaration of a resource.

use super::operation::Operation;
use super::{Action, Column};
use crate::permissions::{Fill, Guard, Scoped};
use sea_orm::EntityTrait;

/// A resource of the admin: a struct with `#[derive(Admin)]`, which lists its columns.
pub trait Resource: Send + Sync + 'static {
    /// The entity, whose policy selects the rows.
    type Entity: Scoped;
    /// Its name in URLs: that of the struct, such as `open-tickets`.
    const NAME: &'static str;
    /// Its name on pages.
    const TITLE: &'static str;

    /// Its columns and options.
    fn describe() -> Description<Self::Entity>;
}

/// Columns and options of a resource, made by `#[derive(Admin)]`.
pub struct Description<E: EntityTrait> {
    pub(crate) columns: Vec<Column>,
    pub(crate) order: Option<&'static str>,
    pub(crate) children: Vec<&'static str>,
    pub(crate) actions: Vec<Action<E>>,
    pub(crate) fill: Option<Fill<E>>,
    pub(crate) guard: Option<Guard>,
    pub(crate) without: Vec<Operation>,
    pub(crate) two_person: Vec<Operation>,
}

impl<E: EntityTrait> Description<E> {
    /// A resource of these columns.
    pub fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            order: None,
            children: Vec::new(),
            actions: Vec::new(),
            fill: None,
            guard: None,
            without: Vec::new(),
            two_person: Vec::new(),
        }
    }

    /// Order of the list: the name of a column, with `-` in front for descending.
    #[must_use]
    pub fn order(mut self, column: &'static str) -> Self {
        self.order = Some(column);
        self
    }

    /// Shows the rows of another resource that belong to a row.
    #[must_use]
    pub fn child(mut self, resource: &'static str) -> Self {
        self.children.push(resource);
        self
    }

    /// Adds actions.
    #[must_use]
    pub fn actions(mut self, actions: Vec<Action<E>>) -> Self {
        self.actions.extend(actions);
        self
    }

    /// Completes rows before they are written.
    #[must_use]
    pub fn fill(mut self, fill: Fill<E>) -> Self {
        self.fill = Some(fill);
        self
    }

    /// Judges changes and deletions beside the policy of the rows.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// Removes an operation, for all users.
    #[must_use]
    pub fn without(mut self, operation: Operation) -> Self {
        self.without.push(operation);
        self
    }

    /// Makes an operation a proposal, which another person approves.
    ///
    /// # Panics
    /// For another operation than a change or a deletion.
    #[must_use]
    pub fn two_person(mut self, operation: Operation) -> Self {
        let is_known = matches!(operation, Operation::Change | Operation::Delete);
        assert!(
            is_known,
            "two persons approve changes, deletions and actions"
        );
        self.two_person.push(operation);
        self
    }
}
