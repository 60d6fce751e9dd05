//! The queue of jobs: a job is put into it in the transaction of its cause, and runs after the
//! commit, at least once.

use super::lease::{Ended, Lease, LeaseTable};
use crate::clock::Clock;
use crate::db::{Database, KeyColumn, SealedColumn, Tx, retry_after_secs};
use crate::views::Result;
use chrono::{DateTime, TimeDelta, Utc};
use palisade_crypto::KeyRing;
use palisade_crypto::random;
use palisade_crypto::seal::Sealer;
use palisade_job::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

mod palisade_job {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_job")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub sealed: String,
        /// See [`JobState`](super::JobState).
        pub state: String,
        pub queued: i64,
        pub due: i64,
        pub leased_until: i64,
        pub runs: i64,
        pub tries: i32,
        pub done: i64,
        pub total: i64,
        pub ended: Option<i64>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const TABLE: LeaseTable = LeaseTable {
    table: "palisade_job",
    key: "id",
};
const PURPOSE: &str = "job";

/// The encrypted column of the queue: arguments of jobs may be personal data.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_job",
    key: KeyColumn::Text("id"),
    column: "sealed",
    purpose: PURPOSE,
    owner: None,
    place: |row| place(&row.key),
};

fn place(id: &str) -> String {
    format!("palisade_job {id}")
}

/// A day: how long the status of a completed job is kept.
const DONE_KEPT: TimeDelta = TimeDelta::days(1);
/// How long a failed job is kept.
const FAILED_KEPT: TimeDelta = TimeDelta::days(30);

/// The id of a job: 32 random letters and digits, which cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JobId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            true => Ok(Self(text.to_owned())),
            false => Err("a job's id is 32 letters and digits"),
        }
    }
}

const ID_LENGTH: usize = 32;

/// State of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Queued, running, or waiting for its next try.
    Pending,
    /// Completed.
    Done,
    /// Given up after its last try.
    Failed,
}

impl JobState {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn from_code(code: &str) -> Self {
        match code {
            "done" => Self::Done,
            "failed" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

/// State and progress of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct JobStatus {
    /// Its state.
    pub state: JobState,
    /// Completed steps, as [`JobRun::progress`](super::JobRun::progress) recorded them.
    pub done: i64,
    /// All steps; 0 if it recorded none.
    pub total: i64,
}

impl JobStatus {
    /// Progress from 0 to 100; 100 when the job is done.
    pub fn percent(&self) -> i64 {
        match self.state {
            JobState::Done => 100,
            _ if self.total <= 0 => 0,
            _ => (self.done.clamp(0, self.total) * 100) / self.total,
        }
    }
}

/// A job of the queue, without its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueuedJob {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: JobState,
    /// When it was queued.
    pub queued: Option<DateTime<Utc>>,
    /// Time of its next try, where it is pending.
    pub due: Option<DateTime<Utc>>,
    /// Tries so far.
    pub tries: i32,
}

impl From<Model> for QueuedJob {
    fn from(row: Model) -> Self {
        let time = |secs| DateTime::from_timestamp(secs, 0);
        Self {
            id: JobId(row.id),
            name: row.name,
            state: JobState::from_code(&row.state),
            queued: time(row.queued),
            due: time(row.due),
            tries: row.tries,
        }
    }
}

/// Numbers of jobs, for monitoring.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct JobCounts {
    pub(crate) pending: u64,
    pub(crate) failed: u64,
    /// Seconds since the oldest due job was queued.
    pub(crate) oldest_secs: i64,
}

/// A job to be queued.
pub(crate) struct NewJob {
    pub(crate) name: &'static str,
    /// Its arguments, as JSON.
    pub(crate) arguments: Vec<u8>,
    /// Earliest start after the commit.
    pub(crate) after: Duration,
}

/// A job that this instance runs.
pub(crate) struct ClaimedJob {
    pub(crate) id: JobId,
    pub(crate) name: String,
    /// Its arguments, as JSON; `None` if no key of the ring decrypts them.
    pub(crate) arguments: Option<Vec<u8>>,
    pub(crate) lease: Lease,
    /// Tries, this one included.
    pub(crate) tries: i32,
}

/// The queue of a site's jobs.
#[derive(Clone)]
pub(crate) struct JobQueue(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    ring: KeyRing,
    /// Notified at the commit of a transaction that queued a job.
    came: Arc<Notify>,
}

impl JobQueue {
    pub(crate) fn new(database: Database, clock: Arc<dyn Clock>, ring: KeyRing) -> Self {
        Self(Arc::new(Inner {
            database,
            clock,
            ring,
            came: Arc::default(),
        }))
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    /// Queues a job as part of a transaction, whose commit wakes the runner.
    pub(crate) async fn put(&self, tx: &Tx, job: NewJob) -> Result<JobId, DbErr> {
        let id = random::alphanumeric(ID_LENGTH).expose().clone();
        let (now, after) = (self.now(), TimeDelta::from_std(job.after));
        let due = now + after.unwrap_or(TimeDelta::zero());
        let row = ActiveModel {
            sealed: Set(Sealer::new(&self.0.ring, PURPOSE).seal(&job.arguments, &place(&id))),
            id: Set(id.clone()),
            name: Set(job.name.to_owned()),
            state: Set(JobState::Pending.code().into()),
            queued: Set(now.timestamp()),
            due: Set(due.timestamp()),
            leased_until: Set(0),
            runs: Set(0),
            tries: Set(0),
            done: Set(0),
            total: Set(0),
            ended: Set(None),
        };
        tx.notify_at_commit(&self.0.came);
        Entity::insert(row).exec_without_returning(tx).await?;
        Ok(JobId(id))
    }

    /// Waits until a job is committed in this process.
    pub(crate) async fn wait(&self) {
        self.0.came.notified().await;
    }

    /// Wakes the runner.
    pub(crate) fn wake(&self) {
        self.0.came.notify_one();
    }

    /// The status of a job; `None` a day after its end.
    pub(crate) async fn status(&self, id: &JobId) -> Result<Option<JobStatus>, DbErr> {
        let row = Entity::find_by_id(&id.0)
            .one(&self.0.database.handle())
            .await?;
        Ok(row.map(|row| JobStatus {
            state: JobState::from_code(&row.state),
            done: row.done,
            total: row.total,
        }))
    }

    /// Claims the job that has been due for longest.
    pub(crate) async fn claim(&self) -> Result<Option<ClaimedJob>, DbErr> {
        let database = &self.0.database;
        let now = self.now().timestamp();
        loop {
            let due = Entity::find()
                .filter(Column::State.eq(JobState::Pending.code()))
                .filter(Column::Due.lte(now))
                .filter(TABLE.is_free(database))
                .order_by_asc(Column::Due)
                .limit(1);
            let Some(row) = due.one(&database.handle()).await? else {
                return Ok(None);
            };
            let tried = [("tries", Expr::value(row.tries + 1))];
            let claimed = TABLE.claim(database, (&row.id, row.runs), &tried).await?;
            // or else another instance has it, and the next one may be free
            if let Some(lease) = claimed {
                return Ok(Some(self.claimed(row, lease)));
            }
        }
    }

    fn claimed(&self, row: Model, lease: Lease) -> ClaimedJob {
        let opened = Sealer::new(&self.0.ring, PURPOSE).open(&row.sealed, &place(&row.id));
        ClaimedJob {
            arguments: opened.ok().map(|text| text.expose().clone()),
            id: JobId(row.id),
            name: row.name,
            lease,
            tries: row.tries + 1,
        }
    }

    /// Records the end of a run: done, due again, or failed after `most_tries`.
    pub(crate) async fn end(
        &self,
        job: &ClaimedJob,
        ended: &Ended<Result<()>>,
        most_tries: i32,
    ) -> Result<Option<JobState>, DbErr> {
        let now = self.now().timestamp();
        let state = |state: JobState| ("state", Expr::value(state.code()));
        let ended_now = ("ended", Expr::value(now));
        let (reached, changes): (_, Vec<(&str, SimpleExpr)>) = match ended {
            Ended::Done(Ok(())) => (
                JobState::Done,
                vec![
                    state(JobState::Done),
                    ended_now,
                    ("sealed", Expr::value("")),
                ],
            ),
            // a stop of the site is not a failure
            Ended::Stopped => (
                JobState::Pending,
                vec![("tries", Expr::value(job.tries - 1))],
            ),
            Ended::Lost => return Ok(None),
            _ if job.tries >= most_tries => {
                (JobState::Failed, vec![state(JobState::Failed), ended_now])
            }
            _ => (
                JobState::Pending,
                vec![("due", Expr::value(now + retry_after_secs(job.tries - 1)))],
            ),
        };
        let is_mine = job.lease.end(&changes).await?;
        Ok(is_mine.then_some(reached))
    }

    /// All jobs that are pending or have failed, the oldest first.
    pub(crate) async fn list(&self) -> Result<Vec<QueuedJob>, DbErr> {
        let open = Entity::find()
            .filter(Column::State.ne(JobState::Done.code()))
            .order_by_asc(Column::Queued);
        let rows = open.all(&self.0.database.handle()).await?;
        Ok(rows.into_iter().map(QueuedJob::from).collect())
    }

    /// Makes a failed or waiting job due now, with all its tries. `false` if no such job exists.
    pub(crate) async fn retry(&self, id: &JobId) -> Result<bool, DbErr> {
        let again = Entity::update_many()
            .col_expr(Column::State, Expr::value(JobState::Pending.code()))
            .col_expr(Column::Due, Expr::value(self.now().timestamp()))
            .col_expr(Column::Tries, Expr::value(0))
            .filter(Column::Id.eq(&id.0))
            .filter(Column::State.ne(JobState::Done.code()))
            .filter(TABLE.is_free(&self.0.database));
        let again = again.exec(&self.0.database.single()).await?;
        self.wake();
        Ok(again.rows_affected == 1)
    }

    /// Deletes a job that does not run. `false` if no such job exists.
    pub(crate) async fn delete(&self, id: &JobId) -> Result<bool, DbErr> {
        let gone = Entity::delete_many()
            .filter(Column::Id.eq(&id.0))
            .filter(TABLE.is_free(&self.0.database));
        let gone = gone.exec(&self.0.database.single()).await?;
        Ok(gone.rows_affected == 1)
    }

    /// Deletes completed and failed jobs after their time.
    pub(crate) async fn sweep(&self) -> Result<(), DbErr> {
        for (state, kept) in [(JobState::Done, DONE_KEPT), (JobState::Failed, FAILED_KEPT)] {
            Entity::delete_many()
                .filter(Column::State.eq(state.code()))
                .filter(Column::Ended.lt((self.now() - kept).timestamp()))
                .exec(&self.0.database.single())
                .await?;
        }
        Ok(())
    }

    /// Numbers of jobs.
    pub(crate) async fn counts(&self) -> Result<JobCounts, DbErr> {
        let now = self.now().timestamp();
        let db = self.0.database.handle();
        let of_state = Entity::find()
            .select_only()
            .column(Column::State)
            .column_as(Column::Id.count(), "count")
            .group_by(Column::State);
        let counted: Vec<(String, i64)> = of_state.into_tuple().all(&db).await?;
        let count = |state: JobState| {
            let found = counted.iter().find(|(code, _)| code == state.code());
            found.map_or(0, |(_, count)| count.unsigned_abs())
        };
        let oldest = Entity::find()
            .filter(Column::State.eq(JobState::Pending.code()))
            .filter(Column::Due.lte(now))
            .order_by_asc(Column::Due)
            .one(&db)
            .await?;
        Ok(JobCounts {
            pending: count(JobState::Pending),
            failed: count(JobState::Failed),
            oldest_secs: oldest.map_or(0, |row| now - row.due),
        })
    }
}
