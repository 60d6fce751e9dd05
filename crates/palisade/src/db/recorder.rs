use sea_orm::Statement;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, mem};

/// Records executed statements: for tests that explain each of them, and for metrics of their time.
#[derive(Debug, Default)]
pub struct Recorder {
    is_on: AtomicBool,
    all: Mutex<Vec<Statement>>,
    observer: Observer,
}

/// A function that gets the text of each statement, with placeholders for values, and its time.
#[derive(Default)]
struct Observer(OnceLock<Box<dyn Fn(&str, Duration) + Send + Sync>>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// A statement that is being executed.
pub(super) struct Timer<'a> {
    observer: &'a Observer,
    sql: String,
    began: Instant,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        if let Some(observer) = self.observer.0.get() {
            observer(&self.sql, self.began.elapsed());
        }
    }
}

impl Recorder {
    /// Starts recording.
    pub fn start(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Takes the statements since the last call.
    pub fn take(&self) -> Vec<Statement> {
        mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// Calls a function after each statement.
    #[cfg(feature = "metrics")]
    pub(crate) fn observe(&self, observer: impl Fn(&str, Duration) + Send + Sync + 'static) {
        let _ = self.observer.0.set(Box::new(observer));
    }

    /// Measures the time until the value is dropped, if it is observed.
    pub(super) fn time(&self, statement: &Statement) -> Option<Timer<'_>> {
        self.observer.0.get().is_some().then(|| Timer {
            observer: &self.observer,
            sql: statement.sql.clone(),
            began: Instant::now(),
        })
    }
}
