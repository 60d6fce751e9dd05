//! Backups that were written and verified, in the site's database.

use super::History;
use crate::db::Database;
#[cfg(feature = "backup")]
use crate::db::Tx;
use crate::sql;
use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{SchemaManager, Table};
use sea_orm_migration::schema::{big_integer, string_len, text};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The table of backups.
pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "backups_0001_palisade_backup"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_backup")
            .col(string_len("name", 64).primary_key())
            .col(text("place"))
            .col(big_integer("bytes"))
            // seconds since 1970; 0 for one that was verified and not written here
            .col(big_integer("written"))
            // seconds since 1970; 0 until it is verified
            .col(big_integer("verified"))
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::drop().table("palisade_backup").take();
        manager.drop_table(table).await
    }
}

/// A backup that was written.
#[cfg(feature = "backup")]
#[derive(Debug, Clone)]
pub(crate) struct Recorded<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: &'a str,
    pub(crate) bytes: u64,
    /// Seconds since 1970.
    pub(crate) written: i64,
}

/// Records a backup.
///
/// # Errors
/// When the database does not answer.
#[cfg(feature = "backup")]
pub(crate) async fn record(tx: &Tx, backup: &Recorded<'_>) -> Result<(), DbErr> {
    let insert = sql!(
        "INSERT INTO palisade_backup (name, place, bytes, written, verified) VALUES (?, ?, ?, ?, 0)",
        backup.name,
        backup.place,
        i64::try_from(backup.bytes).unwrap_or(i64::MAX),
        backup.written
    );
    tx.execute_sql(insert).await.map(drop)
}

/// Records that a backup was verified.
///
/// # Errors
/// When the database does not answer.
#[cfg(feature = "backup")]
pub(crate) async fn record_verified(tx: &Tx, name: &str, now: i64) -> Result<(), DbErr> {
    let update = sql!(
        "UPDATE palisade_backup SET verified = ? WHERE name = ?",
        now,
        name
    );
    let insert = sql!(
        "INSERT INTO palisade_backup (name, place, bytes, written, verified) VALUES (?, '', 0, 0, ?)",
        name,
        now
    );
    let updated = tx.execute_sql(update).await?;
    if updated == 0 {
        tx.execute_sql(insert).await?;
    }
    Ok(())
}

/// When backups were written and verified.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn history(database: &Database) -> Result<History, DbErr> {
    let query = sql!(
        "SELECT COALESCE(MIN(CASE WHEN written > 0 THEN written END), 0), COALESCE(MAX(written), 0), \
         COALESCE(MAX(verified), 0) FROM palisade_backup"
    );
    let row: Option<(i64, i64, i64)> = database.handle().fetch_one(query).await?;
    let (first, last, verified) = row.unwrap_or_default();
    let known = |time: i64| (time > 0).then_some(time);
    Ok(History {
        first: known(first),
        last: known(last),
        verified: known(verified),
    })
}

/// The backups that are known, with the time of their verification in seconds since 1970, or 0.
///
/// # Errors
/// When the database does not answer.
#[cfg(feature = "backup")]
pub(crate) async fn recorded(
    database: &Database,
) -> Result<std::collections::BTreeMap<String, i64>, DbErr> {
    let query = sql!("SELECT name, verified FROM palisade_backup");
    let rows: Vec<(String, i64)> = database.handle().fetch_all(query).await?;
    Ok(rows.into_iter().collect())
}
