use super::Rate;
use super::rate::MOST_RATES;
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
    fn count<'a>(&'a self, key: CounterKey, rates: &'a [Rate]) -> BoxFuture<'a, Result<Count, StoreDown>>;

    /// Whether the store answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreDown>>;
}

/// Counts in this process.
pub struct MemoryStore {
    began: Instant,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
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
        Self { began: Instant::now(), hasher: RandomState::new(), shards }
    }
}

impl MemoryStore {
    /// Counts one request now.
    pub fn count_now(&self, key: CounterKey, rates: &[Rate]) -> Count {
        let shard = &self.shards[usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner).count(key, rates, self.began.elapsed())
    }
}

impl Shard {
    fn count(&mut self, key: CounterKey, rates: &[Rate], now: Duration) -> Count {
        let key = if self.has_room(&key, now) { key } else { crowd(rates) };
        let before = self.arrivals.get(&key).copied().unwrap_or_default();
        let mut after = before;
        for (rate, arrival) in rates.iter().zip(&mut after) {
            match rate.admit(*arrival, now) {
                Ok(next) => *arrival = next,
                Err(wait) => return Count::Refused(*rate, wait),
            }
        }
        self.arrivals.insert(key, after);
        Count::Admitted
    }

    /// A flood of addresses from everywhere must not grow the table without end.
    fn has_room(&mut self, key: &CounterKey, now: Duration) -> bool {
        if self.arrivals.len() < MOST_CLIENTS || self.arrivals.contains_key(key) {
            return true;
        }
        if now >= self.cleaned + CLEAN_EVERY {
            self.cleaned = now;
            self.arrivals.retain(|_, arrivals| arrivals.iter().any(|arrival| *arrival > now));
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
            &rate.count().rotate_left(12).wrapping_add(rate.burst().rotate_left(22)).wrapping_add(period).to_be_bytes(),
        );
    }
    key
}

impl CounterStore for MemoryStore {
    fn count<'a>(&'a self, key: CounterKey, rates: &'a [Rate]) -> BoxFuture<'a, Result<Count, StoreDown>> {
        Box::pin(std::future::ready(Ok(self.count_now(key, rates))))
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
