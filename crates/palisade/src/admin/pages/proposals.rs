//! Proposals that wait for a second person.

use crate::admin::Column;
use crate::admin::bulk::Progress;
use crate::admin::desk::Desk;
use crate::admin::entry::Entry;
use crate::admin::list::cells::text_of;
use crate::admin::policy::{Verdict, may_see};
use crate::admin::proposal::{self, Decision, RUNNING, decide, may_approve, may_run};
use crate::admin::store::proposals::Model;
use crate::admin::work::{Operations, Step, label_of};
use crate::auth::names_of_users;
use crate::db::restored_all;
use crate::forms::Form;
use crate::permissions::Verb;
use crate::views::{Error, ErrorKind, Path, Result};
use axum::response::Response;
use chrono::DateTime;
use palisade_macros::{Choice, Form};
use palisade_template::{Value, context};
use std::sync::Arc;

/// Rows of a proposal on its page.
const SHOWN: usize = 20;

/// `GET /proposals`: those of resources that the user sees.
pub(crate) async fn list(desk: Desk) -> Result<Response> {
    let visible = desk.site.visible(|name| desk.actor.may(name));
    let names = visible.iter().map(|entry| entry.name).collect();
    let mut rows = Vec::new();
    for row in proposal::waiting(&desk, names).await? {
        if is_visible(&desk, &row).await? {
            rows.push(row);
        }
    }
    let users = names_of_users(&desk.db, rows.iter().map(|row| row.by_id).collect()).await?;
    let shown: Vec<Value> = rows
        .iter()
        .map(|row| {
            let resource = desk.site.entry(&row.resource).map_or("", |entry| entry.title);
            let user = users.get(&row.by_id).cloned().unwrap_or_default();
            context! { id => row.id.clone(), label => row.label.clone(), verb => row.verb.clone(), resource, user, until => time(&desk, row.until) }
        })
        .collect();
    desk.render(
        "admin/proposals.html",
        context! { title => "Proposals", rows => shown },
    )
    .await
}

/// Whether the user may see the first row of a proposal.
async fn is_visible(desk: &Desk, row: &Model) -> Result<bool> {
    let operations = match proposal::open(&desk.site, &desk.db, &row.id).await {
        Ok((_, operations)) => operations,
        // of a key that was retired
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(false),
        Err(error) => return Err(error),
    };
    let first = operations.rows.first().map_or("", |(key, _)| key);
    match desk.site.entry(&row.resource) {
        Some(entry) => desk.is_row_for(entry, first, Verb::View).await,
        None => Ok(false),
    }
}

fn time(desk: &Desk, micros: i64) -> String {
    let at = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    at.with_timezone(&desk.zone())
        .format("%Y-%m-%d %H:%M")
        .to_string()
}

/// A proposal of a resource on which the user may do the same, or has proposed it.
async fn found(desk: &Desk, id: &str) -> Result<(Arc<Entry>, Model, Operations)> {
    let (row, operations) = proposal::open(&desk.site, &desk.db, id).await?;
    let entry = desk
        .site
        .entry(&row.resource)
        .cloned()
        .ok_or_else(Error::not_found)?;
    let is_own = row.by_id == desk.user_id();
    match may_run(&desk.actor, &entry, &operations.step) {
        Verdict::Allow => Ok((entry, row, operations)),
        Verdict::Forbid if is_own => Ok((entry, row, operations)),
        verdict => Err(desk.denied(&format!("proposal {id}"), verdict)),
    }
}

/// `GET /proposals/{id}`
pub(crate) async fn show(desk: Desk, Path(id): Path<String>) -> Result<Response> {
    let (entry, row, operations) = found(&desk, &id).await?;
    let mut rows = Vec::new();
    for (key, _) in operations.rows.iter().take(SHOWN) {
        rows.push(shown(&desk, &entry, &operations.step, key).await?);
    }
    let users = names_of_users(&desk.db, vec![row.by_id]).await?;
    let may_decide = may_approve(&desk, &entry, (&row, &operations.step)) == Verdict::Allow;
    let progress = match row.decision == RUNNING {
        true => Some(desk.site.progress_of(&id).await?),
        false => None,
    };
    let (done, decision) = match progress {
        Some(Progress::Rows(done)) => (Some(done), row.decision.clone()),
        Some(Progress::Failed) => (None, "stopped, and nothing was changed".to_owned()),
        None => (None, row.decision.clone()),
    };
    let values = context! {
        done, title => format!("{} {}", row.verb, row.label), resource => entry.title, by => users.get(&row.by_id).cloned(),
        why => operations.why.clone(), until => time(&desk, row.until), rows, count => operations.rows.len(),
        may_decide, is_own => row.by_id == desk.user_id(), decision,
        action => format!("{}/proposals/{}", desk.site.path, row.id),
    };
    desk.render("admin/proposal.html", values).await
}

/// A row with the values that the proposal would set.
async fn shown(desk: &Desk, entry: &Entry, step: &Step, key: &str) -> Result<Value> {
    let Ok(row) = desk.one(entry, key, Verb::View).await else {
        return Ok(
            context! { label => format!("{} {key}", entry.one()), url => (), fields => Vec::<Value>::new() },
        );
    };
    let new = match step {
        Step::Set(values) => restored_all(values).unwrap_or_default(),
        _ => Default::default(),
    };
    let is_visible = |column: &&Column| may_see(column, |name| desk.actor.may(name));
    let columns = entry
        .columns
        .iter()
        .filter(is_visible)
        .filter(|column| new.contains_key(column.name));
    let text = |column: &Column, value: Option<&sea_orm::Value>| {
        value.map(|value| text_of(column, &column.input(value), desk.zone()))
    };
    let fields: Vec<Value> = columns
        .map(|column| {
            let (before, after) = (
                text(column, row.get(column.name)),
                text(column, new.get(column.name)),
            );
            context! { label => column.spec.label, before, after }
        })
        .collect();
    Ok(context! { label => label_of(entry, &row), url => desk.site.url_of(entry, key), fields })
}

#[derive(Choice, Clone, Copy, PartialEq)]
enum Answer {
    Approve,
    Refuse,
    Withdraw,
}

#[derive(Form)]
pub(crate) struct Decided {
    decision: Answer,
}

/// `POST /proposals/{id}`
pub(crate) async fn settle(
    desk: Desk,
    Path(id): Path<String>,
    form: Form<Decided>,
) -> Result<Response> {
    let decision = match form.valid()?.decision {
        Answer::Approve => Decision::Approve,
        Answer::Refuse => Decision::Refuse,
        Answer::Withdraw => Decision::Withdraw,
    };
    let (entry, row, operations) = found(&desk, &id).await?;
    decide(&desk, &entry, (&row, &operations), decision).await?;
    let said = match decision {
        Decision::Approve => "Approved and done.",
        Decision::Refuse => "Refused: nothing was changed.",
        Decision::Withdraw => "Withdrawn.",
    };
    desk.say(said.to_owned(), &format!("{}/proposals", desk.site.path))
        .await
}
