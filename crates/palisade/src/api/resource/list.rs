//! Rows as JSON: pages of a list, and single rows.

use super::cursor::{self, Edge};
use super::{Entry, Field, Handles, ListQuery, Problem};
use crate::db::{Db, Direction, Keyset};
use crate::forms::RowColumn;
use crate::permissions::{Actor, Verb};
use crate::views::Result;
use palisade_crypto::KeyRing;
use sea_orm::sea_query::{ExprTrait, SelectStatement, Value};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use std::collections::BTreeMap;

/// A page.
pub(crate) struct Found {
    /// `{"items": […], "next": …}`.
    pub(crate) body: Vec<u8>,
    /// The cursor of the next page.
    pub(crate) next: Option<String>,
}

/// Name of the order's value in a query.
const ORDER: &str = "palisade_order";

impl Entry {
    /// The rows of a query that the actor may view, with these fields.
    pub(crate) fn select(&self, actor: &Actor, fields: &[&Field]) -> SelectStatement {
        let columns: Vec<&RowColumn> = fields.iter().map(|field| &***field).collect();
        self.table.select(actor, Verb::View, &columns)
    }

    /// The rows of a page, with one more if there is one.
    pub(crate) async fn rows(
        &self,
        (actor, db): (&Actor, &Db),
        list: &ListQuery<'_>,
        behind: Option<&Edge>,
    ) -> Result<Result<Vec<QueryResult>, Problem>> {
        let keyset = Keyset {
            column: list
                .order
                .map(|(field, _)| (field.expression(), field.is_nullable)),
            key: self.table.key_column(),
            direction: list
                .order
                .map_or(Direction::Ascending, |(_, direction)| direction),
            backend: db.get_database_backend(),
        };
        let mut query = self.select(actor, &list.readable);
        for filter in &list.filters {
            query.cond_where(filter.condition());
        }
        if let Some(edge) = behind {
            let Some(key) = self.table.key_value(&edge.key) else {
                return Ok(Err(Problem::bad("This cursor belongs to another list.")));
            };
            query.cond_where(keyset.behind(edge.value.as_ref(), key));
        }
        if let Some((field, _)) = list.order {
            query.expr_as(field.selected(), ORDER);
        }
        keyset.sort(&mut query);
        query.limit(list.take + 1);
        Ok(Ok(db.query_all(&query).await?))
    }

    /// A page as JSON.
    pub(crate) async fn page(
        &self,
        (actor, db): (&Actor, &Db),
        list: &ListQuery<'_>,
        (ring, others): (&KeyRing, &Handles),
    ) -> Result<Result<Found, Problem>> {
        let opened = list.after.as_deref();
        let opened = opened.map(|text| cursor::open(ring, (self, actor), list, text));
        let behind = match opened.transpose() {
            Ok(behind) => behind,
            Err(problem) => return Ok(Err(problem)),
        };
        let mut rows = match self.rows((actor, db), list, behind.as_ref()).await? {
            Ok(rows) => rows,
            Err(problem) => return Ok(Err(problem)),
        };
        let take = usize::try_from(list.take).unwrap_or(usize::MAX);
        let has_more = rows.len() > take;
        rows.truncate(take);
        let next = match rows.last().filter(|_| has_more) {
            Some(last) => {
                let edge = self.edge(last, list)?;
                Some(cursor::seal(ring, (self, actor), list, &edge))
            }
            None => None,
        };
        let mut body = br#"{"items":["#.to_vec();
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            write_row(row, &list.readable, &mut body)?;
        }
        body.extend_from_slice(br#"],"next":"#);
        serde_json::to_writer(&mut body, &next)?;
        if !list.expand.is_empty() {
            body.extend_from_slice(br#","included":"#);
            self.include((actor, db), (&rows, &list.expand), others, &mut body)
                .await?;
        }
        body.push(b'}');
        Ok(Ok(Found { body, next }))
    }

    fn edge(&self, row: &QueryResult, list: &ListQuery<'_>) -> Result<Edge, DbErr> {
        let value = list.order.map(|(field, _)| field.read_as(row, ORDER));
        Ok(Edge {
            value: value.transpose()?,
            key: self.table.key(row)?,
        })
    }

    /// A row as JSON: 404, recorded, for one that the actor may not view.
    pub(crate) async fn item(&self, (actor, db): (&Actor, &Db), key: &str) -> Result<Vec<u8>> {
        let fields = self.readable(actor);
        let mut body = Vec::with_capacity(256);
        let row = match self.table.key_value(key) {
            Some(value) => {
                let mut query = self.select(actor, &fields);
                query.and_where(self.table.key_column().eq(value));
                db.query_one(&query).await?
            }
            None => None,
        };
        match row {
            Some(row) => {
                write_row(&row, &fields, &mut body)?;
                Ok(body)
            }
            None => Err(self.table.refuse(actor, key, db).await),
        }
    }

    /// The rows of this resource with these keys, as JSON by key, by one query.
    pub(crate) async fn by_keys(
        &self,
        (actor, db): (&Actor, &Db),
        keys: impl IntoIterator<Item = Value>,
    ) -> Result<BTreeMap<String, Vec<u8>>> {
        let fields = self.readable(actor);
        let mut query = self.select(actor, &fields);
        query.and_where(self.table.key_column().is_in(keys));
        let mut found = BTreeMap::new();
        for row in db.query_all(&query).await? {
            let mut body = Vec::new();
            write_row(&row, &fields, &mut body)?;
            found.insert(self.table.key(&row)?, body);
        }
        Ok(found)
    }

    /// The rows to which the rows of a page refer: `{"Ticket": {"7": {…}}}`. One that the actor may
    /// not view is not there.
    async fn include(
        &self,
        (actor, db): (&Actor, &Db),
        (rows, expand): (&[QueryResult], &[&Field]),
        others: &Handles,
        body: &mut Vec<u8>,
    ) -> Result<()> {
        let mut included: BTreeMap<&str, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
        for field in expand {
            let target = field.target.and_then(|name| others.get(name));
            let Some(target) = target else { continue };
            let column: &RowColumn = field;
            let keys = rows.iter().map(|row| column.read(row));
            let keys: Vec<Value> = keys.collect::<Result<_, _>>()?;
            let keys = keys.into_iter().filter(|key| !crate::db::is_null(key));
            let found = target.by_keys((actor, db), keys).await?;
            included.entry(target.name).or_default().extend(found);
        }
        write_map(included.iter(), body, |rows, body| {
            write_map(rows.iter(), body, |row, body| body.extend_from_slice(row));
        });
        Ok(())
    }
}

/// `{"name": value, …}`.
fn write_map<K: AsRef<str>, V>(
    entries: impl Iterator<Item = (K, V)>,
    body: &mut Vec<u8>,
    write: impl Fn(V, &mut Vec<u8>),
) {
    body.push(b'{');
    for (number, (name, value)) in entries.enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(
            serde_json::Value::from(name.as_ref())
                .to_string()
                .as_bytes(),
        );
        body.push(b':');
        write(value, body);
    }
    body.push(b'}');
}

/// The fields of a row as a JSON object.
pub(super) fn write_row(
    row: &QueryResult,
    fields: &[&Field],
    body: &mut Vec<u8>,
) -> Result<(), DbErr> {
    body.push(b'{');
    for (number, field) in fields.iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(field.json_name.as_bytes());
        field.write_json(row, body)?;
    }
    body.push(b'}');
    Ok(())
}
