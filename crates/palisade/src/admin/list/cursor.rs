//! Pages by key: a link holds the order value and the key of the row at its edge, signed for this
//! user, resource and filter. A page costs the same at any depth.

use crate::admin::entry::{Direction, Entry, Order};
use crate::admin::stored_value::{is_null, restored, stored};
use crate::views::{Error, ErrorKind, Result};
use palisade_crypto::KeyRing;
use palisade_crypto::signing::{Compress, Signer};
use sea_orm::DbBackend;
use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, NullOrdering, Order as Sort, SelectStatement, Value,
};
use serde_json::json;

/// The page of a list.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    First,
    Last,
    After(String),
    Before(String),
}

/// The list that a link belongs to.
pub(crate) struct Links<'a> {
    pub(crate) ring: &'a KeyRing,
    pub(crate) user: i32,
    pub(crate) entry: &'a Entry,
    /// Its filters and order.
    pub(crate) query: String,
}

/// The edge of a page: the value of the order, if there is one, and the key.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub(crate) value: Option<Value>,
    pub(crate) key: String,
}

impl Links<'_> {
    fn signer(&self) -> Signer {
        let purpose = format!(
            "admin page {} {} {}",
            self.user, self.entry.name, self.query
        );
        Signer::new(self.ring, purpose)
    }

    /// An edge as text.
    pub(crate) fn seal(&self, edge: &Edge) -> String {
        let value = edge.value.as_ref().and_then(stored);
        self.signer()
            .dumps(&json!([value, edge.key]), 0, Compress::Never)
    }

    /// # Errors
    /// 400 for the link of another user, resource, filter or order.
    pub(crate) fn open(&self, text: &str) -> Result<Edge> {
        let foreign = || Error::new(ErrorKind::BadRequest, "There is no such page of this list.");
        let (edge, _) = self.signer().loads(text).map_err(|_| foreign())?;
        let value = match &edge[0] {
            serde_json::Value::Null => None,
            value => Some(restored(value).ok_or_else(foreign)?),
        };
        let key = edge[1].as_str().ok_or_else(foreign)?.to_owned();
        Ok(Edge { value, key })
    }
}

/// The order of a page: that of the list, or its reverse for a page before an edge.
#[derive(Clone, Copy)]
pub(crate) struct Sorting<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) order: Option<Order>,
    pub(crate) direction: Direction,
    pub(crate) backend: DbBackend,
}

impl Sorting<'_> {
    fn column(&self) -> Option<&crate::admin::Column> {
        self.order.map(|order| &self.entry.columns[order.column])
    }

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
        if let Some(column) = self.column() {
            match (column.is_nullable, self.are_nulls_last()) {
                (false, _) => query.order_by_expr(column.expression(), sort.clone()),
                (true, is_last) => {
                    let nulls = if is_last {
                        NullOrdering::Last
                    } else {
                        NullOrdering::First
                    };
                    query.order_by_expr_with_nulls(column.expression(), sort.clone(), nulls)
                }
            };
        }
        query.order_by_expr(self.entry.table.key_column(), sort);
    }

    /// The rows behind an edge.
    ///
    /// # Errors
    /// 400 for an edge of another order.
    pub(crate) fn behind(&self, edge: &Edge) -> Result<Condition> {
        let foreign = || Error::new(ErrorKind::BadRequest, "There is no such page of this list.");
        let key = self.entry.table.key_value(&edge.key).ok_or_else(foreign)?;
        let further = self.further(self.entry.table.key_column(), key);
        let (Some(column), Some(value)) = (self.column(), &edge.value) else {
            return Ok(Condition::all().add(further));
        };
        let at = column.expression();
        if is_null(value) {
            let rest = Condition::all().add(at.clone().is_null()).add(further);
            return Ok(match self.are_nulls_last() {
                true => rest,
                false => Condition::any().add(rest).add(at.is_not_null()),
            });
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
        Ok(match column.is_nullable && self.are_nulls_last() {
            true => Condition::any().add(valued).add(at.is_null()),
            false => valued,
        })
    }

    fn further(&self, expression: Expr, value: Value) -> Expr {
        match self.direction {
            Direction::Ascending => expression.gt(value),
            Direction::Descending => expression.lt(value),
        }
    }
}
