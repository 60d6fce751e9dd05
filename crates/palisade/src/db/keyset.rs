//! Pages by key: the rows behind the edge of a page, at the same cost at any depth.

use sea_orm::DbBackend;
use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, NullOrdering, Order as Sort, SelectStatement, Value,
};

use super::is_null;

/// Direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    pub(crate) const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

/// The order of a list: a column, and the key for rows with the same value.
pub(crate) struct Keyset {
    /// The column, and whether it can be NULL.
    pub(crate) column: Option<(Expr, bool)>,
    pub(crate) key: Expr,
    pub(crate) direction: Direction,
    pub(crate) backend: DbBackend,
}

impl Keyset {
    /// Whether rows without a value come last.
    fn are_nulls_last(&self) -> bool {
        // the order of the engines' indexes
        (self.backend == DbBackend::Postgres) == (self.direction == Direction::Ascending)
    }

    /// Orders a query.
    pub(crate) fn sort(&self, query: &mut SelectStatement) {
        let sort = match self.direction {
            Direction::Ascending => Sort::Asc,
            Direction::Descending => Sort::Desc,
        };
        if let Some((column, is_nullable)) = &self.column {
            match (is_nullable, self.are_nulls_last()) {
                (false, _) => query.order_by_expr(column.clone(), sort.clone()),
                (true, is_last) => {
                    let nulls = if is_last {
                        NullOrdering::Last
                    } else {
                        NullOrdering::First
                    };
                    query.order_by_expr_with_nulls(column.clone(), sort.clone(), nulls)
                }
            };
        }
        query.order_by_expr(self.key.clone(), sort);
    }

    /// The rows behind the row with this value of the column and this key.
    pub(crate) fn behind(&self, value: Option<&Value>, key: Value) -> Condition {
        let further = self.further(self.key.clone(), key);
        let (Some((column, is_nullable)), Some(value)) = (&self.column, value) else {
            return Condition::all().add(further);
        };
        let at = column.clone();
        if is_null(value) {
            let rest = Condition::all().add(at.clone().is_null()).add(further);
            return match self.are_nulls_last() {
                true => rest,
                false => Condition::any().add(rest).add(at.is_not_null()),
            };
        }
        // the first part is a range of an index
        let range = match self.direction {
            Direction::Ascending => at.clone().gte(value.clone()),
            Direction::Descending => at.clone().lte(value.clone()),
        };
        let inner = Condition::any()
            .add(self.further(at.clone(), value.clone()))
            .add(further);
        let valued = Condition::all().add(range).add(inner);
        match *is_nullable && self.are_nulls_last() {
            true => Condition::any().add(valued).add(at.is_null()),
            false => valued,
        }
    }

    fn further(&self, expression: Expr, value: Value) -> Expr {
        match self.direction {
            Direction::Ascending => expression.gt(value),
            Direction::Descending => expression.lt(value),
        }
    }
}
