//! Values of Python, and their text for an encrypted column.

use chrono::{
    DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, TimeZone,
};
use serde_json::{Map, Number, Value};

/// A value of a field.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq)]
pub enum PythonValue {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<PythonValue>),
    Dict(Vec<(String, PythonValue)>),
    Date(NaiveDate),
    Time(NaiveTime),
    /// With its offset in seconds, if it has a time zone.
    DateTime(NaiveDateTime, Option<i32>),
    Delta(TimeDelta),
    Decimal(String),
    Uuid(u128),
    /// A time zone, by its offset in seconds.
    Zone(i32),
}

impl PythonValue {
    pub(super) fn is_deeper_than(&self, depth: usize) -> bool {
        let Some(rest) = depth.checked_sub(1) else {
            return true;
        };
        match self {
            Self::List(values) => values.iter().any(|value| value.is_deeper_than(rest)),
            Self::Dict(pairs) => pairs.iter().any(|(_, value)| value.is_deeper_than(rest)),
            _ => false,
        }
    }

    /// The text for a column: numbers, dates and times as this framework's field types read them,
    /// lists and dictionaries as JSON. `None` for null, for bytes that are no text, and for types
    /// without a spelling.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(text) | Self::Decimal(text) => text.clone(),
            Self::Bytes(bytes) => String::from_utf8(bytes.clone()).ok()?,
            Self::Date(day) => day.to_string(),
            Self::Time(time) => time.to_string(),
            Self::DateTime(at, offset) => rfc3339(*at, offset.unwrap_or(0))?,
            Self::Uuid(number) => uuid_text(*number),
            Self::List(_) | Self::Dict(_) => self.json()?.to_string(),
            Self::None | Self::Delta(_) | Self::Zone(_) => return None,
        })
    }

    fn json(&self) -> Option<Value> {
        Some(match self {
            Self::None => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Number(i64::try_from(*value).ok()?.into()),
            Self::Float(value) => Value::Number(Number::from_f64(*value)?),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(values) => values.iter().map(Self::json).collect::<Option<_>>()?,
            Self::Dict(pairs) => {
                let pair = |(key, value): &(String, Self)| Some((key.clone(), value.json()?));
                Value::Object(pairs.iter().map(pair).collect::<Option<Map<_, _>>>()?)
            }
            _ => return None,
        })
    }
}

fn rfc3339(at: NaiveDateTime, offset: i32) -> Option<String> {
    let zone = FixedOffset::east_opt(offset)?;
    let at: DateTime<FixedOffset> = zone.from_local_datetime(&at).single()?;
    Some(at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn uuid_text(number: u128) -> String {
    let digits = format!("{number:032x}");
    let groups = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    groups.join("-")
}
