use sea_orm::sqlx::Error as Sqlx;
use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// Category of a failed query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DbFailure {
    /// The database did not answer; the result is unknown. 503.
    Unavailable,
    /// A unique constraint was violated.
    Duplicate,
    /// The database interrupted a query at its time limit. 503.
    TooSlow,
    /// A bug in the program. 500.
    Bug,
}

/// Categorises an error of the database.
pub fn failure(error: &DbErr) -> DbFailure {
    let runtime = match error {
        DbErr::ConnectionAcquire(_) => return DbFailure::Unavailable,
        DbErr::RecordNotInserted => return DbFailure::Duplicate,
        DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime) => runtime,
        _ => return DbFailure::Bug,
    };
    match (error.sql_err(), runtime) {
        (Some(SqlErr::UniqueConstraintViolation(_)), _) => DbFailure::Duplicate,
        (_, RuntimeErr::SqlxError(error)) if is_interrupted(error) => DbFailure::TooSlow,
        (_, RuntimeErr::SqlxError(error)) if is_unavailable(error) => DbFailure::Unavailable,
        _ if matches!(error, DbErr::Conn(_)) => DbFailure::Unavailable,
        _ => DbFailure::Bug,
    }
}

/// The code of an error in the terms of the database, such as 23505: it holds no value.
#[cfg(feature = "sentry")]
pub(crate) fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime)) = error else {
        return None;
    };
    let RuntimeErr::SqlxError(error) = runtime else {
        return None;
    };
    Some(error.as_database_error()?.code()?.into_owned())
}

/// `SQLITE_INTERRUPT`, and `query_canceled` of PostgreSQL.
fn is_interrupted(error: &Sqlx) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "9" || code == "57014")
}

fn is_unavailable(error: &Sqlx) -> bool {
    match error {
        Sqlx::Io(_)
        | Sqlx::Tls(_)
        | Sqlx::Protocol(_)
        | Sqlx::PoolTimedOut
        | Sqlx::PoolClosed
        | Sqlx::WorkerCrashed => true,
        // SQLite: busy, locked, read-only file, I/O error, disk full, cannot open. PostgreSQL:
        // connection exceptions, read-only transaction (a standby), out of resources, shutting
        // down, starting.
        Sqlx::Database(error) => error.code().is_some_and(|code| match code.parse::<u32>() {
            Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 8 | 10 | 13 | 14),
            _ => ["08", "25006", "53", "57P"]
                .iter()
                .any(|class| code.starts_with(class)),
        }),
        _ => false,
    }
}

/// Explains why a write on a read-only connection failed.
pub(super) fn explain_error(error: DbErr, why: &str) -> DbErr {
    let text = error.to_string();
    let is_refused_write =
        text.contains("readonly database") || text.contains("read-only transaction");
    if is_refused_write {
        DbErr::Custom(format!("the database refused a write: {why}"))
    } else {
        error
    }
}
