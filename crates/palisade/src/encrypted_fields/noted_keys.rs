//! The ids of the keys that values may need: a site without one of them does not start.

use crate::db::Database;
use crate::sql;
use chrono::Utc;
use palisade_crypto::{DataKey, DataRing};
use sea_orm::DbErr;

/// Ids that are noted, and are not on the ring.
pub(crate) async fn missing_keys(database: &Database) -> Result<Vec<String>, DbErr> {
    let ring = database.fields().ring().ok();
    missing_on(database, ring.as_deref()).await
}

/// Ids that are noted, and are not on another ring.
pub(crate) async fn missing_on(
    database: &Database,
    ring: Option<&DataRing>,
) -> Result<Vec<String>, DbErr> {
    let noted = sql!("SELECT id FROM palisade_data_key ORDER BY noted_at");
    let noted: Vec<(String,)> = database.handle().fetch_all(noted).await?;
    let is_missing = |id: &String| ring.is_none_or(|ring| ring.key(id).is_none());
    Ok(noted
        .into_iter()
        .map(|(id,)| id)
        .filter(is_missing)
        .collect())
}

/// A key is noted an hour before its activation: until then no value names it.
const HOUR: u64 = 3600;

/// Notes the keys of the ring that values may need.
pub(crate) async fn note_keys(database: &Database) -> Result<(), DbErr> {
    let Ok(ring) = database.fields().ring() else {
        return Ok(());
    };
    let noted: Vec<(String,)> = database
        .handle()
        .fetch_all(sql!("SELECT id FROM palisade_data_key"))
        .await?;
    let new = ring.keys().iter();
    let soon = database.fields().now() + HOUR;
    let is_used = |key: &&DataKey| key.active_from() <= soon;
    let new = new.filter(|key| !noted.iter().any(|(id,)| id == key.id()));
    let new = new.filter(is_used);
    for key in new {
        let note = sql!(
            "INSERT INTO palisade_data_key (id, noted_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
            key.id(),
            Utc::now()
        );
        database
            .write_always(async |tx| tx.execute_sql(note).await)
            .await?;
    }
    Ok(())
}

/// Forgets a key that no value needs.
pub(crate) async fn forget_key(database: &Database, id: &str) -> Result<u64, DbErr> {
    let forget = sql!("DELETE FROM palisade_data_key WHERE id = ?", id);
    database
        .write_always(async |tx| tx.execute_sql(forget).await)
        .await
}
