use sea_orm::Statement;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Records executed statements, for tests that explain each of them. Off unless a test enables it.
#[derive(Debug, Default)]
pub struct Recorder {
    is_on: AtomicBool,
    all: Mutex<Vec<Statement>>,
}

impl Recorder {
    /// Starts recording.
    pub fn start(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Takes the statements since the last call.
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
