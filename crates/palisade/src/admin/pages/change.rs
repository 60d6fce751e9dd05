//! Changes and additions of rows.

use super::row::{finders, page_values};
use crate::admin::Column;
use crate::admin::Operation;
use crate::admin::desk::{Add, Change, Desk, On};
use crate::admin::entry::Entry;
use crate::admin::form::{SEEN, Typed, read};
use crate::admin::list::cells::text_of;
use crate::admin::proposal;
use crate::admin::transaction::Work;
use crate::admin::work::{Operations, Step};
use crate::db::{Values, stored_all};
use crate::forms::InvalidForm;
use crate::http::redirect_to;
use crate::permissions::Verb;
use crate::views::{Error, ErrorKind, Result};
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use palisade_template::context;

/// `POST /{resource}/row/{key}`
pub(crate) async fn change(on: On<Change>, request: Request) -> Result<Response> {
    let (desk, entry, key) = (&on.desk, &on.entry, &*on.key);
    // whether the row exists for this user is decided before its form
    desk.one(entry, key, Verb::View).await?;
    let columns = desk.writable(entry);
    let mut form = desk.open_form(&columns, request).await?;
    let typed = read(&columns, form.input());
    let invalid = form.into_invalid();
    let Some(typed) = typed else {
        return Err(show(&on, invalid, StatusCode::UNPROCESSABLE_ENTITY).await?);
    };
    let seen = desk.open_seen(entry, key, &typed.seen)?;
    let changed = changed_values(&columns, (&seen, &typed.values));
    if changed.is_empty() {
        return desk
            .say("Nothing was changed.".to_owned(), &on.row_url())
            .await;
    }
    let now = desk.one(entry, key, Verb::View).await?;
    if now != seen {
        let invalid = three_ways(desk, (&on.entry, key), (&seen, &now, &typed), invalid);
        return Err(show(&on, invalid, StatusCode::CONFLICT).await?);
    }
    let step = Step::Set(stored_all(&changed).unwrap_or_default());
    if entry.needs_two(Operation::Change) {
        return propose(&on, step, typed.why).await;
    }
    let written = write(&on, &seen, &step, &typed.why).await;
    match written {
        Ok(()) => {
            desk.say("The change is stored.".to_owned(), &on.row_url())
                .await
        }
        Err(error) if error.is_duplicate() => {
            let said = "Another row has this value already.";
            Err(show(&on, invalid.general_error(said), StatusCode::CONFLICT).await?)
        }
        Err(error) if error.kind() == ErrorKind::Conflict => {
            let now = desk.one(entry, key, Verb::View).await?;
            let invalid = three_ways(desk, (entry, key), (&seen, &now, &typed), invalid);
            Err(show(&on, invalid, StatusCode::CONFLICT).await?)
        }
        Err(error) => Err(error),
    }
}

/// Values that differ from those that were shown.
fn changed_values(columns: &[&Column], (seen, typed): (&Values, &Values)) -> Values {
    let is_other = |column: &&&Column| {
        let (seen, typed) = (seen.get(column.name), typed.get(column.name));
        // a moment is typed to the minute, and shown by its field as it was typed
        let input = |value: Option<&sea_orm::Value>| value.map(|value| minute(column, value));
        input(seen) != input(typed)
    };
    let changed = columns.iter().filter(is_other);
    changed
        .filter_map(|column| Some((column.name.to_owned(), typed.get(column.name)?.clone())))
        .collect()
}

/// The input of a field, of moments to the minute.
fn minute(column: &Column, value: &sea_orm::Value) -> Vec<String> {
    match column.kind {
        crate::admin::column::Kind::Moment => column
            .input(value)
            .iter()
            .map(|text| text.chars().take(16).collect())
            .collect(),
        _ => column.input(value),
    }
}

async fn write(on: &On<Change>, seen: &Values, step: &Step, why: &str) -> Result<()> {
    let (desk, entry) = (&on.desk, &on.entry);
    let write = async |tx: &crate::db::Tx| -> Result<()> {
        let row = entry
            .table
            .lock(&desk.actor, (Verb::Change, &on.key), tx)
            .await?;
        // under the lock, by the columns that were shown
        let is_same = seen
            .iter()
            .all(|(name, value)| row.values.get(name) == Some(value));
        if !is_same {
            return Err(Error::conflict("This row was changed in the meantime."));
        }
        let work = Work::of(desk, entry, tx, why);
        work.run(step, (&on.key, "")).await
    };
    desk.db.write(write).await
}

async fn propose(on: &On<Change>, step: Step, why: String) -> Result<Response> {
    let operations = Operations {
        resource: on.entry.name.to_owned(),
        step,
        why,
        rows: vec![(on.key.clone(), String::new())],
    };
    proposal::make(&on.desk, &on.entry, operations).await?;
    on.desk.say(proposal::SAID.to_owned(), &on.row_url()).await
}

/// The form with the values that the user saw, present ones and input. Where the user typed nothing,
/// the present value is offered.
fn three_ways(
    desk: &Desk,
    (entry, key): (&Entry, &str),
    (seen, now, typed): (&Values, &Values, &Typed),
    mut invalid: InvalidForm,
) -> InvalidForm {
    for column in desk.writable(entry) {
        let (Some(saw), Some(is), Some(own)) = (
            seen.get(column.name),
            now.get(column.name),
            typed.values.get(column.name),
        ) else {
            continue;
        };
        if saw == is {
            continue;
        }
        let text = |value| text_of(column, &column.input(value), desk.zone());
        invalid = invalid.conflict(column.name, text(saw), text(is));
        if minute(column, saw) == minute(column, own) {
            invalid = invalid.set(column.name, column.input(is).pop().unwrap_or_default());
        }
    }
    let said = "This row was changed in the meantime. Read the values below, then save again.";
    invalid
        .general_error(said)
        .set(SEEN, desk.seal_seen(entry, key, now))
}

/// The page of the row with the form as it was typed.
async fn show(on: &On<Change>, invalid: InvalidForm, status: StatusCode) -> Result<Error> {
    let (desk, entry) = (&on.desk, &on.entry);
    let columns = desk.writable(entry);
    let options = desk
        .form_options(&columns, |name| invalid.typed(name))
        .await?;
    let values = page_values(desk, entry, &on.key).await?;
    let values = desk.with_menu(values);
    Ok(invalid
        .with_options(options)
        .show_as(status, "admin/row.html", values)
        .await)
}

/// `GET /{resource}/add`
pub(crate) async fn blank(on: On<Add>) -> Result<Response> {
    let columns = on.desk.writable(&on.entry);
    let preset = url::form_urlencoded::parse(on.desk.query.as_bytes());
    let preset: Vec<_> = preset
        .filter_map(|(name, value)| {
            let column = columns.iter().find(|column| column.name == name)?;
            Some((column.name, vec![value.into_owned()]))
        })
        .collect();
    let form = on.desk.form(&columns, preset).await?;
    let values = context! { form, ..add_values(&on) };
    on.desk.render("admin/add.html", values).await
}

fn add_values(on: &On<Add>) -> palisade_template::Value {
    context! {
        title => format!("Add {}", on.entry.one()), list_title => on.entry.title, list => on.list_url(),
        two_person => on.entry.needs_two(Operation::Add), finders => finders(&on.desk.writable(&on.entry)),
    }
}

/// `POST /{resource}/add`
pub(crate) async fn add(on: On<Add>, request: Request) -> Result<Response> {
    let (desk, entry) = (&on.desk, &on.entry);
    let columns = desk.writable(entry);
    let mut form = desk.open_form(&columns, request).await?;
    let typed = read(&columns, form.input());
    let invalid = form.into_invalid();
    let Some(typed) = typed else {
        return Err(show_add(&on, invalid, StatusCode::UNPROCESSABLE_ENTITY).await?);
    };
    let write = async |tx: &crate::db::Tx| {
        Work::of(desk, entry, tx, &typed.why)
            .add(&typed.values)
            .await
    };
    match desk.db.write(write).await {
        Ok(key) => {
            desk.flash.success("The row is added.").await?;
            // a row that its author may not see
            let is_visible = desk.is_row_for(entry, &key, Verb::View).await?;
            Ok(redirect_to(if is_visible {
                desk.site.url_of(entry, &key)
            } else {
                on.list_url()
            }))
        }
        Err(error) if error.is_duplicate() => {
            let invalid = invalid.general_error("Another row has this value already.");
            Err(show_add(&on, invalid, StatusCode::CONFLICT).await?)
        }
        Err(error) => Err(error),
    }
}

async fn show_add(on: &On<Add>, invalid: InvalidForm, status: StatusCode) -> Result<Error> {
    let columns = on.desk.writable(&on.entry);
    let options = on
        .desk
        .form_options(&columns, |name| invalid.typed(name))
        .await?;
    let values = on.desk.with_menu(add_values(on));
    Ok(invalid
        .with_options(options)
        .show_as(status, "admin/add.html", values)
        .await)
}
