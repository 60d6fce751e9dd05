//! The rows of an action: chosen ones, or all that match a filter. The filter is signed for its user,
//! and its rows are counted again when the action runs.

use super::Column;
use super::desk::Desk;
use super::diff::fingerprint;
use super::entry::Entry;
use super::list::query::ListQuery;
use super::list::rows::read;
use crate::permissions::Verb;
use crate::views::{Error, ErrorKind, Result};
use palisade_crypto::signing::{Compress, Signer};
use sea_orm::sea_query::ExprTrait;
use serde_json::json;

/// Chosen rows.
pub(crate) enum Selection {
    Keys(Vec<String>),
    /// All rows of a filter, and the number that the user saw.
    All(String, u64),
}

/// Most rows that are chosen one by one.
pub(crate) const MOST_CHOSEN: usize = 100;

fn signer(desk: &Desk, entry: &Entry) -> Signer {
    Signer::new(
        &desk.site.ring,
        format!("admin selection {} {}", desk.user_id(), entry.name),
    )
}

/// A filter with its count as text.
pub(crate) fn seal(desk: &Desk, entry: &Entry, query: &str, count: u64) -> String {
    signer(desk, entry).dumps(&json!([query, count]), 0, Compress::Never)
}

impl Selection {
    /// # Errors
    /// 400 for the filter of another user or resource, for no rows, and for too many.
    pub(crate) fn read(desk: &Desk, entry: &Entry, keys: Vec<String>, all: &str) -> Result<Self> {
        let refused = |said: &'static str| Err(Error::new(ErrorKind::BadRequest, said));
        if !all.is_empty() {
            let opened = signer(desk, entry).loads(all).ok();
            let parts = opened
                .and_then(|(json, _)| Some((json[0].as_str()?.to_owned(), json[1].as_u64()?)));
            return match parts {
                Some((query, count)) => Ok(Self::All(query, count)),
                None => refused("The selection belongs to another list. Choose again."),
            };
        }
        match keys.len() {
            0 => refused("Choose at least one row."),
            count if count > MOST_CHOSEN => refused("Choose at most 100 rows, or all that match."),
            _ => Ok(Self::Keys(keys)),
        }
    }

    /// The keys of the rows that the user may use for a verb, of those that the user sees, with the
    /// fingerprints of those that a filter has found.
    ///
    /// # Errors
    /// More rows than `admin.max_bulk`; 404 for a chosen row that is not visible.
    pub(crate) async fn rows(&self, desk: &Desk, entry: &Entry) -> Result<Vec<(String, String)>> {
        let (query, _) = match self {
            Self::Keys(keys) => {
                let seen = |key: &String| (key.clone(), String::new());
                return Ok(keys.iter().map(seen).collect());
            }
            Self::All(query, count) => (query, count),
        };
        let visible = entry.visible(&desk.actor);
        let list = ListQuery::parse(entry, &visible, query, desk.zone())?;
        desk.require_choices(entry, &list).await?;
        let most = desk.site.settings.max_bulk;
        // of columns that the user does not see, too: their values go nowhere
        let columns: Vec<&Column> = entry.columns.iter().collect();
        let names = || columns.iter().map(|column| column.name.to_owned());
        let mut keys: Vec<(String, String)> = Vec::new();
        loop {
            let mut rows = desk.listed(entry, &list, (Verb::View, &columns));
            if let Some(last) = keys.last().and_then(|(key, _)| entry.table.key_value(key)) {
                rows.and_where(entry.table.key_column().gt(last));
            }
            rows.order_by_expr(entry.table.key_column(), sea_orm::sea_query::Order::Asc)
                .limit(CHUNK);
            let found = desk.rows(&rows).await?;
            let is_last = (found.len() as u64) < CHUNK;
            for row in &found {
                let row = read(entry, row, &columns)?;
                let seen = fingerprint(entry, &names().zip(row.values).collect());
                keys.push((row.key, seen));
            }
            if keys.len() as u64 > most {
                let said = format!("An action has at most {most} rows: narrow the filter.");
                return Err(Error::new(ErrorKind::TooLarge, said));
            }
            if is_last {
                return Ok(keys);
            }
        }
    }
}

/// Rows of a read.
const CHUNK: u64 = 1_000;
