use super::{JobId, Lease};
use crate::views::Result;
use sea_orm::sea_query::Expr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The run of a job: its id, and its progress.
#[derive(Clone)]
pub struct JobRun(Arc<Inner>);

struct Inner {
    id: JobId,
    lease: Lease,
    written: Mutex<Option<Instant>>,
}

/// Progress is written this often.
const PAUSE: Duration = Duration::from_secs(1);

impl JobRun {
    pub(crate) fn new(id: JobId, lease: Lease) -> Self {
        Self(Arc::new(Inner {
            id,
            lease,
            written: Mutex::default(),
        }))
    }

    /// The id of the job: the same for all its tries, so that an effect outside of the database can
    /// be done once (an idempotency key).
    pub fn id(&self) -> &JobId {
        &self.0.id
    }

    /// Records that `done` of `total` steps are completed, at most once a second.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn progress(&self, done: u64, total: u64) -> Result<()> {
        if !self.is_time() && done != total {
            return Ok(());
        }
        let number = |count: u64| Expr::value(i64::try_from(count).unwrap_or(i64::MAX));
        let counts = [("done", number(done)), ("total", number(total))];
        self.0.lease.update(&counts).await?;
        Ok(())
    }

    fn is_time(&self) -> bool {
        let mut written = self
            .0
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_time = written.is_none_or(|written| written.elapsed() >= PAUSE);
        if is_time {
            *written = Some(Instant::now());
        }
        is_time
    }
}
