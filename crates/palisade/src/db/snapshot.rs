//! A database at one moment, for backups and for the comparison of copies.

use super::backend::Pool;
use super::{Database, DatabaseUrl};
use futures_util::TryStreamExt;
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    IsolationLevel, QueryResult, Statement, StreamTrait, TransactionTrait,
};
use sha2::{Digest, Sha256};
use std::path::Path;

/// A database at one moment: a copy of an SQLite file, or a transaction of PostgreSQL.
pub(crate) enum Snapshot {
    File(DatabaseConnection),
    Server { tx: DatabaseTransaction, id: String },
}

/// The rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableDigest {
    pub(crate) rows: u64,
    /// SHA-256 of all rows in order.
    pub(crate) hash: [u8; 32],
}

impl TableDigest {
    /// That of a table without rows.
    pub(crate) fn empty() -> Self {
        let hash = Sha256::new().finalize().into();
        Self { rows: 0, hash }
    }
}

impl Snapshot {
    /// An SQLite file that no process writes.
    ///
    /// # Errors
    /// When it is no database.
    pub(crate) async fn of_file(file: &Path) -> Result<Self, DbErr> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .disable_statement_logging();
        Database::seaorm(options).await.map(Self::File)
    }

    fn statement(&self, sql: impl Into<String>) -> Statement {
        let backend = match self {
            Self::File(_) => DbBackend::Sqlite,
            Self::Server { .. } => DbBackend::Postgres,
        };
        Statement::from_string(backend, sql)
    }

    /// The id of the snapshot, for other connections to a server.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Server { id, .. } => Some(id),
        }
    }

    /// The rows of a query.
    pub(crate) async fn rows(&self, sql: impl Into<String>) -> Result<Vec<QueryResult>, DbErr> {
        let statement = self.statement(sql);
        match self {
            Self::File(connection) => connection.query_all_raw(statement).await,
            Self::Server { tx, .. } => tx.query_all_raw(statement).await,
        }
    }

    /// All tables, as they are written in a statement.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn tables(&self) -> Result<Vec<String>, DbErr> {
        let sql = match self {
            Self::File(_) => {
                "SELECT '\"' || replace(name, '\"', '\"\"') || '\"' FROM sqlite_master \
                 WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
            }
            Self::Server { .. } => {
                "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' \
                 AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
                 AND c.relname <> 'palisade_restoring' ORDER BY 1"
            }
        };
        let rows = self.rows(sql).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// Number and hash of a table's rows. `table` is one of [`Snapshot::tables`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn digest(&self, table: &str) -> Result<TableDigest, DbErr> {
        let row = self.row_text(table).await?;
        let sql = match self {
            Self::File(_) => format!("SELECT {row} AS line FROM {table} ORDER BY line"),
            Self::Server { .. } => {
                format!("SELECT {row} AS line FROM {table} t ORDER BY {row} COLLATE \"C\"")
            }
        };
        let statement = self.statement(sql);
        let (mut rows, mut hash) = (0, Sha256::new());
        let mut add = |line: String| {
            hash.update((line.len() as u64).to_be_bytes());
            hash.update(line);
            rows += 1;
        };
        match self {
            Self::File(connection) => {
                let mut lines = connection.stream_raw(statement).await?;
                while let Some(row) = lines.try_next().await? {
                    add(row.try_get_by_index(0)?);
                }
            }
            Self::Server { tx, .. } => {
                let mut lines = tx.stream_raw(statement).await?;
                while let Some(row) = lines.try_next().await? {
                    add(row.try_get_by_index(0)?);
                }
            }
        }
        let hash = hash.finalize().into();
        Ok(TableDigest { rows, hash })
    }

    /// An expression with the text of a row, which differs where a value or its type does.
    async fn row_text(&self, table: &str) -> Result<String, DbErr> {
        if matches!(self, Self::Server { .. }) {
            return Ok("t::text".into());
        }
        let columns = self.rows(format!("PRAGMA table_info({table})")).await?;
        let mut parts = Vec::new();
        for column in columns {
            let name: String = column.try_get("", "name")?;
            let name = format!("\"{}\"", name.replace('"', "\"\""));
            parts.push(format!("typeof({name}) || hex({name})"));
        }
        Ok(parts.join(" || ',' || "))
    }
}

impl Database {
    /// The database as it is now. An SQLite database is copied into a new file, without the rows of a
    /// table, if one is named; another database is read in a transaction.
    ///
    /// # Errors
    /// When the database does not answer, or the file cannot be written.
    pub(crate) async fn snapshot(
        &self,
        copy: &Path,
        without: Option<&'static str>,
    ) -> Result<Snapshot, DbErr> {
        let Pool::Server(server) = self.reader() else {
            self.back_up(copy, without).await?;
            return Snapshot::of_file(copy).await;
        };
        let (level, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
        let tx = server.begin_with_config(Some(level), Some(access)).await?;
        let export = Statement::from_string(DbBackend::Postgres, "SELECT pg_export_snapshot()");
        let row = tx.query_one_raw(export).await?;
        let row = row.ok_or_else(|| DbErr::Custom("the server exports no snapshot".into()))?;
        let id = row.try_get_by_index(0)?;
        Ok(Snapshot::Server { tx, id })
    }

    /// Whether the database has no tables, except the mark of a restore.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn has_no_tables(&self) -> Result<bool, DbErr> {
        let file = Path::new("");
        let snapshot = self.snapshot(file, None).await?;
        Ok(snapshot.tables().await?.is_empty())
    }

    /// Runs a statement of the restore outside of a transaction.
    ///
    /// # Errors
    /// When the database refuses it.
    pub(crate) async fn execute_alone(&self, sql: String) -> Result<(), DbErr> {
        let connection = self.writer().connect().await?;
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        connection.execute_raw(statement).await.map(drop)
    }
}

impl DatabaseUrl {
    /// The same server with another database.
    #[cfg(feature = "postgres")]
    pub(crate) fn with_database(&self, name: &str) -> Option<Self> {
        let Self::Postgres(url) = self else {
            return None;
        };
        let mut url = url::Url::parse(url.expose()).ok()?;
        url.set_path(name);
        url.as_str().parse().ok()
    }
}
