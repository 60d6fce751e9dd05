use crate::http::{ClientAddress, network};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A limit by the generic cell rate algorithm ([ITU-T I.371](https://www.itu.int/rec/T-REC-I.371)): a steady rate, and a burst of a minute's worth.
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    burst: Duration,
    hasher: RandomState,
    shards: [Mutex<HashMap<IpAddr, Instant>>; SHARDS],
}

/// Shards, so that clients do not wait for each other.
const SHARDS: usize = 16;
/// Addresses of a shard; past it, those that have recovered are forgotten.
const MAX_ADDRESSES: usize = 8192;

impl RateLimit {
    /// `per_minute` requests from each address; zero means no limit.
    pub fn per_minute(per_minute: u64) -> Self {
        let interval = Duration::from_secs(60).checked_div(u32::try_from(per_minute).unwrap_or(u32::MAX)).unwrap_or_default();
        let shards = std::array::from_fn(|_| Mutex::new(HashMap::new()));
        Self { interval, burst: Duration::from_secs(60), hasher: RandomState::new(), shards }
    }

    /// Counts a request at `now`.
    ///
    /// # Errors
    /// How long to wait, if there were too many.
    pub fn admit(&self, client: ClientAddress, now: Instant) -> Result<(), Duration> {
        if self.interval.is_zero() {
            return Ok(());
        }
        let address = network(client.0);
        let shard = &self.shards[self.hasher.hash_one(address) as usize % SHARDS];
        let mut arrivals = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if arrivals.len() >= MAX_ADDRESSES {
            arrivals.retain(|_, arrival| *arrival > now);
        }
        let next = arrivals.get(&address).copied().unwrap_or(now).max(now) + self.interval;
        let ahead = next - now;
        if ahead > self.burst {
            return Err(ahead - self.burst);
        }
        // a flood of new addresses from everywhere must not grow the table without end
        if arrivals.len() < 2 * MAX_ADDRESSES {
            arrivals.insert(address, next);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_steady_rate_then_recovery() {
        let limit = RateLimit::per_minute(60);
        let (one, other) = (ClientAddress([192, 0, 2, 1].into()), ClientAddress([192, 0, 2, 2].into()));
        let start = Instant::now();
        assert_eq!((0..200).filter(|_| limit.admit(one, start).is_ok()).count(), 60);
        assert!(limit.admit(one, start).is_err_and(|wait| wait <= Duration::from_secs(1)));
        assert!(limit.admit(other, start).is_ok(), "another address is another client");
        let later = start + Duration::from_secs(10);
        assert_eq!((0..200).filter(|_| limit.admit(one, later).is_ok()).count(), 10);
        let neighbours = ["2001:db8::1", "2001:db8::2"].map(|ip| ClientAddress(ip.parse().expect("an address")));
        assert_eq!(neighbours.iter().cycle().take(100).filter(|ip| limit.admit(**ip, start).is_ok()).count(), 60, "one /64");
    }
}
