//! Runs the tasks and jobs of a site.

use crate::app::Site;
use crate::audit_log::{self, AuditLog, Entry, Event};
use crate::tasks::{
    ClaimedJob, ClaimedTask, Ended, JobRun, JobState, Lease, TaskKind, TaskState, Watch,
};
use crate::views::{Error, Result};
use sea_orm::DbErr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Runs tasks and jobs until the site stops.
#[derive(Clone)]
pub(crate) struct Runner {
    site: Arc<Site>,
    /// Cancelled when nothing more is begun.
    draining: CancellationToken,
    /// Time of the stop signal.
    drained: Arc<OnceLock<Instant>>,
    /// Cancelled when running work is ended.
    stop: CancellationToken,
    running: TaskTracker,
    free: Arc<Semaphore>,
}

/// A task or a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// A task.
    Task,
    /// A job.
    Job,
}

/// A run of a task or a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// Whether it was a task or a job.
    pub kind: RunKind,
    /// Its name.
    pub name: String,
    /// The error, if it failed.
    pub error: Option<String>,
}

/// Due tasks, and jobs of other processes, are looked for this often.
const POLL: Duration = Duration::from_secs(5);

impl Runner {
    /// Begins to run tasks and jobs, where `tasks.run` says so.
    pub(crate) fn start(site: Arc<Site>) -> (Self, JoinHandle<()>) {
        let jobs = site.settings.tasks.max_jobs.max(1);
        let runner = Self {
            draining: CancellationToken::new(),
            drained: Arc::default(),
            stop: CancellationToken::new(),
            running: TaskTracker::new(),
            free: Arc::new(Semaphore::new(usize::try_from(jobs).unwrap_or(1))),
            site,
        };
        let looping = runner.clone();
        let looping = tokio::spawn(async move { looping.run().await });
        (runner, looping)
    }

    async fn run(&self) {
        if !self.site.settings.tasks.run {
            return;
        }
        while !self.draining.is_cancelled() {
            // they could not write, and their tries would be used up
            let is_read_only = self.site.incident.posture().is_read_only();
            if is_read_only {
                tokio::time::sleep(POLL).await;
                continue;
            }
            if let Err(error) = self.begin_due().await {
                tracing::warn!(target: "palisade", %error, "due tasks and jobs cannot be read: the database does not answer");
            }
            tokio::select! {
                () = self.draining.cancelled() => {}
                () = self.site.job_queue.wait() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Claims due tasks and jobs, and runs each in its own task.
    async fn begin_due(&self) -> Result<(), DbErr> {
        for task in &self.site.background.tasks {
            let Some(claimed) = self.site.claim_task(task).await? else {
                continue;
            };
            let (site, task, stop) = (self.site.clone(), task.clone(), self.stop.clone());
            self.running
                .spawn(async move { site.run_task(&task, claimed, &stop).await });
        }
        while let Ok(permit) = self.free.clone().try_acquire_owned() {
            let Some(claimed) = self.site.job_queue.claim().await? else {
                break;
            };
            let (site, stop) = (self.site.clone(), self.stop.clone());
            self.running.spawn(async move {
                site.run_job(claimed, &stop).await;
                drop(permit);
                // the next one may wait for this place
                site.job_queue.wake();
            });
        }
        Ok(())
    }

    /// Begins nothing more.
    pub(crate) fn drain(&self) {
        self.drained.get_or_init(Instant::now);
        self.draining.cancel();
    }

    /// Waits for running work, until this time after [`Runner::drain`], and ends the rest: another
    /// instance runs it then. Requests drain meanwhile, so that a stop takes this time once.
    pub(crate) async fn stop(self, looping: JoinHandle<()>, at_most: Duration) {
        self.drain();
        let _ = looping.await;
        self.running.close();
        let passed = self.drained.get().map_or(Duration::ZERO, Instant::elapsed);
        let left = at_most.saturating_sub(passed);
        if timeout(left, self.running.wait()).await.is_err() {
            self.stop.cancel();
            self.running.wait().await;
        }
    }
}

impl Site {
    /// Runs the due tasks and jobs one after another until none is due, as the server does beside
    /// the pages. For tests: advance the clock, run the due work, look at the result.
    ///
    /// ```
    /// # async fn test(site: palisade::testing::TestSite) -> palisade::views::Result<()> {
    /// site.clock().advance(chrono::TimeDelta::days(1));
    /// let ran = site.site().run_due().await?;
    /// assert_eq!(ran[0].name, "forget old notes");
    /// assert_eq!(ran[0].error, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the database does not answer. Errors of tasks and jobs are in their reports.
    pub async fn run_due(self: &Arc<Self>) -> Result<Vec<RunReport>> {
        let (mut reports, stop) = (Vec::new(), CancellationToken::new());
        for task in &self.background.tasks {
            if let Some(claimed) = self.claim_task(task).await? {
                reports.push(self.run_task(task, claimed, &stop).await);
            }
        }
        while let Some(claimed) = self.job_queue.claim().await? {
            reports.push(self.run_job(claimed, &stop).await);
        }
        Ok(reports)
    }

    /// Runs a task now. `None` if another instance runs it.
    ///
    /// # Errors
    /// When there is no such task.
    pub(crate) async fn run_task_now(self: &Arc<Self>, name: &str) -> Result<Option<RunReport>> {
        let task = self.background.tasks.iter().find(|task| task.name == name);
        let task = task.ok_or_else(|| Error::bug(format!("there is no task {name:?}")))?;
        self.task_rows.declare(task.name, &task.schedule).await?;
        self.task_rows.make_due(name).await?;
        let Some(claimed) = self.claim_task(task).await? else {
            return Ok(None);
        };
        let stop = CancellationToken::new();
        Ok(Some(self.run_task(task, claimed, &stop).await))
    }

    /// The names of the declared tasks.
    pub(crate) fn task_names(&self) -> impl Iterator<Item = &'static str> {
        self.background.tasks.iter().map(|task| task.name)
    }

    /// The declared tasks with their schedules and states.
    pub(crate) async fn task_states(&self) -> Result<Vec<(String, TaskState)>, DbErr> {
        let tasks = &self.background.tasks;
        let names: Vec<&str> = tasks.iter().map(|task| task.name).collect();
        let states = self.task_rows.states(&names).await?;
        let schedule = |state: &TaskState| {
            let task = tasks.iter().find(|task| task.name == state.name);
            task.map_or_else(String::new, |task| task.schedule.to_string())
        };
        Ok(states
            .into_iter()
            .map(|state| (schedule(&state), state))
            .collect())
    }

    /// Creates the rows of the declared tasks, with their first times.
    pub(crate) async fn declare_tasks(&self) -> Result<(), DbErr> {
        for task in &self.background.tasks {
            self.declare(task).await?;
        }
        Ok(())
    }

    async fn declare(&self, task: &TaskKind<Site>) -> Result<(), DbErr> {
        if !self.declared_tasks.lock().await.contains(task.name) {
            self.task_rows.declare(task.name, &task.schedule).await?;
            self.declared_tasks.lock().await.insert(task.name);
        }
        Ok(())
    }

    async fn claim_task(&self, task: &TaskKind<Site>) -> Result<Option<ClaimedTask>, DbErr> {
        self.declare(task).await?;
        self.task_rows.claim(task.name, &task.schedule).await
    }

    async fn run_task(
        self: &Arc<Self>,
        task: &TaskKind<Site>,
        claimed: ClaimedTask,
        stop: &CancellationToken,
    ) -> RunReport {
        let work = (task.run)(self.clone());
        let work = audit_log::during((Some(self.audit.clone()), "task"), work);
        let ended = self.watch(&claimed.lease, work, stop).await;
        let error = error_of(&ended);
        if let Some(error) = &error {
            tracing::error!(target: "palisade", task = task.name, error, "a task failed");
            let entry = Entry::new(Event::WorkFailed);
            self.audit
                .record(entry.detail(format!("task {}", task.name)));
        }
        if let Err(error) = self.task_rows.end(&claimed, &task.schedule, &ended).await {
            tracing::warn!(target: "palisade", task = task.name, %error, "the end of a task could not be recorded: it runs again");
        }
        RunReport {
            kind: RunKind::Task,
            name: task.name.to_owned(),
            error,
        }
    }

    async fn run_job(self: &Arc<Self>, claimed: ClaimedJob, stop: &CancellationToken) -> RunReport {
        let kind = self
            .background
            .jobs
            .iter()
            .find(|kind| kind.name == claimed.name);
        let run = JobRun::new(claimed.id.clone(), claimed.lease.clone());
        let (ended, max_tries) = match (kind, claimed.arguments.clone()) {
            // an instance was killed during the last try, perhaps by the job
            (Some(kind), _) if claimed.tries > i32::from(kind.max_tries) => {
                (failed("its last try never ended"), kind.max_tries)
            }
            (Some(kind), Some(arguments)) => {
                let work = (kind.run)(arguments, self.clone(), run);
                let work = audit_log::during((Some(self.audit.clone()), "job"), work);
                let ended = self.watch(&claimed.lease, work, stop).await;
                (ended, kind.max_tries)
            }
            // a newer instance may know it
            (None, _) => (failed("this job is not declared"), UNKNOWN_TRIES),
            (_, None) => (failed("it cannot be decrypted with the site's keys"), 1),
        };
        let error = error_of(&ended);
        let recorded = self.job_queue.end(&claimed, &ended, i32::from(max_tries));
        log_job((&self.audit, &claimed), error.as_deref(), recorded.await);
        RunReport {
            kind: RunKind::Job,
            name: claimed.name,
            error,
        }
    }

    async fn watch(
        &self,
        lease: &Lease,
        work: impl Future<Output = Result<()>> + Send + 'static,
        stop: &CancellationToken,
    ) -> Ended<Result<()>> {
        let at_most = self.settings.tasks.max_secs.duration();
        lease.watch(work, Watch { at_most, stop }).await
    }
}

/// Tries of a job that this program does not know: those of about two days.
const UNKNOWN_TRIES: u16 = 50;

fn failed(why: &'static str) -> Ended<Result<()>> {
    Ended::Done(Err(Error::bug(why)))
}

fn error_of(ended: &Ended<Result<()>>) -> Option<String> {
    Some(match ended {
        Ended::Done(Ok(())) => return None,
        Ended::Done(Err(error)) => error.to_string(),
        Ended::Panicked => "it panicked".into(),
        Ended::TimedOut => "it took longer than tasks.max_secs".into(),
        Ended::Stopped => "the site stopped before it had ended".into(),
        Ended::Lost => "its lease was lost".into(),
    })
}

fn log_job(
    (audit, job): (&AuditLog, &ClaimedJob),
    error: Option<&str>,
    recorded: Result<Option<JobState>, DbErr>,
) {
    let (id, name) = (&job.id, &job.name);
    match (error, &recorded) {
        (Some(error), Ok(Some(JobState::Failed))) => {
            tracing::error!(target: "palisade", %id, name, error, "a job failed, and is not retried");
            let entry = Entry::new(Event::WorkFailed);
            audit.record(entry.detail(format!("job {name}")));
        }
        (Some(error), _) => {
            tracing::warn!(target: "palisade", %id, name, error, "a job failed, and is retried");
        }
        (None, Ok(_)) => {}
        (None, Err(error)) => {
            tracing::warn!(target: "palisade", %id, name, %error, "the end of a job could not be recorded: it runs again");
        }
    }
}
