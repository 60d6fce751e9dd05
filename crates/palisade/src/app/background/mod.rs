//! Tasks, jobs and hooks of a site, and their execution beside the server.

mod jobs;
mod runner;

use super::{App, Site};
use crate::tasks::{JobCounts, Schedule, TaskKind, Work};
use crate::views::Result;
pub(super) use jobs::jobs_of;
pub use jobs::{Job, Jobs};
pub(crate) use runner::Runner;
pub use runner::{RunKind, RunReport};
use std::sync::Arc;

fn work<F, R>(run: F) -> Work<Site>
where
    F: Fn(Arc<Site>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<()>> + Send + 'static,
{
    Arc::new(move |site| Box::pin(run(site)))
}

impl App {
    /// Adds a task that `serve` runs by a schedule. Of several instances, one runs it at a time. An
    /// error is logged, and the task is retried after a minute, two, four and so on; missed times,
    /// such as those of a stopped site, are made up for once. `tasks.max_secs` is its time limit.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// use std::sync::Arc;
    ///
    /// async fn forget_old(site: Arc<Site>) -> Result<()> {
    ///     let old = sql!("DELETE FROM note WHERE deleted_at < CURRENT_DATE");
    ///     site.database().write(async |tx| tx.execute_sql(old).await).await?;
    ///     Ok(())
    /// }
    /// App::new().task("forget old notes", Schedule::daily(3, 30), forget_old);
    /// ```
    ///
    /// # Panics
    /// When another task has this name, or it is longer than 100 bytes.
    #[must_use]
    pub fn task<F, R>(mut self, name: &'static str, schedule: Schedule, run: F) -> Self
    where
        F: Fn(Arc<Site>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let is_known = self.background.tasks.iter().any(|task| task.name == name);
        assert!(!is_known, "two tasks are named {name:?}");
        assert!(name.len() <= LONGEST_NAME, "the name {name:?} is too long");
        self.background.tasks.push(TaskKind {
            name,
            schedule,
            run: work(run),
        });
        self
    }

    /// Declares a job, which handlers queue with [`Jobs`].
    ///
    /// # Panics
    /// When another job has its name, or it is longer than 100 bytes.
    #[must_use]
    pub fn job<J: Job>(mut self) -> Self {
        let jobs = &mut self.background.jobs;
        let is_known = jobs.iter().any(|job| job.name == J::NAME);
        assert!(!is_known, "two jobs are named {:?}", J::NAME);
        assert!(
            J::NAME.len() <= LONGEST_NAME,
            "the name {:?} is too long",
            J::NAME
        );
        jobs.push(jobs::kind_of::<J>());
        self
    }

    /// Runs a function when the site starts, before it accepts connections. An error stops the
    /// start.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// App::new().on_start(async |site| {
    ///     println!("{} routes", site.routes().len());
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn on_start<F, R>(mut self, run: F) -> Self
    where
        F: Fn(Arc<Site>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        self.background.on_start.push(work(run));
        self
    }

    /// Runs a function when the site stops, after its last request and its last job.
    #[must_use]
    pub fn on_stop<F, R>(mut self, run: F) -> Self
    where
        F: Fn(Arc<Site>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        self.background.on_stop.push(work(run));
        self
    }
}

/// Length of the column.
const LONGEST_NAME: usize = 100;

impl Site {
    /// Runs the functions of [`App::on_start`].
    ///
    /// # Errors
    /// The first error of one.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<()> {
        for run in &self.background.on_start {
            run(self.clone()).await?;
        }
        Ok(())
    }

    /// Runs the functions of [`App::on_stop`]. Errors are logged.
    pub(crate) async fn stop(self: &Arc<Self>) {
        for run in &self.background.on_stop {
            if let Err(error) = run(self.clone()).await {
                tracing::error!(target: "palisade", ?error, "a function of App::on_stop failed");
            }
        }
    }

    /// Numbers of jobs for monitoring; `None` while the database does not answer.
    pub(in crate::app) async fn job_counts(&self) -> Option<JobCounts> {
        self.job_queue.counts().await.ok()
    }

    /// Deletes completed and failed jobs after their time.
    pub(crate) async fn sweep_jobs(&self) -> Result<(), sea_orm::DbErr> {
        self.job_queue.sweep().await
    }

    /// The queue of jobs, for tasks and commands.
    pub fn jobs(&self) -> Jobs {
        jobs_of(&self.job_queue, &self.background)
    }
}
