//! Actions on chosen rows, or on all that match: first a page with the rows, then the work,
//! in one transaction.

use crate::admin::Operation;
use crate::admin::bulk;
use crate::admin::desk::{Desk, On, View};
use crate::admin::entry::Entry;
use crate::admin::policy::Verdict;
use crate::admin::proposal::{self, may_run};
use crate::admin::selection::{MOST_CHOSEN, Selection};
use crate::admin::transaction::Work;
use crate::admin::work::{Operations, Step};
use crate::forms::{Form, Line, Many, Text, Token};
use crate::http::redirect_to;
use crate::views::{Error, ErrorKind, Result};
use axum::response::Response;
use palisade_crypto::random;
use palisade_macros::Form;
use palisade_template::context;

/// Chosen rows and an action.
#[derive(Form)]
pub(crate) struct Chosen {
    action: Token<40>,
    key: Option<Many<Line<100>, MOST_CHOSEN>>,
    /// All rows that match.
    all: Option<Text<4_000>>,
    why: Option<Line<200>>,
    /// The number of rows that the confirmation page has shown.
    count: Option<i64>,
}

/// The step of an action, if the user may use it.
fn step_of(desk: &Desk, entry: &Entry, name: &str) -> Result<(Step, String, bool)> {
    let (step, label, two) = match entry.action(name) {
        None if name == "delete" => (
            Step::Delete,
            "Delete".to_owned(),
            entry.needs_two(Operation::Delete),
        ),
        None => return Err(desk.denied(&format!("action {name} of {}", entry.name), Verdict::Hide)),
        Some((_, action)) => {
            let two = action.is_two_person || entry.needs_two(action.operation);
            let step = match action.operation {
                Operation::Delete => Step::Purge(name.to_owned()),
                _ => Step::Act(name.to_owned()),
            };
            (step, action.label.to_owned(), two)
        }
    };
    match may_run(&desk.actor, entry, &step) {
        Verdict::Allow => Ok((step, label, two)),
        verdict => Err(desk.denied(&format!("action {name} of {}", entry.name), verdict)),
    }
}

/// `POST /{resource}/action`: the rows and the action. Nothing is written.
pub(crate) async fn confirm(on: On<View>, form: Form<Chosen>) -> Result<Response> {
    let chosen = form.valid()?;
    let (_, label, two_person) = step_of(&on.desk, &on.entry, &chosen.action)?;
    let selection = selection(&on, &chosen)?;
    let rows = selection.rows(&on.desk, &on.entry).await?;
    let keys: Vec<String> = rows.into_iter().map(|(key, _)| key).collect();
    let shown = labels(&on, &keys).await?;
    let values = context! {
        title => label, list_title => on.entry.title, list => on.list_url(), action => chosen.action.to_string(),
        count => keys.len(), rows => shown, all => chosen.all.as_ref().map(ToString::to_string),
        keys => if chosen.all.is_some() { Vec::new() } else { keys.clone() }, two_person,
        more => keys.len().saturating_sub(SHOWN),
    };
    on.desk.render("admin/confirm.html", values).await
}

/// Rows on the confirmation page.
const SHOWN: usize = 20;

fn selection(on: &On<View>, chosen: &Chosen) -> Result<Selection> {
    let keys = chosen
        .key
        .as_ref()
        .map(|keys| keys.iter().map(ToString::to_string).collect());
    let all = chosen
        .all
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    Selection::read(&on.desk, &on.entry, keys.unwrap_or_default(), &all)
}

/// The names of the first rows; 404 for one that is not visible.
async fn labels(on: &On<View>, keys: &[String]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for key in keys.iter().take(SHOWN) {
        let row = on
            .desk
            .one(&on.entry, key, crate::permissions::Verb::View)
            .await?;
        all.push(crate::admin::work::label_of(&on.entry, &row));
    }
    Ok(all)
}

/// `POST /{resource}/action/run`
pub(crate) async fn run(on: On<View>, form: Form<Chosen>) -> Result<Response> {
    let (desk, entry) = (&on.desk, &on.entry);
    let chosen = form.valid()?;
    let (step, label, two_person) = step_of(desk, entry, &chosen.action)?;
    let rows = selection(&on, &chosen)?.rows(desk, entry).await?;
    let is_same = chosen
        .count
        .is_none_or(|count| usize::try_from(count).is_ok_and(|count| count == rows.len()));
    if !is_same {
        let said = format!("There are {} rows now: look at them again.", rows.len());
        return Err(Error::new(ErrorKind::Conflict, said));
    }
    let operations = Operations {
        resource: entry.name.to_owned(),
        step,
        why: chosen.why.map_or_else(String::new, |why| why.to_string()),
        rows,
    };
    if two_person {
        proposal::make(desk, entry, operations).await?;
        return desk.say(proposal::SAID.to_owned(), &on.list_url()).await;
    }
    if operations.rows.len() > bulk::MOST_AT_ONCE {
        let page = bulk::queue(desk, entry, &operations).await?;
        return Ok(redirect_to(page));
    }
    match carry_out(desk, entry, &operations).await? {
        refused if refused.is_empty() => {
            let said = format!("{label}: {} done.", operations.rows.len());
            desk.say(said, &on.list_url()).await
        }
        refused => {
            let said = format!(
                "Nothing was done. You may not do this to: {}.",
                refused.join(", ")
            );
            desk.flash.error(said).await?;
            Ok(redirect_to(on.list_url()))
        }
    }
}

/// Carries out a step for all rows or, if one is refused, for none; the names of refused rows.
pub(crate) async fn carry_out(
    desk: &Desk,
    entry: &Entry,
    operations: &Operations,
) -> Result<Vec<String>> {
    let mut refused = Vec::new();
    let batch = match operations.rows.len() {
        1 => String::new(),
        _ => random::alphanumeric(16).expose().clone(),
    };
    let tx = desk.db.begin().await?;
    let work = Work {
        batch: &batch,
        ..Work::of(desk, entry, &tx, &operations.why)
    };
    for (key, seen) in &operations.rows {
        match work.run(&operations.step, (key, seen)).await {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => {
                refused.push(format!("{} {key}", entry.one()));
            }
            Err(error) => return Err(error),
        }
        if refused.len() >= SHOWN {
            break;
        }
    }
    if refused.is_empty() {
        tx.commit().await?;
    }
    Ok(refused)
}
