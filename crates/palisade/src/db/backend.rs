//! The two kinds of connections: ours to an SQLite file, and SeaORM's to a server.

use super::Database;
use super::sqlite::{SqlitePool, SqliteTransaction};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
};
use sea_orm::{QueryResult, Statement, TransactionTrait};
use std::time::Duration;

#[derive(Debug, Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "a program without PostgreSQL has one kind")
    )]
    Server(DatabaseConnection),
}

#[derive(Debug)]
pub(super) enum Transaction {
    Sqlite(SqliteTransaction),
    Server(DatabaseTransaction),
}

macro_rules! runs_statements {
    ($type:ident) => {
        impl $type {
            pub(super) fn backend(&self) -> DbBackend {
                match self {
                    Self::Sqlite(_) => DbBackend::Sqlite,
                    Self::Server(server) => server.get_database_backend(),
                }
            }

            pub(super) async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
                match self {
                    Self::Sqlite(sqlite) => sqlite.execute(statement).await,
                    Self::Server(server) => server.execute_raw(statement).await,
                }
            }

            pub(super) async fn query_one(
                &self,
                statement: Statement,
            ) -> Result<Option<QueryResult>, DbErr> {
                match self {
                    Self::Sqlite(sqlite) => sqlite.query_one(statement).await,
                    Self::Server(server) => server.query_one_raw(statement).await,
                }
            }

            pub(super) async fn query_all(
                &self,
                statement: Statement,
            ) -> Result<Vec<QueryResult>, DbErr> {
                match self {
                    Self::Sqlite(sqlite) => sqlite.query_all(statement).await,
                    Self::Server(server) => server.query_all_raw(statement).await,
                }
            }
        }
    };
}

runs_statements!(Pool);
runs_statements!(Transaction);

impl Pool {
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        Ok(match self {
            Self::Sqlite(sqlite) => Transaction::Sqlite(sqlite.begin().await?),
            Self::Server(server) => Transaction::Server(begin(server.clone()).await?),
        })
    }

    /// The rows of a query, which the database interrupts after a time.
    pub(super) async fn query_within(
        &self,
        statement: Statement,
        most: Duration,
    ) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Sqlite(sqlite) => sqlite.query_within(statement, most).await,
            Self::Server(server) => {
                let tx = begin(server.clone()).await?;
                // for this transaction only
                let limit = Statement::from_sql_and_values(
                    DbBackend::Postgres,
                    "SELECT set_config('statement_timeout', $1, true)",
                    [format!("{}ms", most.as_millis()).into()],
                );
                tx.query_one_raw(limit).await?;
                let rows = tx.query_all_raw(statement).await?;
                tx.commit().await?;
                Ok(rows)
            }
        }
    }

    /// A connection of SeaORM's, for APIs that require one.
    pub(super) async fn connect(&self) -> Result<DatabaseConnection, DbErr> {
        match self {
            Self::Sqlite(sqlite) => Database::seaorm(sqlite.options().clone()).await,
            Self::Server(server) => Ok(server.clone()),
        }
    }

    pub(super) async fn truncate_journal(&self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(sqlite) => sqlite.truncate_journal().await,
            Self::Server(_) => Ok(()),
        }
    }

    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(sqlite) => sqlite.ping().await,
            Self::Server(server) => server.ping().await,
        }
    }

    pub(super) async fn close(&self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Server(server) => server.close_by_ref().await,
        }
    }
}

/// Runs `BEGIN` to its end, even if the caller is dropped.
///
/// The driver counts a transaction as open only once the response to `BEGIN` has arrived, and rolls
/// back only those it has counted. A future that is dropped in between would return its connection
/// to the pool inside a transaction.
async fn begin(server: DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let begun = tokio::spawn(async move { server.begin().await });
    begun.await.map_err(|error| {
        DbErr::Custom(format!("the task that begins a transaction ended: {error}"))
    })?
}

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(sqlite) => sqlite.commit().await,
            Self::Server(server) => server.commit().await,
        }
    }
}
