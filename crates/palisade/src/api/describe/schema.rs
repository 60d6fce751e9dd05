use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A type whose JSON has a known schema
/// ([JSON Schema 2020-12](https://json-schema.org/draft/2020-12)): `#[derive(Schema)]` on a struct
/// that serializes.
///
/// ```
/// use palisade::prelude::*;
///
/// #[derive(Schema, palisade::serde::Serialize)]
/// #[serde(crate = "palisade::serde")]
/// struct Summary { open: i64, oldest: Option<String> }
///
/// async fn summary() -> Json<Summary> {
///     Json(Summary { open: 3, oldest: None })
/// }
/// let routes: Routes = Routes::new().route("/api/summary", public().api().get(summary));
/// ```
#[diagnostic::on_unimplemented(
    message = "the JSON of `{Self}` is not described",
    label = "no schema",
    note = "write #[derive(Schema)] above the struct, or return Undescribed<…>"
)]
pub trait Schema {
    /// The schema.
    fn schema() -> Value;
}

/// The schema of an object with these members.
#[doc(hidden)]
pub fn object_schema(members: Vec<(&str, Value)>) -> Value {
    let required: Vec<_> = members.iter().map(|(name, _)| (*name).to_owned()).collect();
    let properties = members
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema));
    json!({
        "type": "object", "properties": properties.collect::<serde_json::Map<_, _>>(), "required": required,
    })
}

macro_rules! schemas {
    ($($type:ty => $schema:tt),+ $(,)?) => {
        $(
            impl Schema for $type {
                fn schema() -> Value {
                    json!($schema)
                }
            }
        )+
    };
}

schemas!(
    bool => {"type": "boolean"},
    i32 => {"type": "integer", "format": "int32"},
    i64 => {"type": "integer", "format": "int64"},
    u32 => {"type": "integer", "minimum": 0},
    u64 => {"type": "integer", "minimum": 0},
    usize => {"type": "integer", "minimum": 0},
    f64 => {"type": "number"},
    String => {"type": "string"},
    &str => {"type": "string"},
    DateTime<Utc> => {"type": "string", "format": "date-time"},
    NaiveDate => {"type": "string", "format": "date"},
    Value => {},
    () => {"type": "null"},
);

impl<T: Schema> Schema for Option<T> {
    fn schema() -> Value {
        json!({ "anyOf": [T::schema(), { "type": "null" }] })
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}
