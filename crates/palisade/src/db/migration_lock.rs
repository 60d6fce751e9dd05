//! One `migrate` at a time: instances that start together do not run the same migration twice.

use super::Database;
use super::backend::Pool;
use sea_orm::DbErr;
use std::fs::{File, TryLockError};
use std::path::PathBuf;

/// Held while one process migrates. Dropping it, or the end of the process, releases the lock.
pub(crate) enum MigrationLock {
    File {
        _locked: File,
    },
    #[cfg(feature = "postgres")]
    Server {
        _connection: sqlx::PgConnection,
    },
}

impl Database {
    /// Waits until no other process migrates this database: by an advisory lock of PostgreSQL, or
    /// by a lock on a file next to that of SQLite.
    ///
    /// # Errors
    /// When the lock cannot be acquired.
    pub(crate) async fn lock_migrations(&self) -> Result<MigrationLock, DbErr> {
        match self.writer() {
            Pool::Sqlite(sqlite) => {
                let mut path = sqlite.options().get_filename().as_os_str().to_owned();
                path.push("-migrate");
                let locked = tokio::task::spawn_blocking(move || lock_file(path.into())).await;
                locked
                    .map_err(|error| DbErr::Custom(error.to_string()))?
                    .map_err(|error| DbErr::Custom(format!("the lock of migrate: {error}")))
            }
            #[cfg(feature = "postgres")]
            Pool::Server(server) => lock_postgres(server)
                .await
                .map_err(|error| DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into()))),
            #[cfg(not(feature = "postgres"))]
            Pool::Server(_) => Err(DbErr::Custom(
                "this program was built without PostgreSQL".into(),
            )),
        }
    }
}

fn lock_file(path: PathBuf) -> std::io::Result<MigrationLock> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            log_wait();
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(MigrationLock::File { _locked: file })
}

/// On a separate connection: the lock belongs to the database session.
#[cfg(feature = "postgres")]
async fn lock_postgres(server: &sea_orm::DatabaseConnection) -> Result<MigrationLock, sqlx::Error> {
    use sqlx::ConnectOptions;
    let options = server.get_postgres_connection_pool().connect_options();
    let mut connection = options.connect().await?;
    let is_free: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut connection)
        .await?;
    if !is_free {
        log_wait();
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(LOCK)
            .execute(&mut connection)
            .await?;
    }
    Ok(MigrationLock::Server {
        _connection: connection,
    })
}

/// Key of the advisory lock: `palisade` in ASCII.
#[cfg(feature = "postgres")]
const LOCK: i64 = i64::from_be_bytes(*b"palisade");

fn log_wait() {
    tracing::info!(target: "palisade", "another process migrates this database: waiting for it");
}
