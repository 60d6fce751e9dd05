//! Limits for the files of a user, of visitors without an account, and of the site.

use super::row::State;
use super::settings::UploadSettings;
use crate::db::Tx;
use crate::sql;
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Begins a change of a user's files: of several at once, each sees the ones before it.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn lock(tx: &Tx, user: Option<i32>) -> Result<(), DbErr> {
    // on SQLite, transactions that write follow each other
    if tx.get_database_backend() == DbBackend::Postgres {
        let lock = sql!(
            "SELECT pg_advisory_xact_lock(hashtext('palisade_file'), ?)",
            user.unwrap_or(0)
        );
        tx.execute_sql(lock).await?;
    }
    Ok(())
}

/// Whether the files, with one that was just added in this transaction, are more than the limits.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn is_exceeded(
    tx: &Tx,
    settings: &UploadSettings,
    user: Option<i32>,
) -> Result<bool, DbErr> {
    let (own, most) = match user {
        Some(user) => {
            let sum = sql!(
                "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM palisade_file WHERE user_id = ?",
                user
            );
            (sum, settings.user_bytes)
        }
        None => {
            let sum = sql!(
                "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM palisade_file \
                 WHERE user_id IS NULL AND until IS NOT NULL AND state <> ?",
                State::Quarantined.word()
            );
            (sum, settings.anonymous_bytes)
        }
    };
    let all = sql!("SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM palisade_file");
    for (sum, most) in [(own, most), (all, settings.site_bytes)] {
        let sum: Option<(i64,)> = tx.fetch_one(sum).await?;
        let sum = sum.map_or(0, |(sum,)| u64::try_from(sum).unwrap_or_default());
        if sum > most {
            return Ok(true);
        }
    }
    Ok(false)
}
