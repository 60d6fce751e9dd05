//! Encrypted values by key.

use super::rows::all_tables;
use crate::db::{Database, EncryptedTable};
use palisade_crypto::field::prefix_of;
#[cfg(feature = "backup")]
use palisade_crypto::field::{self, Place};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query};
use sea_orm::{ConnectionTrait, DbErr};

/// The values of one column.
pub(crate) struct ColumnStatus {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// Values under each key of the ring, in its order.
    pub(crate) by_key: Vec<u64>,
    /// Values with keys of users.
    pub(crate) of_users: u64,
    /// Values that no key of the ring decrypts, or that are not encrypted.
    pub(crate) others: u64,
}

/// Counts the values of every encrypted column and index.
///
/// # Errors
/// Without keys, and errors of the database.
pub(crate) async fn status(database: &Database) -> Result<Vec<ColumnStatus>, DbErr> {
    let mut columns = Vec::new();
    for table in all_tables(database) {
        for column in &table.columns {
            columns.push(column_status(database, &table, (column.name, false)).await?);
        }
        for index in &table.indexes {
            columns.push(column_status(database, &table, (index.name, true)).await?);
        }
    }
    Ok(columns)
}

async fn column_status(
    database: &Database,
    table: &EncryptedTable,
    (name, is_index): (&'static str, bool),
) -> Result<ColumnStatus, DbErr> {
    let ring = database.fields().ring()?;
    let prefix = |id: &str| match is_index {
        true => format!("b1.{id}."),
        false => prefix_of(id),
    };
    let ids = ring.keys().iter().map(|key| prefix(key.id()));
    let prefixes: Vec<String> = ids.chain(["u1.".to_owned()]).collect();
    let column = || Expr::col(Alias::new(name));
    let mut query = Query::select();
    query
        .from(Alias::new(table.table))
        .expr(Func::count(column()));
    for prefix in &prefixes {
        let is_of_key = column().like(format!("{prefix}%"));
        let one = Expr::case(is_of_key, Expr::Constant(1.into()));
        query.expr(Func::count(one));
    }
    let row = database.handle().query_one(&query).await?;
    let row = row.ok_or_else(|| DbErr::Custom("a count has no row".into()))?;
    let count = |at: usize| row.try_get_by_index::<i64>(at).map(i64::unsigned_abs);
    let all = count(0)?;
    let by_key = (1..prefixes.len())
        .map(count)
        .collect::<Result<Vec<_>, _>>()?;
    let of_users = count(prefixes.len())?;
    Ok(ColumnStatus {
        table: table.table,
        column: name,
        others: all - of_users - by_key.iter().sum::<u64>(),
        by_key,
        of_users,
    })
}

/// Columns of the site with a value, and whether the first one is decrypted.
///
/// # Errors
/// Errors of the database.
#[cfg(feature = "backup")]
pub(crate) async fn opened_columns(database: &Database) -> Result<Vec<(String, bool)>, DbErr> {
    let mut found = Vec::new();
    for table in all_tables(database) {
        let names = table.names();
        let rows = table
            .read(database, &names, &table.rows(&names, None))
            .await?;
        for column in &table.columns {
            let texts = rows
                .iter()
                .filter_map(|row| Some((&row.key, row.text(column.name)?)));
            // a value with the key of a user needs that key, too
            let Some((key, text)) = texts.into_iter().find(|(_, text)| text.starts_with("e1."))
            else {
                continue;
            };
            let ring = database.fields().ring()?;
            let place = Place {
                table: table.table,
                column: column.name,
                key,
            };
            let opened = field::open(&ring, place, text, database.fields().now());
            found.push((format!("{}.{}", table.table, column.name), opened.is_ok()));
        }
    }
    Ok(found)
}

/// Number of values that name a key, whether it is on the ring or not, by column.
///
/// # Errors
/// Errors of the database.
pub(crate) async fn values_of_key(
    database: &Database,
    id: &str,
) -> Result<Vec<(String, u64)>, DbErr> {
    let mut found = Vec::new();
    for table in all_tables(database) {
        let columns = table.columns.iter().map(|one| (one.name, prefix_of(id)));
        let indexes = table
            .indexes
            .iter()
            .map(|one| (one.name, format!("b1.{id}.")));
        for (name, prefix) in columns.chain(indexes) {
            let column = Expr::col(Alias::new(name));
            let query = Query::select()
                .expr(Func::count(column.clone()))
                .from(Alias::new(table.table))
                .and_where(column.like(format!("{prefix}%")))
                .take();
            let row = database.handle().query_one(&query).await?;
            let count = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
            let count = count.unwrap_or_default().unsigned_abs();
            if count > 0 {
                found.push((format!("{}.{name}", table.table), count));
            }
        }
    }
    Ok(found)
}
