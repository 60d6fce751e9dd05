//! Values of columns as JSON with their types, for the history, the bin, proposals and page links.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sea_orm::sea_query::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Names and values of columns.
pub(crate) type Values = BTreeMap<String, Value>;

/// A value with its type, such as `["i32", 7]`; `None` for types that no column of the admin has.
pub(crate) fn stored(value: &Value) -> Option<Json> {
    fn tagged<T: Serialize>(tag: &str, value: &Option<T>) -> Option<Json> {
        Some(json!([tag, serde_json::to_value(value).ok()?]))
    }
    match value {
        Value::Bool(value) => tagged("bool", value),
        Value::TinyInt(value) => tagged("i8", value),
        Value::SmallInt(value) => tagged("i16", value),
        Value::Int(value) => tagged("i32", value),
        Value::BigInt(value) => tagged("i64", value),
        Value::Float(value) => tagged("f32", value),
        Value::Double(value) => tagged("f64", value),
        Value::String(value) => tagged("text", value),
        Value::Bytes(value) => tagged("bytes", &value.as_ref().map(|bytes| STANDARD.encode(bytes))),
        Value::Json(value) => tagged("json", value),
        Value::ChronoDate(value) => tagged("date", value),
        Value::ChronoTime(value) => tagged("time", value),
        Value::ChronoDateTime(value) => tagged("local", value),
        Value::ChronoDateTimeUtc(value) => tagged("utc", value),
        Value::ChronoDateTimeWithTimeZone(value) => tagged("zoned", value),
        Value::Decimal(value) => tagged("decimal", &value.map(|value| value.to_string())),
        _ => None,
    }
}

/// The value of [`stored`].
pub(crate) fn restored(json: &Json) -> Option<Value> {
    fn read<T: DeserializeOwned>(value: &Json) -> Option<Option<T>> {
        serde_json::from_value(value.clone()).ok()
    }
    let [tag, value] = json.as_array()?.as_slice() else {
        return None;
    };
    Some(match tag.as_str()? {
        "bool" => Value::Bool(read(value)?),
        "i8" => Value::TinyInt(read(value)?),
        "i16" => Value::SmallInt(read(value)?),
        "i32" => Value::Int(read(value)?),
        "i64" => Value::BigInt(read(value)?),
        "f32" => Value::Float(read(value)?),
        "f64" => Value::Double(read(value)?),
        "text" => Value::String(read(value)?),
        "bytes" => {
            let text: Option<String> = read(value)?;
            Value::Bytes(text.map(|text| STANDARD.decode(text)).transpose().ok()?)
        }
        "json" => Value::Json(read(value)?),
        "date" => Value::ChronoDate(read(value)?),
        "time" => Value::ChronoTime(read(value)?),
        "local" => Value::ChronoDateTime(read(value)?),
        "utc" => Value::ChronoDateTimeUtc(read(value)?),
        "zoned" => Value::ChronoDateTimeWithTimeZone(read(value)?),
        "decimal" => {
            let text: Option<String> = read(value)?;
            Value::Decimal(text.map(|text| text.parse()).transpose().ok()?)
        }
        _ => return None,
    })
}

/// Whether a value is NULL.
pub(crate) fn is_null(value: &Value) -> bool {
    stored(value).is_some_and(|stored| stored[1].is_null())
}

/// All values; `None` if one has a type that is not stored.
pub(crate) fn stored_all(values: &Values) -> Option<Json> {
    let all = values
        .iter()
        .map(|(name, value)| Some((name.clone(), stored(value)?)));
    Some(Json::Object(all.collect::<Option<_>>()?))
}

/// The values of [`stored_all`].
pub(crate) fn restored_all(json: &Json) -> Option<Values> {
    let all = json.as_object()?.iter();
    all.map(|(name, value)| Some((name.clone(), restored(value)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

    #[test]
    fn values_survive_storage_with_their_types() {
        let date = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
        let time = NaiveTime::from_hms_micro_opt(23, 59, 59, 123_456).unwrap();
        let utc: DateTime<Utc> = date.and_time(time).and_utc();
        let all = [
            Value::Bool(Some(true)),
            Value::Int(Some(-7)),
            Value::Int(None),
            Value::BigInt(Some(i64::MAX)),
            Value::Double(Some(0.1)),
            Value::String(Some("ä\0\"".into())),
            Value::String(None),
            Value::Bytes(Some(vec![0, 255])),
            Value::ChronoDate(Some(date)),
            Value::ChronoTime(Some(time)),
            Value::ChronoDateTime(Some(date.and_time(time))),
            Value::ChronoDateTimeUtc(Some(utc)),
            Value::ChronoDateTimeWithTimeZone(Some(utc.into())),
            Value::Decimal(Some("12.30".parse().unwrap())),
        ];
        for value in all {
            let text = stored(&value).unwrap().to_string();
            let read = restored(&serde_json::from_str(&text).unwrap());
            assert_eq!(read, Some(value), "{text}");
        }
        for wrong in [
            json!(7),
            json!(["i32"]),
            json!(["i32", "x"]),
            json!(["what", 1]),
        ] {
            assert_eq!(restored(&wrong), None, "{wrong}");
        }
    }
}
