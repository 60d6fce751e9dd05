//! Values of templates.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use palisade_template::{
    Serde, TrustedAttr, TrustedCss, TrustedHtml, TrustedJs, TrustedJsString, TrustedSrcset,
    TrustedUrl, Value,
};
use rust_decimal::Decimal;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// A type that [`context!`](crate::context) takes: texts, numbers, dates, lists and options of them,
/// borrowed or owned, and rows with `#[derive(Columns)]`.
///
/// An entity is none: a page shows the columns that a struct names, and no other. Moments are
/// RFC 3339 texts, for the filters `date`, `time` and `datetime`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value of a template",
    label = "not a text, number, date, list or row",
    note = "a row of the database is shown as a struct of its columns: #[derive(Columns)] #[columns(entity = note::Entity)] struct NoteRow {{ … }}, and NoteRow::from(&note)",
    note = "any other type that serde serializes is shown as Serde(value), with all its fields"
)]
pub trait ContextValue {
    /// The value for the template.
    fn into_value(self) -> Value;
}

/// Creates the values of a template: `context! { title, notes => rows, ..more }`. Each is a
/// [`ContextValue`](crate::views::ContextValue); after `..` stands another context, whose values come
/// second.
///
/// ```
/// use palisade::prelude::*;
/// let tags = vec!["red".to_owned(), "blue".to_owned()];
/// let long: Vec<&str> = tags.iter().map(String::as_str).filter(|tag| tag.len() > 3).collect();
/// let values = context! { tags => &tags, long, count => tags.len() };
/// assert_eq!(values.get_attr("long")?.to_string(), "['blue']");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! context {
    (@value $key:ident) => { $key };
    (@value $key:ident $value:expr) => { $value };
    ($($key:ident $(=> $value:expr)?),* $(, ..$more:expr)* $(,)?) => {
        $crate::template::context! {
            $($key => $crate::views::ContextValue::into_value($crate::context!(@value $key $($value)?))),*
            $(, ..$more)*
        }
    };
}

/// Types that the engine takes as they are.
macro_rules! taken {
    ($($type:ty),*) => {
        $(impl ContextValue for $type {
            fn into_value(self) -> Value {
                self.into()
            }
        })*
    };
}

taken! {
    Value, &Value, &str, String, &String, Cow<'_, str>, bool, &bool, char, (),
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64,
    &i16, &i32, &i64, &u16, &u32, &u64, &usize, &f64,
    TrustedAttr, TrustedCss, TrustedHtml, TrustedJs, TrustedJsString, TrustedSrcset, TrustedUrl
}

/// Types that are shown as their text.
macro_rules! as_text {
    ($($type:ty),*) => {
        $(impl ContextValue for $type {
            fn into_value(self) -> Value {
                self.to_string().into()
            }
        }
        impl ContextValue for &$type {
            fn into_value(self) -> Value {
                self.to_string().into()
            }
        })*
    };
}

as_text! { NaiveDate, NaiveTime, Decimal }

impl ContextValue for DateTime<Utc> {
    fn into_value(self) -> Value {
        self.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
    }
}

impl ContextValue for DateTime<FixedOffset> {
    fn into_value(self) -> Value {
        self.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
    }
}

impl ContextValue for NaiveDateTime {
    fn into_value(self) -> Value {
        self.format("%Y-%m-%dT%H:%M:%S%.f").to_string().into()
    }
}

impl<T: ContextValue + Copy> ContextValue for &&T {
    fn into_value(self) -> Value {
        (**self).into_value()
    }
}

impl ContextValue for &&str {
    fn into_value(self) -> Value {
        (*self).into()
    }
}

impl<T: Serialize> ContextValue for Serde<T> {
    fn into_value(self) -> Value {
        self.into()
    }
}

impl ContextValue for serde_json::Value {
    fn into_value(self) -> Value {
        Serde(self).into()
    }
}

impl<T: ContextValue> ContextValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or_else(|| Value::from(()), T::into_value)
    }
}

impl<'a, T> ContextValue for &'a Option<T>
where
    &'a T: ContextValue,
{
    fn into_value(self) -> Value {
        self.as_ref().into_value()
    }
}

impl<T: ContextValue> ContextValue for Vec<T> {
    fn into_value(self) -> Value {
        self.into_iter().map(T::into_value).collect()
    }
}

impl<'a, T> ContextValue for &'a Vec<T>
where
    &'a T: ContextValue,
{
    fn into_value(self) -> Value {
        self.as_slice().into_value()
    }
}

impl<'a, T> ContextValue for &'a [T]
where
    &'a T: ContextValue,
{
    fn into_value(self) -> Value {
        self.iter().map(ContextValue::into_value).collect()
    }
}

impl<T: ContextValue, const N: usize> ContextValue for [T; N] {
    fn into_value(self) -> Value {
        self.into_iter().map(T::into_value).collect()
    }
}

impl<K: Into<String>, T: ContextValue> ContextValue for BTreeMap<K, T> {
    fn into_value(self) -> Value {
        map_value(self)
    }
}

impl<K: Into<String>, T: ContextValue> ContextValue for HashMap<K, T> {
    fn into_value(self) -> Value {
        map_value(self)
    }
}

/// A map of values by their names.
#[doc(hidden)]
pub fn map_value<K: Into<String>, T: ContextValue>(
    entries: impl IntoIterator<Item = (K, T)>,
) -> Value {
    let entries = entries.into_iter();
    let entries = entries.map(|(key, value)| (key.into(), value.into_value()));
    Value::from(entries.collect::<BTreeMap<String, Value>>())
}
