//! Declared tasks, jobs and hooks, for a site of type `C`.

use super::{JobRun, Schedule};
use crate::views::Result;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// A function of the site that runs outside of a request.
pub(crate) type Work<C> = Arc<dyn Fn(Arc<C>) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A task with its schedule.
pub(crate) struct TaskKind<C> {
    pub(crate) name: &'static str,
    pub(crate) schedule: Schedule,
    pub(crate) run: Work<C>,
}

impl<C> Clone for TaskKind<C> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            schedule: self.schedule.clone(),
            run: self.run.clone(),
        }
    }
}

/// A declared job.
pub(crate) struct JobKind<C> {
    pub(crate) name: &'static str,
    pub(crate) max_tries: u16,
    /// Runs a job with these arguments.
    pub(crate) run: fn(Vec<u8>, Arc<C>, JobRun) -> BoxFuture<'static, Result<()>>,
}

/// Everything that runs beside the pages.
pub(crate) struct Background<C> {
    pub(crate) tasks: Vec<TaskKind<C>>,
    pub(crate) jobs: Vec<JobKind<C>>,
    pub(crate) on_start: Vec<Work<C>>,
    pub(crate) on_stop: Vec<Work<C>>,
}

impl<C> Default for Background<C> {
    fn default() -> Self {
        Self {
            tasks: Vec::new(),
            jobs: Vec::new(),
            on_start: Vec::new(),
            on_stop: Vec::new(),
        }
    }
}
