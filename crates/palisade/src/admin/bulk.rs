//! Bulk actions: one on many rows runs as a job, with its state in the table of proposals.

use super::desk::Desk;
use super::entry::Entry;
use super::origin::Origin;
use super::policy::Verdict;
use super::proposal::{self, New, RUNNING};
use super::site::AdminSite;
use super::transaction::Work;
use super::work::Operations;
use crate::audit_log::{Entry as AuditEntry, Event, record_in};
use crate::auth::lock_user;
use crate::db::Tx;
use crate::permissions::Actor;
use crate::tasks::{JobRun, JobState, NewJob};
use crate::views::{Error, ErrorKind, Result};
use sea_orm::DbBackend;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// Most rows that a request changes.
pub(crate) const MOST_AT_ONCE: usize = 1_000;
/// The name of the job.
pub(crate) const JOB: &str = "palisade admin action";
/// Names of refused rows in the decision.
const SHOWN: usize = 5;

/// The arguments of the job. The operation and its rows are stored in the proposal with the id of the job.
#[derive(Serialize, Deserialize)]
pub(crate) struct BulkJob {
    pub(crate) user_id: i32,
    pub(crate) origin: Origin,
}

/// Queues an action, and returns the path of its page.
///
/// # Errors
/// When it cannot be stored; 409 while the user's same action runs.
pub(crate) async fn queue(desk: &Desk, entry: &Entry, operations: &Operations) -> Result<String> {
    let job = BulkJob {
        user_id: desk.user_id(),
        origin: Origin::current(),
    };
    let arguments = serde_json::to_vec(&job)?;
    let put = async |tx: &Tx| -> Result<String> {
        // of two clicks, the second waits here
        lock_user(tx, desk.user_id()).await?;
        let same = (entry.name, operations.step.verb());
        if let Some(row) = proposal::running(tx, desk.user_id(), same).await?
            && let Progress::Rows(_) = desk.site.progress_of(&row.id).await?
        {
            return Err(Error::conflict(
                "You have started this action, and it runs.",
            ));
        }
        let job = NewJob {
            name: JOB,
            arguments: arguments.clone(),
            after: Duration::ZERO,
        };
        let id = desk.site.jobs.put(tx, job).await?.to_string();
        let new = New {
            id: id.clone(),
            label: format!("{} rows", operations.rows.len()),
            decision: RUNNING,
        };
        proposal::insert(desk, entry, (new, operations), tx).await?;
        Ok(id)
    };
    let id = desk.db.write(put).await?;
    Ok(format!("{}/proposals/{id}", desk.site.path))
}

/// Runs a queued action, for all rows or for none.
///
/// # Errors
/// When the database does not answer: the job is tried again.
pub(crate) async fn run(
    (site, actor): (&AdminSite, &Actor),
    job: BulkJob,
    run: &JobRun,
) -> Result<()> {
    let id = run.id().to_string();
    let db = site.database.handle();
    let (row, operations) = match proposal::open(site, &db, &id).await {
        // of a key that was retired
        Err(error) if error.kind() == ErrorKind::Conflict => {
            return give_up(site, (&id, &error), None).await;
        }
        opened => opened?,
    };
    let Some(entry) = site.entry(&operations.resource).cloned() else {
        return give_up(site, (&id, &Error::not_found()), None).await;
    };
    if row.decision != RUNNING {
        return Ok(());
    }
    let tx = db.begin().await?;
    let work = Work {
        site,
        actor,
        tx: &tx,
        entry: &entry,
        why: &operations.why,
        batch: &id,
        undoes: None,
        origin: job.origin,
    };
    let _progress = RunningProgress { site, id: &id };
    let mut denied = (!may_run(actor, &entry, &operations)).then_some(job.user_id);
    let mut done = Ok(());
    if denied.is_none() {
        done = work.run_all(&operations, run).await;
        // rights that the user lost meanwhile
        let now = actor.refreshed(&db).await?;
        denied = (!may_run(&now, &entry, &operations)).then_some(job.user_id);
    }
    if denied.is_some() {
        done = Err(Error::forbidden());
    }
    match done {
        // once: a second run of the job finds another decision
        Ok(()) => match proposal::end(&tx, &id, "done").await? {
            true => Ok(tx.commit().await?),
            false => Ok(()),
        },
        // the job is tried again
        Err(error) if error.kind() == ErrorKind::Unavailable => Err(error),
        Err(error) => {
            drop(tx);
            give_up(site, (&id, &error), denied).await?;
            match error.kind() {
                ErrorKind::Forbidden | ErrorKind::Conflict => Ok(()),
                _ => Err(error),
            }
        }
    }
}

/// Staff only, as on the page: a user who has lost the rank or the rights changes nothing.
fn may_run(actor: &Actor, entry: &Entry, operations: &Operations) -> bool {
    actor.is_staff() && proposal::may_run(actor, entry, &operations.step) == Verdict::Allow
}

/// Ends an action that has changed nothing. A user who may not run it is an event.
async fn give_up(site: &AdminSite, (id, error): (&str, &Error), denied: Option<i32>) -> Result<()> {
    let why = error.public_message();
    let decision = format!("refused, and nothing was changed: {why}");
    let end = async |tx: &Tx| -> Result<()> {
        let is_first = proposal::end(tx, id, &decision).await?;
        if let Some(user) = denied.filter(|_| is_first) {
            let detail = format!("admin action {id}, by user {user}");
            record_in(tx, AuditEntry::new(Event::AccessDenied).detail(detail)).await?;
        }
        Ok(())
    };
    site.database.handle().write(end).await
}

impl Work<'_> {
    /// Carries out the steps.
    ///
    /// # Errors
    /// 403 with the names of refused rows.
    async fn run_all(&self, operations: &Operations, run: &JobRun) -> Result<()> {
        let (mut refused, total) = (Vec::new(), operations.rows.len() as u64);
        for ((key, seen), number) in operations.rows.iter().zip(1..) {
            match self.run(&operations.step, (key, seen)).await {
                Ok(()) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) =>
                {
                    refused.push(format!("{} {key}", self.entry.one()));
                }
                Err(error) => return Err(error),
            }
            if refused.len() >= SHOWN {
                break;
            }
            self.site.set_progress(self.batch, number);
            // SQLite has one writer, which is this transaction
            if self.site.database.backend() == DbBackend::Postgres {
                run.progress(number, total).await?;
            }
        }
        match refused.is_empty() {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Forbidden, refused.join(", "))),
        }
    }
}

/// Forgets the progress of an action at its end, also when it is stopped.
struct RunningProgress<'a> {
    site: &'a AdminSite,
    id: &'a str,
}

impl Drop for RunningProgress<'_> {
    fn drop(&mut self) {
        self.site.rows_done().remove(self.id);
    }
}

/// Progress of a queued action.
pub(crate) enum Progress {
    /// So many rows are done.
    Rows(u64),
    /// The job was stopped more often than it is tried.
    Failed,
}

impl AdminSite {
    /// Completed rows of actions that this instance runs.
    fn rows_done(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_progress(&self, id: &str, done: u64) {
        self.rows_done().insert(id.to_owned(), done);
    }

    /// The progress of an action that has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn progress_of(&self, id: &str) -> Result<Progress> {
        let here = self.rows_done().get(id).copied();
        if let Some(done) = here {
            return Ok(Progress::Rows(done));
        }
        let job = id.parse().map_err(|_| Error::not_found())?;
        Ok(match self.jobs.status(&job).await? {
            Some(status) if status.state != JobState::Failed => {
                Progress::Rows(status.done.unsigned_abs())
            }
            _ => Progress::Failed,
        })
    }
}
