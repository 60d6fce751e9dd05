//! A declared column: a field of a resource, and the column of the same name.

use crate::forms::{Field, FieldSpec, Input, IntoColumn, ShowColumn};
use crate::permissions::PermissionName;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Value, ValueType};
use sea_orm::{ColumnTrait, ColumnType, DbErr, EntityTrait, IdenStatic, QueryResult, TryGetable};

/// The type of a column that the admin can show. An encrypted column is none: its values would be
/// decrypted for lists, filters and exports.
#[diagnostic::on_unimplemented(
    message = "a column of type `{Self}` cannot be in the admin",
    note = "encrypted columns and secrets are no fields of a resource: leave them out, and show them on a page of the site's own"
)]
pub trait PlainColumn: TryGetable + ValueType + Into<Value> + Clone {}

macro_rules! plain {
    ($($type:ty),+) => { $(impl PlainColumn for $type {})+ };
}

plain!(
    String,
    bool,
    i16,
    i32,
    i64,
    NaiveDate,
    DateTime<Utc>,
    Decimal
);

impl<T: PlainColumn> PlainColumn for Option<T> where Self: TryGetable + ValueType + Into<Value> {}

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
    pub(crate) spec: FieldSpec,
    /// Name of the field and of the column.
    pub(crate) name: &'static str,
    pub(crate) is_nullable: bool,
    pub(crate) is_listed: bool,
    pub(crate) is_filter: bool,
    pub(crate) search: Option<Search>,
    /// Shown and never written.
    pub(crate) is_fixed: bool,
    pub(crate) view: Option<PermissionName>,
    pub(crate) change: Option<PermissionName>,
    pub(crate) kind: Kind,
    /// Whether the database stores text.
    is_text: bool,
    expression: Expr,
    selected: Expr,
    read: fn(&QueryResult, &str) -> Result<Value, DbErr>,
    show: fn(Value) -> Vec<String>,
    parse: fn(&mut Input, &'static str) -> Option<Value>,
    parse_text: fn(&str, Tz) -> Option<Value>,
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
        let has_name = column.as_str() == spec.name;
        assert!(
            has_name,
            "the column of the field {} has another name: rename the field",
            spec.name
        );
        let expression = Expr::col((E::default(), column));
        Self {
            name: spec.name,
            is_nullable: column.def().is_null(),
            is_text: is_text(column.def().get_column_type()),
            is_listed: false,
            is_filter: false,
            search: None,
            is_fixed: false,
            view: None,
            change: None,
            kind: kind(&spec),
            selected: column.select_as(expression.clone()),
            expression,
            read: |row, name| Ok(row.try_get::<C>("", name)?.into()),
            show: |value| {
                C::try_from(value)
                    .map(|column| F::show(&column))
                    .unwrap_or_default()
            },
            parse: |input, name| Some(F::read(input, name)?.into_column().into()),
            parse_text: |text, zone| {
                let value = F::parse_all(&[text.to_owned()], zone).ok()?;
                Some(value.into_column().into())
            },
            spec: with_label(spec),
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

    /// The column in a query.
    pub(crate) fn expression(&self) -> Expr {
        self.expression.clone()
    }

    /// The column as text, to be searched.
    pub(crate) fn text(&self) -> Expr {
        match self.is_text {
            true => self.expression(),
            false => self.expression().cast_as(Alias::new("text")),
        }
    }

    /// The column as it is selected.
    pub(crate) fn selected(&self) -> Expr {
        self.selected.clone()
    }

    pub(crate) fn read(&self, row: &QueryResult) -> Result<Value, DbErr> {
        (self.read)(row, self.name)
    }

    /// Reads it under another name.
    pub(crate) fn read_as(&self, row: &QueryResult, name: &str) -> Result<Value, DbErr> {
        (self.read)(row, name)
    }

    /// A value as input of its field.
    pub(crate) fn input(&self, value: &Value) -> Vec<String> {
        (self.show)(value.clone())
    }

    /// Reads the field of a form.
    pub(crate) fn parse(&self, input: &mut Input) -> Option<Value> {
        (self.parse)(input, self.name)
    }

    /// Reads the value of a filter.
    pub(crate) fn parse_text(&self, text: &str, zone: Tz) -> Option<Value> {
        (self.parse_text)(text, zone)
    }

    /// The table of a foreign key.
    pub(crate) fn target(&self) -> Option<&'static str> {
        self.spec.shape.choices.map(|choices| (choices.table)())
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

fn is_text(kind: &ColumnType) -> bool {
    matches!(
        kind,
        ColumnType::Text | ColumnType::String(_) | ColumnType::Char(_)
    )
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
