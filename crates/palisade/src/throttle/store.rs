use super::lockout::Guesses;
use super::rate::MOST_RATES;
use super::{LockPolicy, Rate, Standing};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a store says of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// It was counted.
    Admitted,
    /// It was not: this rate is used up, and so long remains to wait.
    Refused(Rate, Duration),
}

/// The store does not answer.
#[derive(Debug)]
pub struct StoreDown(pub String);

/// Whose requests are counted: a hash of the limit's name and of what identifies the client, which is never kept itself.
pub type CounterKey = [u8; 16];

/// Where requests are counted.
pub trait CounterStore: Send + Sync {
    /// Counts one request against all rates, or against none.
    fn count<'a>(
        &'a self,
        key: CounterKey,
        rates: &'a [Rate],
    ) -> BoxFuture<'a, Result<Count, StoreDown>>;

    /// Counts one guess, as [`LockPolicy`] says; `now` is the time since 1970, for stores that have no clock of their own.
    fn guess(
        &self,
        key: CounterKey,
        policy: LockPolicy,
        now: Duration,
    ) -> BoxFuture<'_, Result<Standing, StoreDown>>;

    /// Takes one guess back that was right, or all that was counted.
    fn absolve(
        &self,
        key: CounterKey,
        absolution: Absolution,
        now: Duration,
    ) -> BoxFuture<'_, Result<(), StoreDown>>;

    /// Whether the store answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreDown>>;
}

/// What of the counted guesses is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absolution {
    /// The newest one.
    One,
    /// All of them, and every lock.
    All,
}

/// Counts in this process.
pub struct MemoryStore {
    began: Instant,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    guesses: [Mutex<HashMap<CounterKey, Guesses>>; SHARDS],
}

/// When each rate has forgotten what was counted, for each client.
#[derive(Default)]
struct Shard {
    arrivals: HashMap<CounterKey, [Duration; MOST_RATES]>,
    cleaned: Duration,
}

/// Shards, so that clients do not wait for each other.
const SHARDS: usize = 16;
/// Clients of a shard; past it, those that have recovered are forgotten, and new ones are counted together.
const MOST_CLIENTS: usize = 8192;
/// Time between two searches for those who have recovered.
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
    pub fn guess_at(&self, key: CounterKey, policy: &LockPolicy, now: Duration) -> Standing {
        let mut guesses = self.guesses[self.shard(key)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_new = !guesses.contains_key(&key);
        if is_new && guesses.len() >= MOST_CLIENTS {
            make_room(&mut guesses, now);
        }
        // where all of them are locks, newcomers are counted together: nobody guesses uncounted
        let key = if is_new && guesses.len() >= MOST_CLIENTS {
            [0; 16]
        } else {
            key
        };
        guesses.entry(key).or_default().guess(policy, now)
    }

    /// Puts a lock back.
    pub(super) fn restore(&self, key: CounterKey, until: Duration) {
        let mut guesses = self.guesses[self.shard(key)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if guesses.len() < MOST_CLIENTS {
            guesses.insert(key, Guesses::locked(until));
        }
    }

    /// Takes guesses back.
    pub fn absolve_at(&self, key: CounterKey, absolution: Absolution, now: Duration) {
        let mut guesses = self.guesses[self.shard(key)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match absolution {
            Absolution::All => drop(guesses.remove(&key)),
            Absolution::One => {
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

/// Drops the guess that tells least: of a flood of made-up names there is one each, and what is counted against an account stays.
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
        Count::Admitted
    }

    /// A flood of addresses from everywhere must not grow the table without end.
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

/// Those who come when there is no room: counted together, but each kind of limit for itself.
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
    ) -> BoxFuture<'_, Result<Standing, StoreDown>> {
        Box::pin(std::future::ready(Ok(self.guess_at(key, &policy, now))))
    }

    fn absolve(
        &self,
        key: CounterKey,
        absolution: Absolution,
        now: Duration,
    ) -> BoxFuture<'_, Result<(), StoreDown>> {
        self.absolve_at(key, absolution, now);
        Box::pin(std::future::ready(Ok(())))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreDown>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Display for StoreDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store of the limits does not answer: {}", self.0)
    }
}

impl std::error::Error for StoreDown {}
