use sea_orm::DbErr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// Refuses transactions of the site while it is read-only.
#[derive(Debug, Default)]
pub(crate) struct WriteLock {
    is_read_only: AtomicBool,
    /// Transactions that are committing.
    committing: AtomicUsize,
}

/// A transaction that commits.
#[derive(Debug)]
pub(super) struct Committing<'a>(&'a WriteLock);

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        self.0.committing.fetch_sub(1, Ordering::SeqCst);
    }
}

impl WriteLock {
    pub(super) fn require_open(&self) -> Result<(), DbErr> {
        match self.is_read_only.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(DbErr::Custom(READ_ONLY.into())),
        }
    }

    /// Counts a commit, unless the site is read-only. Counted before the question, so that
    /// [`WriteLock::lock`] sees every commit that is still allowed.
    pub(super) fn enter(&self) -> Result<Committing<'_>, DbErr> {
        self.committing.fetch_add(1, Ordering::SeqCst);
        let counted = Committing(self);
        self.require_open().map(|()| counted)
    }

    /// Makes the site read-only, and waits for the commits of this moment. `false` if they take
    /// longer than five seconds.
    pub(crate) async fn lock(&self) -> bool {
        self.is_read_only.store(true, Ordering::SeqCst);
        for _ in 0..500 {
            if self.committing.load(Ordering::SeqCst) == 0 {
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

const READ_ONLY: &str =
    "the site is read-only: an operator has stopped changes (`incident status`)";
