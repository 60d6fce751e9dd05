//! The connection pool of an SQLite file.
//!
//! The driver's pool pings a connection each time it is returned: a second message to the
//! connection's thread for every query, half of the cost of a small one. A file does not go away,
//! so this pool returns connections as they are after their last statement. If the caller is
//! dropped before, the pool waits for the statement and rolls an open transaction back first.

use futures_util::TryStreamExt;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Either, Error, Executor, query, query_with,
};
use sea_orm::{ConnAcquireErr, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Value};
use sea_query_sqlx::SqlxValues;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a query waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Age at which a connection is replaced.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Each has its own thread.
const MOST_CONNECTIONS: u32 = 1024;

const CLOSED: DbErr = DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);

/// Connections that are opened on demand, up to a limit, and kept.
#[derive(Clone)]
pub(super) struct SqlitePool(Arc<Shared>);

struct Shared {
    options: SqliteConnectOptions,
    count: u32,
    /// A connection is reopened after this time, in case the file was replaced.
    lifetime: Duration,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Open>>,
    is_closed: AtomicBool,
}

/// Instructions of SQLite's virtual machine between two looks at the clock.
const STEPS_PER_LOOK: i32 = 10_000;

struct Open {
    connection: SqliteConnection,
    since: Instant,
}

/// A checked-out connection.
struct Lent {
    pool: Arc<Shared>,
    held: Option<(Open, OwnedSemaphorePermit)>,
    /// No statement runs and no transaction is open.
    is_at_rest: bool,
}

/// A write transaction. Dropped without [`commit`](Self::commit), it is rolled back.
pub(super) struct SqliteTransaction(tokio::sync::Mutex<Writing>);

/// It begins in one message with its first statement: otherwise a drop in between would leave its
/// state unknown.
struct Writing {
    lent: Lent,
    has_begun: bool,
    /// A statement runs, or its result is unknown: the transaction accepts no further statements.
    is_running: bool,
}

impl SqlitePool {
    /// Opens the file once, so that errors are reported at once.
    pub(super) async fn open(options: SqliteConnectOptions, count: u64) -> Result<Self, DbErr> {
        let count = u32::try_from(count)
            .unwrap_or(u32::MAX)
            .clamp(1, MOST_CONNECTIONS);
        let free = Arc::new(Semaphore::new(count as usize));
        let (idle, is_closed) = (Mutex::default(), AtomicBool::new(false));
        let pool = Self(Arc::new(Shared {
            options,
            count,
            lifetime: LIFETIME,
            free,
            idle,
            is_closed,
        }));
        pool.lend().await.map(drop)?;
        Ok(pool)
    }

    pub(super) async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut lent = self.lend().await?;
        let done = execute(lent.start()?, statement).await;
        lent.finish(done).map_err(not_done)
    }

    pub(super) async fn query_one(
        &self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        let mut lent = self.lend().await?;
        let row = query_one(lent.start()?, statement).await;
        lent.finish(row).map_err(not_read)
    }

    pub(super) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut lent = self.lend().await?;
        let rows = query_all(lent.start()?, statement).await;
        lent.finish(rows).map_err(not_read)
    }

    /// The same, interrupted after a time: `SQLITE_INTERRUPT`.
    pub(super) async fn query_within(
        &self,
        statement: Statement,
        most: Duration,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let mut lent = self.lend().await?;
        let connection = lent.start()?;
        let end = Instant::now() + most;
        let mut handle = connection.lock_handle().await.map_err(not_read)?;
        handle.set_progress_handler(STEPS_PER_LOOK, move || Instant::now() < end);
        drop(handle);
        let rows = query_all(connection, statement).await;
        let mut handle = connection.lock_handle().await.map_err(not_read)?;
        handle.remove_progress_handler();
        drop(handle);
        lent.finish(rows).map_err(not_read)
    }

    /// Begins a transaction. Other writers wait: those of this process here, others at its first
    /// statement.
    pub(super) async fn begin(&self) -> Result<SqliteTransaction, DbErr> {
        let writing = Writing {
            lent: self.lend().await?,
            has_begun: false,
            is_running: false,
        };
        Ok(SqliteTransaction(tokio::sync::Mutex::new(writing)))
    }

    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        let mut lent = self.lend().await?;
        let answer = lent.start()?.ping().await;
        lent.finish(answer).map_err(not_opened)
    }

    /// Writes the journal into the file and empties it, unless readers need it for longer than a
    /// moment.
    pub(super) async fn truncate_journal(&self) -> Result<(), DbErr> {
        let mut lent = self.lend().await?;
        for statement in [
            "PRAGMA busy_timeout = 200",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "PRAGMA busy_timeout = 5000",
        ] {
            let done = run(lent.start()?, statement).await;
            lent.finish(done).map_err(not_done)?;
        }
        Ok(())
    }

    /// Refuses new queries, waits for every connection and closes it.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        self.0.is_closed.store(true, Ordering::Relaxed);
        let _all = self
            .0
            .free
            .acquire_many(self.0.count)
            .await
            .map_err(|_| CLOSED)?;
        let idle = std::mem::take(&mut *self.0.idle());
        let mut closed = Ok(());
        for open in idle {
            closed = closed.and(open.connection.close().await.map_err(not_opened));
        }
        closed
    }

    /// Open options of the file.
    pub(super) fn options(&self) -> &SqliteConnectOptions {
        &self.0.options
    }

    async fn lend(&self) -> Result<Lent, DbErr> {
        let permit = self.permit().await?;
        let idle = self
            .0
            .idle()
            .pop()
            .filter(|open| open.since.elapsed() < self.0.lifetime);
        let open = match idle {
            Some(open) => open,
            None => Open {
                connection: self.0.options.connect().await.map_err(not_opened)?,
                since: Instant::now(),
            },
        };
        Ok(Lent {
            pool: self.0.clone(),
            held: Some((open, permit)),
            is_at_rest: true,
        })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        let free = &self.0.free;
        let permit = match free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) if self.is_closed() => return Err(CLOSED),
            Err(_) => {
                let waited = tokio::time::timeout(PATIENCE, free.clone().acquire_owned()).await;
                waited
                    .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?
                    .map_err(|_| CLOSED)?
            }
        };
        if self.is_closed() {
            Err(CLOSED)
        } else {
            Ok(permit)
        }
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SqlitePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlitePool")
            .field("count", &self.0.count)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SqliteTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqliteTransaction")
    }
}

impl Lent {
    /// The connection for a statement. If the caller is dropped before it has
    /// [`ended`](Self::finish), the statement runs on.
    fn start(&mut self) -> Result<&mut SqliteConnection, DbErr> {
        self.is_at_rest = false;
        self.connection()
    }

    fn finish<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.is_at_rest = !matches!(result, Err(Error::WorkerCrashed));
        result
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, DbErr> {
        self.held
            .as_mut()
            .map(|(open, _)| &mut open.connection)
            .ok_or(CLOSED)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some((open, permit)) = self.held.take() else {
            return;
        };
        if self.is_at_rest {
            return self.pool.idle().push(open);
        }
        // without a runtime the connection is dropped here, with its open transaction
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(roll_back(self.pool.clone(), open, permit));
        }
    }
}

/// Waits for the running statement, and rolls back what was not committed, before the connection is
/// reused.
async fn roll_back(pool: Arc<Shared>, mut open: Open, permit: OwnedSemaphorePermit) {
    // a time limit is that of the dropped statement only
    if let Ok(mut handle) = open.connection.lock_handle().await {
        handle.remove_progress_handler();
    }
    if is_undone(&run(&mut open.connection, "ROLLBACK").await) {
        pool.idle().push(open);
    } else {
        drop(open.connection.close().await); // SQLite undoes it
    }
    drop(permit);
}

/// Whether no transaction is open after a ROLLBACK: it succeeded, or failed with SQLite's message
/// that there was none.
fn is_undone(rolled_back: &Result<(), Error>) -> bool {
    match rolled_back {
        Ok(()) => true,
        Err(error) => error
            .as_database_error()
            .is_some_and(|error| error.message().contains("no transaction is active")),
    }
}

/// Whether a transaction is open, by SQLite's message that another one cannot begin. Any other
/// result is no proof.
fn is_open(begun: &Result<(), Error>) -> bool {
    let error = begun.as_ref().err().and_then(Error::as_database_error);
    error.is_some_and(|error| error.message().contains("within a transaction"))
}

impl SqliteTransaction {
    pub(super) async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut writing = self.0.lock().await;
        let (connection, statement) = writing.start(statement)?;
        let done = execute(connection, statement).await;
        writing.finish(done).await.map_err(not_done)
    }

    pub(super) async fn query_one(
        &self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        let mut writing = self.0.lock().await;
        let (connection, statement) = writing.start(statement)?;
        let row = query_one(connection, statement).await;
        writing.finish(row).await.map_err(not_read)
    }

    pub(super) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut writing = self.0.lock().await;
        let (connection, statement) = writing.start(statement)?;
        let rows = query_all(connection, statement).await;
        writing.finish(rows).await.map_err(not_read)
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let Writing {
            mut lent,
            has_begun,
            is_running,
        } = self.0.into_inner();
        if is_running {
            return Err(transaction_ended());
        }
        if has_begun {
            run(lent.start()?, "COMMIT").await.map_err(not_done)?;
            lent.is_at_rest = true;
        }
        Ok(())
    }
}

impl Writing {
    /// The connection and the statement, with BEGIN in front of the first one.
    fn start(
        &mut self,
        mut statement: Statement,
    ) -> Result<(&mut SqliteConnection, Statement), DbErr> {
        if std::mem::replace(&mut self.is_running, true) {
            return Err(transaction_ended());
        }
        if !self.has_begun {
            // immediate: two writers wait for each other here, instead of failing in the middle
            statement.sql.insert_str(0, "BEGIN IMMEDIATE; ");
        }
        Ok((self.lent.start()?, statement))
    }

    /// If the first statement failed, the transaction is empty or has not begun: the next statement
    /// begins again. If a later one made SQLite roll back everything, as a full disk does, further
    /// statements would run outside of a transaction, so all are refused.
    async fn finish<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        match (&result, self.has_begun) {
            (Ok(_), _) => self.has_begun = true,
            (Err(_), false) => self.lent.is_at_rest = is_undone(&self.run("ROLLBACK").await),
            (Err(_), true) if !is_open(&self.run("BEGIN").await) => return result,
            (Err(_), true) => {}
        }
        self.is_running = false;
        result
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), Error> {
        run(self.lent.start().map_err(|_| Error::PoolClosed)?, statement).await
    }
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), Error> {
    connection.execute(query(statement)).await.map(drop)
}

fn bind(Statement { sql, values, .. }: Statement) -> Query<'static, Sqlite, SqlxValues> {
    let mut values = values.unwrap_or_else(|| sea_orm::Values(Vec::new()));
    values.0.iter_mut().for_each(write_as_django);
    query_with(AssertSqlSafe(sql), SqlxValues(values))
}

/// SQLite compares times as text. In a file that Django writes too there must be one format, and
/// that is Django's.
fn write_as_django(value: &mut Value) {
    let time = match value {
        Value::ChronoDateTimeUtc(Some(time)) => *time,
        Value::ChronoDateTimeWithTimeZone(Some(time)) => time.to_utc(),
        Value::ChronoDateTimeLocal(Some(time)) => time.to_utc(),
        _ => return,
    };
    let format = if time.timestamp_subsec_micros() == 0 {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S%.6f"
    };
    *value = Value::String(Some(time.format(format).to_string()));
}

/// The result of the last statement; those before it repeat earlier results.
async fn execute(
    connection: &mut SqliteConnection,
    statement: Statement,
) -> Result<ExecResult, Error> {
    let mut last = None;
    let mut results = connection.fetch_many(bind(statement));
    while let Some(result) = results.try_next().await? {
        last = result.left().or(last);
    }
    // a thread that ended in the middle reports nothing
    last.map(ExecResult::from).ok_or(Error::WorkerCrashed)
}

async fn query_one(
    connection: &mut SqliteConnection,
    statement: Statement,
) -> Result<Option<QueryResult>, Error> {
    match connection.fetch_optional(bind(statement)).await? {
        Some(row) => Ok(Some(row.into())),
        // no row, or no thread any more: "not locked" and "unknown" must be distinct
        None => connection.ping().await.map(|()| None),
    }
}

async fn query_all(
    connection: &mut SqliteConnection,
    statement: Statement,
) -> Result<Vec<QueryResult>, Error> {
    let (mut rows, mut is_whole) = (Vec::new(), false);
    let mut results = connection.fetch_many(bind(statement));
    while let Some(result) = results.try_next().await? {
        match result {
            Either::Left(_) => is_whole = true,
            Either::Right(row) => rows.push(row.into()),
        }
    }
    if is_whole {
        Ok(rows)
    } else {
        Err(Error::WorkerCrashed)
    }
}

fn transaction_ended() -> DbErr {
    DbErr::Custom(
        "this transaction has ended: a statement was cancelled, or made SQLite roll everything \
            back; begin another"
            .into(),
    )
}

fn not_opened(error: Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}

fn not_done(error: Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn not_read(error: Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

#[cfg(test)]
mod tests;
