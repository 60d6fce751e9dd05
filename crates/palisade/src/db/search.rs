use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, SimpleExpr};

/// Rows whose column contains `text`, upper and lower case alike. `%` and `_` are characters like any other.
///
/// ```
/// use palisade::db::contains;
/// # use palisade::prelude::*;
/// # fn example<C: sea_orm::ColumnTrait>(subject: C) -> impl Sized {
/// contains(subject, "100%")
/// # }
/// ```
pub fn contains<C: ColumnTrait>(column: C, text: &str) -> SimpleExpr {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let column = Expr::col(column.as_column_ref());
    Expr::expr(Func::lower(column)).like(LikeExpr::new(format!("%{escaped}%")).escape('\\'))
}
