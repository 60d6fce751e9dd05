//! A declared column: a field of a resource, and the column of the same name.

use crate::forms::{Field, FieldSpec, IntoColumn, PlainColumn, RowColumn, ShowColumn};
use crate::permissions::PermissionName;
use sea_orm::EntityTrait;
use std::ops::Deref;

/// How a column is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// Anywhere in the text.
    Contains,
    /// At its beginning, which an index on `lower(column)` serves.
    Start,
}

/// A column of a resource, made by `#[derive(Admin)]`.
pub struct Column {
    row: RowColumn,
    pub(crate) is_listed: bool,
    pub(crate) is_filter: bool,
    pub(crate) search: Option<Search>,
    /// Shown and never written.
    pub(crate) is_fixed: bool,
    pub(crate) view: Option<PermissionName>,
    pub(crate) change: Option<PermissionName>,
    pub(crate) kind: Kind,
}

impl Deref for Column {
    type Target = RowColumn;

    fn deref(&self) -> &RowColumn {
        &self.row
    }
}

/// The appearance of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Flag,
    Choice,
    /// A foreign key.
    Row,
    Day,
    Moment,
}

impl Column {
    /// The column of a field of type `F`, whose type is that of the model's field.
    #[doc(hidden)]
    pub fn of<E, F, C>((column, spec): (E::Column, FieldSpec), _: fn(&E::Model) -> &C) -> Self
    where
        E: EntityTrait,
        F: Field + ShowColumn<C> + IntoColumn<C>,
        C: PlainColumn,
    {
        let kind = kind(&spec);
        Self {
            row: RowColumn::of::<E, F, C>(column, with_label(spec)),
            is_listed: false,
            is_filter: false,
            search: None,
            is_fixed: false,
            view: None,
            change: None,
            kind,
        }
    }

    /// Shows it in the list.
    #[must_use]
    pub fn list(mut self) -> Self {
        self.is_listed = true;
        self
    }

    /// Filters the list by it.
    #[must_use]
    pub fn filter(mut self) -> Self {
        self.is_filter = true;
        self
    }

    /// Searches it.
    #[must_use]
    pub fn search(mut self) -> Self {
        self.search = Some(Search::Contains);
        self
    }

    /// Searches its beginning.
    #[must_use]
    pub fn search_start(mut self) -> Self {
        self.search = Some(Search::Start);
        self
    }

    /// Shows it, and never changes it.
    #[must_use]
    pub fn fixed(mut self) -> Self {
        self.is_fixed = true;
        self
    }

    /// Requires a permission to see it: in lists, filters, order, search, pages, history and exports.
    #[must_use]
    pub fn view(mut self, permission: impl Into<PermissionName>) -> Self {
        self.view = Some(permission.into());
        self
    }

    /// Requires a permission to change it.
    #[must_use]
    pub fn change(mut self, permission: impl Into<PermissionName>) -> Self {
        self.change = Some(permission.into());
        self
    }
}

/// A foreign key is named as its row: `Customer`, and not `Customer id`.
fn with_label(spec: FieldSpec) -> FieldSpec {
    let label = spec
        .label
        .strip_suffix(" id")
        .filter(|_| spec.shape.choices.is_some());
    FieldSpec {
        label: label.unwrap_or(spec.label),
        ..spec
    }
}

fn kind(spec: &FieldSpec) -> Kind {
    match spec.shape.kind {
        _ if spec.shape.choices.is_some() => Kind::Row,
        "checkbox" => Kind::Flag,
        "date" => Kind::Day,
        "datetime-local" => Kind::Moment,
        _ if !spec.shape.options.is_empty() => Kind::Choice,
        _ => Kind::Text,
    }
}
