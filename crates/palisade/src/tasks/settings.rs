use crate::settings::{Secs, section};

section! {
    /// Tasks and jobs.
    TaskSettings("tasks") {
        /// Whether this instance runs tasks and jobs
        run: bool = |_| true;
        /// Most jobs that this instance runs at the same time
        max_jobs: u64 = |_| 2;
        /// Time limit of a task or a job
        max_secs: Secs = |_| Secs(3600);
    }
}
