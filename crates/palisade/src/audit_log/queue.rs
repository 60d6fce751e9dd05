use super::chain::{Head, PURPOSE};
use super::entry::{Place, Record, Recorded};
use super::{Entry, Event};
use crate::clock::Clock;
use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use palisade_crypto::KeyRing;
use palisade_crypto::chain::ChainKeys;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The audit log of a site: its keys, and the notes that are not stored yet.
#[derive(Clone)]
pub(crate) struct AuditLog(Arc<Inner>);

struct Inner {
    keys: ChainKeys,
    clock: Arc<dyn Clock>,
    /// Name of the log in checkpoints.
    origin: String,
    notes: Mutex<Notes>,
    /// The last head that this process has written: an earlier one was put back.
    last_head: Mutex<Head>,
    changed: Notify,
    observers: ArcSwap<Vec<Observer>>,
    /// Gets the signed checkpoints, to send them away from the machine.
    checkpoints: OnceLock<Box<dyn Fn(&str) + Send + Sync>>,
    /// One writer in this process.
    writing: tokio::sync::Mutex<()>,
}

type Observer = Arc<dyn Fn(&Recorded<'_>) -> Option<Event> + Send + Sync>;

#[derive(Default)]
struct Notes {
    waiting: VecDeque<Record>,
    lost: u64,
}

/// Notes in memory. More are lost, and counted.
const MOST_NOTES: usize = 4096;

impl AuditLog {
    pub(crate) fn new(ring: &KeyRing, clock: Arc<dyn Clock>, site: &str) -> Self {
        // names of keys have no spaces and no plus (C2SP signed-note)
        let site: String = site
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '+')
            .collect();
        Self(Arc::new(Inner {
            keys: ChainKeys::new(ring, PURPOSE),
            clock,
            origin: format!("{site}/audit"),
            notes: Mutex::default(),
            last_head: Mutex::new(Head::NEW),
            changed: Notify::new(),
            observers: ArcSwap::default(),
            checkpoints: OnceLock::new(),
            writing: tokio::sync::Mutex::default(),
        }))
    }

    pub(super) fn keys(&self) -> &ChainKeys {
        &self.0.keys
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    pub(super) fn origin(&self) -> &str {
        &self.0.origin
    }

    pub(super) async fn lock(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.writing.lock().await
    }

    /// Records an event of the process itself.
    pub(crate) fn record(&self, entry: impl Into<Entry>) {
        self.put(Record::new(
            entry.into(),
            Place::of_work("site"),
            self.now(),
        ));
    }

    /// Calls a function with every event that this process records. It may return an event that
    /// follows from it.
    pub(crate) fn observe(
        &self,
        observer: impl Fn(&Recorded<'_>) -> Option<Event> + Send + Sync + 'static,
    ) {
        let observer: Observer = Arc::new(observer);
        self.0.observers.rcu(|all| {
            let all = all.iter().chain([&observer]);
            all.cloned().collect::<Vec<_>>()
        });
    }

    /// Calls a function with every checkpoint that this process signs by itself.
    pub(crate) fn observe_checkpoints(&self, observer: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.0.checkpoints.set(Box::new(observer));
    }

    pub(super) fn checkpoint_signed(&self, note: &str) {
        if let Some(observer) = self.0.checkpoints.get() {
            observer(note);
        }
    }

    /// Writes the line of a record, and calls the observers.
    pub(super) fn announce(&self, record: &Record) {
        record.log();
        self.observed(record);
    }

    pub(super) fn observed(&self, record: &Record) {
        for observer in self.0.observers.load().iter() {
            if let Some(event) = observer(&record.recorded()) {
                self.put(record.followed_by(event));
            }
        }
    }

    /// Announces and queues a note.
    pub(super) fn put(&self, record: Record) {
        self.announce(&record);
        let record = record.without_typed();
        let mut notes = self.notes();
        match notes.waiting.len() < MOST_NOTES {
            true => notes.waiting.push_back(record),
            false => notes.lost += 1,
        }
        drop(notes);
        self.wake();
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first notes, which stay until they are stored, and the number of lost ones.
    pub(super) fn first_notes(&self, most: usize) -> (Vec<Record>, u64) {
        let notes = self.notes();
        let first = notes.waiting.iter().take(most).cloned().collect();
        (first, notes.lost)
    }

    /// Removes stored notes, and the count of lost ones.
    pub(super) fn remove_notes(&self, (stored, lost): (usize, u64)) {
        let mut notes = self.notes();
        notes.waiting.drain(..stored);
        notes.lost -= lost;
    }

    pub(super) fn last_head(&self) -> Head {
        *self.known_head()
    }

    pub(super) fn note_head(&self, head: Head) {
        *self.known_head() = head;
    }

    fn known_head(&self) -> std::sync::MutexGuard<'_, Head> {
        let head = self.0.last_head.lock();
        head.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self) {
        self.0.changed.notify_one();
    }

    /// Waits for the next note, or for a time.
    pub(super) async fn changed(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.0.changed.notified()).await;
    }

    /// Number of notes in memory.
    #[cfg(feature = "metrics")]
    pub(crate) fn waiting(&self) -> usize {
        self.notes().waiting.len()
    }

    /// The entry that stands for lost ones.
    pub(super) fn entry_of_lost(count: u64) -> Entry {
        Entry::new(Event::EntriesLost).detail(format!("{count} entries"))
    }
}
