use sea_orm::{DbErr, RuntimeErr};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::time::Duration;
use tokio::time::sleep;

/// Refuses transactions of the site while it is read-only, and those of frozen accounts.
#[derive(Debug, Default)]
pub(crate) struct WriteLock {
    is_read_only: AtomicBool,
    is_frozen: Frozen,
    /// Which counter new commits use.
    phase: AtomicUsize,
    /// Transactions that are committing. There are two counters, so that waiting for the commits of
    /// one moment ends on a busy site.
    committing: [AtomicUsize; 2],
}

/// Whether the account of the current request is frozen.
#[derive(Default)]
struct Frozen(OnceLock<Box<dyn Fn() -> bool + Send + Sync>>);

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frozen")
    }
}

/// A transaction that commits.
#[derive(Debug)]
pub(super) struct Committing<'a>(&'a AtomicUsize);

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The owner of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The framework: sessions, counters, the audit log.
    Framework,
    /// Handlers, tasks and jobs of the site.
    Site,
}

impl WriteLock {
    /// Sets the function that knows whether the account of the current request is frozen.
    pub(crate) fn refuse_frozen(&self, is_frozen: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.is_frozen.0.set(Box::new(is_frozen));
    }

    pub(crate) fn require_open(&self) -> Result<(), DbErr> {
        match self.is_read_only.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(refused(READ_ONLY)),
        }
    }

    fn require_thawed(&self) -> Result<(), DbErr> {
        match self.is_frozen.0.get().is_some_and(|is_frozen| is_frozen()) {
            false => Ok(()),
            true => Err(refused(FROZEN)),
        }
    }

    /// Counts a commit, unless it is refused. Counted before the questions, so that
    /// [`WriteLock::settle`] waits for every commit that was still allowed.
    pub(super) fn enter(&self, owner: Owner) -> Result<Committing<'_>, DbErr> {
        let counter = &self.committing[self.phase.load(Ordering::SeqCst)];
        counter.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let counted = Committing(counter);
        if owner == Owner::Site {
            self.require_open()?;
        }
        self.require_thawed().map(|()| counted)
    }

    /// Makes the site read-only, and waits for the commits of this moment. `false` if they take
    /// longer than five seconds.
    pub(crate) async fn lock(&self) -> bool {
        self.is_read_only.store(true, Ordering::SeqCst);
        self.settle().await
    }

    /// Waits for the commits of this moment. `false` if they take longer than five seconds. One task
    /// of a process calls it.
    pub(crate) async fn settle(&self) -> bool {
        fence(Ordering::SeqCst);
        let before = self.phase.load(Ordering::SeqCst);
        // commits that an earlier call has not seen end
        if !self.is_empty(1 - before).await {
            return false;
        }
        self.phase.store(1 - before, Ordering::SeqCst);
        self.is_empty(before).await
    }

    /// Waits until a counter is 0, for five seconds at most.
    async fn is_empty(&self, phase: usize) -> bool {
        for _ in 0..500 {
            if self.committing[phase].load(Ordering::SeqCst) == 0 {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
        false
    }

    pub(crate) fn unlock(&self) {
        self.is_read_only.store(false, Ordering::SeqCst);
    }
}

/// An error of a connection that takes no writes: the response is 503.
fn refused(why: &str) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(why.into()))
}

const READ_ONLY: &str =
    "the site is read-only: an operator has stopped changes (`incident status`)";
const FROZEN: &str = "the account of this request is frozen: nothing of it is stored";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use tokio::time::timeout;

    // a commit that outlasted an earlier call is waited for again
    #[tokio::test]
    async fn a_long_commit_is_waited_for_by_every_call() {
        let lock = Arc::new(WriteLock::default());
        let long = lock.enter(Owner::Site).unwrap();
        for _ in 0..3 {
            let settled = timeout(Duration::from_millis(50), lock.lock()).await;
            assert!(settled.is_err(), "the commit is still running");
        }
        drop(long);
        assert!(lock.lock().await);
        assert!(lock.enter(Owner::Site).is_err());
        assert!(lock.enter(Owner::Framework).is_ok());
        lock.unlock();
        let frozen = Arc::new(AtomicBool::new(false));
        let asked = frozen.clone();
        lock.refuse_frozen(move || asked.load(Ordering::SeqCst));
        assert!(lock.enter(Owner::Framework).is_ok());
        frozen.store(true, Ordering::SeqCst);
        assert!(lock.enter(Owner::Framework).is_err());
        assert!(lock.settle().await);
    }
}
