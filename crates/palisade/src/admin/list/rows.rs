//! The rows of a page of a list.

use super::cursor::{Edge, Links, Place, Sorting};
use super::query::ListQuery;
use crate::admin::Column;
use crate::admin::desk::Desk;
use crate::admin::entry::Entry;
use crate::db::Direction;
use crate::db::{DbFailure, failure};
use crate::permissions::Verb;
use crate::views::{Error, ErrorKind, Result};
use palisade_template::{Value, context};
use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

/// A row: its key, and the values of the columns that were asked for.
pub(crate) struct ListRow {
    pub(crate) key: String,
    pub(crate) values: Vec<sea_orm::Value>,
}

/// A page of rows, and its links.
pub(crate) struct ListPage {
    pub(crate) rows: Vec<ListRow>,
    pub(crate) links: Value,
}

/// Rows of a page.
pub(crate) const PAGE: usize = 50;
/// Counts stop here.
pub(crate) const MOST_COUNTED: u64 = 1_000;

impl Desk {
    /// The rows of a query, within the time limit of the admin.
    ///
    /// # Errors
    /// 503 for a query that takes too long.
    pub(crate) async fn rows(&self, query: &SelectStatement) -> Result<Vec<QueryResult>> {
        self.db
            .query_within(query, self.most_time())
            .await
            .map_err(too_slow)
    }

    /// The rows of a list that this user may use for a verb, without order and place.
    pub(crate) fn listed(
        &self,
        entry: &Entry,
        list: &ListQuery,
        (verb, columns): (Verb, &[&Column]),
    ) -> SelectStatement {
        let mut query = entry.select(&self.actor, verb, columns);
        query.cond_where(list.condition(entry, &entry.visible(&self.actor), None));
        query
    }

    /// A page of a list.
    ///
    /// # Errors
    /// 400 for a link of another list.
    pub(crate) async fn list_page(
        &self,
        entry: &Entry,
        list: &ListQuery,
        columns: &[&Column],
    ) -> Result<ListPage> {
        let links = Links {
            ring: &self.site.ring,
            user: self.user_id(),
            entry,
            query: list.text(entry),
        };
        let is_reversed = matches!(list.place, Place::Before(_) | Place::Last);
        let direction = list
            .order
            .map_or(Direction::Descending, |order| order.direction);
        let sorting = Sorting {
            entry,
            order: list.order,
            direction: if is_reversed {
                direction.reversed()
            } else {
                direction
            },
            backend: self.db.get_database_backend(),
        };
        let mut query = self.listed(entry, list, (Verb::View, columns));
        if let Place::After(text) | Place::Before(text) = &list.place {
            query.cond_where(sorting.behind(&links.open(text)?)?);
        }
        if let Some(order) = list.order {
            query.expr_as(entry.columns[order.column].selected(), ORDER);
        }
        sorting.sort(&mut query);
        query.limit(PAGE as u64 + 1);
        let mut found = self.rows(&query).await?;
        let has_more = found.len() > PAGE;
        found.truncate(PAGE);
        if is_reversed {
            found.reverse();
        }
        Ok(ListPage {
            links: page_links(&links, list, (&found, has_more))?,
            rows: found
                .iter()
                .map(|row| read(entry, row, columns))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The number of rows of a list, up to one more than is counted.
    pub(crate) async fn count(&self, entry: &Entry, list: &ListQuery) -> Result<u64> {
        let mut rows = self.listed(entry, list, (Verb::View, &[]));
        rows.clear_selects()
            .expr(Expr::Constant(1.into()))
            .limit(MOST_COUNTED + 1);
        self.capped(rows).await
    }

    /// The number of rows of a query with a limit.
    pub(crate) async fn capped(&self, rows: SelectStatement) -> Result<u64> {
        let counted = crate::admin::count::capped(&self.db, rows, self.most_time());
        counted.await.map_err(too_slow)
    }
}

/// Alias of the column of the order.
const ORDER: &str = "palisade_order";

fn too_slow(error: DbErr) -> Error {
    match failure(&error) {
        DbFailure::TooSlow => Error::new(
            ErrorKind::Unavailable,
            "This takes too long: narrow the filter or the search.",
        ),
        _ => error.into(),
    }
}

pub(crate) fn read(
    entry: &Entry,
    row: &QueryResult,
    columns: &[&Column],
) -> Result<ListRow, DbErr> {
    let values = columns.iter().map(|column| column.read(row));
    Ok(ListRow {
        key: entry.table.key(row)?,
        values: values.collect::<Result<_, _>>()?,
    })
}

fn page_links(
    links: &Links<'_>,
    list: &ListQuery,
    (found, has_more): (&[QueryResult], bool),
) -> Result<Value> {
    let edge = |row: &QueryResult| -> Result<String> {
        let column = list.order.map(|order| &links.entry.columns[order.column]);
        let value = column
            .map(|column| column.read_as(row, ORDER))
            .transpose()?;
        let key = links.entry.table.key(row)?;
        Ok(links.seal(&Edge { value, key }))
    };
    let (is_first, is_last) = match &list.place {
        Place::First => (true, !has_more),
        Place::After(_) => (false, !has_more),
        Place::Before(_) => (!has_more, false),
        Place::Last => (!has_more, true),
    };
    let url = |name: &str, value: &str| {
        let mut query = url::form_urlencoded::Serializer::new(links.query.clone());
        if !name.is_empty() {
            query.append_pair(name, value);
        }
        format!("?{}", query.finish())
    };
    let before = found.first().filter(|_| !is_first).map(edge).transpose()?;
    let after = found.last().filter(|_| !is_last).map(edge).transpose()?;
    Ok(context! {
        first => (!is_first).then(|| url("", "")),
        previous => before.map(|edge| url("before", &edge)),
        next => after.map(|edge| url("after", &edge)),
        last => (!is_last).then(|| url("last", "1")),
    })
}
