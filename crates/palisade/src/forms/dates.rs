use super::{Field, Shape};
use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use std::fmt;
use std::ops::Deref;

/// A date, as `2026-11-29` ([ISO 8601](https://www.rfc-editor.org/rfc/rfc3339#section-5.6)), of the
/// years 1 to 9999.
///
/// ```
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct Booking {
///     arrival: Day,
///     call_at: Option<Moment>,
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

/// A point in time: as `2026-11-29T10:30` in the time zone of the site (`site.time_zone`), as
/// browsers send it, or with an offset
/// ([RFC 3339](https://www.rfc-editor.org/rfc/rfc3339#section-5.6)). Of a time that occurs twice
/// when summer time ends, it is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(DateTime<Utc>);

impl Deref for Day {
    type Target = NaiveDate;

    fn deref(&self) -> &NaiveDate {
        &self.0
    }
}

impl Deref for Moment {
    type Target = DateTime<Utc>;

    fn deref(&self) -> &DateTime<Utc> {
        &self.0
    }
}

impl From<Day> for NaiveDate {
    fn from(day: Day) -> Self {
        day.0
    }
}

impl From<Moment> for DateTime<Utc> {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339())
    }
}

impl Field for Day {
    const SHAPE: Shape = Shape::new("date", 10);

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let raw = raw.unwrap_or_default().trim();
        let is_iso = raw.len() == 10 && raw.is_ascii();
        let day = NaiveDate::parse_from_str(raw, "%Y-%m-%d").ok();
        let day = day.filter(|_| is_iso).filter(is_common);
        day.map(Self)
            .ok_or_else(|| "Enter a date such as 2026-11-29.".into())
    }
}

/// Databases and browsers agree on these years.
fn is_common(day: &NaiveDate) -> bool {
    use chrono::Datelike;
    (1..=9999).contains(&day.year())
}

impl Field for Moment {
    const SHAPE: Shape = Shape::new("datetime-local", 40);

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        Self::parse_in(raw.unwrap_or_default().trim(), Tz::UTC)
    }

    fn parse_all(values: &[String], zone: Tz) -> Result<Self, String> {
        Self::parse_in(values.first().map_or("", |value| value.trim()), zone)
    }
}

impl Moment {
    fn parse_in(raw: &str, zone: Tz) -> Result<Self, String> {
        if let Ok(exact) = DateTime::parse_from_rfc3339(raw)
            && is_common(&exact.naive_utc().date())
        {
            return Ok(Self(exact.to_utc()));
        }
        let local = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(raw, format).ok())
            .filter(|local| is_common(&local.date()));
        let local = local.ok_or("Enter a date and a time such as 2026-11-29 10:30.")?;
        match zone.from_local_datetime(&local) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Ok(Self(time.to_utc())),
            LocalResult::None => {
                Err("This time does not exist: the clocks go forward on that day.".into())
            }
        }
    }
}
