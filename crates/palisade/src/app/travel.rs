//! Impossible travel: two logins of a user at places that no traveller reaches in the time between.
//!
//! It is a note and blocks no one: addresses are located by a file of the operator, and a VPN moves
//! its users. It is recorded only if all conditions hold: a distance of more than 500 km, a speed of
//! more than 900 km/h, both places known within 200 km, and a browser that the user had at no
//! earlier login.

use super::{BootError, SiteSettings};
use crate::audit_log::{AuditLog, Entry, Event, Listed, Recorded, Wanted, entries};
use crate::auth::describe;
use crate::db::Database;
use chrono::DateTime;
use maxminddb::{Reader, geoip2};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

const LEAST_KM: f64 = 500.0;
const MOST_KM_PER_HOUR: f64 = 900.0;
const MOST_ACCURACY_KM: u16 = 200;
/// Logins that wait to be compared. More are not.
const MOST_WAITING: usize = 1_000;
/// Earlier logins that are compared.
const EARLIER: u64 = 50;

/// Locates the addresses of logins.
pub(super) struct Travel {
    places: Reader<Vec<u8>>,
    /// Users with a new login.
    waiting: Mutex<VecDeque<i32>>,
}

/// A located address.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    latitude: f64,
    longitude: f64,
    /// Radius in km.
    accuracy: u16,
}

impl Place {
    /// The distance on a sphere, in km.
    fn distance(&self, other: &Self) -> f64 {
        let radians = |degrees: f64| degrees.to_radians();
        let (from, to) = (radians(self.latitude), radians(other.latitude));
        let half = |angle: f64| (angle / 2.0).sin().powi(2);
        let along = half(radians(other.longitude - self.longitude));
        let chord = half(to - from) + from.cos() * to.cos() * along;
        2.0 * 6371.0 * chord.sqrt().min(1.0).asin()
    }
}

/// Whether no traveller is at both places within this time.
fn is_impossible(from: &Place, to: &Place, hours: f64) -> bool {
    let km = from.distance(to);
    let is_accurate = from.accuracy.max(to.accuracy) <= MOST_ACCURACY_KM;
    is_accurate && km > LEAST_KM && km > MOST_KM_PER_HOUR * hours
}

impl Travel {
    /// Reads the file of `alerts.geo_file`, if one is set, and observes logins.
    ///
    /// # Errors
    /// When it is no such file.
    pub(super) fn new(
        settings: &SiteSettings,
        audit: &AuditLog,
    ) -> Result<Option<Arc<Self>>, BootError> {
        let Some(file) = &settings.alerts.geo_file else {
            return Ok(None);
        };
        let opened = Reader::open_readfile(file);
        let places = opened.map_err(|error| BootError::Geo(file.clone(), error.to_string()))?;
        let travel = Arc::new(Self {
            places,
            waiting: Mutex::default(),
        });
        let observing = travel.clone();
        audit.observe(move |recorded| {
            observing.observe(recorded);
            None
        });
        Ok(Some(travel))
    }

    fn observe(&self, recorded: &Recorded<'_>) {
        let user = recorded.subject.strip_prefix("user:");
        let user = user.and_then(|id| id.parse().ok());
        let mut waiting = self.waiting();
        if let Some(user) = user
            && recorded.event == Event::LoggedIn.name()
            && waiting.len() < MOST_WAITING
        {
            waiting.push_back(user);
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<i32>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares new logins with earlier ones of their users.
    pub(super) async fn judge_waiting(&self, audit: &AuditLog, database: &Database) {
        let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
        for user in self.waiting().drain(..) {
            *counts.entry(user).or_default() += 1;
        }
        for (user, new) in counts {
            let wanted = Wanted {
                event: Some(Event::LoggedIn.name().into()),
                user: Some((Some(user), String::new())),
                most: EARLIER,
                ..Wanted::default()
            };
            let Ok(logins) = entries(database, &wanted).await else {
                return;
            };
            // each new one with those before it
            let first = logins.len().saturating_sub(new) + 1;
            let journeys = (first..=logins.len()).filter_map(|end| self.judge(&logins[..end]));
            for km in journeys {
                let entry = Entry::new(Event::ImpossibleTravel).about(user);
                audit.record(entry.detail(format!("{km:.0} km")));
            }
        }
    }

    fn place(&self, address: &str) -> Option<Place> {
        let address: IpAddr = address.parse().ok()?;
        let found = self.places.lookup(address).ok()?;
        let location = found.decode::<geoip2::City>().ok()??.location;
        Some(Place {
            latitude: location.latitude?,
            longitude: location.longitude?,
            accuracy: location.accuracy_radius?,
        })
    }

    /// The distance of an impossible journey to the last of these logins, in km.
    fn judge(&self, logins: &[Listed]) -> Option<f64> {
        let (last, earlier) = logins.split_last()?;
        let before = earlier.last()?;
        let is_known = |login: &Listed| describe(&login.agent) == describe(&last.agent);
        if earlier.iter().any(is_known) {
            return None;
        }
        let (from, to) = (self.place(&before.address)?, self.place(&last.address)?);
        let time = |login: &Listed| DateTime::parse_from_rfc3339(&login.at).ok();
        let secs = (time(last)? - time(before)?).num_seconds();
        let hours = f64::from(i32::try_from(secs).ok()?) / 3600.0;
        is_impossible(&from, &to, hours).then(|| from.distance(&to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_conditions_of_an_impossible_journey_must_hold() {
        let place = |latitude, longitude, accuracy| Place {
            latitude,
            longitude,
            accuracy,
        };
        let (zurich, lisbon, near) = (
            place(47.4, 8.5, 20),
            place(38.7, -9.1, 20),
            place(46.2, 6.1, 20),
        );
        let km = zurich.distance(&lisbon);
        assert!((1_700.0..1_750.0).contains(&km), "{km}");
        assert!(is_impossible(&zurich, &lisbon, 1.0));
        assert!(!is_impossible(&zurich, &lisbon, 2.5), "by plane");
        assert!(!is_impossible(&zurich, &near, 0.01), "near");
        let vague = place(38.7, -9.1, 500);
        assert!(!is_impossible(&zurich, &vague, 1.0), "inaccurate");
        assert!(
            is_impossible(&zurich, &lisbon, -1.0),
            "a clock that was put back"
        );
    }
}
