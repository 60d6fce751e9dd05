use super::Held;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A larger limit for the body of one request, granted after its access rule to a form with files.
#[derive(Clone)]
pub struct BodyAllowance(Arc<Granted>);

struct Granted {
    bytes: AtomicU64,
    millis: AtomicU64,
    held: Arc<Held>,
}

impl BodyAllowance {
    /// None, for a request that holds this memory.
    pub fn new(held: Arc<Held>) -> Self {
        Self(Arc::new(Granted {
            bytes: AtomicU64::new(0),
            millis: AtomicU64::new(0),
            held,
        }))
    }

    /// Allows so many bytes within this time. A smaller allowance than before changes nothing.
    pub fn raise(&self, bytes: u64, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.bytes.fetch_max(bytes, Ordering::Relaxed);
        self.0.millis.fetch_max(millis, Ordering::Relaxed);
    }

    /// The allowed bytes; 0 without an allowance.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// The allowed time; none without an allowance.
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.0.millis.load(Ordering::Relaxed))
    }

    /// Releases the memory of received bytes that were written to disk.
    pub fn written(&self, bytes: u64) {
        self.0.held.received_less(bytes);
    }
}
