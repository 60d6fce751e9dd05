//! Counts that stop.

use crate::db::Db;
use sea_orm::DbErr;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement};
use std::time::Duration;

/// The number of rows of a query with a limit.
pub(crate) async fn capped(db: &Db, rows: SelectStatement, most: Duration) -> Result<u64, DbErr> {
    let mut count = Query::select();
    count.expr_as(
        Expr::col(sea_orm::sea_query::Asterisk).count(),
        Alias::new("n"),
    );
    count.from_subquery(rows, Alias::new("some"));
    let found = db.query_within(&count, most).await?;
    let number: i64 = found.first().map_or(Ok(0), |row| row.try_get("", "n"))?;
    Ok(u64::try_from(number).unwrap_or_default())
}
