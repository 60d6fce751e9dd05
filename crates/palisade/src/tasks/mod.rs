//! Work beside the pages: tasks that run by a schedule, and jobs that a handler queues.
//!
//! A site declares them with [`App::task`](crate::app::App::task) and
//! [`App::job`](crate::app::App::job); `serve` runs them. Of several instances, one runs each task
//! and each job at a time: it holds a lease on its row, which it renews while it works
//! (`lease.rs`). Failures are retried with back-off, and shown at `/health/detail`.

mod jobs;
mod lease;
mod migration;
mod progress;
mod schedule;
mod settings;
mod task_rows;
mod work;

pub(crate) use jobs::{ClaimedJob, JobCounts, JobQueue, NewJob, SEALED};
pub use jobs::{JobId, JobState, JobStatus, QueuedJob};
pub(crate) use lease::{Ended, Lease, Watch};
pub use migration::migrations;
pub use progress::JobRun;
pub use schedule::Schedule;
pub use settings::TaskSettings;
pub use task_rows::TaskState;
pub(crate) use task_rows::{ClaimedTask, TaskRows};
pub(crate) use work::{Background, JobKind, TaskKind, Work};
