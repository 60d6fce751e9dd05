//! Cursors: the edge of a page, encrypted, and bound to the actor, the resource and the query.

use super::{Entry, ListQuery, Problem};
use crate::db::{restored, stored};
use crate::permissions::Actor;
use palisade_crypto::KeyRing;
use palisade_crypto::seal::Sealer;
use sea_orm::sea_query::Value;
use serde_json::{Value as Json, json};

const PURPOSE: &str = "pages of the API";
/// Longest cursor in characters.
pub(super) const MOST: usize = 4000;

/// The last row of a page: the value of the order, and the key.
pub(crate) struct Edge {
    pub(super) value: Option<Value>,
    pub(super) key: String,
}

fn place(entry: &Entry, actor: &Actor, list: &ListQuery<'_>) -> String {
    let user = actor
        .id()
        .map_or_else(|| "anonymous".into(), |id| id.to_string());
    format!("{} {user}\n{}", entry.name, list.text)
}

pub(super) fn seal(
    ring: &KeyRing,
    (entry, actor): (&Entry, &Actor),
    list: &ListQuery<'_>,
    edge: &Edge,
) -> String {
    let value = edge.value.as_ref().and_then(stored);
    let text = json!([value, edge.key]).to_string();
    Sealer::new(ring, PURPOSE).seal(text.as_bytes(), &place(entry, actor, list))
}

/// 400 for a cursor of another actor, resource, filter or order.
pub(super) fn open(
    ring: &KeyRing,
    (entry, actor): (&Entry, &Actor),
    list: &ListQuery<'_>,
    text: &str,
) -> Result<Edge, Problem> {
    let foreign = || {
        let said = "This cursor belongs to another list: start without it.";
        Problem::bad(said).parameter("after", said)
    };
    if text.len() > MOST {
        return Err(foreign());
    }
    let opened = Sealer::new(ring, PURPOSE).open(text, &place(entry, actor, list));
    let opened = opened.map_err(|_| foreign())?;
    let edge: Json = serde_json::from_slice(opened.expose()).map_err(|_| foreign())?;
    let value = match &edge[0] {
        Json::Null => None,
        value => Some(restored(value).ok_or_else(foreign)?),
    };
    let key = edge[1].as_str().ok_or_else(foreign)?.to_owned();
    Ok(Edge { value, key })
}
