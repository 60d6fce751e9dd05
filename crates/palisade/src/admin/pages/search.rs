//! Answers for the script of the pages: choices of foreign keys, and rows for the command palette.

use crate::admin::desk::{Desk, On, View};
use crate::admin::list::query::ListQuery;
use crate::admin::list::rows::read;
use crate::admin::work::label_of;
use crate::forms::Json;
use crate::permissions::Verb;
use crate::views::{Error, Path, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of an answer.
const SHOWN: u64 = 10;

fn text(desk: &Desk) -> String {
    let mut all = url::form_urlencoded::parse(desk.query.as_bytes());
    let found = all.find(|(name, _)| name == "q");
    found
        .map(|(_, text)| text.trim().chars().take(100).collect())
        .unwrap_or_default()
}

/// `GET /{resource}/choices/{field}?q=`: rows that the user may see, of a field that the user may see.
pub(crate) async fn choices(
    on: On<View>,
    Path((_, field)): Path<(String, String)>,
) -> Result<Json<Value>> {
    let visible = on.entry.visible(&on.desk.actor);
    let column = visible
        .into_iter()
        .find(|column| column.name == field && column.target().is_some());
    let column = column.ok_or_else(Error::not_found)?;
    let found = on.desk.choices(column, &text(&on.desk), "").await?;
    let found: Vec<Value> = found
        .iter()
        .map(|(key, label)| json!({"value": key, "label": label}))
        .collect();
    Ok(Json(json!(found)))
}

/// `GET /search?q=`: resources by name, and rows of resources that have a search.
pub(crate) async fn palette(desk: Desk) -> Result<Json<Value>> {
    let text = text(&desk);
    let mut found = Vec::new();
    for entry in desk.site.visible(|name| desk.actor.may(name)) {
        if entry.title.to_lowercase().contains(&text.to_lowercase()) {
            found.push(json!({"url": format!("{}/{}", desk.site.path, entry.name), "label": entry.title, "kind": "list"}));
        }
        let visible = entry.visible(&desk.actor);
        if text.chars().count() < 2 || visible.iter().all(|column| column.search.is_none()) {
            continue;
        }
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("q", &text)
            .finish();
        let list = ListQuery::parse(entry, &visible, &query, desk.zone())?;
        let mut rows = desk.listed(entry, &list, (Verb::View, &visible));
        rows.limit(SHOWN);
        for row in desk.rows(&rows).await? {
            let row = read(entry, &row, &visible)?;
            let names = visible.iter().map(|column| column.name.to_owned());
            let values: BTreeMap<_, _> = names.zip(row.values).collect();
            found.push(json!({"url": desk.site.url_of(entry, &row.key), "label": label_of(entry, &values), "kind": entry.title}));
        }
    }
    found.truncate(40);
    Ok(Json(json!(found)))
}
