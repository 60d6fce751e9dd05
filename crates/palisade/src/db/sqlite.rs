//! The connections to an SQLite file.
//!
//! The driver's pool asks a connection whether it still lives each time it is given back: a second message to the connection's thread for every query, half of
//! the cost of a small one. A file does not go away, so these are given back as they are when their last statement has ended, and are ended or rolled back
//! when it has not.

use futures_util::TryStreamExt;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteConnection, SqlitePoolOptions, SqliteQueryResult};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Connection, Error, Executor, query, query_with};
use sea_orm::{ConnAcquireErr, DatabaseConnection, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a query waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Each has a thread of its own.
const MOST_CONNECTIONS: u32 = 1024;

const CLOSED: DbErr = DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);

/// Connections that are opened when they are needed, up to a number, and kept.
#[derive(Clone)]
pub(super) struct SqlitePool(Arc<Shared>);

struct Shared {
    options: SqliteConnectOptions,
    count: u32,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection that nobody else has.
struct Lent {
    pool: Arc<Shared>,
    held: Option<(SqliteConnection, OwnedSemaphorePermit)>,
    /// No statement runs and no transaction is open.
    is_at_rest: bool,
}

/// A transaction that writes. Dropped without [`commit`](Self::commit), it is undone.
pub(super) struct SqliteTransaction(tokio::sync::Mutex<Writing>);

/// It begins in one message with its first statement: until then nobody could tell whether it has.
struct Writing {
    lent: Lent,
    has_begun: bool,
}

impl SqlitePool {
    /// Opens the file once, so that one which cannot be opened is known at once.
    pub(super) async fn open(options: SqliteConnectOptions, count: u64) -> Result<Self, DbErr> {
        let count = u32::try_from(count).unwrap_or(u32::MAX).clamp(1, MOST_CONNECTIONS);
        let free = Arc::new(Semaphore::new(count as usize));
        let pool = Self(Arc::new(Shared { options, count, free, idle: Mutex::default() }));
        pool.lend().await.map(drop)?;
        Ok(pool)
    }

    pub(super) async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut lent = self.lend().await?;
        let done = execute(lent.started()?, statement).await;
        lent.ended(done).map_err(not_done)
    }

    pub(super) async fn query_one(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut lent = self.lend().await?;
        let row = query_one(lent.started()?, statement).await;
        lent.ended(row).map_err(not_read)
    }

    pub(super) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut lent = self.lend().await?;
        let rows = query_all(lent.started()?, statement).await;
        lent.ended(rows).map_err(not_read)
    }

    /// Opens a transaction that other writers wait for: those of this process here, others at its first statement.
    pub(super) async fn begin(&self) -> Result<SqliteTransaction, DbErr> {
        let writing = Writing { lent: self.lend().await?, has_begun: false };
        Ok(SqliteTransaction(tokio::sync::Mutex::new(writing)))
    }

    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        let mut lent = self.lend().await?;
        let answer = lent.started()?.ping().await;
        lent.ended(answer).map_err(not_opened)
    }

    /// Waits for every connection and closes it. There is none afterwards.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        let Ok(all) = self.0.free.acquire_many(self.0.count).await else { return Ok(()) };
        self.0.free.close();
        drop(all);
        let idle = std::mem::take(&mut *self.0.idle());
        for connection in idle {
            connection.close().await.map_err(not_opened)?;
        }
        Ok(())
    }

    /// A connection of SeaORM's to the same file, for what wants one.
    pub(super) async fn connect(&self) -> Result<DatabaseConnection, DbErr> {
        Self::seaorm(self.0.options.clone()).await
    }

    pub(super) async fn seaorm(options: SqliteConnectOptions) -> Result<DatabaseConnection, DbErr> {
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        Ok(pool.map_err(not_opened)?.into())
    }

    async fn lend(&self) -> Result<Lent, DbErr> {
        let permit = self.permit().await?;
        let idle = self.0.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.0.options.connect().await.map_err(not_opened)?,
        };
        Ok(Lent { pool: self.0.clone(), held: Some((connection, permit)), is_at_rest: true })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        let free = &self.0.free;
        if let Ok(permit) = free.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let waited = tokio::time::timeout(PATIENCE, free.clone().acquire_owned()).await;
        waited.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?.map_err(|_| CLOSED)
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SqlitePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlitePool").field("count", &self.0.count).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SqliteTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqliteTransaction")
    }
}

impl Lent {
    /// The connection for a statement. Whoever is gone before it has [`ended`](Self::ended) leaves it running.
    fn started(&mut self) -> Result<&mut SqliteConnection, DbErr> {
        self.is_at_rest = false;
        self.connection()
    }

    fn ended<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.is_at_rest = !matches!(result, Err(Error::WorkerCrashed));
        result
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, DbErr> {
        self.held.as_mut().map(|(connection, _)| connection).ok_or(CLOSED)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some((connection, permit)) = self.held.take() else { return };
        if self.is_at_rest {
            return self.pool.idle().push(connection);
        }
        // without a runtime the connection ends here, and with it what was open
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(undone(self.pool.clone(), connection, permit));
        }
    }
}

/// Waits for the statement that runs, and takes back what was not committed. Nobody else gets a connection in its place before.
async fn undone(pool: Arc<Shared>, mut connection: SqliteConnection, permit: OwnedSemaphorePermit) {
    match run(&mut connection, "ROLLBACK").await {
        Err(error) if !had_nothing_open(&error) => drop(connection.close().await), // SQLite undoes it
        _ => pool.idle().push(connection),
    }
    drop(permit);
}

/// As SQLite says it. An error with other words ends the connection, which is safe in any case.
fn had_nothing_open(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("no transaction is active"))
}

impl SqliteTransaction {
    pub(super) async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut writing = self.0.lock().await;
        let (connection, statement) = writing.started(statement)?;
        let done = execute(connection, statement).await;
        writing.ended(done).await.map_err(not_done)
    }

    pub(super) async fn query_one(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut writing = self.0.lock().await;
        let (connection, statement) = writing.started(statement)?;
        let row = query_one(connection, statement).await;
        writing.ended(row).await.map_err(not_read)
    }

    pub(super) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut writing = self.0.lock().await;
        let (connection, statement) = writing.started(statement)?;
        let rows = query_all(connection, statement).await;
        writing.ended(rows).await.map_err(not_read)
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let Writing { mut lent, has_begun } = self.0.into_inner();
        if has_begun {
            run(lent.started()?, "COMMIT").await.map_err(not_done)?;
            lent.is_at_rest = true;
        }
        Ok(())
    }
}

impl Writing {
    /// The connection, and the statement with the beginning of the transaction before it where it is the first.
    fn started(&mut self, mut statement: Statement) -> Result<(&mut SqliteConnection, Statement), DbErr> {
        if !self.has_begun {
            // immediate: two writers wait for each other here and not, with an error, in the middle
            statement.sql.insert_str(0, "BEGIN IMMEDIATE; ");
        }
        Ok((self.lent.started()?, statement))
    }

    /// Where the first statement failed, its transaction holds nothing, or has not begun: the next one begins another.
    async fn ended<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() && !self.has_begun {
            let undone = run(self.lent.started().map_err(|_| Error::PoolClosed)?, "ROLLBACK").await;
            let _ = self.lent.ended(undone);
        } else {
            self.has_begun = true;
        }
        result
    }
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), Error> {
    connection.execute(query(statement)).await.map(drop)
}

fn bound(Statement { sql, values, .. }: Statement) -> Query<'static, Sqlite, SqlxValues> {
    query_with(AssertSqlSafe(sql), SqlxValues(values.unwrap_or_else(|| sea_orm::Values(Vec::new()))))
}

/// What the last of the statements did: the ones before it say again what was done before them.
async fn execute(connection: &mut SqliteConnection, statement: Statement) -> Result<ExecResult, Error> {
    let mut last = SqliteQueryResult::default();
    let mut results = connection.fetch_many(bound(statement));
    while let Some(result) = results.try_next().await? {
        last = result.left().unwrap_or(last);
    }
    Ok(last.into())
}

async fn query_one(connection: &mut SqliteConnection, statement: Statement) -> Result<Option<QueryResult>, Error> {
    Ok(connection.fetch_optional(bound(statement)).await?.map(QueryResult::from))
}

async fn query_all(connection: &mut SqliteConnection, statement: Statement) -> Result<Vec<QueryResult>, Error> {
    Ok(connection.fetch_all(bound(statement)).await?.into_iter().map(QueryResult::from).collect())
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
