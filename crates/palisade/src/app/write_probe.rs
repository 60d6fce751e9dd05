//! Whether the database accepts writes, for the health checks.

use crate::db::Database;
use std::fmt;
use std::time::{Duration, Instant};

/// Caches the result of the write probe for a moment, so that frequent health checks cause few
/// writes.
#[derive(Default)]
pub(super) struct WriteProbe(tokio::sync::Mutex<Option<(Instant, bool)>>);

impl WriteProbe {
    pub(super) async fn answers(&self, database: &Database) -> bool {
        let mut last = self.0.lock().await;
        if let Some((_, answers)) = last.filter(|(asked, _)| asked.elapsed() < PROBE_EVERY) {
            return answers;
        }
        let answers = answers("database writes", database.ping_writer()).await;
        *last = Some((Instant::now(), answers));
        answers
    }
}

const PROBE_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn answers<E: fmt::Display>(
    what: &str,
    ping: impl Future<Output = Result<(), E>>,
) -> bool {
    match tokio::time::timeout(PATIENCE, ping).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(target: "palisade", %error, "{what} does not answer");
            false
        }
        Err(_) => {
            tracing::error!(target: "palisade", "{what} does not answer in {PATIENCE:?}");
            false
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(2);
