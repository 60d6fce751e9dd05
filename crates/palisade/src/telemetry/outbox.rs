use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc};

/// A bounded queue to a server that may be slow or away: a full one drops, and delays no request.
pub(crate) struct Outbox<T> {
    sender: mpsc::Sender<T>,
    waiting: Mutex<mpsc::Receiver<T>>,
    dropped: AtomicU64,
}

impl<T> Outbox<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let (sender, waiting) = mpsc::channel(capacity);
        Self {
            sender,
            waiting: Mutex::new(waiting),
            dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn put(&self, item: T) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(item) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The next items, at most so many: the first is awaited, the others are those of the time after
    /// it.
    pub(super) async fn next(&self, (most, gather): (usize, Duration)) -> Vec<T> {
        let mut waiting = self.waiting.lock().await;
        let mut items = Vec::new();
        items.extend(waiting.recv().await);
        let more = async {
            while items.len() < most {
                match waiting.recv().await {
                    Some(item) => items.push(item),
                    None => break,
                }
            }
        };
        let _ = tokio::time::timeout(gather, more).await;
        items
    }

    /// All items of this moment.
    pub(super) async fn take(&self) -> Vec<T> {
        let mut waiting = self.waiting.lock().await;
        let mut items = Vec::new();
        while let Ok(item) = waiting.try_recv() {
            items.push(item);
        }
        items
    }

    /// Number of dropped items since the last call.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}
