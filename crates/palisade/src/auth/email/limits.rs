//! Rate limits of mail to users, and of guesses at the codes in it.

use crate::clock::Clock;
use crate::http::{ClientAddress, network};
use crate::throttle::{LockPolicy, LockState, Throttle};
use std::sync::Arc;
use std::time::Duration;

/// The limits of a site.
pub(in crate::auth) struct MailLimits {
    pub(in crate::auth) throttle: Arc<Throttle>,
    pub(in crate::auth) clock: Arc<dyn Clock>,
    /// Rate limit per hour of mail to addresses without an account.
    pub(in crate::auth) max_unknown_per_hour: u64,
}

const HOUR: Duration = Duration::from_secs(3600);

impl MailLimits {
    /// Counts a guess at a mailed code: five within its lifetime.
    pub(super) async fn guess_code(&self, hash: &str, life: Duration) -> LockState {
        let policy = LockPolicy {
            failures: 5,
            window: life,
            lock: life,
            longest: life,
        };
        let now = self.clock.monotonic();
        self.throttle
            .guess("mailed code", &hash, &policy, now)
            .await
    }

    /// Counts a requested mail: for a known browser separately, otherwise by network and address.
    /// Returns the time to wait beyond the rate limit. Requests of other clients do not use up the
    /// owner's rate limit (D37).
    pub(in crate::auth) async fn request(
        &self,
        address: &str,
        client: ClientAddress,
        device: Option<&str>,
    ) -> Option<Duration> {
        if let Some(device) = device {
            return self.count("mail and browser", device, 10).await;
        }
        let pair = format!("{} {address}", network(client.0));
        match self.count("mail and network", &pair, 5).await {
            None => self.count("mail", address, 100).await,
            wait => wait,
        }
    }

    /// Whether one more mail may be sent to an address without an account. The rate limit is
    /// global, because it protects the site's reputation as a sender.
    pub(super) async fn allows_unknown(&self) -> bool {
        let most = u32::try_from(self.max_unknown_per_hour).unwrap_or(u32::MAX);
        let wait = self.count("mail to unknown addresses", "", most).await;
        wait.is_none()
    }

    /// Counts towards a rate limit per hour, and returns the time to wait beyond it.
    async fn count(&self, kind: &'static str, who: &str, most: u32) -> Option<Duration> {
        let policy = LockPolicy {
            failures: most.saturating_add(1),
            window: HOUR,
            lock: HOUR,
            longest: HOUR,
        };
        let now = self.clock.monotonic();
        match self.throttle.guess(kind, &who, &policy, now).await {
            LockState::Open => None,
            LockState::Locked(wait) | LockState::Last(wait) => Some(wait),
        }
    }
}
