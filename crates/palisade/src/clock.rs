//! Time as a dependency: expiry can be tested without waiting.

use chrono::{DateTime, TimeDelta, Utc};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A clock.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// Monotonic time since an arbitrary start, for the life of the process.
    fn monotonic(&self) -> Duration {
        STARTED.elapsed()
    }
}

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that is advanced manually: for tests.
#[derive(Debug, Clone)]
pub struct FrozenClock(Arc<Mutex<DateTime<Utc>>>);

impl FrozenClock {
    /// A clock that shows `now`.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Advances the clock.
    ///
    /// ```
    /// use chrono::{TimeDelta, Utc};
    /// use palisade::clock::{Clock, FrozenClock};
    /// let start = Utc::now();
    /// let clock = FrozenClock::at(start);
    /// clock.advance(TimeDelta::minutes(5));
    /// assert_eq!(clock.now() - start, TimeDelta::minutes(5));
    /// ```
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.now().timestamp_millis().max(0).unsigned_abs())
    }
}

/// Seconds since 1970, as in signatures.
pub(crate) fn unix_seconds(time: DateTime<Utc>) -> u64 {
    time.timestamp().max(0) as u64
}
