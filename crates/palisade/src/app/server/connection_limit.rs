//! Connection limits, in total and per client, and eviction of idle connections.
//!
//! A client that holds many idle connections must not lock out others. When all connections are
//! taken, the longest idle one of the client with the most is closed. Where none is idle, a few
//! more connections are accepted for `/health` only, so that load balancers still see a live
//! process.

use super::activity::ConnectionActivity;
use crate::http::{ClientNetwork, networks};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The connection limiter.
pub(in crate::app) struct ConnectionLimiter {
    all: usize,
    each: usize,
    taken: Mutex<Taken>,
    /// Signals the end of a connection.
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    open: BTreeMap<u64, Open>,
    by_network: HashMap<ClientNetwork, usize>,
    number: u64,
}

/// An open connection.
struct Open {
    client: Option<IpAddr>,
    activity: Arc<ConnectionActivity>,
    closing: Arc<Notify>,
    is_closing: bool,
}

/// A permit for one connection, released on drop.
pub(super) struct Slot {
    slots: Arc<ConnectionLimiter>,
    number: u64,
    client: Option<IpAddr>,
    closing: Arc<Notify>,
    /// Whether it is for `/health` only.
    pub(super) is_for_health: bool,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The total limit.
    Site,
    /// The limit per client.
    Client,
}

/// Connections beyond the limit, for `/health` only.
const FOR_HEALTH: usize = 16;
/// How long a new connection waits for the eviction of an idle one.
const PATIENCE: Duration = Duration::from_secs(1);

impl ConnectionLimiter {
    pub(super) fn new(all: u64, each: u64) -> Arc<Self> {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        Arc::new(Self {
            all: size(all),
            each: size(each),
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Acquires a permit for a connection of a client, or of a proxy, which is not counted per
    /// address.
    pub(super) async fn take(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        activity: &Arc<ConnectionActivity>,
    ) -> Result<Slot, Full> {
        let waiting = async {
            loop {
                let freed = self.freed.notified();
                match self.try_take(client, activity, self.all) {
                    Err(Full::Site) if self.close_longest_idle() => freed.await,
                    outcome => return outcome,
                }
            }
        };
        match timeout(PATIENCE, waiting).await.unwrap_or(Err(Full::Site)) {
            Err(Full::Site) => {
                let mut slot =
                    self.try_take(client, activity, self.all.saturating_add(FOR_HEALTH))?;
                slot.is_for_health = true;
                Ok(slot)
            }
            outcome => outcome,
        }
    }

    fn try_take(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        activity: &Arc<ConnectionActivity>,
        most: usize,
    ) -> Result<Slot, Full> {
        let mut taken = self.lock();
        if taken.open.len() >= most {
            return Err(Full::Site);
        }
        taken.count(client, self.each)?;
        taken.number += 1;
        let (number, closing) = (taken.number, Arc::new(Notify::new()));
        let open = Open {
            client,
            activity: activity.clone(),
            closing: closing.clone(),
            is_closing: false,
        };
        taken.open.insert(number, open);
        Ok(Slot {
            slots: self.clone(),
            number,
            client,
            closing,
            is_for_health: false,
        })
    }

    /// Evicts one idle connection. `false` if none is idle.
    fn close_longest_idle(&self) -> bool {
        let mut taken = self.lock();
        let Some(number) = taken.longest_idle() else {
            return false;
        };
        if let Some(open) = taken.open.get_mut(&number) {
            open.is_closing = true;
            open.closing.notify_one();
        }
        true
    }

    /// Open connections.
    pub(in crate::app) fn open_count(&self) -> usize {
        self.lock().open.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Counts a connection for a client, and for its surrounding networks.
    fn count(&mut self, client: Option<IpAddr>, each: usize) -> Result<(), Full> {
        let Some(client) = client else { return Ok(()) };
        let most = |network: &ClientNetwork| each.saturating_mul(network.shares() as usize);
        if networks(client).any(|network| {
            self.by_network
                .get(&network)
                .is_some_and(|count| *count >= most(&network))
        }) {
            return Err(Full::Client);
        }
        networks(client).for_each(|network| *self.by_network.entry(network).or_default() += 1);
        Ok(())
    }

    fn uncount(&mut self, client: Option<IpAddr>) {
        for network in client.into_iter().flat_map(networks) {
            if let Some(count) = self.by_network.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    self.by_network.remove(&network);
                }
            }
        }
    }

    /// The longest idle connection of the client with the most, among those that have one.
    fn longest_idle(&self) -> Option<u64> {
        let count = |open: &Open| {
            open.client
                .and_then(|client| self.by_network.get(&networks(client).next()?))
                .copied()
                .unwrap_or(1)
        };
        let idle = self
            .open
            .iter()
            .filter(|(_, open)| !open.is_closing)
            .filter_map(|(number, open)| {
                let since = open.activity.idle_since()?;
                Some((*number, count(open), since))
            });
        idle.max_by_key(|(_, count, since)| (*count, std::cmp::Reverse(*since)))
            .map(|(number, ..)| number)
    }
}

impl Slot {
    /// Resolves when this connection is to be closed, if it is idle.
    pub(super) async fn closing(&self) {
        self.closing.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.open.remove(&self.number);
        taken.uncount(self.client);
        drop(taken);
        self.slots.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    /// A connection that is busy for as long as the second part lives.
    fn busy() -> (Arc<ConnectionActivity>, super::super::activity::Answering) {
        let activity = Arc::new(ConnectionActivity::default());
        let answering = activity.begin();
        (activity, answering)
    }

    async fn take(
        slots: &Arc<ConnectionLimiter>,
        client: Option<IpAddr>,
    ) -> Result<(Slot, super::super::activity::Answering), Full> {
        let (activity, answering) = busy();
        Ok((slots.take(client, &activity).await?, answering))
    }

    #[tokio::test]
    async fn room_is_counted_and_given_back() {
        let slots = ConnectionLimiter::new(3, 2);
        let first = take(&slots, client(1)).await.ok();
        let second = take(&slots, client(1)).await.ok();
        assert!(first.is_some() && second.is_some());
        assert_eq!(take(&slots, client(1)).await.err(), Some(Full::Client));
        let third = take(&slots, client(2)).await.ok();
        let fourth = take(&slots, None).await.ok();
        assert!(
            fourth.as_ref().is_some_and(|(slot, _)| slot.is_for_health),
            "a proxy is not counted, and yet there is no room"
        );
        drop((first, third, fourth));
        assert_eq!(slots.open_count(), 1);
        assert!(take(&slots, client(1)).await.is_ok());
        drop(second);
        assert!(
            slots.lock().by_network.is_empty(),
            "closed connections leave no state"
        );
    }

    #[tokio::test]
    async fn the_longest_idle_connection_of_the_greediest_client_goes() {
        let slots = ConnectionLimiter::new(3, 3);
        let idle = || Arc::new(ConnectionActivity::default());
        let modest = slots.take(client(1), &idle()).await.ok();
        let older = slots.take(client(2), &idle()).await.ok();
        let newer = slots.take(client(2), &idle()).await.ok();
        let (Some(modest), Some(older), Some(newer)) = (modest, older, newer) else {
            panic!("there is room for three")
        };
        let leaving = tokio::spawn(async move {
            older.closing().await;
            drop(older);
        });
        let newcomer = take(&slots, client(3)).await.ok();
        assert!(newcomer.is_some_and(|(slot, _)| !slot.is_for_health));
        assert!(leaving.await.is_ok());
        drop((modest, newer));
    }

    #[tokio::test]
    async fn a_household_of_ipv6_has_more_than_one_client_and_not_as_many_as_it_has_networks() {
        let slots = ConnectionLimiter::new(1000, 2);
        let mut held = Vec::new();
        for network in 0..256_u32 {
            let address: IpAddr = format!("2001:db8:1:{network:x}::1")
                .parse()
                .expect("an address");
            held.extend(take(&slots, Some(address)).await);
        }
        assert_eq!(held.len(), 4, "twice as many for a /56");
    }
}
