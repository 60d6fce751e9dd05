//! Brute-force protection.
//!
//! | Counter | Setting | Attack |
//! |---|---|---|
//! | a name, from a network | `lockout.failures` | password guessing on one account |
//! | a network | `lockout.address_failures` | password spraying: one password on many accounts |
//! | a name, from all networks | `lockout.account_failures` | distributed guessing on one account |
//! | a name, from a known browser of the account | `lockout.failures` | guessing from a stolen browser |
//!
//! The last counter is separate: while an attack keeps an account locked, its owner can log in from
//! a known browser, and from other networks until the attack is distributed. Counting does not
//! depend on whether the account exists (user enumeration).

use super::locks::{Locks, NETWORK, NewLock};
use super::source::Source;
use crate::audit_log::{self, Entry, Event};
use crate::auth::LockoutSettings;
use crate::clock::Clock;
use crate::http::{ClientAddress, ClientNetwork, network, networks};
use crate::throttle::{self, LockPolicy, LockState, Revert, Throttle};
use sea_orm::DbErr;
use std::sync::Arc;
use std::time::Duration;

/// Namespaces of counters, so that guesses of one kind do not count against another.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    both: &'static str,
    whole: &'static str,
    browser: &'static str,
}

pub(super) const PASSWORDS: Kinds = Kinds {
    both: "name and address",
    whole: "name",
    browser: "browser",
};
pub(super) const CODES: Kinds = Kinds {
    both: "code and address",
    whole: "code",
    browser: "code and browser",
};
pub(super) const SIGN_UPS: Kinds = Kinds {
    both: "sign-up and address",
    whole: "sign-up",
    browser: "sign-up and browser",
};
const CHALLENGE: &str = "challenge";

/// Longest lock of a whole network.
const LONGEST_OF_NETWORKS: Duration = Duration::from_secs(15 * 60);

/// A counter of guesses.
pub(super) struct Counter {
    kind: &'static str,
    key: String,
    policy: LockPolicy,
    /// The counts that a correct guess reverts.
    revert: Revert,
}

impl Counter {
    /// Id of its lock in the database.
    fn id(&self) -> String {
        crate::crypto::hex(&throttle::key(self.kind, &self.key))
    }
}

/// A lock that a guess started: the place of its counter, and its length.
pub(super) type Started = (usize, Duration);

/// Counts guesses, and locks.
pub(in crate::auth) struct Lockout {
    settings: LockoutSettings,
    throttle: Arc<Throttle>,
    clock: Arc<dyn Clock>,
    pub(in crate::auth) locks: Locks,
}

impl Lockout {
    pub(in crate::auth) fn new(
        settings: LockoutSettings,
        throttle: Arc<Throttle>,
        clock: Arc<dyn Clock>,
        locks: Locks,
    ) -> Self {
        Self {
            settings,
            throttle,
            clock,
            locks,
        }
    }

    /// For locks in this process: a change of the system clock neither opens nor prolongs them.
    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn policy(&self, failures: u64, windows: u32) -> LockPolicy {
        LockPolicy {
            failures: u32::try_from(failures).unwrap_or(u32::MAX).max(1),
            window: self.settings.window_secs.duration() * windows,
            lock: self.settings.lock_secs.duration(),
            longest: self.settings.longest_secs.duration(),
        }
    }

    /// The counters of a guess. `subject` is a username, or another subject of guesses; namespaces
    /// keep them apart.
    pub(super) fn counters(
        &self,
        kinds: Kinds,
        subject: &str,
        client: ClientAddress,
        device: Option<&str>,
    ) -> Vec<Counter> {
        let each = self.policy(self.settings.failures, 1);
        if let Some(device) = device {
            return vec![Counter {
                kind: kinds.browser,
                key: format!("{device} {subject}"),
                policy: each,
                revert: Revert::All,
            }];
        }
        let of_subject = [
            Counter {
                kind: kinds.both,
                key: format!("{} {subject}", network(client.0)),
                policy: each,
                revert: Revert::All,
            },
            Counter {
                kind: kinds.whole,
                key: subject.to_owned(),
                policy: self.policy(self.settings.account_failures, 60),
                revert: Revert::One,
            },
        ];
        // networks first: a locked one adds no further entries
        let of_networks = networks(client.0).map(|network| self.network_counter(network));
        of_networks.chain(of_subject).collect()
    }

    fn network_counter(&self, network: ClientNetwork) -> Counter {
        let failures = self.settings.address_failures;
        let policy = self.policy(failures.saturating_mul(network.times.into()), 10);
        // many users may share a network
        let longest = policy.longest.min(LONGEST_OF_NETWORKS);
        Counter {
            kind: NETWORK,
            key: network.to_string(),
            policy: LockPolicy {
                lock: policy.lock.min(longest),
                longest,
                ..policy
            },
            revert: Revert::One,
        }
    }

    /// Counts a guess in all its counters, and returns the locks that it started; `Err` with the
    /// time to wait if one of them is locked already.
    pub(super) async fn count(
        &self,
        all: &[Counter],
    ) -> Result<Result<Vec<Started>, Duration>, DbErr> {
        let mut started = Vec::new();
        for (place, counter) in all.iter().enumerate() {
            let mut standing = self.guess(counter).await;
            if matches!(standing, LockState::Locked(_))
                && self.locks.was_lifted(&counter.id()).await?
            {
                self.revert(counter, Revert::All).await;
                standing = self.guess(counter).await;
            }
            match standing {
                LockState::Open => {}
                LockState::Last(length) => started.push((place, length)),
                LockState::Locked(wait) => {
                    // not verified, so it is not counted; earlier ones stay
                    for counter in &all[..place] {
                        self.revert(counter, Revert::One).await;
                    }
                    return Ok(Err(wait));
                }
            }
        }
        Ok(Ok(started))
    }

    async fn guess(&self, counter: &Counter) -> LockState {
        let (kind, key) = (counter.kind, &counter.key);
        self.throttle
            .guess(kind, key, &counter.policy, self.now())
            .await
    }

    async fn revert(&self, counter: &Counter, revert: Revert) {
        let (kind, key) = (counter.kind, &counter.key);
        self.throttle.revert(kind, key, revert, self.now()).await;
    }

    /// Reverts the count of a correct guess, with the locks that it started.
    pub(super) async fn revert_correct(
        &self,
        all: &[Counter],
        started: &[Started],
    ) -> Result<(), DbErr> {
        for counter in all {
            self.revert(counter, counter.revert).await;
        }
        let ids = started.iter().map(|(place, _)| all[*place].id());
        self.locks.delete(ids.collect()).await
    }

    /// Reverts a guess that was not verified for lack of capacity. It still counts against its
    /// network, because floods cause the lack.
    pub(super) async fn revert_unverified(
        &self,
        all: &[Counter],
        started: &[Started],
    ) -> Result<(), DbErr> {
        for counter in all.iter().filter(|counter| counter.kind != NETWORK) {
            self.revert(counter, Revert::One).await;
        }
        let ids = started
            .iter()
            .map(|(place, _)| &all[*place])
            .filter(|counter| counter.kind != NETWORK)
            .map(Counter::id);
        self.locks.delete(ids.collect()).await
    }

    /// Stores the locks that a guess started, and records them.
    pub(super) async fn store(
        &self,
        all: &[Counter],
        started: &[Started],
        username: &str,
        from: Source<'_>,
    ) -> Result<(), DbErr> {
        for (place, length) in started {
            let counter = &all[*place];
            let lock = NewLock {
                id: counter.id(),
                kind: counter.kind,
                length: *length,
                username,
            };
            self.locks.write(lock, from).await?;
            let detail = format!("{} for {} s", counter.kind, length.as_secs());
            audit_log::record(Entry::new(Event::Locked).name(username).detail(detail));
        }
        Ok(())
    }

    /// Whether there were so many attempts that the site's challenge is required: a softer step
    /// before a lockout.
    pub(super) async fn is_challenged(&self, username: &str, client: ClientAddress) -> bool {
        let standing = self.guess(&self.challenge_counter(username, client)).await;
        matches!(standing, LockState::Locked(_))
    }

    /// Resets the challenge counter after a login.
    pub(super) async fn clear_challenge(&self, username: &str, client: ClientAddress) {
        let counter = self.challenge_counter(username, client);
        self.revert(&counter, Revert::All).await;
    }

    fn challenge_counter(&self, username: &str, client: ClientAddress) -> Counter {
        let policy = self.policy(self.settings.challenge_after, 1);
        Counter {
            kind: CHALLENGE,
            key: format!("{} {username}", network(client.0)),
            policy: LockPolicy {
                longest: policy.lock,
                ..policy
            },
            revert: Revert::All,
        }
    }

    /// Restores the locks of the database, so that a restart opens none.
    pub(in crate::auth) async fn restore(&self) -> Result<(), DbErr> {
        let now = self.now();
        for (lock, rest) in self.locks.active().await? {
            if let Ok(key) = u128::from_str_radix(&lock.id, 16) {
                self.throttle
                    .restore(&lock.kind, key.to_be_bytes(), now + rest);
            }
        }
        Ok(())
    }
}
