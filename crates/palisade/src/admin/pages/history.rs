//! The history of rows, and undo.

use crate::admin::desk::{Change, Desk, On, View};
use crate::admin::entry::Entry;
use crate::admin::list::cells::text_of;
use crate::admin::pages::account::USERS;
use crate::admin::policy::may_see;
use crate::admin::site::{MANAGE_RIGHTS, VIEW_HISTORY};
use crate::admin::store::changes::Model;
use crate::admin::transaction::Work;
use crate::admin::work::Step;
use crate::admin::{django_log, history};
use crate::auth::names_of_users;
use crate::db::Tx;
use crate::db::{Values, restored, stored_all};
use crate::forms::Form;
use crate::permissions::Verb;
use crate::views::{Error, ErrorKind, Result};
use axum::response::Response;
use chrono::DateTime;
use palisade_macros::Form;
use palisade_template::{Value, context};
use sea_orm::Value as Stored;
use std::collections::BTreeMap;

/// Changes on a page.
const SHOWN: u64 = 50;

/// Most rows of an undo.
const MOST_UNDONE: usize = 10_000;

/// Names of users by key.
type Names = BTreeMap<i32, String>;

/// `GET /{resource}/row/{key}/history`
pub(crate) async fn of_row(on: On<View>) -> Result<Response> {
    let row = on.desk.one(&on.entry, &on.key, Verb::View).await?;
    let changes = history::of_object(&on.desk.db, (on.entry.name, &on.key), SHOWN).await?;
    let lines = django_log::lines(&on.desk.db, &on.entry, &on.key).await?;
    let ids = changes.iter().filter_map(|change| change.user_id);
    let names = names_of_users(
        &on.desk.db,
        ids.chain(lines.iter().map(|line| line.user)).collect(),
    )
    .await?;
    let may_change = on.desk.allows(&on.entry, crate::admin::Operation::Change);
    let shown = shown(&on.desk, &changes, &names)?;
    let zone = on.desk.zone();
    let django: Vec<Value> = lines
        .into_iter()
        .map(|line| {
            let at = line
                .at
                .with_timezone(&zone)
                .format("%Y-%m-%d %H:%M")
                .to_string();
            let user = names.get(&line.user).cloned().unwrap_or_default();
            context! { at, user, verb => line.verb, label => line.label, message => line.message }
        })
        .collect();
    let values = context! {
        title => crate::admin::work::label_of(&on.entry, &row), list_title => on.entry.title, list => on.list_url(),
        base => on.row_url(), changes => shown, django, may_undo => may_change,
    };
    on.desk.render("admin/history.html", values).await
}

/// `GET /history`: of all resources that the user sees.
pub(crate) async fn of_site(desk: Desk) -> Result<Response> {
    desk.require(VIEW_HISTORY)?;
    let visible = desk.site.visible(|name| desk.actor.may(name));
    let names: Vec<&'static str> = visible.iter().map(|entry| entry.name).collect();
    let before =
        url::form_urlencoded::parse(desk.query.as_bytes()).find(|(name, _)| name == "before");
    let before = before.and_then(|(_, text)| text.parse().ok());
    let changes = history::latest(&desk.db, names, (before, SHOWN)).await?;
    let users = names_of_users(
        &desk.db,
        changes.iter().filter_map(|change| change.user_id).collect(),
    )
    .await?;
    // rows that the user may not see are left out with their values
    let mut seen = Vec::new();
    for change in &changes {
        if let Some(entry) = desk.site.entry(&change.resource)
            && desk
                .is_row_for(entry, &change.object_id, Verb::View)
                .await?
        {
            seen.push(change.clone());
        }
    }
    let older = changes
        .last()
        .filter(|_| changes.len() as u64 == SHOWN)
        .map(|last| last.id);
    let shown = shown(&desk, &seen, &users)?;
    desk.render(
        "admin/changes.html",
        context! { title => "History", changes => shown, older },
    )
    .await
}

fn shown(desk: &Desk, changes: &[Model], names: &Names) -> Result<Vec<Value>> {
    let zone = desk.zone();
    let undone: Vec<i64> = changes.iter().filter_map(|change| change.undoes).collect();
    let one = |change: &Model| {
        let entry = desk
            .site
            .entry(&change.resource)
            .ok_or_else(Error::not_found)?;
        let at = DateTime::from_timestamp_micros(change.at).unwrap_or_default();
        let user = change.user_id.map_or_else(
            || "a deleted user".to_owned(),
            |id| {
                names
                    .get(&id)
                    .cloned()
                    .unwrap_or_else(|| format!("user {id}"))
            },
        );
        let fields = fields(desk, entry, change)?;
        // reasons of rights are for their managers, as rights are
        let is_right = is_right(change) && !desk.holds(MANAGE_RIGHTS);
        Ok(context! {
            id => change.id, at => at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string(), user, verb => change.verb.clone(),
            label => change.label.clone(), url => desk.site.url_of(entry, &change.object_id), resource => entry.title, fields,
            why => if is_right { String::new() } else { change.why.clone() }, address => change.address.clone(), request => change.request.clone(), batch => change.batch.clone(),
            can_undo => is_undoable(entry, change) && !undone.contains(&change.id), is_undo => change.undoes.is_some(),
        })
    };
    changes.iter().map(one).collect()
}

/// Additions and deletions have pages of their own.
fn is_undoable(entry: &Entry, change: &Model) -> bool {
    let is_change = !["add", "delete", "restore"].contains(&&*change.verb);
    let is_purge = entry
        .action(&change.verb)
        .is_some_and(|(_, action)| action.operation == crate::admin::Operation::Delete);
    is_change && !is_purge && has_values(&change.diff)
}

fn is_right(change: &Model) -> bool {
    let is_verb = ["join", "leave", "grant", "revoke"].contains(&&*change.verb);
    is_verb && change.resource == USERS
}

/// Whether a diff has values to restore. The diff of a right has a name only.
fn has_values(diff: &str) -> bool {
    let diff: Vec<Vec<serde_json::Value>> = serde_json::from_str(diff).unwrap_or_default();
    diff.iter().any(|parts| parts.len() == 3)
}

/// The fields of a change. Of a column that the user may not see, only that it was changed.
fn fields(desk: &Desk, entry: &Entry, change: &Model) -> Result<Vec<Value>> {
    let diff: Vec<Vec<serde_json::Value>> = serde_json::from_str(&change.diff)?;
    let is_loss = ["leave", "revoke"].contains(&&*change.verb);
    let field = |parts: &Vec<serde_json::Value>| {
        let name = parts
            .first()
            .and_then(|name| name.as_str())
            .unwrap_or_default();
        let column = entry.column(name);
        let visible = column.filter(|column| may_see(column, |name| desk.actor.may(name)));
        let (Some(column), [_, before, after]) = (visible, parts.as_slice()) else {
            return match (column, access_label(name)) {
                (Some(column), _) => context! { label => column.spec.label, is_hidden => true },
                (None, Some(label)) => {
                    let name = parts.get(1).and_then(|name| name.as_str());
                    let name = name.filter(|_| desk.holds(MANAGE_RIGHTS));
                    let (before, after) = if is_loss { (name, None) } else { (None, name) };
                    context! { label, is_hidden => name.is_none(), before, after }
                }
                (None, None) => context! { label => "Another column", is_hidden => true },
            };
        };
        let text = |value| {
            restored(value).map(|value| text_of(column, &column.input(&value), desk.zone()))
        };
        context! { label => column.spec.label, is_hidden => false, before => text(before), after => text(after) }
    };
    Ok(diff.iter().map(field).collect())
}

/// The label of a change of access.
fn access_label(field: &str) -> Option<&'static str> {
    Some(match field {
        "groups" => "Group",
        "permissions" => "Permission",
        "sessions" => "Sessions",
        "links" => "Mailed links",
        _ => return None,
    })
}

#[derive(Form)]
pub(crate) struct Undo {
    change: i64,
}

/// `POST /{resource}/row/{key}/undo`: a change that sets the values before. It is judged as
/// every change is, and each row must still have the values after.
pub(crate) async fn undo(on: On<Change>, form: Form<Undo>) -> Result<Response> {
    let (desk, entry) = (&on.desk, &on.entry);
    let id = form.valid()?.change;
    let change = history::by_id(&desk.db, id).await?;
    let is_it = |change: &Model| change.resource == entry.name && change.object_id == on.key;
    let change = change.filter(is_it).ok_or_else(Error::not_found)?;
    if !is_undoable(entry, &change) {
        return Err(Error::conflict("This change has no undo."));
    }
    // a change of two persons is not undone by one
    let was_of_two = entry
        .action(&change.verb)
        .is_some_and(|(_, action)| action.is_two_person);
    if was_of_two || entry.needs_two(crate::admin::Operation::Change) {
        return Err(Error::conflict(
            "This needs a second person: propose the change instead.",
        ));
    }
    let all = match change.batch.is_empty() {
        true => vec![change],
        false => history::of_batch(&desk.db, &change.batch).await?,
    };
    let count = all.len();
    if count > MOST_UNDONE {
        return Err(Error::conflict(
            "An undo has at most 10,000 rows: set the values by an action.",
        ));
    }
    desk.db
        .write(async |tx| -> Result<()> {
            for change in &all {
                undo_one(desk, entry, tx, change).await?;
            }
            Ok(())
        })
        .await?;
    let said = if count == 1 {
        "The change is undone.".to_owned()
    } else {
        format!("{count} changes are undone.")
    };
    desk.say(said, &format!("{}/history", on.row_url())).await
}

async fn undo_one(desk: &Desk, entry: &Entry, tx: &Tx, change: &Model) -> Result<()> {
    let key = &*change.object_id;
    let row = entry
        .table
        .lock(&desk.actor, (Verb::Change, key), tx)
        .await?;
    let (before, after) = sides(entry, &change.diff)?;
    let writable = desk.writable(entry);
    let names = before.keys();
    // a hidden or fixed column is written by no undo, either
    if names
        .clone()
        .any(|name| !writable.iter().any(|column| column.name == name))
    {
        return Err(desk.denied("undo of a column", crate::admin::policy::Verdict::Forbid));
    }
    if names.clone().count() == 0
        || names
            .clone()
            .any(|name| row.values.get(name) != after.get(name))
    {
        let said = "This row was changed again: nothing was undone.";
        return Err(Error::new(ErrorKind::Conflict, said));
    }
    let why = format!("undo of change {}", change.id);
    let work = Work {
        undoes: Some(change.id),
        batch: &change.batch,
        ..Work::of(desk, entry, tx, &why)
    };
    work.run(
        &Step::Set(stored_all(&before).unwrap_or_default()),
        (key, ""),
    )
    .await
}

/// The values of the declared, changeable columns of a change, before and after.
fn sides(entry: &Entry, diff: &str) -> Result<(Values, Values)> {
    let diff: Vec<Vec<serde_json::Value>> = serde_json::from_str(diff)?;
    let (mut before, mut after) = (Values::new(), Values::new());
    for parts in &diff {
        let [name, old, new] = parts.as_slice() else {
            continue;
        };
        let column = name.as_str().and_then(|name| entry.column(name));
        let Some(column) = column.filter(|column| !column.is_fixed) else {
            continue;
        };
        let both: Option<(Stored, Stored)> = restored(old).zip(restored(new));
        let Some((old, new)) = both else { continue };
        before.insert(column.name.to_owned(), old);
        after.insert(column.name.to_owned(), new);
    }
    Ok((before, after))
}
