//! Between the fields of a form and the columns of a row.

use super::{
    Choice, Day, Decimal, Digits, Email, Hex, Line, Moment, Money, Number, Slug, Text, Token,
    Username, WebUrl,
};
use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::EntityTrait;
use serde::Serialize;

/// A form that shows the columns of a row: `#[derive(Form)]` with `#[form(entity = note::Entity)]`.
pub trait FillFrom<R> {
    /// Names and values of the fields.
    fn values(row: &R) -> FieldValues;
}

/// A form that changes the columns of a row: the same derive.
pub trait RowForm {
    /// The entity.
    type Entity: EntityTrait;

    /// The columns of the form, as changes of a row. The key of a
    /// [`Ref`](crate::permissions::Ref) is not among them: resolve it first.
    fn changes(&self) -> <Self::Entity as EntityTrait>::ActiveModel;
}

/// Names of fields, and their values.
pub type FieldValues = Vec<(&'static str, Vec<String>)>;

/// A field that shows a column of type `C`.
pub trait ShowColumn<C> {
    /// The column's value as input of the field; none for a null.
    fn show(column: &C) -> Vec<String>;

    /// The column's value in JSON, which the field can read: its input as text, unless the type has
    /// a value of its own in JSON.
    fn write_json(column: &C, out: &mut Vec<u8>) {
        write_json(&Self::show(column).first(), out);
    }
}

/// Writes a value. Texts, numbers and booleans always can be.
fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// A field's value as that of a column of type `C`.
pub trait IntoColumn<C> {
    /// The value.
    fn into_column(self) -> C;
}

impl<F: ShowColumn<C>, C> ShowColumn<Option<C>> for Option<F> {
    fn show(column: &Option<C>) -> Vec<String> {
        column.as_ref().map(F::show).unwrap_or_default()
    }

    fn write_json(column: &Option<C>, out: &mut Vec<u8>) {
        match column {
            Some(column) => F::write_json(column, out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl<F: IntoColumn<C>, C> IntoColumn<Option<C>> for Option<F> {
    fn into_column(self) -> Option<C> {
        self.map(F::into_column)
    }
}

/// A text column without nulls, where an empty text is no value, as in Django.
impl<F: ShowColumn<String>> ShowColumn<String> for Option<F> {
    fn show(column: &String) -> Vec<String> {
        match column.is_empty() {
            true => Vec::new(),
            false => F::show(column),
        }
    }
}

impl<F: IntoColumn<String>> IntoColumn<String> for Option<F> {
    fn into_column(self) -> String {
        self.map(F::into_column).unwrap_or_default()
    }
}

impl ShowColumn<bool> for bool {
    fn show(column: &bool) -> Vec<String> {
        column.then(|| "on".to_owned()).into_iter().collect()
    }

    fn write_json(column: &bool, out: &mut Vec<u8>) {
        write_json(column, out);
    }
}

impl ShowColumn<DateTime<Utc>> for Moment {
    fn show(column: &DateTime<Utc>) -> Vec<String> {
        vec![column.to_rfc3339()]
    }
}

impl<const MAX: i64, const DECIMALS: u32> ShowColumn<i64> for Money<MAX, DECIMALS> {
    fn show(column: &i64) -> Vec<String> {
        vec![rust_decimal::Decimal::new(*column, DECIMALS).to_string()]
    }
}

impl<T: Choice> ShowColumn<String> for T {
    fn show(column: &String) -> Vec<String> {
        vec![column.clone()]
    }

    fn write_json(column: &String, out: &mut Vec<u8>) {
        write_json(column, out);
    }
}

/// The code of a choice.
impl<T: Choice> IntoColumn<String> for T {
    fn into_column(self) -> String {
        self.code().to_owned()
    }
}

/// Its limits must be those of the column's type.
impl<const MIN: i64, const MAX: i64> IntoColumn<i32> for Number<MIN, MAX> {
    fn into_column(self) -> i32 {
        const {
            assert!(
                MIN >= i32::MIN as i64 && MAX <= i32::MAX as i64,
                "the limits of this number are wider than its column"
            );
        }
        i32::try_from(self.get()).unwrap_or_default()
    }
}

macro_rules! shown_as_text {
    ($([$($generic:tt)*] $field:ty => $column:ty),+ $(,)?) => {
        $(
            impl<$($generic)*> ShowColumn<$column> for $field {
                fn show(column: &$column) -> Vec<String> {
                    vec![column.to_string()]
                }

                fn write_json(column: &$column, out: &mut Vec<u8>) {
                    write_json(column, out);
                }
            }
        )+
    };
}

shown_as_text!(
    [const MAX: usize] Line<MAX> => String,
    [const MAX: usize] Text<MAX> => String,
    [const MAX: usize] Token<MAX> => String,
    [const MAX: usize] WebUrl<MAX> => String,
    [const MAX: usize] Slug<MAX> => String,
    [const MIN: usize, const MAX: usize] Digits<MIN, MAX> => String,
    [const LENGTH: usize] Hex<LENGTH> => String,
    [] Username => String,
    [] Email => String,
    [] i32 => i32,
    [] i64 => i64,
    [const MIN: i64, const MAX: i64] Number<MIN, MAX> => i32,
    [const MIN: i64, const MAX: i64] Number<MIN, MAX> => i64,
    [] Day => NaiveDate,
    [const DIGITS: u32, const SCALE: u32] Decimal<DIGITS, SCALE> => rust_decimal::Decimal,
);

macro_rules! columns {
    ($([$($generic:tt)*] $field:ty => $column:ty),+ $(,)?) => {
        $(
            impl<$($generic)*> IntoColumn<$column> for $field {
                fn into_column(self) -> $column {
                    self.into()
                }
            }
        )+
    };
}

columns!(
    [const MAX: usize] Line<MAX> => String,
    [const MAX: usize] Text<MAX> => String,
    [const MAX: usize] Token<MAX> => String,
    [const MAX: usize] WebUrl<MAX> => String,
    [const MAX: usize] Slug<MAX> => String,
    [const MIN: usize, const MAX: usize] Digits<MIN, MAX> => String,
    [const LENGTH: usize] Hex<LENGTH> => String,
    [] Username => String,
    [] Email => String,
    [] bool => bool,
    [] i32 => i32,
    [] i64 => i64,
    [const MIN: i64, const MAX: i64] Number<MIN, MAX> => i64,
    [] Day => NaiveDate,
    [] Moment => DateTime<Utc>,
    [const DIGITS: u32, const SCALE: u32] Decimal<DIGITS, SCALE> => rust_decimal::Decimal,
    [const MAX: i64, const DECIMALS: u32] Money<MAX, DECIMALS> => i64,
);
