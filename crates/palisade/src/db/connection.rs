use super::error::explained;
use super::{Database, FromRow, RawSql};
use async_trait::async_trait;
use http::Method;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    StatementBuilder,
};

/// A connection for reading. Entities and queries run on it; raw statements and writes do not.
#[derive(Debug, Clone)]
pub struct Db {
    database: Database,
    method: Method,
}

/// A write transaction. What is not committed is undone.
#[derive(Debug)]
pub struct Tx(DatabaseTransaction);

impl Db {
    pub(crate) fn new(database: Database, method: Method) -> Self {
        Self { database, method }
    }

    /// Opens a write transaction.
    ///
    /// # Errors
    /// In a handler of GET or HEAD, because a link or an image on another site can make a browser send those; and when no
    /// connection can be had.
    pub async fn begin(&self) -> Result<Tx, DbErr> {
        if matches!(self.method, Method::GET | Method::HEAD) {
            return Err(DbErr::Custom(format!("a handler of {} cannot write: {}", self.method, WHY_GET_READS)));
        }
        self.database.begin().await
    }

    /// The row of a raw query, if there is one.
    ///
    /// # Errors
    /// As the database says, and when the row is not a `T`.
    pub async fn fetch_one<T: FromRow>(&self, sql: RawSql) -> Result<Option<T>, DbErr> {
        let row = self.database.reader().query_one_raw(sql.statement(self.database.backend())).await;
        row.map_err(|error| self.explain(error))?.map(|row| T::from_row(&row)).transpose()
    }

    /// All rows of a raw query.
    ///
    /// # Errors
    /// As the database says, and when a row is not a `T`.
    pub async fn fetch_all<T: FromRow>(&self, sql: RawSql) -> Result<Vec<T>, DbErr> {
        let rows = self.database.reader().query_all_raw(sql.statement(self.database.backend())).await;
        rows.map_err(|error| self.explain(error))?.iter().map(T::from_row).collect()
    }

    fn connection(&self) -> &DatabaseConnection {
        self.database.reader()
    }

    fn explain(&self, error: DbErr) -> DbErr {
        let why = if matches!(self.method, Method::GET | Method::HEAD) { WHY_GET_READS } else { WHY_DB_READS };
        explained(error, why)
    }
}

const WHY_GET_READS: &str = "this handler answers GET or HEAD, so its database connection is read-only; \
    change things in a handler of POST, PUT, PATCH or DELETE";
const WHY_DB_READS: &str =
    "a Db is read-only; open a transaction with `let tx = db.begin().await?`, write through &tx, and end with tx.commit()";

impl Tx {
    pub(crate) fn new(transaction: DatabaseTransaction) -> Self {
        Self(transaction)
    }

    /// Keeps everything that was written.
    ///
    /// # Errors
    /// When the database cannot; nothing is kept then.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.0.commit().await
    }

    /// Runs a raw statement and says how many rows it changed.
    ///
    /// # Errors
    /// As the database says.
    pub async fn execute_sql(&self, sql: RawSql) -> Result<u64, DbErr> {
        Ok(self.0.execute_raw(sql.statement(self.0.get_database_backend())).await?.rows_affected())
    }

    fn connection(&self) -> &DatabaseTransaction {
        &self.0
    }

    fn explain(&self, error: DbErr) -> DbErr {
        error
    }
}

fn refused<T>() -> Result<T, DbErr> {
    // the statement is not repeated: it may hold values
    Err(DbErr::Custom("a raw statement was refused: write sql!(\"…\", values) with a literal, or build the query".into()))
}

/// Queries that were built run; statements that may have been strings do not.
macro_rules! built_queries_only {
    ($type:ty) => {
        #[async_trait]
        impl ConnectionTrait for $type {
            fn get_database_backend(&self) -> DbBackend {
                self.connection().get_database_backend()
            }

            async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
                refused()
            }

            async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
                refused()
            }

            async fn query_one_raw(&self, _: Statement) -> Result<Option<QueryResult>, DbErr> {
                refused()
            }

            async fn query_all_raw(&self, _: Statement) -> Result<Vec<QueryResult>, DbErr> {
                refused()
            }

            async fn execute<S: StatementBuilder>(&self, statement: &S) -> Result<ExecResult, DbErr> {
                self.connection().execute(statement).await.map_err(|error| self.explain(error))
            }

            async fn query_one<S: StatementBuilder>(&self, statement: &S) -> Result<Option<QueryResult>, DbErr> {
                self.connection().query_one(statement).await.map_err(|error| self.explain(error))
            }

            async fn query_all<S: StatementBuilder>(&self, statement: &S) -> Result<Vec<QueryResult>, DbErr> {
                self.connection().query_all(statement).await.map_err(|error| self.explain(error))
            }
        }
    };
}

built_queries_only!(Db);
built_queries_only!(Tx);
