//! Deletion of a row: first a page that names dependent rows.

use super::actions::carry_out;
use crate::admin::Operation;
use crate::admin::desk::{Delete, On};
use crate::admin::proposal;
use crate::admin::work::{Operations, Step, label_of};
use crate::forms::{Form, Line};
use crate::permissions::Verb;
use crate::views::{Error, Result};
use axum::response::Response;
use palisade_macros::Form;
use palisade_template::{Value, context};

#[derive(Form)]
pub(crate) struct Confirmed {
    why: Option<Line<200>>,
}

/// Rows of a table that refer to a row: counts stop here.
const MOST_COUNTED: u64 = 100;

/// `GET /{resource}/row/{key}/delete`
pub(crate) async fn ask(on: On<Delete>) -> Result<Response> {
    let row = on.desk.one(&on.entry, &on.key, Verb::View).await?;
    if !on.desk.is_row_for(&on.entry, &on.key, Verb::Delete).await? {
        return Err(Error::forbidden());
    }
    let (blocking, following) = dependents(&on).await?;
    let values = context! {
        title => label_of(&on.entry, &row), list_title => on.entry.title, list => on.list_url(), base => on.row_url(),
        one => on.entry.one(), blocking, following, two_person => on.entry.needs_two(Operation::Delete),
        days => on.desk.site.settings.bin_days,
    };
    on.desk.render("admin/delete.html", values).await
}

/// Rows of other tables that refer to the row: those that prevent the deletion, and those that go
/// with it or lose their reference.
async fn dependents(on: &On<Delete>) -> Result<(Vec<Value>, Vec<Value>)> {
    let (mut blocking, mut following) = (Vec::new(), Vec::new());
    let key = on
        .entry
        .table
        .key_value(&on.key)
        .ok_or_else(Error::not_found)?;
    for reference in on
        .desk
        .site
        .database
        .references_to(on.entry.table.name())
        .await?
    {
        let rows = reference.rows(key.clone(), MOST_COUNTED + 1);
        let count = on.desk.capped(rows).await?;
        if count == 0 {
            continue;
        }
        let entry = on.desk.site.entry_of_table(&reference.table);
        // a name only where the user may see the rows
        let visible = entry.filter(|entry| on.desk.allows(entry, Operation::View));
        let title = visible.map_or_else(
            || "other data".to_owned(),
            |entry| entry.title.to_lowercase(),
        );
        let count = if count > MOST_COUNTED {
            "more than 100".to_owned()
        } else {
            count.to_string()
        };
        let shown = context! { title, count };
        match reference.on_delete {
            crate::db::OnDelete::Refuse => blocking.push(shown),
            crate::db::OnDelete::Follow => following.push(shown),
        }
    }
    Ok((blocking, following))
}

/// `POST /{resource}/row/{key}/delete`
pub(crate) async fn delete(on: On<Delete>, form: Form<Confirmed>) -> Result<Response> {
    let why = form
        .valid()?
        .why
        .map_or_else(String::new, |why| why.to_string());
    let operations = Operations {
        resource: on.entry.name.to_owned(),
        step: Step::Delete,
        why,
        rows: vec![(on.key.clone(), String::new())],
    };
    if on.entry.needs_two(Operation::Delete) {
        proposal::make(&on.desk, &on.entry, operations).await?;
        return on.desk.say(proposal::SAID.to_owned(), &on.list_url()).await;
    }
    match carry_out(&on.desk, &on.entry, &operations)
        .await?
        .is_empty()
    {
        true => {
            let days = on.desk.site.settings.bin_days;
            on.desk
                .say(
                    format!("It is deleted, and in the bin for {days} days."),
                    &on.list_url(),
                )
                .await
        }
        false => Err(Error::forbidden()),
    }
}
