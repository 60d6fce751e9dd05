//! The classes of Python whose values fields of Django hold, made from their arguments.

use super::python::PythonValue;
use chrono::{NaiveDate, NaiveTime, TimeDelta};

/// The classes that are known.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Class {
    Date,
    Time,
    DateTime,
    TimeDelta,
    TimeZone,
    Utc,
    Decimal,
    Uuid,
    Encode,
}

pub(super) fn class(module: &str, name: &str) -> Option<Class> {
    Some(match (module, name) {
        ("datetime", "date") => Class::Date,
        ("datetime", "time") => Class::Time,
        ("datetime", "datetime") => Class::DateTime,
        ("datetime", "timedelta") => Class::TimeDelta,
        ("datetime", "timezone") => Class::TimeZone,
        ("django.utils.timezone", "UTC") | ("pytz", "_UTC") => Class::Utc,
        ("decimal", "Decimal") => Class::Decimal,
        ("uuid", "UUID") => Class::Uuid,
        ("_codecs", "encode") => Class::Encode,
        _ => return None,
    })
}

/// The value of a class and its arguments, as its constructor would read them.
pub(super) fn make(class: Class, arguments: Vec<PythonValue>) -> Option<PythonValue> {
    if class == Class::Utc {
        return arguments.is_empty().then_some(PythonValue::Zone(0));
    }
    let mut values = arguments.into_iter();
    let first = values.next()?;
    let second = values.next();
    match (class, first, second) {
        (Class::Decimal, PythonValue::Text(text), None) => {
            let is_number = |byte: u8| byte.is_ascii_digit() || b"+-.E".contains(&byte);
            text.bytes()
                .all(is_number)
                .then_some(PythonValue::Decimal(text))
        }
        (Class::TimeDelta, PythonValue::Int(days), Some(PythonValue::Int(seconds))) => {
            let PythonValue::Int(micros) = values.next()? else {
                return None;
            };
            let days = TimeDelta::try_days(i64::try_from(days).ok()?)?;
            let seconds = TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?;
            let micros = TimeDelta::microseconds(i64::try_from(micros).ok()?);
            let whole = days.checked_add(&seconds)?.checked_add(&micros)?;
            Some(PythonValue::Delta(whole))
        }
        (Class::TimeZone, PythonValue::Delta(offset), None) => {
            Some(PythonValue::Zone(i32::try_from(offset.num_seconds()).ok()?))
        }
        (Class::Encode, PythonValue::Text(text), Some(PythonValue::Text(encoding))) => {
            // how the protocols before 3 write bytes
            (encoding == "latin1").then_some(())?;
            let bytes = text
                .chars()
                .map(|character| u8::try_from(u32::from(character)).ok());
            Some(PythonValue::Bytes(bytes.collect::<Option<_>>()?))
        }
        (Class::Date, PythonValue::Bytes(bytes), None) => date(&bytes).map(PythonValue::Date),
        (Class::Time, PythonValue::Bytes(bytes), None) => time(&bytes).map(PythonValue::Time),
        (Class::DateTime, PythonValue::Bytes(bytes), zone) => {
            let (day, clock) = bytes.split_at_checked(4)?;
            let at = date(day)?.and_time(time(clock)?);
            let zone = match zone {
                None => None,
                Some(PythonValue::Zone(seconds)) => Some(seconds),
                Some(_) => return None,
            };
            Some(PythonValue::DateTime(at, zone))
        }
        _ => None,
    }
}

/// Year, month and day.
fn date(bytes: &[u8]) -> Option<NaiveDate> {
    let [high, low, month, day] = *bytes else {
        return None;
    };
    let year = u16::from_be_bytes([high, low]);
    NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())
}

/// Hour, minute, second and microseconds.
fn time(bytes: &[u8]) -> Option<NaiveTime> {
    let [hour, minute, second, high, middle, low] = *bytes else {
        return None;
    };
    let micros = u32::from_be_bytes([0, high, middle, low]);
    NaiveTime::from_hms_micro_opt(hour.into(), minute.into(), second.into(), micros)
}

/// The state of a UUID: `{'int': …}`.
pub(super) fn uuid(state: PythonValue) -> Option<PythonValue> {
    let PythonValue::Dict(pairs) = state else {
        return None;
    };
    match pairs.as_slice() {
        [(name, PythonValue::Int(number))] if name == "int" => {
            Some(PythonValue::Uuid(u128::from_le_bytes(number.to_le_bytes())))
        }
        _ => None,
    }
}
