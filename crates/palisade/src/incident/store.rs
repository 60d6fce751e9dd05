use super::measure::{Kind, Measure};
use super::posture::Posture;
use crate::audit_log::{Entry, Event, record_in};
use crate::db::Database;
use crate::sql;
use palisade_crypto::random;
use sea_orm::DbErr;

type Row = (String, String, String, String, i64, i64, i64);

/// The measures that hold.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn measures(database: &Database, now: i64) -> Result<Vec<Measure>, DbErr> {
    let rows = sql!(
        "SELECT id, kind, value, reason, since, until, hits FROM palisade_posture \
         WHERE until = 0 OR until > ? ORDER BY since, id",
        now
    );
    let rows: Vec<Row> = database.handle().fetch_all(rows).await?;
    let measure = |(id, kind, value, reason, since, until, hits): Row| {
        Some(Measure {
            id,
            kind: Kind::parse(&kind)?,
            value,
            reason,
            since,
            until,
            hits,
        })
    };
    Ok(rows.into_iter().filter_map(measure).collect())
}

/// Stores a measure with its entry of the audit log, and returns its id. One with the same kind and
/// value is replaced.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn put(
    database: &Database,
    (kind, value, reason): (Kind, &str, &str),
    (now, until): (i64, i64),
) -> Result<String, DbErr> {
    let id: String = random::nonce()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(8)
        .collect();
    let same = sql!(
        "DELETE FROM palisade_posture WHERE kind = ? AND value = ?",
        kind.word(),
        value
    );
    let new = sql!(
        "INSERT INTO palisade_posture (id, kind, value, reason, since, until, hits) \
         VALUES (?, ?, ?, ?, ?, ?, 0)",
        &id,
        kind.word(),
        value,
        reason,
        now,
        until
    );
    let entry = Entry::new(Event::PostureChanged);
    let entry = entry.detail(format!("{} {value}: {reason}", kind.word()));
    database
        .write_always(async |tx| {
            tx.execute_sql(same).await?;
            tx.execute_sql(new).await?;
            record_in(tx, entry).await
        })
        .await?;
    Ok(id)
}

/// Ends a measure by its id. `false` if it does not exist.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn end(database: &Database, measure: &Measure) -> Result<bool, DbErr> {
    let gone = sql!("DELETE FROM palisade_posture WHERE id = ?", &measure.id);
    let entry = Entry::new(Event::PostureChanged);
    let entry = entry.detail(format!("end of {} {}", measure.kind.word(), measure.value));
    database
        .write_always(async |tx| {
            let is_gone = tx.execute_sql(gone).await? == 1;
            if is_gone {
                record_in(tx, entry).await?;
            }
            Ok(is_gone)
        })
        .await
}

/// Adds the hits of this instance to those of its rules.
pub(super) async fn count_hits(database: &Database, posture: &Posture) -> Result<(), DbErr> {
    for (id, hits) in posture.take_hits() {
        let add = sql!(
            "UPDATE palisade_posture SET hits = hits + ? WHERE id = ?",
            hits,
            &id
        );
        database
            .write_always(async |tx| tx.execute_sql(add).await.map(drop))
            .await?;
    }
    Ok(())
}
