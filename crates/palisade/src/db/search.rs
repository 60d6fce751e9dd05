use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, SimpleExpr};

/// Rows whose column contains `text`, case-insensitively (on SQLite: for ASCII letters). `%` and
/// `_` match literally.
///
/// ```
/// use palisade::db::contains;
/// # use palisade::prelude::*;
/// # fn example<C: sea_orm::ColumnTrait>(subject: C) -> impl Sized {
/// contains(subject, "100%")
/// # }
/// ```
pub fn contains<C: ColumnTrait>(column: C, text: &str) -> SimpleExpr {
    contains_in(Expr::col(column.as_column_ref()), text)
}

/// The same for an expression.
pub(crate) fn contains_in(column: Expr, text: &str) -> Expr {
    let pattern = |text: &str| {
        let escaped = text
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        LikeExpr::new(format!("%{escaped}%")).escape('\\')
    };
    // SQLite folds ASCII only: the text as typed matches in every language
    Expr::expr(Func::lower(column.clone()))
        .like(pattern(&text.to_lowercase()))
        .or(column.like(pattern(text)))
}
