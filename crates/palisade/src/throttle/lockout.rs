use std::time::Duration;

/// When guesses are stopped, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPolicy {
    /// Guesses within the window, after which there is a lock.
    pub failures: u32,
    /// In which they are counted together.
    pub window: Duration,
    /// How long the first lock holds; each further one holds twice as long.
    pub lock: Duration,
    /// How long a lock holds at the most, and how long it takes until earlier ones are forgotten.
    pub longest: Duration,
}

/// Whether a guess may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Open,
    /// It may, and it is the last one: a lock of this length holds already, and ends if the guess is right.
    Last(Duration),
    /// It may not, for so long.
    Locked(Duration),
}

/// The guesses of one client, or at one account. A guess is counted before it is judged, and taken back if it was right: a hundred at once are a hundred.
///
/// Times are since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Guesses {
    count: u32,
    window_ends: Duration,
    locked_until: Duration,
    /// Locks so far, which make the next one longer.
    locks: u32,
}

impl Guesses {
    pub(super) fn guess(&mut self, policy: &LockPolicy, now: Duration) -> Standing {
        if now < self.locked_until {
            return Standing::Locked(self.locked_until - now);
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
            return Standing::Open;
        }
        let length = policy
            .lock
            .saturating_mul(1 << self.locks.min(20))
            .min(policy.longest);
        (self.locked_until, self.locks) = (now + length, self.locks + 1);
        Standing::Last(length)
    }

    /// Takes one guess back: it was right. Those before it stay: nobody wipes them out by logging in to an account of their own.
    pub(super) fn take_back(&mut self, now: Duration) {
        if now < self.locked_until {
            (self.locked_until, self.locks) = (now, self.locks.saturating_sub(1));
        }
        self.count = self.count.saturating_sub(1);
    }

    /// A lock that holds until then.
    pub(super) fn locked(until: Duration) -> Self {
        Self {
            count: 0,
            window_ends: until,
            locked_until: until,
            locks: 1,
        }
    }

    /// Whether it counts nothing.
    pub(super) fn is_empty(&self, now: Duration) -> bool {
        self.count == 0 && self.locks == 0 && !self.is_locked(now)
    }

    /// How much it tells: more than those of a lower weight.
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

    /// Whether nothing of it matters any more.
    pub(super) fn is_forgotten(&self, policy: &LockPolicy, now: Duration) -> bool {
        now >= self.window_ends && (self.locks == 0 || now >= self.locked_until + policy.longest)
    }
}
