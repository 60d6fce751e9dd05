//! The rows of scheduled tasks.

use super::lease::{Lease, LeaseTable};
use super::{Ended, Schedule};
use crate::clock::Clock;
use crate::db::{Database, retry_after_secs};
use crate::views::Result;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use palisade_task::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{Expr, OnConflict, SimpleExpr};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Set};
use serde::Serialize;
use std::sync::Arc;

mod palisade_task {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_task")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub due: i64,
        pub leased_until: i64,
        pub runs: i64,
        pub failures: i32,
        pub started: Option<i64>,
        pub succeeded: Option<i64>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const TABLE: LeaseTable = LeaseTable {
    table: "palisade_task",
    key: "name",
};

/// After so many failures in a row a task waits for its next time.
const MOST_RETRIES: i32 = 5;

/// The state of a task, in all instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskState {
    /// Name of the task.
    pub name: String,
    /// Next run.
    pub due: Option<DateTime<Utc>>,
    /// Start of the last run.
    pub started: Option<DateTime<Utc>>,
    /// End of the last run without an error.
    pub succeeded: Option<DateTime<Utc>>,
    /// Failures since then.
    pub failures: i32,
}

impl From<Model> for TaskState {
    fn from(row: Model) -> Self {
        let time = |secs| DateTime::from_timestamp(secs, 0);
        Self {
            name: row.name,
            due: time(row.due),
            started: row.started.and_then(time),
            succeeded: row.succeeded.and_then(time),
            failures: row.failures,
        }
    }
}

/// The rows of a site's tasks.
#[derive(Clone)]
pub(crate) struct TaskRows {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) zone: Tz,
}

/// A task that this instance runs.
pub(crate) struct ClaimedTask {
    pub(crate) lease: Lease,
    failures: i32,
}

impl TaskRows {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Creates the row of a task; an existing one becomes due earlier, where the schedule says so.
    pub(crate) async fn declare(&self, name: &str, schedule: &Schedule) -> Result<(), DbErr> {
        let first = schedule.first(self.now(), self.zone).timestamp();
        let row = ActiveModel {
            name: Set(name.to_owned()),
            due: Set(first),
            leased_until: Set(0),
            runs: Set(0),
            failures: Set(0),
            ..Default::default()
        };
        Entity::insert(row)
            .on_conflict(OnConflict::column(Column::Name).do_nothing().to_owned())
            .exec_without_returning(&self.database.single())
            .await?;
        let next = schedule.next(self.now(), self.zone).timestamp();
        Entity::update_many()
            .col_expr(Column::Due, Expr::value(next))
            .filter(Column::Name.eq(name))
            .filter(Column::Due.gt(next))
            .exec(&self.database.single())
            .await?;
        Ok(())
    }

    /// The state of these tasks.
    pub(crate) async fn states(&self, names: &[&str]) -> Result<Vec<TaskState>, DbErr> {
        let rows = Entity::find().filter(Column::Name.is_in(names.iter().copied()));
        let rows = rows.order_by_asc(Column::Name);
        let rows = rows.all(&self.database.handle()).await?;
        Ok(rows.into_iter().map(TaskState::from).collect())
    }

    /// Makes a task due now.
    pub(crate) async fn make_due(&self, name: &str) -> Result<(), DbErr> {
        Entity::update_many()
            .col_expr(Column::Due, Expr::value(self.now().timestamp()))
            .filter(Column::Name.eq(name))
            .exec(&self.database.single())
            .await
            .map(drop)
    }

    /// Claims a task, if it is due and no instance runs it. The run counts as a failure until it has
    /// ended: a task that kills its process is retried with back-off, too.
    pub(crate) async fn claim(
        &self,
        name: &str,
        schedule: &Schedule,
    ) -> Result<Option<ClaimedTask>, DbErr> {
        let now = self.now().timestamp();
        let due = Entity::find_by_id(name)
            .filter(Column::Due.lte(now))
            .filter(TABLE.is_free(&self.database));
        let Some(row) = due.one(&self.database.handle()).await? else {
            return Ok(None);
        };
        let mut changes = self.failure(row.failures, schedule);
        changes.push(("started", Expr::value(now)));
        let claimed = TABLE.claim(&self.database, (name, row.runs), &changes);
        Ok(claimed.await?.map(|lease| ClaimedTask {
            lease,
            failures: row.failures,
        }))
    }

    /// The columns after one more failure.
    fn failure(&self, failures: i32, schedule: &Schedule) -> Vec<(&'static str, SimpleExpr)> {
        let now = self.now();
        let next = schedule.next(now, self.zone).timestamp();
        let again = match failures < MOST_RETRIES {
            true => now.timestamp() + retry_after_secs(failures),
            false => next,
        };
        vec![
            ("due", Expr::value(again.min(next))),
            ("failures", Expr::value(failures.saturating_add(1))),
        ]
    }

    /// Records the end of a run, and the time of the next one.
    pub(crate) async fn end(
        &self,
        task: &ClaimedTask,
        schedule: &Schedule,
        ended: &Ended<Result<()>>,
    ) -> Result<(), DbErr> {
        let now = self.now();
        let next = schedule.next(now, self.zone).timestamp();
        let changes = match ended {
            Ended::Done(Ok(())) => vec![
                ("due", Expr::value(next)),
                ("succeeded", Expr::value(now.timestamp())),
                ("failures", Expr::value(0)),
            ],
            // another instance runs it at once
            Ended::Stopped => vec![
                ("due", Expr::value(now.timestamp())),
                ("failures", Expr::value(task.failures)),
            ],
            Ended::Lost => return Ok(()),
            _ => self.failure(task.failures, schedule),
        };
        task.lease.end(&changes).await.map(drop)
    }
}
