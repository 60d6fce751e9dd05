use super::backend::{Pool, Transaction};
use super::error::explain_error;
use super::write_lock::Owner;
use super::{Database, FieldKeys, FromRow, NOT_ENCRYPTED, RawSql, Recorder, WriteLock};
use crate::django::UserTables;
use async_trait::async_trait;
use http::{Extensions, Method};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, StatementBuilder, Value,
};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// A read-only connection. Entities and queries run on it; raw statements and writes do not.
#[derive(Debug, Clone)]
pub struct Db {
    database: Database,
    method: Method,
}

/// A write transaction, rolled back unless it is committed.
#[derive(Debug)]
pub struct Tx {
    transaction: Transaction,
    users: Arc<UserTables>,
    recorder: Arc<Recorder>,
    fields: Arc<FieldKeys>,
    services: Arc<Extensions>,
    lock: Arc<WriteLock>,
    /// A transaction of the site may not commit while the site is read-only.
    owner: Owner,
    at_commit: AtCommit,
    /// Whether a statement wrote a row that must not be stored.
    is_refused: AtomicBool,
}

/// Functions to call after the commit.
#[derive(Default)]
struct AtCommit(Mutex<Vec<Box<dyn FnOnce() + Send>>>);

impl fmt::Debug for AtCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtCommit")
    }
}

/// A connection on which each statement is its own transaction: cheaper than a [`Tx`] for one
/// statement.
#[derive(Debug, Clone)]
pub(crate) struct Single(Database);

impl Single {
    pub(super) fn new(database: Database) -> Self {
        Self(database)
    }

    fn users(&self) -> &UserTables {
        self.0.users()
    }

    fn connection(&self) -> &Pool {
        self.0.writer()
    }

    fn recorder(&self) -> &Recorder {
        self.0.recorder()
    }

    fn explain(&self, error: DbErr) -> DbErr {
        error
    }
}

impl Db {
    pub(crate) fn new(database: Database, method: Method) -> Self {
        Self { database, method }
    }

    /// Begins a write transaction. It takes the write lock with its first statement, so reads that
    /// decide about writes belong inside.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// async fn close(db: Db, Path(id): Path<i32>) -> Result<Response> {
    ///     let tx = db.begin().await?;
    ///     tx.execute_sql(sql!("UPDATE ticket SET is_open = FALSE WHERE id = ?", id)).await?;
    ///     tx.commit().await?;
    ///     Ok(redirect_to("/tickets"))
    /// }
    /// let routes: Routes = Routes::new().route("/tickets/{id}/close", staff().post(close));
    /// ```
    ///
    /// # Errors
    /// In a handler of GET or HEAD, because a link or an image on another site can trigger those;
    /// and when no connection is available.
    pub async fn begin(&self) -> Result<Tx, DbErr> {
        if matches!(self.method, Method::GET | Method::HEAD) {
            return Err(DbErr::Custom(format!(
                "a handler of {} cannot write: {}",
                self.method, WHY_GET_READS
            )));
        }
        self.database.begin_of_site().await
    }

    /// Runs `change` in a write transaction, and commits it; an error rolls it back.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// async fn close(db: Db, Path(id): Path<i32>) -> Result<Response> {
    ///     let closed = sql!("UPDATE ticket SET is_open = FALSE WHERE id = ?", id);
    ///     db.write(async |tx| tx.execute_sql(closed).await).await?;
    ///     Ok(redirect_to("/tickets"))
    /// }
    /// let routes: Routes = Routes::new().route("/tickets/{id}/close", staff().post(close));
    /// ```
    ///
    /// # Errors
    /// Those of [`Db::begin`], of `change` and of [`Tx::commit`].
    pub async fn write<T, E: From<DbErr>>(
        &self,
        change: impl AsyncFnOnce(&Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        write_in(self.begin().await?, change).await
    }

    /// The row of a raw query, if there is one.
    ///
    /// # Errors
    /// Errors of the database, and when the row is not a `T`.
    pub async fn fetch_one<T: FromRow>(&self, sql: RawSql) -> Result<Option<T>, DbErr> {
        let statement = self.raw(sql)?;
        let _timer = self.recorder().time(&statement);
        let row = self.database.reader().query_one(statement).await;
        row.map_err(|error| self.explain(error))?
            .map(|row| T::from_row(&row))
            .transpose()
    }

    /// All rows of a raw query.
    ///
    /// # Errors
    /// Errors of the database, and when a row is not a `T`.
    pub async fn fetch_all<T: FromRow>(&self, sql: RawSql) -> Result<Vec<T>, DbErr> {
        let statement = self.raw(sql)?;
        let _timer = self.recorder().time(&statement);
        let rows = self.database.reader().query_all(statement).await;
        rows.map_err(|error| self.explain(error))?
            .iter()
            .map(T::from_row)
            .collect()
    }

    /// The rows of a built query, which the database interrupts after a time:
    /// [`DbFailure::TooSlow`](super::DbFailure::TooSlow).
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn query_within<S: StatementBuilder>(
        &self,
        statement: &S,
        most: Duration,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let statement = self.build(statement)?;
        let _timer = self.recorder().time(&statement);
        let rows = self.connection().query_within(statement, most).await;
        rows.map_err(|error| self.explain(error))
    }

    fn raw(&self, sql: RawSql) -> Result<Statement, DbErr> {
        let statement = sql.statement(self.database.backend());
        refuse_plaintext(&statement)?;
        Ok(self.recorder().note(statement))
    }

    /// The user tables: with a custom user model of Django's, others than `auth_user`.
    pub fn users(&self) -> &UserTables {
        self.database.users()
    }

    pub(crate) fn keys(&self) -> &FieldKeys {
        self.database.fields()
    }

    fn connection(&self) -> &Pool {
        self.database.reader()
    }

    fn recorder(&self) -> &Recorder {
        self.database.recorder()
    }

    fn explain(&self, error: DbErr) -> DbErr {
        let why = if matches!(self.method, Method::GET | Method::HEAD) {
            WHY_GET_READS
        } else {
            WHY_DB_READS
        };
        explain_error(error, why)
    }
}

const WHY_GET_READS: &str = "this handler answers GET or HEAD, so its database connection is read-only; \
    change things in a handler of POST, PUT, PATCH or DELETE";
const WHY_DB_READS: &str = "a Db is read-only; begin a transaction with `let tx = db.begin().await?`, write through &tx, and end with tx.commit()";

impl Tx {
    pub(super) fn new(
        transaction: Transaction,
        users: Arc<UserTables>,
        recorder: Arc<Recorder>,
        (fields, services, lock): (Arc<FieldKeys>, Arc<Extensions>, Arc<WriteLock>),
    ) -> Self {
        Self {
            transaction,
            users,
            recorder,
            fields,
            services,
            lock,
            owner: Owner::Framework,
            at_commit: AtCommit::default(),
            is_refused: AtomicBool::new(false),
        }
    }

    pub(super) fn of_site(mut self) -> Self {
        self.owner = Owner::Site;
        self
    }

    fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(crate) fn keys(&self) -> &FieldKeys {
        &self.fields
    }

    fn raw(&self, sql: RawSql) -> Result<Statement, DbErr> {
        let statement = sql.statement(self.transaction.backend());
        refuse_plaintext(&statement)?;
        Ok(self.recorder().note(statement))
    }

    /// Commits the transaction, and wakes the tasks that wait for its rows.
    ///
    /// # Errors
    /// When the database cannot commit, a row was written that its policy forbids, the site has
    /// become read-only, or the account of the request is frozen; nothing is stored then.
    pub async fn commit(self) -> Result<(), DbErr> {
        if self.is_refused.into_inner() {
            return Err(DbErr::Custom(
                "a row was written that its policy forbids".into(),
            ));
        }
        let _committing = self.lock.enter(self.owner)?;
        self.transaction.commit().await?;
        let then = self.at_commit.0.into_inner();
        for follow in then.unwrap_or_else(PoisonError::into_inner) {
            follow();
        }
        Ok(())
    }

    /// Lets the commit fail: a row was written that must not be stored.
    pub(crate) fn refuse_commit(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// Wakes a task at the commit, and not at a rollback.
    pub(crate) fn notify_at_commit(&self, task: &Arc<Notify>) {
        let task = task.clone();
        self.at_commit(move || task.notify_one());
    }

    /// Calls a function after the commit, and not after a rollback.
    pub(crate) fn at_commit(&self, follow: impl FnOnce() + Send + 'static) {
        let mut all = self
            .at_commit
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(Box::new(follow));
    }

    /// A service of the site, such as its audit log.
    pub(crate) fn service<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.services.get()
    }

    /// Runs a raw statement and returns the number of affected rows; of several, those of the last.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn execute_sql(&self, sql: RawSql) -> Result<u64, DbErr> {
        let statement = self.raw(sql)?;
        let _timer = self.recorder().time(&statement);
        Ok(self.transaction.execute(statement).await?.rows_affected())
    }

    /// The row of a raw query, if there is one.
    ///
    /// # Errors
    /// Errors of the database, and when the row is not a `T`.
    pub async fn fetch_one<T: FromRow>(&self, sql: RawSql) -> Result<Option<T>, DbErr> {
        let statement = self.raw(sql)?;
        let _timer = self.recorder().time(&statement);
        let row = self.transaction.query_one(statement).await?;
        row.map(|row| T::from_row(&row)).transpose()
    }

    /// All rows of a raw query.
    ///
    /// # Errors
    /// Errors of the database, and when a row is not a `T`.
    pub async fn fetch_all<T: FromRow>(&self, sql: RawSql) -> Result<Vec<T>, DbErr> {
        let statement = self.raw(sql)?;
        let _timer = self.recorder().time(&statement);
        let rows = self.transaction.query_all(statement).await?;
        rows.iter().map(T::from_row).collect()
    }

    /// The user tables.
    pub(crate) fn users(&self) -> &UserTables {
        &self.users
    }

    fn connection(&self) -> &Transaction {
        &self.transaction
    }

    fn explain(&self, error: DbErr) -> DbErr {
        error
    }
}

/// Commits the transaction after a successful change, and rolls it back otherwise.
pub(super) async fn write_in<T, E: From<DbErr>>(
    tx: Tx,
    change: impl AsyncFnOnce(&Tx) -> Result<T, E>,
) -> Result<T, E> {
    let value = change(&tx).await?;
    tx.commit().await?;
    Ok(value)
}

fn refuse_raw<T>() -> Result<T, DbErr> {
    // the statement is not repeated in the message: it may contain values
    Err(DbErr::Custom(
        "a raw statement was refused: write sql!(\"…\", values) with a literal, or build the query"
            .into(),
    ))
}

/// Refuses a statement with a value of an encrypted column that was not encrypted. The statement
/// holds a mark in its place, and no plaintext.
fn refuse_plaintext(statement: &Statement) -> Result<(), DbErr> {
    let is_mark =
        |value: &Value| matches!(value, Value::String(Some(text)) if *text == *NOT_ENCRYPTED);
    match statement
        .values
        .iter()
        .flat_map(|values| &values.0)
        .any(is_mark)
    {
        false => Ok(()),
        true => Err(DbErr::Custom(
            "a value of an encrypted column was not encrypted: register the entity with \
             App::encrypted, and write its rows with Actor::insert, Allowed::change, \
             Tx::insert_row or Tx::change_row"
                .into(),
        )),
    }
}

/// Built queries run; statements that may be strings do not.
macro_rules! built_queries_only {
    ($type:ty) => {
        impl $type {
            /// A built statement, with the names of the user tables.
            fn build<S: StatementBuilder>(&self, statement: &S) -> Result<Statement, DbErr> {
                let built = statement.build(&self.get_database_backend());
                refuse_plaintext(&built)?;
                let users = self.users();
                let built = if users.are_renamed() {
                    Statement {
                        sql: users.rename(&built.sql),
                        ..built
                    }
                } else {
                    built
                };
                Ok(self.recorder().note(built))
            }
        }

        #[async_trait]
        impl ConnectionTrait for $type {
            fn get_database_backend(&self) -> DbBackend {
                self.connection().backend()
            }

            async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
                refuse_raw()
            }

            async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
                refuse_raw()
            }

            async fn query_one_raw(&self, _: Statement) -> Result<Option<QueryResult>, DbErr> {
                refuse_raw()
            }

            async fn query_all_raw(&self, _: Statement) -> Result<Vec<QueryResult>, DbErr> {
                refuse_raw()
            }

            async fn execute<S: StatementBuilder>(
                &self,
                statement: &S,
            ) -> Result<ExecResult, DbErr> {
                let statement = self.build(statement)?;
                let _timer = self.recorder().time(&statement);
                self.connection()
                    .execute(statement)
                    .await
                    .map_err(|error| self.explain(error))
            }

            async fn query_one<S: StatementBuilder>(
                &self,
                statement: &S,
            ) -> Result<Option<QueryResult>, DbErr> {
                let statement = self.build(statement)?;
                let _timer = self.recorder().time(&statement);
                self.connection()
                    .query_one(statement)
                    .await
                    .map_err(|error| self.explain(error))
            }

            async fn query_all<S: StatementBuilder>(
                &self,
                statement: &S,
            ) -> Result<Vec<QueryResult>, DbErr> {
                let statement = self.build(statement)?;
                let _timer = self.recorder().time(&statement);
                self.connection()
                    .query_all(statement)
                    .await
                    .map_err(|error| self.explain(error))
            }
        }
    };
}

built_queries_only!(Db);
built_queries_only!(Tx);
built_queries_only!(Single);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::db::DatabaseSettings;
    use std::time::Duration;
    use tokio::time::timeout;

    // the mail of a transaction is due when its row can be read, and not before
    #[tokio::test]
    async fn a_commit_wakes_the_tasks_that_wait_for_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::connect(&DatabaseSettings::default(), folder.path())
            .await
            .unwrap();
        let task = Arc::new(Notify::new());
        let is_woken = async || {
            timeout(Duration::from_millis(1), task.notified())
                .await
                .is_ok()
        };
        let tx = database.begin().await.unwrap();
        tx.notify_at_commit(&task);
        drop(tx);
        assert!(!is_woken().await, "a rollback stores nothing");
        let tx = database.begin().await.unwrap();
        tx.notify_at_commit(&task);
        tx.notify_at_commit(&task);
        assert!(!is_woken().await, "before the commit");
        tx.commit().await.unwrap();
        assert!(is_woken().await);
    }
}
