use chrono::{DateTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use croner::Cron;
use std::fmt;
use std::time::Duration;

/// When a task runs.
///
/// ```
/// use palisade::tasks::Schedule;
/// use std::time::Duration;
///
/// Schedule::every(Duration::from_secs(600));
/// Schedule::daily(3, 30); // at 03:30 in the time zone of the site
/// Schedule::cron("0 9 * * MON-FRI");
/// ```
///
/// Times of day are in the zone of `site.time_zone`. One that a change to summer time skips is run
/// after the gap; one that occurs twice is run once.
#[derive(Debug, Clone)]
pub struct Schedule(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Interval(TimeDelta),
    Times(Box<Cron>),
}

impl Schedule {
    /// At once, and again after this interval.
    ///
    /// # Panics
    /// When the interval is shorter than a second.
    pub fn every(interval: Duration) -> Self {
        assert!(
            interval >= Duration::from_secs(1),
            "the interval of a task is at least a second"
        );
        Self(Kind::Interval(
            TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX),
        ))
    }

    /// Every day at this time.
    ///
    /// # Panics
    /// When there is no such time.
    pub fn daily(hour: u32, minute: u32) -> Self {
        Self::cron(&format!("{minute} {hour} * * *"))
    }

    /// Every week on this day, at this time.
    ///
    /// # Panics
    /// When there is no such time.
    pub fn weekly(day: Weekday, hour: u32, minute: u32) -> Self {
        let day = day.num_days_from_sunday();
        Self::cron(&format!("{minute} {hour} * * {day}"))
    }

    /// By a cron expression of five fields: minute, hour, day of the month, month, day of the week
    /// ([crontab](https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html)).
    ///
    /// # Panics
    /// When it is not a cron expression.
    pub fn cron(expression: &str) -> Self {
        match expression.parse() {
            Ok(cron) => Self(Kind::Times(Box::new(cron))),
            Err(error) => panic!("{expression:?} is not a cron expression: {error}"),
        }
    }

    /// The first time of a task that has never run.
    pub(crate) fn first(&self, now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        match &self.0 {
            Kind::Interval(_) => now,
            Kind::Times(_) => self.next(now, zone),
        }
    }

    /// The next time after `now`.
    pub(crate) fn next(&self, now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        match &self.0 {
            Kind::Interval(interval) => now.checked_add_signed(*interval),
            Kind::Times(cron) => cron
                .find_next_occurrence(&now.with_timezone(&zone), false)
                .ok()
                .map(|next| next.with_timezone(&Utc)),
        }
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Interval(interval) => write!(f, "every {} s", interval.num_seconds()),
            Kind::Times(cron) => write!(f, "{}", cron.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    // a day with a change to or from summer time has 23 or 25 hours; the task runs once on each
    #[test]
    fn a_daily_task_runs_once_a_day_in_every_zone() {
        let berlin: Tz = "Europe/Berlin".parse().expect("a zone");
        for (schedule, zone, now, next) in [
            (
                Schedule::daily(3, 30),
                Tz::UTC,
                "2026-11-29T03:29:59Z",
                "2026-11-29T03:30:00Z",
            ),
            (
                Schedule::daily(3, 30),
                Tz::UTC,
                "2026-11-29T03:30:00Z",
                "2026-11-30T03:30:00Z",
            ),
            (
                Schedule::daily(3, 30),
                berlin,
                "2026-11-29T00:00:00Z",
                "2026-11-29T02:30:00Z",
            ),
            // 02:30 does not exist on 29 March 2026 in Berlin: after the gap
            (
                Schedule::daily(2, 30),
                berlin,
                "2026-03-28T12:00:00Z",
                "2026-03-29T01:00:00Z",
            ),
            (
                Schedule::daily(2, 30),
                berlin,
                "2026-03-29T01:00:00Z",
                "2026-03-30T00:30:00Z",
            ),
            // 02:30 exists twice on 25 October 2026 in Berlin: the first one, once
            (
                Schedule::daily(2, 30),
                berlin,
                "2026-10-24T12:00:00Z",
                "2026-10-25T00:30:00Z",
            ),
            (
                Schedule::daily(2, 30),
                berlin,
                "2026-10-25T00:30:00Z",
                "2026-10-26T01:30:00Z",
            ),
            (
                Schedule::weekly(Weekday::Mon, 9, 0),
                Tz::UTC,
                "2026-11-29T09:00:00Z",
                "2026-11-30T09:00:00Z",
            ),
            (
                Schedule::cron("0 9 * * MON-FRI"),
                Tz::UTC,
                "2026-11-27T09:00:00Z",
                "2026-11-30T09:00:00Z",
            ),
            (
                Schedule::every(Duration::from_secs(600)),
                berlin,
                "2026-11-29T00:00:01Z",
                "2026-11-29T00:10:01Z",
            ),
        ] {
            assert_eq!(
                schedule.next(utc(now), zone),
                utc(next),
                "{schedule} after {now} in {zone}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "is not a cron expression")]
    fn a_time_that_does_not_exist_is_refused() {
        let _ = Schedule::daily(24, 0);
    }
}
