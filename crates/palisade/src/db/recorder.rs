use sea_orm::Statement;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The statements that ran, for tests that ask the database's planner about each. Off unless a test switches it on.
#[derive(Debug, Default)]
pub struct Recorder {
    is_on: AtomicBool,
    all: Mutex<Vec<Statement>>,
}

impl Recorder {
    /// Records from now on.
    pub fn start(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// What was recorded since the last time.
    pub fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn note(&self, statement: Statement) -> Statement {
        if self.is_on.load(Ordering::Relaxed) {
            self.all
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(statement.clone());
        }
        statement
    }
}
