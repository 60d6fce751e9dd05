//! One memory budget for the bytes that requests and responses hold, and a share of it for each
//! client.
//!
//! Every other limit is about one body. This one bounds their sum, over all connections and HTTP/2
//! streams: a client that is slow to send, or slow to read, holds at most its share, and other
//! clients are served from the rest.

use super::{ClientNetwork, networks};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The memory budget of all requests and responses.
pub struct MemoryBudget {
    most: u64,
    /// Of one client.
    share: u64,
    held: AtomicU64,
    /// Peak of held bytes.
    peak: AtomicU64,
    hasher: RandomState,
    clients: [Mutex<HashMap<ClientNetwork, u64>>; SHARDS],
}

/// The accounted memory of one request and its response, released on drop.
pub struct Held {
    budget: Arc<MemoryBudget>,
    client: IpAddr,
    bytes: AtomicU64,
}

/// Why memory is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// The client's share is used up. 429.
    Client,
    /// The budget is used up. 503.
    Site,
}

/// Bytes that a request holds before its body arrives: its headers, and the state of its handler.
const REQUEST_BYTES: u64 = 32 * 1024;
/// Sharded, so that clients do not contend for one lock.
const SHARDS: usize = 16;

impl MemoryBudget {
    /// A budget of so many bytes, of which one client gets at most `share`.
    pub fn new(most: u64, share: u64) -> Arc<Self> {
        let clients = std::array::from_fn(|_| Mutex::default());
        Arc::new(Self {
            most,
            share: share.min(most),
            held: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            hasher: RandomState::new(),
            clients,
        })
    }

    /// Admits a request of a client.
    ///
    /// # Errors
    /// [`NoRoom`]; nothing is counted then.
    pub fn admit(self: &Arc<Self>, client: IpAddr) -> Result<Arc<Held>, NoRoom> {
        self.admit_unless(client, |_| true)
    }

    /// Admits a health check while the budget is used up: otherwise clients that exhaust it would
    /// make the load balancer remove the instance. The client's share still applies.
    ///
    /// # Errors
    /// [`NoRoom::Client`]; nothing is counted then.
    pub fn admit_for_health(self: &Arc<Self>, client: IpAddr) -> Result<Arc<Held>, NoRoom> {
        self.admit_unless(client, |full| full == NoRoom::Client)
    }

    fn admit_unless(
        self: &Arc<Self>,
        client: IpAddr,
        is_refused: impl Fn(NoRoom) -> bool,
    ) -> Result<Arc<Held>, NoRoom> {
        let held = Held {
            budget: self.clone(),
            client,
            bytes: AtomicU64::new(0),
        };
        match held.room() {
            Err(full) if is_refused(full) => return Err(full),
            _ => held.add(REQUEST_BYTES),
        }
        Ok(Arc::new(held))
    }

    /// Held bytes.
    pub fn held_bytes(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Peak of held bytes since the last call.
    pub fn take_peak(&self) -> u64 {
        self.peak.swap(self.held_bytes(), Ordering::Relaxed)
    }

    /// The share of a network: never the whole budget, for any prefix and settings.
    fn share(&self, network: &ClientNetwork) -> u64 {
        let wider = self.share.saturating_mul(network.shares().into());
        wider.min(self.most / 4 * 3).max(self.share)
    }

    fn client(
        &self,
        network: &ClientNetwork,
    ) -> std::sync::MutexGuard<'_, HashMap<ClientNetwork, u64>> {
        let shard = usize::try_from(self.hasher.hash_one(network)).unwrap_or_default() % SHARDS;
        self.clients[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Whether more bytes may be held.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn room(&self) -> Result<(), NoRoom> {
        let is_full = |network: &ClientNetwork| {
            self.budget
                .client(network)
                .get(network)
                .is_some_and(|bytes| *bytes >= self.budget.share(network))
        };
        if networks(self.client).any(|network| is_full(&network)) {
            return Err(NoRoom::Client);
        }
        if self.budget.held_bytes() >= self.budget.most {
            Err(NoRoom::Site)
        } else {
            Ok(())
        }
    }

    /// Counts bytes that are in memory already.
    pub fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        self.budget
            .peak
            .fetch_max(before + bytes, Ordering::Relaxed);
        networks(self.client)
            .for_each(|network| *self.budget.client(&network).entry(network).or_default() += bytes);
    }

    /// Counts received bytes, up to half of a client's share: a handler that streams a longer body
    /// does not hold all of it, and must not wait for itself.
    pub fn receive(&self, bytes: u64) {
        let most = (self.budget.share / 2).saturating_sub(self.bytes.load(Ordering::Relaxed));
        self.add(bytes.min(most));
    }

    /// Releases bytes early.
    pub fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.release(bytes);
    }

    /// Releases received bytes of a body, as far as they were counted.
    pub(super) fn received_less(&self, bytes: u64) {
        let counted = self.bytes.load(Ordering::Relaxed);
        self.give_back(bytes.min(counted.saturating_sub(REQUEST_BYTES)));
    }

    fn release(&self, bytes: u64) {
        self.budget.held.fetch_sub(bytes, Ordering::Relaxed);
        for network in networks(self.client) {
            let mut clients = self.budget.client(&network);
            if let Some(held) = clients.get_mut(&network) {
                *held = held.saturating_sub(bytes);
                if *held == 0 {
                    clients.remove(&network);
                }
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        self.release(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_client_gets_its_share_and_others_the_rest() {
        let budget = MemoryBudget::new(400 * 1024, 128 * 1024);
        let greedy: Vec<_> = std::iter::from_fn(|| budget.admit(address(1)).ok()).collect();
        assert_eq!(greedy.len(), 4, "four requests of 32 KiB");
        assert_eq!(budget.admit(address(1)).err(), Some(NoRoom::Client));
        let other = budget.admit(address(2)).ok();
        assert!(other.as_ref().is_some_and(|held| held.room().is_ok()));
        let rest: Vec<_> = (3..=10)
            .map_while(|last| budget.admit(address(last)).ok())
            .collect();
        assert_eq!(budget.admit(address(11)).err(), Some(NoRoom::Site));
        drop((greedy, other, rest));
        assert_eq!(budget.held_bytes(), 0);
        assert!(
            budget
                .clients
                .iter()
                .all(|shard| shard.lock().is_ok_and(|clients| clients.is_empty())),
            "nothing is left behind"
        );
    }

    #[test]
    fn a_long_body_counts_for_half_a_share_at_the_most() {
        let budget = MemoryBudget::new(1 << 30, 1 << 20);
        let held = budget.admit(address(1)).ok();
        held.iter()
            .for_each(|held| (0..100).for_each(|_| held.receive(64 * 1024)));
        assert!(
            held.as_ref().is_some_and(|held| held.room().is_ok()),
            "it may go on"
        );
        assert_eq!(budget.held_bytes(), 1 << 19);
    }

    #[test]
    fn one_household_is_one_client() {
        let budget = MemoryBudget::new(1 << 30, 32 * 1024);
        let first = budget.admit("2001:db8::1".parse().expect("an address"));
        assert!(first.is_ok());
        assert_eq!(
            budget
                .admit("2001:db8::2".parse().expect("an address"))
                .err(),
            Some(NoRoom::Client)
        );
    }

    // Finding 3: with all /64 of a customer, others are still served
    #[test]
    fn a_customer_with_many_networks_does_not_hold_all() {
        let budget = MemoryBudget::new(64 * 32 * 1024, 16 * 32 * 1024);
        let inside = |number: u32| {
            std::net::Ipv6Addr::from_bits(
                0x2001_0db8_0000_0000_u128 << 64 | u128::from(number) << 64,
            )
        };
        let mut held = Vec::new();
        for number in 0..=u32::from(u16::MAX) {
            while let Ok(one) = budget.admit(inside(number).into()) {
                held.push(one);
            }
        }
        assert_eq!(held.len(), 48, "three quarters");
        assert!(
            budget
                .admit("2001:db8:1::1".parse().expect("an address"))
                .is_ok()
        );
        drop(held);
        assert_eq!(budget.held_bytes(), 0);
        assert!(
            budget
                .clients
                .iter()
                .all(|shard| shard.lock().is_ok_and(|clients| clients.is_empty()))
        );
    }

    #[test]
    fn health_is_answered_above_the_budget() {
        let budget = MemoryBudget::new(32 * 1024, 32 * 1024);
        let held = budget.admit(address(1)).ok();
        assert_eq!(budget.admit(address(2)).err(), Some(NoRoom::Site));
        assert!(budget.admit_for_health(address(2)).is_ok());
        assert_eq!(
            budget.admit_for_health(address(1)).err(),
            Some(NoRoom::Client),
            "the share of one client holds"
        );
        drop(held);
    }
}
