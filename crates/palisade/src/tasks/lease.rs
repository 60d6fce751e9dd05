//! Leases on rows: of several instances, one works on a row at a time.
//!
//! A lease ends by itself when its process is killed. Its times are those of the database server, so
//! that the clocks of the instances may differ. An instance that cannot renew a lease stops the work
//! before the lease ends.

use crate::db::Database;
use sea_orm::sea_query::{
    Alias, Condition, Expr, ExprTrait, Func, Query, SimpleExpr, UpdateStatement,
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// A table whose rows are leased: with the columns `runs` and `leased_until`.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeaseTable {
    pub(super) table: &'static str,
    /// The primary key, a text.
    pub(super) key: &'static str,
}

/// A lease on a row.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    database: Database,
    table: LeaseTable,
    key: String,
    /// Number of this run of the row: another run has another one.
    run: i64,
    /// End of the lease, unless it is renewed.
    until: Instant,
}

/// How leased work ended.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    /// With this result.
    Done(T),
    /// It panicked.
    Panicked,
    /// It took longer than its time limit.
    TimedOut,
    /// The site stopped.
    Stopped,
    /// The lease was lost: another instance may work on the row.
    Lost,
}

/// Limits of leased work.
pub(crate) struct Watch<'a> {
    /// Time limit.
    pub(crate) at_most: Duration,
    /// Cancelled when the site stops.
    pub(crate) stop: &'a CancellationToken,
}

/// Duration of a lease without renewal.
const LEASE: Duration = Duration::from_secs(60);
/// Interval of renewals.
const BEAT: Duration = Duration::from_secs(15);
/// Work without renewal stops this long before its lease ends.
const MARGIN: Duration = Duration::from_secs(10);

/// The time of the database server, in seconds since 1970.
fn now(backend: DbBackend) -> SimpleExpr {
    let call = |name: &'static str| Func::cust(Alias::new(name));
    match backend {
        DbBackend::Postgres => {
            let seconds = call("date_part").arg("epoch").arg(call("clock_timestamp"));
            Expr::expr(call("floor").arg(seconds)).cast_as(Alias::new("bigint"))
        }
        _ => call("unixepoch").into(),
    }
}

fn lease_end(backend: DbBackend) -> SimpleExpr {
    now(backend).add(i64::try_from(LEASE.as_secs()).unwrap_or(60))
}

impl LeaseTable {
    /// Rows without a lease.
    pub(super) fn is_free(self, database: &Database) -> SimpleExpr {
        column(LEASED_UNTIL).lte(now(database.backend()))
    }

    /// Claims the row that was read after `run` runs; `None` if another instance did. `also` is
    /// changed in the same statement.
    pub(super) async fn claim(
        self,
        database: &Database,
        (key, run): (&str, i64),
        also: &[(&str, SimpleExpr)],
    ) -> Result<Option<Lease>, DbErr> {
        // before the statement, so that this end is not after that in the database
        let until = Instant::now() + LEASE;
        let mut claim = self.update();
        claim
            .value(Alias::new(RUNS), run + 1)
            .value(Alias::new(LEASED_UNTIL), lease_end(database.backend()))
            .cond_where(self.row(key, run))
            .and_where(self.is_free(database));
        for (name, value) in also {
            claim.value(Alias::new(*name), value.clone());
        }
        let claimed = database.single().execute(&claim).await?;
        Ok((claimed.rows_affected() == 1).then(|| Lease {
            database: database.clone(),
            table: self,
            key: key.to_owned(),
            run: run + 1,
            until,
        }))
    }

    fn update(self) -> UpdateStatement {
        let mut update = Query::update();
        update.table(Alias::new(self.table));
        update
    }

    fn row(self, key: &str, run: i64) -> Condition {
        Condition::all()
            .add(column(self.key).eq(key))
            .add(column(RUNS).eq(run))
    }
}

fn column(name: &str) -> SimpleExpr {
    Expr::col(Alias::new(name))
}

impl Lease {
    /// Ends the lease with these changes of the row. `false` if the lease was lost: nothing is
    /// changed then.
    pub(super) async fn end(&self, changes: &[(&str, SimpleExpr)]) -> Result<bool, DbErr> {
        let mut update = self.table.update();
        update.value(Alias::new(LEASED_UNTIL), 0_i64);
        self.change(update, changes).await
    }

    /// Changes the row during the lease. `false` if the lease was lost.
    pub(super) async fn update(&self, changes: &[(&str, SimpleExpr)]) -> Result<bool, DbErr> {
        self.change(self.table.update(), changes).await
    }

    async fn change(
        &self,
        mut update: UpdateStatement,
        changes: &[(&str, SimpleExpr)],
    ) -> Result<bool, DbErr> {
        for (name, value) in changes {
            update.value(Alias::new(*name), value.clone());
        }
        update.cond_where(self.table.row(&self.key, self.run));
        let changed = self.database.single().execute(&update).await?;
        Ok(changed.rows_affected() == 1)
    }

    async fn renew(&mut self) -> Result<bool, DbErr> {
        let until = Instant::now() + LEASE;
        let end = lease_end(self.database.backend());
        let is_mine = self.update(&[(LEASED_UNTIL, end)]).await?;
        if is_mine {
            self.until = until;
        }
        Ok(is_mine)
    }

    /// Runs `work` in its own task, and renews the lease meanwhile.
    pub(crate) async fn watch<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        watch: Watch<'_>,
    ) -> Ended<T> {
        let mut lease = self.clone();
        let mut work = AbortOnDrop(tokio::spawn(work));
        let limit = Instant::now() + watch.at_most;
        loop {
            let next = tokio::select! {
                // a process that was suspended looks at its lease before it goes on
                biased;
                () = sleep_until(lease.until - MARGIN) => Some(Ended::Lost),
                () = sleep_until(limit) => Some(Ended::TimedOut),
                () = watch.stop.cancelled() => Some(Ended::Stopped),
                done = &mut work.0 => return match done {
                    Ok(value) => Ended::Done(value),
                    Err(_) => Ended::Panicked,
                },
                () = sleep(BEAT) => None,
            };
            match next {
                Some(ended) => {
                    work.0.abort();
                    // at its next await it has ended
                    let _ = (&mut work.0).await;
                    return ended;
                }
                None => lease.beat().await,
            }
        }
    }

    /// Renews the lease. A failure is only logged: the work stops when the lease ends.
    async fn beat(&mut self) {
        match timeout(BEAT, self.renew()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => self.until = Instant::now(),
            Ok(Err(error)) => {
                tracing::warn!(target: "palisade", %error, row = self.key, "a lease could not be renewed: the database does not answer");
            }
            Err(_) => {
                tracing::warn!(target: "palisade", row = self.key, "a lease could not be renewed in time");
            }
        }
    }
}

/// Ends the work if its watch is dropped.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Number of runs so far.
const RUNS: &str = "runs";
/// End of the lease, in seconds since 1970; 0 without one.
const LEASED_UNTIL: &str = "leased_until";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::db::DatabaseSettings;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    const TABLE: LeaseTable = LeaseTable {
        table: "palisade_lease_test",
        key: "name",
    };

    async fn leased(folder: &std::path::Path) -> (Database, Lease) {
        let database = Database::connect(&DatabaseSettings::default(), folder)
            .await
            .unwrap();
        let create = async |tx: &crate::db::Tx| {
            tx.execute_sql(crate::sql!(
                "CREATE TABLE palisade_lease_test (name TEXT, runs INTEGER, leased_until INTEGER)"
            ))
            .await?;
            let row = crate::sql!("INSERT INTO palisade_lease_test VALUES ('x', 0, 0)");
            tx.execute_sql(row).await
        };
        database.write(create).await.unwrap();
        let lease = TABLE.claim(&database, ("x", 0), &[]).await.unwrap();
        (database, lease.unwrap())
    }

    #[tokio::test]
    async fn a_row_has_one_lease_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let (database, mut lease) = leased(folder.path()).await;
        for runs in [0, 1] {
            let second = TABLE.claim(&database, ("x", runs), &[]).await.unwrap();
            assert!(second.is_none(), "leased, after {runs} runs");
        }
        assert!(lease.renew().await.unwrap());
        // a killed process renews nothing: its lease ends by itself
        assert!(
            lease
                .update(&[(LEASED_UNTIL, now(database.backend()))])
                .await
                .unwrap()
        );
        let next = TABLE.claim(&database, ("x", 1), &[]).await.unwrap();
        assert!(next.is_some(), "the lease has ended");
        assert!(
            !lease.renew().await.unwrap(),
            "the row belongs to another run"
        );
        assert!(!lease.end(&[]).await.unwrap());
        assert!(next.unwrap().end(&[]).await.unwrap());
    }

    #[tokio::test]
    async fn work_stops_before_its_lease_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (_, mut lease) = leased(folder.path()).await;
        let (stop, began) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let endless = |began: Arc<AtomicBool>| async move {
            began.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        };
        let watch = || Watch {
            at_most: Duration::from_secs(600),
            stop: &stop,
        };
        lease.until = Instant::now() + MARGIN + Duration::from_millis(20);
        let ended = lease.watch(endless(began.clone()), watch()).await;
        assert!(matches!(ended, Ended::Lost), "{ended:?}");
        assert!(began.load(Ordering::SeqCst));
        lease.until = Instant::now() + LEASE;
        stop.cancel();
        let ended = lease.watch(endless(began), watch()).await;
        assert!(matches!(ended, Ended::Stopped), "{ended:?}");
    }
}
