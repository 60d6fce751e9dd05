//! A column of a table as a field: how it is selected, shown, and read from input.

use super::{Field, FieldSpec, Input, IntoColumn, ShowColumn};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Value, ValueType};
use sea_orm::{ColumnTrait, ColumnType, DbErr, EntityTrait, IdenStatic, QueryResult, TryGetable};

/// The type of a column that the admin and the API can show. An encrypted column is none: its values
/// would be decrypted for lists, filters and exports.
#[diagnostic::on_unimplemented(
    message = "a column of type `{Self}` cannot be in the admin or in the API",
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

/// A column, and the field of the same name.
pub struct RowColumn {
    pub(crate) spec: FieldSpec,
    /// Name of the field and of the column.
    pub(crate) name: &'static str,
    pub(crate) is_nullable: bool,
    /// Whether the database stores text.
    is_text: bool,
    expression: Expr,
    selected: Expr,
    read: fn(&QueryResult, &str) -> Result<Value, DbErr>,
    write_json: fn(&QueryResult, &str, &mut Vec<u8>) -> Result<(), DbErr>,
    show: fn(Value) -> Vec<String>,
    parse: fn(&mut Input, &'static str) -> Option<Value>,
    parse_text: fn(&str, Tz) -> Option<Value>,
}

impl RowColumn {
    /// The column of a field of type `F`, whose type is that of the model's field.
    ///
    /// # Panics
    /// When they have different names.
    pub(crate) fn of<E, F, C>(column: E::Column, spec: FieldSpec) -> Self
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
            selected: column.select_as(expression.clone()),
            expression,
            read: |row, name| Ok(row.try_get::<C>("", name)?.into()),
            write_json: |row, name, out| {
                F::write_json(&row.try_get::<C>("", name)?, out);
                Ok(())
            },
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
            spec,
        }
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

    /// Writes it as JSON.
    pub(crate) fn write_json(&self, row: &QueryResult, out: &mut Vec<u8>) -> Result<(), DbErr> {
        (self.write_json)(row, self.name, out)
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

fn is_text(kind: &ColumnType) -> bool {
    matches!(
        kind,
        ColumnType::Text | ColumnType::String(_) | ColumnType::Char(_)
    )
}
