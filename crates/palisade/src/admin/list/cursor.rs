//! Pages by key: a link holds the order value and the key of the row at its edge, signed for this
//! user, resource and filter. A page costs the same at any depth.

use crate::admin::entry::{Entry, Order};
use crate::db::{Direction, Keyset, restored, stored};
use crate::views::{Error, ErrorKind, Result};
use palisade_crypto::KeyRing;
use palisade_crypto::signing::{Compress, Signer};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Condition, SelectStatement, Value};
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
    fn keyset(&self) -> Keyset {
        let column = self.order.map(|order| &self.entry.columns[order.column]);
        Keyset {
            column: column.map(|column| (column.expression(), column.is_nullable)),
            key: self.entry.table.key_column(),
            direction: self.direction,
            backend: self.backend,
        }
    }

    /// Orders a query.
    pub(crate) fn sort(&self, query: &mut SelectStatement) {
        self.keyset().sort(query);
    }

    /// The rows behind an edge.
    ///
    /// # Errors
    /// 400 for an edge of another order.
    pub(crate) fn behind(&self, edge: &Edge) -> Result<Condition> {
        let foreign = || Error::new(ErrorKind::BadRequest, "There is no such page of this list.");
        let key = self.entry.table.key_value(&edge.key).ok_or_else(foreign)?;
        Ok(self.keyset().behind(edge.value.as_ref(), key))
    }
}
