//! A JSON object as the values of a form.

use super::FieldSpec;
use super::input::Values;
use crate::views::{Error, ErrorKind, Result};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Reads an object of texts, numbers and booleans, and of lists of them for fields with several
/// values.
pub(super) fn read_flat(body: &[u8], fields: &[FieldSpec]) -> Result<Values> {
    let refuse = |message: String| Error::new(ErrorKind::BadRequest, message);
    let object = read_object(body)?;
    let mut values = Values::new();
    for (name, value) in object {
        let shown: String = name.chars().take(LONGEST_NAME).collect();
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            return Err(refuse(format!("{shown:?} is an unknown field.")));
        };
        let found = texts(value, field)
            .ok_or_else(|| refuse(format!("{shown:?} has another type of value.")))?;
        values.insert(name, found);
    }
    Ok(values)
}

/// Reads an object without repeated names.
///
/// # Errors
/// 400 for anything else.
pub(super) fn read_object(body: &[u8]) -> Result<Vec<(String, Value)>> {
    let Flat(object) = serde_json::from_slice(body).map_err(|error| {
        let message = format!("The JSON cannot be read: {error}.");
        Error::new(ErrorKind::BadRequest, message)
    })?;
    Ok(object)
}

/// Longest name in a message, in characters.
const LONGEST_NAME: usize = 60;

/// The input of a field; `None` for a value of another type.
pub(crate) fn texts(value: Value, field: &FieldSpec) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(list) if field.shape.is_many => list.into_iter().map(text).collect(),
        one => text(one).map(|text| vec![text]),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(is_true) => Some(is_true.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An object without repeated names.
struct Flat(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Flat;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flat, A::Error> {
        let mut entries: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom("a field occurs twice"));
            }
            if entries.len() == MOST_ENTRIES {
                return Err(A::Error::custom("there are too many fields"));
            }
            entries.push((name, value));
        }
        Ok(Flat(entries))
    }
}

/// Most names of an object, each of which is compared with the others.
const MOST_ENTRIES: usize = 200;
