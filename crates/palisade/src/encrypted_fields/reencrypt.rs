//! Re-encryption with the active key, beside writers: by primary key in batches, each in a
//! transaction of its own, so that it can be stopped and started again at any time.

use super::rows::{BATCH, TextRow, all_tables};
use crate::db::{Database, EncryptedTable, Tx};
use palisade_crypto::DataRing;
use palisade_crypto::field::{self, OpenError, Place, Plain};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

/// Progress and speed of a rewrite.
pub(crate) struct Pace<'a> {
    /// Most rows per second.
    pub(crate) per_second: Option<u32>,
    /// Told how many more rows are done.
    pub(crate) report: &'a mut (dyn FnMut(u64) + Send),
}

/// Result of a rewrite.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// Rows that were changed.
    pub(crate) rows: u64,
    /// Values that cannot be decrypted: `table.column` and key of the first ones.
    pub(crate) failed: Vec<String>,
    pub(crate) failed_count: u64,
}

impl Rewritten {
    pub(super) fn fail(&mut self, place: Place<'_>, why: &str) {
        self.failed_count += 1;
        if self.failed.len() < 20 {
            let Place { table, column, key } = place;
            self.failed
                .push(format!("{table}.{column} of row {key}: {why}"));
        }
    }
}

impl Pace<'_> {
    /// Waits after a batch that was begun at a time.
    pub(super) async fn after(&mut self, rows: u64, begun: Instant) {
        (self.report)(rows);
        if let Some(per_second) = self.per_second {
            let secs = rows as f64 / f64::from(std::cmp::max(per_second, 1));
            sleep_until(begun + Duration::from_secs_f64(secs)).await;
        }
    }
}

/// Rows of a table with a value that is not encrypted with the active key.
///
/// # Errors
/// Without keys, and errors of the database.
pub(crate) async fn outdated_rows(
    database: &Database,
    table: &EncryptedTable,
) -> Result<u64, DbErr> {
    let (ring, now) = (database.fields().ring()?, database.fields().now());
    let count = Query::select()
        .expr(Func::count(Expr::col(Alias::new(table.key.name()))))
        .from(Alias::new(table.table))
        .cond_where(table.other_than(ring.active(now).id()))
        .take();
    let row = database.handle().query_one(&count).await?;
    let count = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
    Ok(count.unwrap_or_default().unsigned_abs())
}

/// The tables to re-encrypt: all, or the one with this name.
pub(crate) fn tables_named(database: &Database, name: Option<&str>) -> Vec<EncryptedTable> {
    let mut tables = all_tables(database);
    if let Some(name) = name {
        tables.retain(|table| table.table == name);
    }
    tables
}

/// Re-encrypts the values of a table, and writes its indexes.
///
/// # Errors
/// Without keys, and errors of the database; batches that are done stay done.
pub(crate) async fn reencrypt(
    database: &Database,
    table: &EncryptedTable,
    pace: &mut Pace<'_>,
) -> Result<Rewritten, DbErr> {
    let (mut done, mut after) = (Rewritten::default(), None::<String>);
    let names = table.names();
    loop {
        let begun = Instant::now();
        // the key may change while this runs
        let (ring, now) = (database.fields().ring()?, database.fields().now());
        let mut query = table.rows(&names, after.as_deref());
        query.cond_where(table.other_than(ring.active(now).id()));
        let rows = table.read(database, &names, &query).await?;
        let Some(last) = rows.last() else {
            return Ok(done);
        };
        after = Some(last.key.clone());
        let batch = rows.len() as u64;
        let rewriting = Rewriting {
            table,
            ring: &ring,
            now,
        };
        let changes: Vec<_> = rows
            .iter()
            .map(|row| (row, rewriting.changes(row, &mut done)))
            .collect();
        done.rows += write(database, table, &changes).await?;
        pace.after(batch, begun).await;
        if batch < BATCH {
            return Ok(done);
        }
    }
}

/// New texts of columns.
pub(super) type Changes = BTreeMap<&'static str, String>;

/// Writes a batch. Other transactions may lock the same rows in another order: the database ends
/// one of them, and this one is repeated.
pub(super) async fn write(
    database: &Database,
    table: &EncryptedTable,
    changes: &[(&TextRow, Changes)],
) -> Result<u64, DbErr> {
    for _ in 0..3 {
        let written = database
            .write_always(async |tx| write_in(tx, table, changes).await)
            .await;
        if written.is_ok() {
            return written;
        }
    }
    database
        .write_always(async |tx| write_in(tx, table, changes).await)
        .await
}

async fn write_in(
    tx: &Tx,
    table: &EncryptedTable,
    changes: &[(&TextRow, Changes)],
) -> Result<u64, DbErr> {
    let mut rows = 0;
    for (row, changes) in changes.iter().filter(|(_, changes)| !changes.is_empty()) {
        let mut update = Query::update();
        update
            .table(Alias::new(table.table))
            .and_where(table.is_row(&row.key));
        for (column, text) in changes {
            update.value(Alias::new(*column), text.as_str());
        }
        // a row that was changed meanwhile is left as it is: its writer has encrypted it
        for (column, text) in &row.texts {
            let column = Expr::col(Alias::new(*column));
            update.and_where(match text {
                Some(text) => column.eq(text.as_str()),
                None => column.is_null(),
            });
        }
        rows += tx.execute(&update).await?.rows_affected();
    }
    Ok(rows)
}

/// A batch of rows under one ring.
pub(super) struct Rewriting<'a> {
    pub(super) table: &'a EncryptedTable,
    pub(super) ring: &'a DataRing,
    pub(super) now: u64,
}

/// Plaintexts of a row, by column, with their expiry.
type Opened = BTreeMap<&'static str, (Zeroizing<String>, Option<u64>)>;

impl Rewriting<'_> {
    fn place<'b>(&'b self, column: &'b str, row: &'b TextRow) -> Place<'b> {
        Place {
            table: self.table.table,
            column,
            key: &row.key,
        }
    }

    /// The columns of a row under the active key.
    fn changes(&self, row: &TextRow, done: &mut Rewritten) -> Changes {
        let (active, opened) = (self.ring.active(self.now).id(), self.open(row, done));
        let mut changes = Changes::new();
        for (column, (text, until)) in &opened {
            let sealed = row.text(column).unwrap_or_default();
            if field::key_id(sealed) == Some(active) {
                continue;
            }
            let place = self.place(column, row);
            let plain = Plain {
                value: text.as_bytes(),
                until: *until,
            };
            let sealed = field::seal(self.ring, place, plain, self.now);
            changes.insert(column, sealed);
        }
        changes.extend(self.indexes(row, &opened));
        changes
    }

    /// Decrypts the columns of a row. Expired values are re-encrypted too, and stay expired.
    fn open(&self, row: &TextRow, done: &mut Rewritten) -> Opened {
        let mut opened = Opened::new();
        for column in &self.table.columns {
            let sealed = row
                .text(column.name)
                .filter(|text| field::key_id(text).is_some());
            let Some(sealed) = sealed else { continue };
            let place = self.place(column.name, row);
            let until = field::expiry(self.ring, place, sealed);
            // as of before its expiry
            let value = field::open(self.ring, place, sealed, 0);
            let text = value.and_then(|value| {
                let text = String::from_utf8(value.expose().clone());
                text.map(Zeroizing::new).map_err(|_| OpenError::Damaged)
            });
            match (text, until) {
                (Ok(text), Ok(until)) => drop(opened.insert(column.name, (text, until))),
                (Err(error), _) | (_, Err(error)) => done.fail(place, &error.to_string()),
            }
        }
        opened
    }

    /// The indexes of a row under the active key.
    fn indexes(&self, row: &TextRow, opened: &Opened) -> Changes {
        let active = self.ring.active(self.now);
        let mut changes = Changes::new();
        for index in &self.table.indexes {
            let normal = index.parts.iter().map(|part| {
                let (text, _) = opened.get(part.column)?;
                (part.normal)(text)
            });
            let Some(parts) = normal.collect::<Option<Vec<_>>>() else {
                continue;
            };
            let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
            let text = index.key(self.table.table).of(active, &parts);
            if row.text(index.name) != Some(&text) {
                changes.insert(index.name, text);
            }
        }
        changes
    }
}
