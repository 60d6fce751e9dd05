use crate::db::Database;
use crate::sql;
use sea_orm::DbErr;

/// An instance that was not seen for this long is taken for stopped, in seconds.
const GONE: i64 = 25;

/// A running instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// Version of the posture that it has applied.
    pub(crate) posture: String,
}

/// The instances that were seen lately.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn instances(database: &Database, now: i64) -> Result<Vec<Instance>, DbErr> {
    let seen = sql!(
        "SELECT id, posture FROM palisade_instance WHERE seen >= ? ORDER BY id",
        now - GONE
    );
    let seen: Vec<(String, String)> = database.handle().fetch_all(seen).await?;
    let instance = |(id, posture)| Instance { id, posture };
    Ok(seen.into_iter().map(instance).collect())
}

/// Notes that an instance runs with a posture.
pub(super) async fn say(
    database: &Database,
    (id, posture): (&str, &str),
    now: i64,
) -> Result<(), DbErr> {
    let say = sql!(
        "INSERT INTO palisade_instance (id, posture, seen) VALUES (?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET posture = EXCLUDED.posture, seen = EXCLUDED.seen",
        id,
        posture,
        now
    );
    let old = sql!(
        "DELETE FROM palisade_instance WHERE seen < ?",
        now - 10 * GONE
    );
    database
        .write_always(async |tx| {
            tx.execute_sql(old).await?;
            tx.execute_sql(say).await.map(drop)
        })
        .await
}

pub(super) async fn forget(database: &Database, id: &str) -> Result<(), DbErr> {
    let gone = sql!("DELETE FROM palisade_instance WHERE id = ?", id);
    database
        .write_always(async |tx| tx.execute_sql(gone).await.map(drop))
        .await
}
