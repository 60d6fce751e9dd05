//! Filters for dates and numbers, in the time zone of the site.

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use palisade_template::{Options, Value};
use rust_decimal::{Decimal, RoundingStrategy};

const DATE: &str = "%-d %B %Y";
const TIME: &str = "%H:%M";
const MOST_DIGITS: usize = 20;
const DATETIME: &str = "%-d %B %Y, %H:%M";

/// The options with `date`, `time`, `datetime` and `number`. Each of the first three takes a format
/// such as `"%d.%m.%Y"` (strftime); `number` takes the digits behind the point.
pub(crate) fn add(options: Options, zone: Tz) -> Options {
    options
        .filter("date", move |value, format| {
            moment(value, text_or(format, DATE)?, zone)
        })
        .filter("time", move |value, format| {
            moment(value, text_or(format, TIME)?, zone)
        })
        .filter("datetime", move |value, format| {
            moment(value, text_or(format, DATETIME)?, zone)
        })
        .filter("number", number)
}

fn text_or<'a>(argument: Option<&'a Value>, default: &'static str) -> Result<&'a str, String> {
    match argument {
        None => Ok(default),
        Some(text) => text
            .as_str()
            .ok_or_else(|| format!("{text} is not a format such as \"%d.%m.%Y\"")),
    }
}

/// A date as it is, a moment in the site's time zone, and none as the empty text.
fn moment(value: &Value, format: &str, zone: Tz) -> Result<String, String> {
    if value.is_none() {
        return Ok(String::new());
    }
    let items: Vec<Item<'_>> = StrftimeItems::new(format).collect();
    if items.contains(&Item::Error) {
        return Err(format!("{format:?} is not a format such as \"%d.%m.%Y\""));
    }
    let text = value.as_str().unwrap_or_default();
    if let Ok(date) = text.parse::<NaiveDate>() {
        // a date has no zone: midnight of no place, and nothing finer than a day
        return write(
            date.and_time(NaiveTime::MIN)
                .and_utc()
                .format_with_items(items.iter()),
        );
    }
    if let Ok(time) = text.parse::<NaiveTime>() {
        let at = NaiveDate::default().and_time(time).and_utc();
        return write(at.format_with_items(items.iter()));
    }
    let moment = at(text).ok_or_else(|| format!("{value} is not a date or a moment"))?;
    write(moment.with_timezone(&zone).format_with_items(items.iter()))
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    let with_offset = DateTime::parse_from_rfc3339(text).ok();
    with_offset.map(|moment| moment.to_utc()).or_else(|| {
        let naive = text.parse::<NaiveDateTime>().ok()?;
        Some(Utc.from_utc_datetime(&naive))
    })
}

/// The formatted text; chrono reports a field that the value lacks.
fn write(formatted: impl std::fmt::Display) -> Result<String, String> {
    use std::fmt::Write;
    let mut text = String::new();
    match write!(text, "{formatted}") {
        Ok(()) => Ok(text),
        Err(_) => Err("the value lacks a part of this format".into()),
    }
}

/// A number with its thousands apart, such as `1,234,567.50` with two digits. A decimal is a text.
fn number(value: &Value, digits: Option<&Value>) -> Result<String, String> {
    if value.is_none() {
        return Ok(String::new());
    }
    let number = value.to_string().parse::<Decimal>();
    let number = number.map_err(|_| format!("{value} is not a number"))?;
    let text = match digits {
        None => number.to_string(),
        Some(digits) => rounded(number, digits)?,
    };
    Ok(grouped(&text))
}

fn rounded(number: Decimal, digits: &Value) -> Result<String, String> {
    let digits = usize::try_from(digits.clone())
        .ok()
        .filter(|digits| *digits <= MOST_DIGITS);
    let digits = digits.ok_or_else(|| format!("number takes 0 to {MOST_DIGITS} digits"))?;
    let places = u32::try_from(digits).unwrap_or_default();
    let number = number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    // no "-0"
    let number = if number.is_zero() {
        Decimal::ZERO
    } else {
        number
    };
    let text = number.normalize().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    Ok(match digits {
        0 => whole.to_owned(),
        _ => format!("{whole}.{fraction:0<digits$}"),
    })
}

/// `-1234567.5` is `-1,234,567.5`.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, whole) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_template::{Layer, PageSecrets, Templates, context};

    fn rendered(template: &str, x: impl Into<Value>) -> Result<String, String> {
        let options = add(Options::new(), chrono_tz::Europe::Berlin);
        let layer = Layer::embedded(&[("page.html", template)]);
        let templates =
            Templates::load_with(vec![layer], options).map_err(|error| error.to_string())?;
        let x = x.into();
        let page = templates.render("page.html", context! { x }, PageSecrets::none());
        page.map_err(|error| format!("{error}"))
    }

    #[test]
    fn dates_are_of_the_zone_and_escaped_for_their_place() {
        let summer = "2026-07-01T22:30:00Z";
        for (template, x, page) in [
            ("{{ x|date }}", summer, "2 July 2026"),
            ("{{ x|time }}", summer, "00:30"),
            (
                "{{ x|datetime }}",
                "2026-11-29T10:05:00+00:00",
                "29 November 2026, 11:05",
            ),
            // a moment without an offset is UTC; a date has no zone
            (
                "{{ x|datetime }}",
                "2026-11-29T10:05:00.25",
                "29 November 2026, 11:05",
            ),
            ("{{ x|date }}", "2026-07-01", "1 July 2026"),
            // nor has a time of day
            ("{{ x|time }}", "10:05:00", "10:05"),
            ("{{ x|date('%d.%m.%Y %Z') }}", summer, "02.07.2026 CEST"),
            // the format is the author's, and escaped nevertheless
            ("{{ x|date('<b>%d') }}", summer, "&lt;b&gt;02"),
            (
                "<a href=\"/day?at={{ x|date('%d %m') }}\">",
                summer,
                "<a href=\"/day?at=02%2007\">",
            ),
        ] {
            assert_eq!(rendered(template, x).as_deref(), Ok(page), "{template} {x}");
        }
        assert_eq!(rendered("[{{ x|date }}]", ()).as_deref(), Ok("[]"));
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (template, x, page) in [
            ("{{ x|number }}", Value::from(1_234_567), "1,234,567"),
            ("{{ x|number }}", Value::from(-123), "-123"),
            ("{{ x|number }}", Value::from(-1234), "-1,234"),
            (
                "{{ x|number(2) }}",
                Value::from("1234567.5"),
                "1,234,567.50",
            ),
            ("{{ x|number(0) }}", Value::from(2.5), "3"),
            ("{{ x|number(0) }}", Value::from(-0.4), "0"),
            // longer than the formatter of decimals takes
            (
                "{{ x|number(20) }}",
                Value::from("123456789012"),
                "123,456,789,012.00000000000000000000",
            ),
            (
                "{{ x|number(4) }}",
                Value::from("1234567890123456789012345678"),
                "1,234,567,890,123,456,789,012,345,678.0000",
            ),
            ("{{ x|number(2) }}", Value::from(0), "0.00"),
            ("[{{ x|number }}]", Value::from(()), "[]"),
        ] {
            assert_eq!(
                rendered(template, x.clone()).as_deref(),
                Ok(page),
                "{template} {x}"
            );
        }
    }

    #[test]
    fn values_that_are_none_are_errors_of_the_template() {
        for (template, x, error) in [
            (
                "{{ x|date }}",
                "tomorrow",
                "tomorrow is not a date or a moment",
            ),
            ("{{ x|date('%Q') }}", "2026-07-01", "is not a format"),
            ("{{ x|date(1) }}", "2026-07-01", "is not a format"),
            ("{{ x|date('%') }}", "2026-07-01", "is not a format"),
            ("{{ x|number }}", "many", "many is not a number"),
            ("{{ x|number }}", "1e400", "is not a number"),
            ("{{ x|number(21) }}", "1", "number takes 0 to 20 digits"),
            ("{{ x|number(-1) }}", "1", "number takes 0 to 20 digits"),
        ] {
            let said = rendered(template, x).expect_err("an error");
            assert!(said.contains(error), "{template} {x}: {said}");
        }
    }
}
