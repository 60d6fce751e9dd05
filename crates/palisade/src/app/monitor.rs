//! Events that no request causes by itself: a high rate of errors, and a certificate near its end.

use crate::audit_log::{AuditLog, Entry, Event};
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Minutes over which errors are counted.
const WINDOW: usize = 5;
/// Fewer requests than this in a window say nothing about a rate.
const LEAST_REQUESTS: u64 = 100;
/// A rate of errors above this is an event, in per cent.
const MOST_ERRORS: u64 = 5;
/// A certificate that is valid for less than this was not renewed in time.
const NEAR_END: TimeDelta = TimeDelta::days(7);

/// Counters of responses, and past events.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    requests: AtomicU64,
    errors: AtomicU64,
    past: Mutex<Past>,
}

#[derive(Debug, Default)]
struct Past {
    /// Requests and errors of the last minutes.
    minutes: VecDeque<(u64, u64)>,
    /// The last event about the certificate.
    warned: Option<DateTime<Utc>>,
    /// The last event about missing backups.
    backup_warned: Option<DateTime<Utc>>,
}

/// The rate of errors in a window, in per cent, if it is too high.
fn too_high(minutes: &VecDeque<(u64, u64)>) -> Option<u64> {
    let requests: u64 = minutes.iter().map(|(requests, _)| requests).sum();
    let errors: u64 = minutes.iter().map(|(_, errors)| errors).sum();
    let is_high = requests >= LEAST_REQUESTS && errors * 100 > requests * MOST_ERRORS;
    is_high.then(|| errors * 100 / requests)
}

impl Monitor {
    /// Counts a response.
    pub(super) fn answered(&self, status: StatusCode) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if status.is_server_error() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn past(&self) -> std::sync::MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a minute. After an event the window begins again.
    fn end_minute(&self) -> Option<u64> {
        let requests = self.requests.swap(0, Ordering::Relaxed);
        let errors = self.errors.swap(0, Ordering::Relaxed);
        let mut past = self.past();
        past.minutes.push_back((requests, errors));
        if past.minutes.len() > WINDOW {
            past.minutes.pop_front();
        }
        let rate = too_high(&past.minutes)?;
        past.minutes.clear();
        Some(rate)
    }

    /// Whether a certificate with this end is to be reported, which is so once a day.
    fn is_certificate_due(&self, end: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let mut past = self.past();
        let is_known = |warned: DateTime<Utc>| now - warned < TimeDelta::days(1);
        let is_due = end - now < NEAR_END && !past.warned.is_some_and(is_known);
        if is_due {
            past.warned = Some(now);
        }
        is_due
    }

    /// Whether missing backups are to be reported, which is so once a day.
    pub(super) fn is_backup_due(&self, now: DateTime<Utc>) -> bool {
        let mut past = self.past();
        let is_known = |warned: DateTime<Utc>| now - warned < TimeDelta::days(1);
        let is_due = !past.backup_warned.is_some_and(is_known);
        if is_due {
            past.backup_warned = Some(now);
        }
        is_due
    }

    /// Ends a minute, and records its events. `end` is that of the certificate, in seconds since
    /// 1970.
    pub(super) fn judge(&self, (end, now): (Option<i64>, DateTime<Utc>), audit: &AuditLog) {
        if let Some(rate) = self.end_minute() {
            let entry = Entry::new(Event::ErrorRateHigh);
            let detail = format!("{rate} per cent of the requests of {WINDOW} minutes failed");
            audit.record(entry.detail(detail));
        }
        let end = end.and_then(|end| DateTime::from_timestamp(end, 0));
        if let Some(end) = end.filter(|end| self.is_certificate_due(*end, now)) {
            let entry = Entry::new(Event::CertificateNearEnd);
            audit.record(entry.detail(format!("it ends at {}", end.to_rfc3339())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_requests_and_more_than_five_per_cent_of_errors() {
        let rate = |minutes: &[(u64, u64)]| too_high(&minutes.iter().copied().collect());
        assert_eq!(rate(&[(99, 99)]), None);
        assert_eq!(rate(&[(100, 5)]), None);
        assert_eq!(rate(&[(100, 6)]), Some(6));
        assert_eq!(rate(&[(50, 0), (50, 0), (50, 20)]), Some(13));
        assert_eq!(rate(&[]), None);
    }

    #[test]
    fn a_certificate_is_reported_once_a_day_in_its_last_week() {
        let monitor = Monitor::default();
        let now = Utc::now();
        let is_due =
            |end: TimeDelta, later: TimeDelta| monitor.is_certificate_due(now + end, now + later);
        assert!(!is_due(TimeDelta::days(8), TimeDelta::zero()));
        assert!(is_due(TimeDelta::days(6), TimeDelta::zero()));
        assert!(!is_due(TimeDelta::days(6), TimeDelta::hours(23)));
        assert!(is_due(TimeDelta::days(6), TimeDelta::hours(25)));
        assert!(
            is_due(TimeDelta::days(-1), TimeDelta::hours(50)),
            "it has ended"
        );
    }
}
