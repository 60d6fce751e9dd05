//! How many connections there are, in all and from each client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The connections that may be open at once.
pub(in crate::app) struct Slots {
    all: usize,
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// One connection; dropping it makes room.
pub(super) struct Slot {
    slots: Arc<Slots>,
    network: Option<IpAddr>,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// For anybody.
    Site,
    /// For this client.
    Client,
}

impl Slots {
    pub(super) fn new(all: u64, each: u64) -> Arc<Self> {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        Arc::new(Self { all: size(all), each: size(each), taken: Mutex::default() })
    }

    /// Makes room for a connection from `network`, or from somebody who is not counted.
    pub(super) fn take(self: &Arc<Self>, network: Option<IpAddr>) -> Result<Slot, Full> {
        let mut taken = self.lock();
        if taken.all >= self.all {
            return Err(Full::Site);
        }
        if let Some(network) = network {
            let count = taken.by_network.entry(network).or_default();
            if *count >= self.each {
                return Err(Full::Client);
            }
            *count += 1;
        }
        taken.all += 1;
        Ok(Slot { slots: self.clone(), network })
    }

    /// Connections that are open.
    pub(in crate::app) fn taken(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.all -= 1;
        if let Some(network) = self.network
            && let Some(count) = taken.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_counted_and_given_back() {
        let slots = Slots::new(3, 2);
        let (one, two) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        let first = slots.take(one).ok();
        let second = slots.take(one).ok();
        assert!(first.is_some() && second.is_some());
        assert_eq!(slots.take(one).err(), Some(Full::Client));
        let third = slots.take(two).ok();
        assert_eq!(slots.take(None).err(), Some(Full::Site), "a proxy is not counted, and yet there is no room");
        drop((first, third));
        assert_eq!(slots.taken(), 1);
        assert!(slots.take(one).is_ok());
        drop(second);
        assert!(slots.lock().by_network.is_empty(), "nothing is kept of those who left");
    }
}
