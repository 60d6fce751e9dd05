use super::store::{CounterKey, Revert};
use super::{
    Count, CounterStore, Left, LockPolicy, LockState, MemoryStore, Rate, Rates, StoreDown,
};
use crate::http::{ClientAddress, ClientNetwork, networks};
use futures_util::future::BoxFuture;
use http::request::Parts;
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Key of a rate limit.
#[derive(Clone)]
pub enum By {
    /// The client's address (IPv6: its /64).
    Address,
    /// The user of the session or of the token. Anonymous requests are not counted.
    User,
    /// The access token, however many its user has. Requests without one are not counted.
    Token,
    /// The user, or the address of anonymous clients.
    UserOrAddress,
    /// The value of this header. Requests without it are not counted.
    Header(&'static str),
    /// The value of this form field, in lower case: for one name or address, from anywhere.
    /// Requests without it are not counted.
    Field(&'static str),
    /// The result of this closure, if any.
    Value(Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>),
}

/// Behaviour when the store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnreachable {
    /// Requests are counted in this process: the rate limit applies to each instance.
    Pass,
    /// Requests are refused with 503.
    Refuse,
}

/// A rate limit of some routes.
#[derive(Clone)]
pub struct Limit {
    name: &'static str,
    /// Separates limits of the same key, in this process.
    salt: u128,
    by: By,
    rates: Rates,
    when_unreachable: WhenUnreachable,
    /// Whether safe methods are not counted.
    counts_changes: bool,
}

/// Result of a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Allowed.
    Fine(Option<Left>),
    /// The rate is exceeded; retry after this time.
    TooMany(Rate, Duration),
    /// The store does not answer, and the rate limit refuses in that case.
    Unknown,
}

impl Outcome {
    /// Whether the request is allowed.
    pub fn is_fine(self) -> bool {
        matches!(self, Self::Fine(_))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.name, self.rates)
    }
}

impl Limit {
    /// A rate limit: `Limit::new("contact", By::Address, "5/m, 50/d")`. Rate limits of one name
    /// count together. If the store does not answer, requests are counted in this process.
    ///
    /// ```
    /// use palisade::throttle::{By, Limit};
    /// let limit = Limit::new("search", By::Address, "30/m burst 5, 500/d").changes_only();
    /// ```
    ///
    /// # Panics
    /// When the rates are invalid, which stops the start.
    #[track_caller]
    pub fn new(name: &'static str, by: By, rates: &str) -> Self {
        let parsed = rates.parse();
        let rates = parsed.unwrap_or_else(|()| {
            panic!(
                "{rates:?} is no rate: write 5/m or 5/m, 100/h or 60/m burst 5, with s, m, h or d"
            )
        });
        Self {
            name,
            salt: salt(name),
            by,
            rates,
            when_unreachable: WhenUnreachable::Pass,
            counts_changes: false,
        }
    }

    pub(crate) fn of_settings(
        name: &'static str,
        rates: Rates,
        when_unreachable: WhenUnreachable,
    ) -> Self {
        Self {
            name,
            salt: salt(name),
            by: By::Address,
            rates,
            when_unreachable,
            counts_changes: false,
        }
    }

    /// Sets the behaviour when the store does not answer.
    #[must_use]
    pub fn when_unreachable(mut self, policy: WhenUnreachable) -> Self {
        self.when_unreachable = policy;
        self
    }

    /// Counts by user instead.
    pub(super) fn by_user(mut self) -> Self {
        self.by = By::UserOrAddress;
        self
    }

    /// Counts requests with unsafe methods only: loading a form is free.
    #[must_use]
    pub fn changes_only(mut self) -> Self {
        self.counts_changes = true;
        self
    }

    /// Whether it counts requests with unsafe methods only.
    pub(crate) fn counts_changes(&self) -> bool {
        self.counts_changes
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn by(&self) -> &By {
        &self.by
    }
}

/// The rate limiter of a site, with its stores.
pub struct Throttle {
    shared: Option<Arc<dyn CounterStore>>,
    local: MemoryStore,
    began: Instant,
    /// Milliseconds since `began` until which the shared store is not asked, after a failure.
    resting: AtomicU64,
}

/// Duration of that pause.
const REST: Duration = Duration::from_secs(1);

impl Throttle {
    /// Rate limits counted in `shared`, or in this process.
    pub fn new(shared: Option<Arc<dyn CounterStore>>) -> Self {
        Self {
            shared,
            local: MemoryStore::default(),
            began: Instant::now(),
            resting: AtomicU64::new(0),
        }
    }

    /// The shared store, if there is one.
    pub fn shared_store(&self) -> Option<&Arc<dyn CounterStore>> {
        self.shared.as_ref()
    }

    /// Counts a request for a client's address, and for its surrounding networks.
    pub async fn admit_address(&self, limit: &Limit, client: ClientAddress) -> Outcome {
        let mut left = Outcome::Fine(None);
        for network in networks(client.0) {
            let outcome = match self.shared {
                Some(_) => {
                    Box::pin(self.admit_rates(limit, &limit.rates.times(network.times), &network))
                        .await
                }
                None => self.admit_network(limit, network),
            };
            if !outcome.is_fine() {
                return outcome;
            }
            if left == Outcome::Fine(None) {
                left = outcome;
            }
        }
        left
    }

    /// Counts a request for a client's address in this process only.
    pub(crate) fn admit_here(&self, limit: &Limit, client: ClientAddress) -> bool {
        networks(client.0).all(|network| self.admit_network(limit, network).is_fine())
    }

    /// The store is in this process and hashes keys with its own random seed.
    fn admit_network(&self, limit: &Limit, network: ClientNetwork) -> Outcome {
        let bits = match network.network {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            // the interface bits are unused
            IpAddr::V6(v6) => v6.to_bits() | u128::from(network.prefix),
        };
        let key = (limit.salt ^ bits).to_be_bytes();
        match network.times {
            1 => self.counted_here(&limit.rates, key),
            times => self.counted_here(&limit.rates.times(times), key),
        }
    }

    /// Counts a request for a key `who`.
    pub async fn admit(&self, limit: &Limit, who: &(dyn fmt::Display + Sync)) -> Outcome {
        self.admit_rates(limit, &limit.rates, who).await
    }

    async fn admit_rates(
        &self,
        limit: &Limit,
        rates: &Rates,
        who: &(dyn fmt::Display + Sync),
    ) -> Outcome {
        if rates.is_off() {
            return Outcome::Fine(None);
        }
        let key = key(limit.name, who);
        let count = match self
            .ask_shared(|store| store.count(key, rates.as_slice()))
            .await
        {
            Some(count) => count,
            None if self.shared.is_some() && limit.when_unreachable == WhenUnreachable::Refuse => {
                return Outcome::Unknown;
            }
            None => return self.counted_here(rates, key),
        };
        outcome(count)
    }

    /// Counts a guess for a key `who`, before it is verified. If the shared store does not answer,
    /// in this process only.
    pub async fn guess(
        &self,
        name: &str,
        who: &(dyn fmt::Display + Sync),
        policy: &LockPolicy,
        now: Duration,
    ) -> LockState {
        let key = key(name, who);
        let asked = self
            .ask_shared(|store| store.guess(key, *policy, now))
            .await;
        asked.unwrap_or_else(|| self.local.guess_at(key, policy, now))
    }

    /// Reverts correct guesses, or lifts a lock.
    pub async fn revert(
        &self,
        name: &str,
        who: &(dyn fmt::Display + Sync),
        revert: Revert,
        now: Duration,
    ) {
        let key = key(name, who);
        self.ask_shared(|store| store.revert(key, revert, now))
            .await;
        // it may have been counted here while the shared store did not answer
        self.local.revert_at(key, revert, now);
    }

    fn counted_here(&self, rates: &Rates, key: CounterKey) -> Outcome {
        if rates.is_off() {
            Outcome::Fine(None)
        } else {
            outcome(self.local.count_now(key, rates.as_slice()))
        }
    }

    /// Restores a persistent lock, for its remaining time: a restart opens none.
    pub(crate) fn restore(&self, name: &str, key: CounterKey, until: Duration) {
        tracing::debug!(target: "palisade", name, "a lock holds on");
        self.local.restore(key, until);
    }

    /// Result of the shared store; `None` without one, or when it does not answer.
    async fn ask_shared<'a, T>(
        &'a self,
        ask: impl FnOnce(&'a dyn CounterStore) -> BoxFuture<'a, Result<T, StoreDown>>,
    ) -> Option<T> {
        let store = self.shared.as_ref()?;
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let resting = self.resting.load(Ordering::Relaxed);
        if now < resting {
            return None;
        }
        match ask(&**store).await {
            Ok(answer) => {
                if resting > 0 && self.resting.swap(0, Ordering::Relaxed) > 0 {
                    tracing::warn!(target: "palisade", "the rate limit store is available again");
                }
                Some(answer)
            }
            Err(error) => {
                if self.resting.swap(
                    now + u64::try_from(REST.as_millis()).unwrap_or(1000),
                    Ordering::Relaxed,
                ) == 0
                {
                    tracing::error!(target: "palisade", %error, "the rate limit store is unavailable: requests are counted in this process, or refused, as each limit says");
                }
                None
            }
        }
    }
}

fn outcome(count: Count) -> Outcome {
    match count {
        Count::Admitted(left) => Outcome::Fine(left),
        Count::Refused(rate, wait) => Outcome::TooMany(rate, wait),
    }
}

/// Namespace of a rate limit's name.
fn salt(name: &str) -> u128 {
    u128::from_be_bytes(key(name, &""))
}

/// Half of a SHA-256: keys have a fixed length, and the store holds no names.
pub(crate) fn key(name: &str, who: &(dyn fmt::Display + Sync)) -> CounterKey {
    let mut hash = Hash(Sha256::new_with_prefix(name));
    hash.0.update(b"\0");
    let _ = write!(hash, "{who}");
    let mut key = [0; 16];
    key.copy_from_slice(&hash.0.finalize()[..16]);
    key
}

/// Hashes formatted values without allocating.
struct Hash(Sha256);

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}
