use std::time::Duration;

/// Parameters of a lockout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPolicy {
    /// Guesses within the window that start a lock.
    pub failures: u32,
    /// The window in which they are counted.
    pub window: Duration,
    /// Duration of the first lock; each further one lasts twice as long.
    pub lock: Duration,
    /// Longest lock, and time until earlier locks are forgotten.
    pub longest: Duration,
}

/// Whether a guess may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// It may.
    Open,
    /// It may, as the last one: a lock of this length has started, and ends if the guess is
    /// correct.
    Last(Duration),
    /// It may not, for this long.
    Locked(Duration),
}

/// The guesses of one client, or at one account. A guess is counted before it is verified, and
/// reverted if it was correct: concurrent guesses all count.
///
/// Times are since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Guesses {
    count: u32,
    window_ends: Duration,
    locked_until: Duration,
    /// Locks so far, which prolong the next one.
    locks: u32,
}

impl Guesses {
    pub(super) fn guess(&mut self, policy: &LockPolicy, now: Duration) -> LockState {
        if now < self.locked_until {
            return LockState::Locked(self.locked_until - now);
        }
        if self.is_forgotten(policy, now) {
            *self = Self::default();
        }
        // a new window, or the end of a lock
        if now >= self.window_ends || self.count >= policy.failures {
            (self.count, self.window_ends) = (0, now + policy.window);
        }
        self.count += 1;
        if self.count < policy.failures {
            return LockState::Open;
        }
        let length = policy
            .lock
            .saturating_mul(1 << self.locks.min(20))
            .min(policy.longest);
        (self.locked_until, self.locks) = (now + length, self.locks + 1);
        LockState::Last(length)
    }

    /// Reverts one correct guess. Earlier ones stay: a login to an attacker's own account does not
    /// reset them.
    pub(super) fn take_back(&mut self, now: Duration) {
        if now < self.locked_until {
            (self.locked_until, self.locks) = (now, self.locks.saturating_sub(1));
        }
        self.count = self.count.saturating_sub(1);
    }

    /// A lock until then.
    pub(super) fn lock_until(until: Duration) -> Self {
        Self {
            count: 0,
            window_ends: until,
            locked_until: until,
            locks: 1,
        }
    }

    /// Whether it is empty.
    pub(super) fn is_empty(&self, now: Duration) -> bool {
        self.count == 0 && self.locks == 0 && !self.is_locked(now)
    }

    /// Eviction weight: entries with a lower one are dropped first.
    pub(super) fn weight(&self, now: Duration) -> (u32, u32, Duration) {
        let count = if now < self.window_ends {
            self.count
        } else {
            0
        };
        (self.locks, count, self.window_ends)
    }

    pub(super) fn is_locked(&self, now: Duration) -> bool {
        now < self.locked_until
    }

    /// Whether it has expired.
    pub(super) fn is_forgotten(&self, policy: &LockPolicy, now: Duration) -> bool {
        now >= self.window_ends && (self.locks == 0 || now >= self.locked_until + policy.longest)
    }
}
