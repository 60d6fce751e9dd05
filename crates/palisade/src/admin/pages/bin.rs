//! The bin: deleted rows, and their return.

use crate::admin::Operation;
use crate::admin::bin;
use crate::admin::desk::Desk;
use crate::admin::transaction::Work;
use crate::auth::names_of_users;
use crate::db::Tx;
use crate::forms::{Form, Token};
use crate::views::{Error, Result};
use axum::response::Response;
use chrono::DateTime;
use palisade_macros::Form;
use palisade_template::{Value, context};

#[derive(Form)]
pub(crate) struct Chosen {
    id: Token<40>,
}

/// `GET /bin`: rows of resources whose rows the user may delete.
pub(crate) async fn list(desk: Desk) -> Result<Response> {
    let entries = desk
        .site
        .entries
        .iter()
        .filter(|entry| desk.allows(entry, Operation::Delete));
    let names: Vec<&'static str> = entries.map(|entry| entry.name).collect();
    let rows = bin::list(&desk.db, names, desk.site.now()).await?;
    let users = names_of_users(
        &desk.db,
        rows.iter().filter_map(|row| row.user_id).collect(),
    )
    .await?;
    let zone = desk.zone();
    let time = |micros| {
        let at = DateTime::from_timestamp_micros(micros).unwrap_or_default();
        at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
    };
    let shown: Vec<Value> = rows
        .iter()
        .map(|row| {
            let entry = desk.site.entry(&row.resource);
            let resource = entry.map_or("", |entry| entry.title);
            // the policy of a deleted row cannot be asked: its name is for the user who deleted it
            let is_own = row.user_id == desk.actor.id();
            let number = || format!("{} {}", entry.map_or_else(String::new, |entry| entry.one()), row.object_id);
            let label = if is_own { row.label.clone() } else { number() };
            let user = row.user_id.and_then(|id| users.get(&id).cloned()).unwrap_or_default();
            context! { id => row.id.clone(), label, resource, user, at => time(row.at), until => time(row.until) }
        })
        .collect();
    desk.render("admin/bin.html", context! { title => "Bin", rows => shown })
        .await
}

/// `POST /bin`: a row returns, if the user may delete it.
pub(crate) async fn restore(desk: Desk, form: Form<Chosen>) -> Result<Response> {
    let id = form.valid()?.id;
    let row = bin::by_id(&desk.db, &id)
        .await?
        .ok_or_else(Error::not_found)?;
    let entry = desk
        .site
        .entry(&row.resource)
        .cloned()
        .ok_or_else(Error::not_found)?;
    desk.clear(&entry, Operation::Delete)?;
    let restore = async |tx: &Tx| -> Result<()> {
        let values = bin::take(&desk.site, tx, &row).await?;
        Work::of(&desk, &entry, tx, "")
            .restore(&row.object_id, &values)
            .await
    };
    match desk.db.write(restore).await {
        Ok(()) => {
            desk.say(
                "The row is back.".to_owned(),
                &desk.site.url_of(&entry, &row.object_id),
            )
            .await
        }
        Err(error) if error.is_duplicate() => Err(Error::conflict(
            "Another row has its key or a unique value of it.",
        )),
        Err(error) if error.is_reference() => Err(Error::conflict(
            "A row that it refers to is gone: restore that one first.",
        )),
        Err(error) => Err(error),
    }
}
