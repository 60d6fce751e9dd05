use super::{DatabaseSettings, DatabaseUrl, Db, Tx};
use crate::django::UserTables;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, DatabaseConnection, DbBackend, DbErr};
use sea_orm::{SqliteTransactionMode, TransactionOptions, TransactionTrait};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The pools of a site: one that reads and cannot write, one that writes.
#[derive(Debug, Clone)]
pub struct Database {
    read: DatabaseConnection,
    write: DatabaseConnection,
    users: Arc<UserTables>,
}

impl Database {
    /// Opens the database of the settings. An SQLite file is created if it does not exist, readable by its owner only.
    ///
    /// # Errors
    /// When the file or the server cannot be reached.
    pub async fn connect(settings: &DatabaseSettings, data: &Path) -> Result<Self, DbErr> {
        match &settings.url {
            DatabaseUrl::Sqlite(path) => Self::sqlite(&data.join(path), settings).await,
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => Self::postgres(url, settings).await,
            #[cfg(not(feature = "postgres"))]
            DatabaseUrl::Postgres(_) => Err(DbErr::Custom("this program was built without the feature postgres".into())),
        }
    }

    async fn sqlite(path: &Path, settings: &DatabaseSettings) -> Result<Self, DbErr> {
        create_private(path).map_err(|error| DbErr::Custom(format!("cannot create {}: {error}", path.display())))?;
        // the path is given as a path: in a URL, % and ? in it would name another file
        let file = path.to_owned();
        let mut write = options("sqlite://file".into(), 1);
        // a file does not go away, so nothing has to be asked before each query
        write.test_before_acquire(false).map_sqlx_sqlite_opts(move |options| tuned(options.filename(&file)));
        let write = sea_orm::Database::connect(write).await?;
        let file = path.to_owned();
        let mut read = options("sqlite://file".into(), settings.read_connections);
        read.test_before_acquire(false)
            .map_sqlx_sqlite_opts(move |options| tuned(options.filename(&file)).read_only(true).pragma("query_only", "ON"));
        Ok(Self { read: sea_orm::Database::connect(read).await?, write, users: Arc::default() })
    }

    /// A connection that reads a database which is not this site's, and changes nothing about it, not even how SQLite keeps its file.
    ///
    /// # Errors
    /// When there is none.
    #[cfg(feature = "adopt")]
    pub(crate) async fn look_at(url: &DatabaseUrl) -> Result<DatabaseConnection, DbErr> {
        match url {
            DatabaseUrl::Sqlite(path) if !path.is_file() => Err(DbErr::Custom(format!("there is no file {}", path.display()))),
            DatabaseUrl::Sqlite(path) => {
                let mut read = options("sqlite://file".into(), 1);
                let file = path.clone();
                read.map_sqlx_sqlite_opts(move |options| options.filename(&file).read_only(true).pragma("query_only", "ON"));
                sea_orm::Database::connect(read).await
            }
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => sea_orm::Database::connect(Self::postgres_reader(url, 1)).await,
            #[cfg(not(feature = "postgres"))]
            DatabaseUrl::Postgres(_) => Err(DbErr::Custom("this program was built without the feature postgres".into())),
        }
    }

    #[cfg(feature = "postgres")]
    fn postgres_reader(url: &super::url::PostgresUrl, connections: u64) -> ConnectOptions {
        let mode = postgres_tls(url);
        let mut read = options(url.expose().to_owned(), connections);
        read.map_sqlx_postgres_opts(move |options| options.ssl_mode(mode).options([("default_transaction_read_only", "on")]));
        read
    }

    #[cfg(feature = "postgres")]
    async fn postgres(url: &super::url::PostgresUrl, settings: &DatabaseSettings) -> Result<Self, DbErr> {
        let mode = postgres_tls(url);
        let mut write = options(url.expose().to_owned(), settings.write_connections);
        write.map_sqlx_postgres_opts(move |options| options.ssl_mode(mode));
        let read = Self::postgres_reader(url, settings.read_connections);
        let write = sea_orm::Database::connect(write).await?;
        Ok(Self { write, read: sea_orm::Database::connect(read).await?, users: Arc::default() })
    }

    /// The same, with users in the tables of another model than Django's own.
    #[must_use]
    pub fn with_users(self, users: UserTables) -> Self {
        Self { users: Arc::new(users), ..self }
    }

    /// The tables of the users.
    pub fn users(&self) -> &UserTables {
        &self.users
    }

    /// A handle for reading that may also open transactions: for commands, migrations and tests.
    pub fn handle(&self) -> Db {
        Db::new(self.clone(), http::Method::POST)
    }

    /// A write transaction of the framework's own, whatever the request's method.
    ///
    /// # Errors
    /// When no connection can be had.
    pub(crate) async fn begin(&self) -> Result<Tx, DbErr> {
        // immediate: two writers wait for each other here and not, with an error, in the middle
        let mode = (self.backend() == DbBackend::Sqlite).then_some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode: mode, ..Default::default() };
        Ok(Tx::new(self.write.begin_with_options(options).await?, self.users.clone()))
    }

    /// Whether a query is answered.
    ///
    /// # Errors
    /// When it is not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.ping().await
    }

    /// Closes both pools: every later query fails.
    ///
    /// # Errors
    /// When a connection cannot be closed in order.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.read.close_by_ref().await?;
        self.write.close_by_ref().await
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.read
    }

    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.write
    }
}

#[cfg(feature = "postgres")]
fn postgres_tls(url: &super::url::PostgresUrl) -> sqlx::postgres::PgSslMode {
    use sqlx::postgres::PgSslMode;
    if url.is_local() { PgSslMode::Disable } else { PgSslMode::VerifyFull }
}

fn options(url: String, connections: u64) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(u32::try_from(connections).unwrap_or(u32::MAX).max(1))
        .acquire_timeout(Duration::from_secs(5))
        .sqlx_logging(false) // statements of the log would carry values
        .record_stmt_in_spans(false);
    options
}

fn tuned(options: sea_orm::sqlx::sqlite::SqliteConnectOptions) -> sea_orm::sqlx::sqlite::SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        .pragma("trusted_schema", "OFF")
}

/// Creates the file before SQLite does, with nobody else's rights on it.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
