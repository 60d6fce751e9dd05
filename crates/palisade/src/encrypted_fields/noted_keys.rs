//! The ids of the keys that values may need: a site without one of them does not start.

use crate::db::Database;
use crate::sql;
use chrono::Utc;
use sea_orm::DbErr;

/// Ids that are noted, and are not on the ring.
pub(crate) async fn missing_keys(database: &Database) -> Result<Vec<String>, DbErr> {
    let noted = sql!("SELECT id FROM palisade_data_key ORDER BY noted_at");
    let noted: Vec<(String,)> = database.handle().fetch_all(noted).await?;
    let ring = database.fields().ring().ok();
    let is_missing = |id: &String| ring.as_ref().is_none_or(|ring| ring.key(id).is_none());
    Ok(noted
        .into_iter()
        .map(|(id,)| id)
        .filter(is_missing)
        .collect())
}

/// Notes the keys of the ring.
pub(crate) async fn note_keys(database: &Database) -> Result<(), DbErr> {
    let Ok(ring) = database.fields().ring() else {
        return Ok(());
    };
    let noted: Vec<(String,)> = database
        .handle()
        .fetch_all(sql!("SELECT id FROM palisade_data_key"))
        .await?;
    let new = ring.keys().iter();
    let new = new.filter(|key| !noted.iter().any(|(id,)| id == key.id()));
    for key in new {
        let note = sql!(
            "INSERT INTO palisade_data_key (id, noted_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
            key.id(),
            Utc::now()
        );
        database
            .write(async |tx| tx.execute_sql(note).await)
            .await?;
    }
    Ok(())
}

/// Forgets a key that no value needs.
pub(crate) async fn forget_key(database: &Database, id: &str) -> Result<u64, DbErr> {
    let forget = sql!("DELETE FROM palisade_data_key WHERE id = ?", id);
    database
        .write(async |tx| tx.execute_sql(forget).await)
        .await
}
