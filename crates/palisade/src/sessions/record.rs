//! Serialisation of a session: Django's signed JSON, with entries of our own.

use super::Lifetime;
use chrono::{DateTime, TimeDelta, Utc};
use palisade_crypto::signing::{Compress, Signer};
use palisade_crypto::{KeyRing, random};
use serde_json::{Map, Value};

/// The data of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) values: Map<String, Value>,
    /// Time of creation; `None` for a session that Django created.
    pub(super) began: Option<DateTime<Utc>>,
    /// Time of the last save.
    pub(super) seen: Option<DateTime<Utc>>,
}

/// Django's entry for the user's id.
pub(crate) const OWNER: &str = "_auth_user_id";
/// The user's epoch at login: it is incremented when all sessions of the user end.
pub(crate) const EPOCH: &str = "_palisade_epoch";
/// User agent and address at login.
pub(crate) const AGENT: &str = "_palisade_agent";
pub(crate) const ADDRESS: &str = "_palisade_address";

/// Marks a session whose user chose to stay signed in.
const KEPT: &str = "_palisade_kept";
/// Django's entry for the cookie's lifetime in seconds.
const EXPIRY: &str = "_session_expiry";

/// In shared sessions, the key to which the next two entries belong: Django rotates keys and copies
/// all entries.
const OF_KEY: &str = "_palisade_of";
const LISTED: &str = "_palisade_listed";
const BEGAN: &str = "_palisade_began";
const SEEN: &str = "_palisade_seen";

/// Length of the hash prefix that identifies a session key.
const TAG: usize = 12;

/// A time further in the future comes from a wrong clock, and would prolong the session.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// Django's salt for `django.contrib.sessions.backends.db`.
const SALT: &str = "django.contrib.sessions.SessionStore";

impl Record {
    /// Decodes a session; `of_key` is the id of a shared one.
    pub(super) fn decode(ring: &KeyRing, text: &str, of_key: Option<&str>) -> Option<Self> {
        let (value, _) = Signer::new(ring, SALT).loads(text).ok()?;
        let Value::Object(mut values) = value else {
            return None;
        };
        let mut time = |key| {
            values
                .shift_remove(key)
                .and_then(|value| DateTime::from_timestamp(value.as_i64()?, 0))
        };
        let (mut began, mut seen) = (time(BEGAN), time(SEEN));
        let of = values.shift_remove(OF_KEY);
        if of_key.is_some_and(|key| {
            of.as_ref().and_then(Value::as_str) != Some(&random::stored_hash(key)[..TAG])
        }) {
            (began, seen) = (None, None);
            values.shift_remove(LISTED);
        }
        Some(Self {
            values,
            began,
            seen,
        })
    }

    /// The choice of its user.
    pub(super) fn lifetime(&self) -> Lifetime {
        Lifetime::from(self.values.contains_key(KEPT))
    }

    /// Lets the cookie outlive the browser for `secs`, or not.
    pub(super) fn keep(&mut self, secs: Option<i64>) {
        for name in [KEPT, EXPIRY] {
            match secs {
                Some(secs) => drop(self.values.insert(name.into(), secs.into())),
                None => drop(self.values.shift_remove(name)),
            }
        }
    }

    /// The id of its user.
    pub(super) fn owner(&self) -> Option<i32> {
        self.values.get(OWNER)?.as_str()?.parse().ok()
    }

    /// The epoch of its user at login.
    pub(super) fn epoch(&self) -> Option<i64> {
        self.values.get(EPOCH)?.as_i64()
    }

    /// Whether it is listed for its user.
    pub(super) fn is_listed(&self) -> bool {
        self.values.contains_key(LISTED)
    }

    /// Marks it as listed.
    pub(super) fn list(&mut self) {
        self.values.insert(LISTED.into(), true.into());
    }

    pub(super) fn encode(
        &self,
        ring: &KeyRing,
        now: DateTime<Utc>,
        of_key: Option<&str>,
    ) -> String {
        let mut values = self.values.clone();
        if let Some(key) = of_key {
            values.insert(OF_KEY.into(), random::stored_hash(key)[..TAG].into());
        }
        values.insert(BEGAN.into(), self.began.unwrap_or(now).timestamp().into());
        values.insert(SEEN.into(), now.timestamp().into());
        Signer::new(ring, SALT).dumps(
            &Value::Object(values),
            crate::clock::unix_seconds(now),
            Compress::Never,
        )
    }

    /// Whether the session has exceeded its idle or absolute timeout.
    pub(super) fn has_ended(
        &self,
        now: DateTime<Utc>,
        (idle, absolute): (TimeDelta, TimeDelta),
    ) -> bool {
        let is_over = |since: DateTime<Utc>, limit: TimeDelta| {
            now - since >= limit || since - now > CLOCK_SKEW
        };
        self.seen.is_some_and(|seen| is_over(seen, idle))
            || self.began.is_some_and(|began| is_over(began, absolute))
    }
}
