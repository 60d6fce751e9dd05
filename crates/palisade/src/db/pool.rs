use super::backend::Pool;
use super::connection::write_in;
#[cfg(feature = "postgres")]
use super::diagnosis::postgres::check_connection;
use super::sqlite::SqlitePool;
use super::{DatabaseSettings, DatabaseUrl, Db, FieldKeys, Recorder, Single, Tx, WriteLock};
use crate::django::UserTables;
use http::Extensions;
use sea_orm::sea_query::{Alias, Expr, Query};
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{DbBackend, DbErr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The pools of a site: a read-only one, and one for writes.
#[derive(Debug, Clone)]
pub struct Database {
    read: Pool,
    write: Pool,
    users: Arc<UserTables>,
    recorder: Arc<Recorder>,
    fields: Arc<FieldKeys>,
    /// Services of the site that its transactions use.
    services: Arc<Extensions>,
    lock: Arc<WriteLock>,
}

impl Database {
    /// Opens the database of the configuration. An SQLite file is created if it does not exist,
    /// readable by its owner only.
    ///
    /// # Errors
    /// When the file or the server cannot be reached.
    pub async fn connect(settings: &DatabaseSettings, data: &Path) -> Result<Self, DbErr> {
        match &settings.url {
            DatabaseUrl::Sqlite(path) => Self::sqlite(&data.join(path), settings).await,
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => Self::postgres(url, settings).await,
            #[cfg(not(feature = "postgres"))]
            DatabaseUrl::Postgres(_) => Err(DbErr::Custom(NO_POSTGRES.into())),
        }
    }

    async fn sqlite(path: &Path, settings: &DatabaseSettings) -> Result<Self, DbErr> {
        create_private(path)
            .map_err(|error| DbErr::Custom(format!("cannot create {}: {error}", path.display())))?;
        let write = SqlitePool::open(sqlite_options(path), 1).await?;
        let reading = sqlite_options(path)
            .read_only(true)
            .pragma("query_only", "ON");
        let read = SqlitePool::open(reading, settings.read_connections).await?;
        Ok(Self {
            read: Pool::Sqlite(read),
            write: Pool::Sqlite(write),
            users: Arc::default(),
            recorder: Arc::default(),
            fields: Arc::default(),
            services: Arc::default(),
            lock: Arc::default(),
        })
    }

    /// A read-only connection to another database than the site's, which changes nothing, not even
    /// the journal mode of an SQLite file.
    ///
    /// # Errors
    /// When the database cannot be opened.
    #[cfg(feature = "adopt")]
    pub(crate) async fn look_at(url: &DatabaseUrl) -> Result<sea_orm::DatabaseConnection, DbErr> {
        match url {
            DatabaseUrl::Sqlite(path) if !path.is_file() => Err(DbErr::Custom(format!(
                "there is no file {}",
                path.display()
            ))),
            DatabaseUrl::Sqlite(path) => {
                let reading = SqliteConnectOptions::new()
                    .filename(path)
                    .read_only(true)
                    .pragma("query_only", "ON");
                Self::seaorm(reading.disable_statement_logging()).await
            }
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => {
                sea_orm::Database::connect(Self::postgres_reader(url, 1)).await
            }
            #[cfg(not(feature = "postgres"))]
            DatabaseUrl::Postgres(_) => Err(DbErr::Custom(NO_POSTGRES.into())),
        }
    }

    /// A connection of SeaORM's, for APIs that require one.
    pub(super) async fn seaorm(
        file: SqliteConnectOptions,
    ) -> Result<sea_orm::DatabaseConnection, DbErr> {
        let mut one = options("sqlite://file".into(), 1);
        one.map_sqlx_sqlite_opts(move |_| file.clone());
        sea_orm::Database::connect(one).await
    }

    #[cfg(feature = "postgres")]
    fn postgres_reader(url: &super::url::PostgresUrl, connections: u64) -> sea_orm::ConnectOptions {
        let mut read = postgres_options(url, connections, READ_ONLY);
        read.map_sqlx_postgres_pool_opts(|pool| {
            let pool = pool.after_connect(|connection, _| Box::pin(set(connection, SET_READ_ONLY)));
            pool.before_acquire(|_, connection| {
                Box::pin(std::future::ready(Ok(is_young(connection.age))))
            })
        });
        read
    }

    #[cfg(feature = "postgres")]
    async fn postgres(
        url: &super::url::PostgresUrl,
        settings: &DatabaseSettings,
    ) -> Result<Self, DbErr> {
        let unusable =
            |error: sqlx::Error| DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into()));
        let options =
            tuned_postgres(url)(url.expose().parse().map_err(unusable)?).options([READ_ONLY]);
        check_connection(&options).await?;
        let mut write = postgres_options(url, settings.write_connections, IDLE_IN_TRANSACTION);
        write.map_sqlx_postgres_pool_opts(|pool| {
            let pool = pool
                .after_connect(|connection, _| Box::pin(set(connection, SET_IDLE_IN_TRANSACTION)));
            let pool = pool.before_acquire(|_, connection| {
                Box::pin(std::future::ready(Ok(is_young(connection.age))))
            });
            pool.after_release(|connection, _| Box::pin(is_at_rest(connection)))
        });
        let read = Self::postgres_reader(url, settings.read_connections);
        let write = sea_orm::Database::connect(write).await?;
        let read = sea_orm::Database::connect(read).await?;
        Ok(Self {
            read: Pool::Server(read),
            write: Pool::Server(write),
            users: Arc::default(),
            recorder: Arc::default(),
            fields: Arc::default(),
            services: Arc::default(),
            lock: Arc::default(),
        })
    }

    /// Writes a consistent copy of an SQLite database into a new file, readable by its owner only
    /// ([VACUUM INTO](https://www.sqlite.org/lang_vacuum.html#vacuuminto)), without the rows of a
    /// table, if one is named.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) async fn back_up(
        &self,
        file: &Path,
        without: Option<&'static str>,
    ) -> Result<(), DbErr> {
        use sea_orm::{ConnectionTrait, Statement};
        create_private(file).map_err(|error| DbErr::Custom(error.to_string()))?;
        let into = Statement::from_sql_and_values(
            DbBackend::Sqlite,
            "VACUUM INTO ?",
            [file.display().to_string().into()],
        );
        self.write.connect().await?.execute_raw(into).await?;
        let Some(table) = without else {
            return Ok(());
        };
        let copy = Self::seaorm(SqliteConnectOptions::new().filename(file)).await?;
        // before its migration there is no such table
        let known = Query::select()
            .column(Alias::new("name"))
            .from(Alias::new("sqlite_master"))
            .and_where(sea_orm::sea_query::ExprTrait::eq(
                Expr::col(Alias::new("name")),
                table,
            ))
            .take();
        if copy.query_one(&known).await?.is_some() {
            let rows = Query::delete().from_table(Alias::new(table)).take();
            copy.execute(&rows).await?;
        }
        // deleted rows stay in free pages until then
        copy.execute_unprepared("VACUUM").await?;
        copy.close().await
    }

    /// The same, with the tables of a custom user model.
    #[must_use]
    pub fn with_users(self, users: UserTables) -> Self {
        Self {
            users: Arc::new(users),
            ..self
        }
    }

    /// The same, with keys for encrypted columns.
    #[must_use]
    pub(crate) fn with_fields(self, fields: Arc<FieldKeys>) -> Self {
        Self { fields, ..self }
    }

    /// The same, with a service for its transactions.
    #[must_use]
    pub(crate) fn with_service<T: Clone + Send + Sync + 'static>(self, service: T) -> Self {
        let mut services = Extensions::clone(&self.services);
        services.insert(service);
        Self {
            services: Arc::new(services),
            ..self
        }
    }

    /// The keys of encrypted columns.
    pub(crate) fn fields(&self) -> &Arc<FieldKeys> {
        &self.fields
    }

    /// The user tables.
    pub fn users(&self) -> &UserTables {
        &self.users
    }

    /// The executed statements, for tests.
    #[doc(hidden)]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// A handle for reads that can also begin transactions: for commands, migrations and tests.
    pub fn handle(&self) -> Db {
        Db::new(self.clone(), http::Method::POST)
    }

    /// A write transaction of the framework itself, for any request method, and also while the site
    /// is read-only: sessions, counters and the audit log.
    ///
    /// # Errors
    /// When no connection is available.
    pub(crate) async fn begin(&self) -> Result<Tx, DbErr> {
        Ok(Tx::new(
            self.write.begin().await?,
            self.users.clone(),
            self.recorder.clone(),
            (
                self.fields.clone(),
                self.services.clone(),
                self.lock.clone(),
            ),
        ))
    }

    /// A write transaction of the site.
    ///
    /// # Errors
    /// While the site is read-only, and when no connection is available.
    pub(crate) async fn begin_of_site(&self) -> Result<Tx, DbErr> {
        self.lock.require_open()?;
        Ok(self.begin().await?.of_site())
    }

    /// The lock that refuses commits during an incident.
    pub(crate) fn lock(&self) -> &Arc<WriteLock> {
        &self.lock
    }

    /// The same as [`Database::write`] for the framework itself.
    ///
    /// # Errors
    /// Those of `change`; and when the database cannot begin or commit.
    pub(crate) async fn write_always<T, E: From<DbErr>>(
        &self,
        change: impl AsyncFnOnce(&Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        write_in(self.begin().await?, change).await
    }

    /// Runs `change` in a write transaction, and commits it; an error rolls it back.
    ///
    /// # Errors
    /// Those of `change`; while the site is read-only; and when the database cannot begin or commit.
    pub async fn write<T, E: From<DbErr>>(
        &self,
        change: impl AsyncFnOnce(&Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        write_in(self.begin_of_site().await?, change).await
    }

    /// Removes deleted rows from the journal of an SQLite file. While readers need the journal, they
    /// stay there until a later checkpoint. On PostgreSQL this is the work of VACUUM.
    pub(crate) async fn forget_deleted(&self) {
        if let Err(error) = self.write.truncate_journal().await {
            tracing::debug!(target: "palisade", %error, "the journal could not be truncated");
        }
    }

    /// A connection on which each statement is its own transaction.
    pub(crate) fn single(&self) -> Single {
        Single::new(self.clone())
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.ping().await
    }

    /// Closes both pools: later queries fail.
    ///
    /// # Errors
    /// When a connection cannot be closed properly.
    pub async fn close(&self) -> Result<(), DbErr> {
        let read = self.read.close().await;
        self.write.close().await.and(read)
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.write.backend()
    }

    pub(super) fn reader(&self) -> &Pool {
        &self.read
    }

    pub(super) fn writer(&self) -> &Pool {
        &self.write
    }
}

#[cfg(feature = "postgres")]
fn postgres_tls(url: &super::url::PostgresUrl) -> sqlx::postgres::PgSslMode {
    use sqlx::postgres::PgSslMode;
    if url.is_local() {
        PgSslMode::Disable
    } else {
        PgSslMode::VerifyFull
    }
}

#[cfg(feature = "postgres")]
fn postgres_options(
    url: &super::url::PostgresUrl,
    connections: u64,
    setting: (&'static str, &'static str),
) -> sea_orm::ConnectOptions {
    let mut options = options(url.expose().to_owned(), connections);
    let tuned = tuned_postgres(url);
    // as a startup parameter, so that RESET keeps it and a pooler that does not support it refuses
    // the connection; and by SET (`after_connect`), for a pooler that is configured to ignore the
    // parameter
    options.map_sqlx_postgres_opts(move |options| tuned(options).options([setting]));
    options
}

/// Our TLS mode, and a host that the driver understands.
#[cfg(feature = "postgres")]
fn tuned_postgres(
    url: &super::url::PostgresUrl,
) -> impl Fn(sqlx::postgres::PgConnectOptions) -> sqlx::postgres::PgConnectOptions + use<> {
    let (mode, address) = (postgres_tls(url), url.ipv6());
    move |options| {
        // the driver would send a parameter that poolers refuse, and that has been the server's
        // default since version 12
        let options = options.ssl_mode(mode).extra_float_digits(None);
        match address {
            Some(address) => options.host(&address.to_string()),
            None => options,
        }
    }
}

/// Whether a connection may be reused. An older one is replaced, so that a failover is noticed and
/// the server's memory is freed.
#[cfg(feature = "postgres")]
fn is_young(age: Duration) -> bool {
    age < Duration::from_secs(30 * 60)
}

/// Runs a SET statement for the lifetime of a connection.
#[cfg(feature = "postgres")]
async fn set(
    connection: &mut sqlx::PgConnection,
    statement: &'static str,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop)
}

#[cfg(feature = "postgres")]
const READ_ONLY: (&str, &str) = ("default_transaction_read_only", "on");
#[cfg(feature = "postgres")]
const SET_READ_ONLY: &str = "SET default_transaction_read_only = on";
/// The server ends transactions that are idle for a minute.
#[cfg(feature = "postgres")]
const IDLE_IN_TRANSACTION: (&str, &str) = ("idle_in_transaction_session_timeout", "60000");
#[cfg(feature = "postgres")]
const SET_IDLE_IN_TRANSACTION: &str = "SET idle_in_transaction_session_timeout = 60000";

/// Whether a connection that returns to the pool is outside of a transaction, as the server reports
/// it (`ReadyForQuery`,
/// [message formats](https://www.postgresql.org/docs/current/protocol-message-formats.html)).
/// Others are closed, and the server rolls back.
#[cfg(feature = "postgres")]
async fn is_at_rest(connection: &mut sqlx::PgConnection) -> Result<bool, sqlx::Error> {
    use sqlx::Connection;
    // this begins no transaction: if one is open after it, it was open before; and in an aborted
    // one it fails
    match connection.begin_with("SELECT 1").await {
        Err(sqlx::Error::BeginFailed) => Ok(true),
        Ok(_) | Err(sqlx::Error::InvalidSavePointStatement) => {
            tracing::error!(target: "palisade", "a connection was returned inside a transaction and was closed");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(not(feature = "postgres"))]
const NO_POSTGRES: &str = "this program was built without PostgreSQL\n  fix: build it with the feature postgres (postgres-tls for a server on another machine), or name an SQLite file";

/// Options of a SeaORM pool.
pub(crate) fn options(url: String, connections: u64) -> sea_orm::ConnectOptions {
    let mut options = sea_orm::ConnectOptions::new(url);
    options
        .max_connections(u32::try_from(connections).unwrap_or(u32::MAX).max(1))
        .acquire_timeout(Duration::from_secs(5))
        // with either, the pool spawns a maintenance task, whose count of idle connections can
        // underflow while another thread returns one; the task then loops forever
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false) // statements of the log would carry values
        .record_stmt_in_spans(false);
    options
}

/// The path is passed as a path: in a URL, % and ? in it would name another file.
fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        .pragma("trusted_schema", "OFF")
        // deleted rows leave no bytes in the file
        .pragma("secure_delete", "ON")
        .disable_statement_logging() // statements of the log would carry values
}

/// Creates the file before SQLite does, accessible to the owner only.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;
    use sqlx::{Connection, Executor, PgConnection};

    // a process that only migrated used a whole core without end: the count of the pool's
    // maintenance task had underflowed
    #[test]
    fn pools_have_no_task_of_their_own() {
        let options = options("sqlite://file".into(), 1);
        assert_eq!(
            (options.get_idle_timeout(), options.get_max_lifetime()),
            (Some(None), Some(None))
        );
        assert!(is_young(Duration::from_secs(1799)) && !is_young(Duration::from_secs(1800)));
    }

    // Finding 1: open and aborted transactions are both detected
    #[tokio::test]
    async fn only_a_connection_outside_of_a_transaction_is_at_rest() {
        let Ok(url) = std::env::var("PALISADE_TEST_POSTGRES") else {
            assert!(
                std::env::var_os("PALISADE_REQUIRE_SERVERS").is_none(),
                "PALISADE_TEST_POSTGRES names a server (scripts/servers)"
            );
            return;
        };
        for (statements, expected) in [
            (&["SELECT 2"][..], true),
            (&["BEGIN"], false),
            (&["BEGIN", "SELECT 1/0"], false),
        ] {
            let mut connection = PgConnection::connect(&url).await.expect("a server");
            for statement in statements {
                let _ = (&mut connection).execute(*statement).await;
            }
            assert_eq!(
                is_at_rest(&mut connection).await.unwrap_or(false),
                expected,
                "{statements:?}"
            );
        }
    }
}
