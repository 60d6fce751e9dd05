use super::lock_policy::Guesses;
use super::rate::MOST_RATES;
use super::{Left, LockPolicy, LockState, Rate};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Result of a store for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Counted.
    Admitted(Option<Left>),
    /// Not counted: this rate is exceeded; retry after this time.
    Refused(Rate, Duration),
}

impl Count {
    /// Whether the request was counted.
    pub fn is_admitted(self) -> bool {
        matches!(self, Self::Admitted(_))
    }
}

/// The store does not answer.
#[derive(Debug)]
pub struct StoreDown(pub String);

/// Key of a counter: a hash of the rate limit's name and of the client's identity, which is not
/// stored.
pub type CounterKey = [u8; 16];

/// A store of counters.
pub trait CounterStore: Send + Sync {
    /// Counts one request against all rates, or against none.
    fn count<'a>(
        &'a self,
        key: CounterKey,
        rates: &'a [Rate],
    ) -> BoxFuture<'a, Result<Count, StoreDown>>;

    /// Counts one guess by a [`LockPolicy`]; `now` is the time since 1970, for stores without a
    /// clock.
    fn guess(
        &self,
        key: CounterKey,
        policy: LockPolicy,
        now: Duration,
    ) -> BoxFuture<'_, Result<LockState, StoreDown>>;

    /// Reverts one correct guess, or all.
    fn revert(
        &self,
        key: CounterKey,
        revert: Revert,
        now: Duration,
    ) -> BoxFuture<'_, Result<(), StoreDown>>;

    /// Checks that the store answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreDown>>;
}

/// Which guesses are reverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revert {
    /// The newest one.
    One,
    /// All of them, with their locks.
    All,
}

/// Counters in this process.
pub struct MemoryStore {
    began: Instant,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    guesses: [Mutex<HashMap<CounterKey, Guesses>>; SHARDS],
}

/// Theoretical arrival time of each rate, per client.
#[derive(Default)]
struct Shard {
    arrivals: HashMap<CounterKey, [Duration; MOST_RATES]>,
    cleaned: Duration,
}

/// Sharded, so that clients do not contend for one lock.
const SHARDS: usize = 16;
/// Clients per shard; beyond it, expired entries are dropped, and new clients are counted together.
const MOST_CLIENTS: usize = 8192;
/// Interval between two searches for expired entries.
const CLEAN_EVERY: Duration = Duration::from_secs(1);

impl Default for MemoryStore {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::new(Shard::default()));
        let guesses = std::array::from_fn(|_| Mutex::default());
        Self {
            began: Instant::now(),
            hasher: RandomState::new(),
            shards,
            guesses,
        }
    }
}

impl MemoryStore {
    /// Counts one request now.
    pub fn count_now(&self, key: CounterKey, rates: &[Rate]) -> Count {
        let shard = &self.shards[self.shard(key)];
        shard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(key, rates, self.began.elapsed())
    }

    /// Counts one guess.
    pub fn guess_at(&self, key: CounterKey, policy: &LockPolicy, now: Duration) -> LockState {
        let mut guesses = self.guesses[self.shard(key)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_new = !guesses.contains_key(&key);
        if is_new && guesses.len() >= MOST_CLIENTS {
            make_room(&mut guesses, now);
        }
        // if all entries are locks, new clients are counted together: no guess goes uncounted
        let key = if is_new && guesses.len() >= MOST_CLIENTS {
            [0; 16]
        } else {
            key
        };
        guesses.entry(key).or_default().guess(policy, now)
    }

    /// Restores a lock.
    pub(super) fn restore(&self, key: CounterKey, until: Duration) {
        let mut guesses = self.guesses[self.shard(key)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if guesses.len() < MOST_CLIENTS {
            guesses.insert(key, Guesses::lock_until(until));
        }
    }

    /// Reverts guesses.
    pub fn revert_at(&self, key: CounterKey, revert: Revert, now: Duration) {
        let mut guesses = self.guesses[self.shard(key)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match revert {
            Revert::All => drop(guesses.remove(&key)),
            Revert::One => {
                let is_empty = guesses.get_mut(&key).is_some_and(|guesses| {
                    guesses.take_back(now);
                    guesses.is_empty(now)
                });
                if is_empty {
                    guesses.remove(&key);
                }
            }
        }
    }

    fn shard(&self, key: CounterKey) -> usize {
        usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % SHARDS
    }
}

/// Evicts the entry of lowest weight: a flood of invented names has one guess each, and the
/// counters of an attacked account stay.
fn make_room(guesses: &mut HashMap<CounterKey, Guesses>, now: Duration) {
    let least = guesses
        .iter()
        .filter(|(_, guesses)| !guesses.is_locked(now))
        .min_by_key(|(_, guesses)| guesses.weight(now));
    if let Some(key) = least.map(|(key, _)| *key) {
        guesses.remove(&key);
    }
}

impl Shard {
    fn count(&mut self, key: CounterKey, rates: &[Rate], now: Duration) -> Count {
        let key = if self.has_room(&key, now) {
            key
        } else {
            crowd(rates)
        };
        let arrivals = self.arrivals.entry(key).or_default();
        let mut after = *arrivals;
        for (rate, arrival) in rates.iter().zip(&mut after) {
            match rate.admit(*arrival, now) {
                Ok(next) => *arrival = next,
                Err(wait) => return Count::Refused(*rate, wait),
            }
        }
        *arrivals = after;
        let left = rates
            .iter()
            .zip(after)
            .map(|(rate, next)| rate.left(next, now));
        Count::Admitted(left.min_by_key(|left| left.requests))
    }

    /// A flood of addresses must not grow the table without bound.
    fn has_room(&mut self, key: &CounterKey, now: Duration) -> bool {
        if self.arrivals.len() < MOST_CLIENTS || self.arrivals.contains_key(key) {
            return true;
        }
        if now >= self.cleaned + CLEAN_EVERY {
            self.cleaned = now;
            self.arrivals
                .retain(|_, arrivals| arrivals.iter().any(|arrival| *arrival > now));
        }
        self.arrivals.len() < MOST_CLIENTS
    }
}

/// Shared key of clients without an entry, separate per kind of rate limit.
fn crowd(rates: &[Rate]) -> CounterKey {
    let mut key = [0; 16];
    for (place, rate) in key.chunks_exact_mut(4).zip(rates) {
        let period = u32::try_from(rate.period().as_secs()).unwrap_or(u32::MAX);
        place.copy_from_slice(
            &rate
                .count()
                .rotate_left(12)
                .wrapping_add(rate.burst().rotate_left(22))
                .wrapping_add(period)
                .to_be_bytes(),
        );
    }
    key
}

impl CounterStore for MemoryStore {
    fn count<'a>(
        &'a self,
        key: CounterKey,
        rates: &'a [Rate],
    ) -> BoxFuture<'a, Result<Count, StoreDown>> {
        Box::pin(std::future::ready(Ok(self.count_now(key, rates))))
    }

    fn guess(
        &self,
        key: CounterKey,
        policy: LockPolicy,
        now: Duration,
    ) -> BoxFuture<'_, Result<LockState, StoreDown>> {
        Box::pin(std::future::ready(Ok(self.guess_at(key, &policy, now))))
    }

    fn revert(
        &self,
        key: CounterKey,
        revert: Revert,
        now: Duration,
    ) -> BoxFuture<'_, Result<(), StoreDown>> {
        self.revert_at(key, revert, now);
        Box::pin(std::future::ready(Ok(())))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreDown>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Display for StoreDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rate limit store is unavailable: {}", self.0)
    }
}

impl std::error::Error for StoreDown {}
