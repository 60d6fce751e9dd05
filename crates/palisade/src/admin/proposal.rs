//! Approval by a second person (V2.3.5): the operation waits with the fingerprints of its rows. No
//! user is exempt, superusers neither, and rows that were changed meanwhile are not touched.

use super::Operation;
use super::desk::Desk;
use super::diff::fingerprint;
use super::entry::Entry;
use super::policy::{Verdict, judge, judge_action};
use super::site::APPROVE;
use super::site::AdminSite;
use super::store::proposals::{ActiveModel, Column, Entity, Model};
use super::transaction::Work;
use super::work::{Operations, Step, label_of};
use crate::audit_log::{Entry as AuditEntry, Event, record_in};
use crate::db::{Db, KeyColumn, SealedColumn, Tx};
use crate::permissions::{Actor, Verb};
use crate::views::{Error, Result};
use chrono::{DateTime, TimeDelta, Utc};
use palisade_crypto::random;
use palisade_crypto::seal::Sealer;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

/// The message for the proposer.
pub(crate) const SAID: &str = "This needs a second person: it waits under Proposals, for a day.";
/// How long a proposal waits.
const LIFETIME: TimeDelta = TimeDelta::hours(24);
/// Most rows of a proposal.
pub(crate) const MOST_ROWS: usize = 1_000;

const PURPOSE: &str = "admin proposal";

/// The encrypted column of proposals.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_proposal",
    key: KeyColumn::Text("id"),
    column: "sealed",
    purpose: PURPOSE,
    owner: None,
    place: |row| place(&row.key),
};

fn place(id: &str) -> String {
    format!("palisade_proposal {id}")
}

/// A decision about a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Approve,
    Refuse,
    Withdraw,
}

/// The operation and, for an action, its name.
pub(crate) fn may_run(actor: &Actor, entry: &Entry, step: &Step) -> Verdict {
    let holds = |name| actor.may(name);
    match step {
        Step::Set(_) => judge(holds, entry, Operation::Change),
        Step::Delete => judge(holds, entry, Operation::Delete),
        Step::Act(name) | Step::Purge(name) => match entry.action(name) {
            Some((_, action)) => judge_action(holds, entry, &action),
            None => Verdict::Hide,
        },
    }
}

/// The verb of the rows' policy.
pub(crate) fn verb_of(step: &Step) -> Verb {
    match step {
        Step::Set(_) | Step::Act(_) => Verb::Change,
        Step::Delete | Step::Purge(_) => Verb::Delete,
    }
}

/// Stores a proposal, with the rows as they are now.
///
/// # Errors
/// 403 and 404 for rows that the proposer may not use.
pub(crate) async fn make(desk: &Desk, entry: &Entry, mut operations: Operations) -> Result<()> {
    if operations.rows.len() > MOST_ROWS {
        return Err(Error::conflict(
            "A proposal has at most 1000 rows: narrow the filter.",
        ));
    }
    let id = random::alphanumeric(24).expose().clone();
    let verb = verb_of(&operations.step);
    let write = async |tx: &Tx| -> Result<()> {
        let mut label = String::new();
        for (key, seen) in &mut operations.rows {
            let row = entry.table.lock(&desk.actor, (verb, key), tx).await?;
            *seen = fingerprint(entry, &row.values);
            label = label_of(entry, &row.values);
        }
        if operations.rows.len() != 1 {
            label = format!("{} rows", operations.rows.len());
        }
        let new = New {
            id: id.clone(),
            label,
            decision: "",
        };
        insert(desk, entry, (new, &operations), tx).await?;
        let detail = format!("{} {}, proposal {id}", operations.step.verb(), entry.name);
        Ok(record_in(tx, AuditEntry::new(Event::AdminProposed).detail(detail)).await?)
    };
    desk.db.write(write).await
}

/// A row to be stored.
pub(crate) struct New {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) decision: &'static str,
}

/// Stores an operation.
pub(crate) async fn insert(
    desk: &Desk,
    entry: &Entry,
    (new, operations): (New, &Operations),
    tx: &Tx,
) -> Result<()> {
    let now = desk.site.now();
    let text = serde_json::to_vec(operations)?;
    let row = ActiveModel {
        sealed: Set(Sealer::new(&desk.site.ring, PURPOSE).seal(&text, &place(&new.id))),
        id: Set(new.id),
        at: Set(now.timestamp_micros()),
        until: Set((now + LIFETIME).timestamp_micros()),
        by_id: Set(desk.user_id()),
        resource: Set(entry.name.to_owned()),
        verb: Set(operations.step.verb().to_owned()),
        label: Set(new.label),
        decided_by: Set(None),
        decision: Set(new.decision.to_owned()),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// A user's action on many rows of a resource that has not ended.
pub(crate) async fn running(
    tx: &Tx,
    user: i32,
    (resource, verb): (&str, &str),
) -> Result<Option<Model>> {
    let running = Entity::find()
        .filter(Column::ById.eq(user))
        .filter(Column::Resource.eq(resource))
        .filter(Column::Verb.eq(verb))
        .filter(Column::Decision.eq(RUNNING));
    Ok(running.order_by_desc(Column::At).one(tx).await?)
}

/// Ends an action on many rows. `false` if it has ended.
pub(crate) async fn end(tx: &Tx, id: &str, decision: &str) -> Result<bool> {
    let change = ActiveModel {
        decision: Set(decision.chars().take(LONGEST_DECISION).collect()),
        ..Default::default()
    };
    let running = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(id))
        .filter(Column::Decision.eq(RUNNING));
    Ok(running.exec(tx).await?.rows_affected == 1)
}

/// The decision of a running bulk action.
pub(crate) const RUNNING: &str = "running";
/// Longest decision, in characters.
const LONGEST_DECISION: usize = 250;

/// The proposals that wait.
pub(crate) async fn waiting(desk: &Desk, resources: Vec<&'static str>) -> Result<Vec<Model>> {
    let rows = Entity::find()
        .filter(Column::Resource.is_in(resources))
        .filter(Column::Decision.eq(""))
        .filter(Column::Until.gt(desk.site.now().timestamp_micros()))
        .order_by_asc(Column::At)
        .limit(200);
    Ok(rows.all(&desk.db).await?)
}

/// A proposal with its operation.
///
/// # Errors
/// 404 for one of a resource that the user does not see.
pub(crate) async fn open(site: &AdminSite, db: &Db, id: &str) -> Result<(Model, Operations)> {
    let found = Entity::find_by_id(id)
        .one(db)
        .await?
        .ok_or_else(Error::not_found)?;
    let opened = Sealer::new(&site.ring, PURPOSE).open(&found.sealed, &place(&found.id));
    let opened =
        opened.map_err(|_| Error::conflict("This proposal cannot be decrypted any more."))?;
    let operations = serde_json::from_slice(opened.expose())?;
    Ok((found, operations))
}

/// Whether this user may approve: another one than the proposer, who may do the same alone and
/// approve.
pub(crate) fn may_approve(
    desk: &Desk,
    entry: &Entry,
    (proposal, step): (&Model, &Step),
) -> Verdict {
    match may_run(&desk.actor, entry, step) {
        Verdict::Allow if desk.holds(APPROVE) && proposal.by_id != desk.user_id() => Verdict::Allow,
        Verdict::Allow => Verdict::Forbid,
        verdict => verdict,
    }
}

/// Decides about a proposal, once.
///
/// # Errors
/// 409 for a decided or ended one, and for rows that were changed; 403 for the proposer.
pub(crate) async fn decide(
    desk: &Desk,
    entry: &Entry,
    (proposal, operations): (&Model, &Operations),
    decision: Decision,
) -> Result<()> {
    let is_own = proposal.by_id == desk.user_id();
    let verdict = match decision {
        Decision::Withdraw if is_own => Verdict::Allow,
        Decision::Withdraw => Verdict::Forbid,
        Decision::Approve | Decision::Refuse => {
            may_approve(desk, entry, (proposal, &operations.step))
        }
    };
    if verdict != Verdict::Allow {
        return Err(desk.denied(&format!("decide proposal {}", proposal.id), verdict));
    }
    let word = match decision {
        Decision::Approve => "approved",
        Decision::Refuse => "refused",
        Decision::Withdraw => "withdrawn",
    };
    desk.db
        .write(async |tx| -> Result<()> {
            settle(desk, tx, proposal, word).await?;
            if decision == Decision::Approve {
                let why = format!("{} (approved by user {})", operations.why, desk.user_id());
                let batch = format!("proposal {}", proposal.id);
                let work = Work {
                    batch: &batch,
                    ..Work::of(desk, entry, tx, why.trim())
                };
                for (key, seen) in &operations.rows {
                    work.run(&operations.step, (key, seen)).await?;
                }
            }
            let detail = format!(
                "{word} {} {}, proposal {}",
                proposal.verb, entry.name, proposal.id
            );
            Ok(record_in(tx, AuditEntry::new(Event::AdminDecided).detail(detail)).await?)
        })
        .await
}

/// Sets the decision of an open proposal within its time.
async fn settle(desk: &Desk, tx: &Tx, proposal: &Model, word: &str) -> Result<()> {
    let change = ActiveModel {
        decision: Set(word.to_owned()),
        decided_by: Set(Some(desk.user_id())),
        ..Default::default()
    };
    let open = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(&proposal.id))
        .filter(Column::Decision.eq(""))
        .filter(Column::Until.gt(desk.site.now().timestamp_micros()));
    match open.exec(tx).await?.rows_affected {
        0 => Err(Error::conflict(
            "This proposal was decided, or its day is over.",
        )),
        _ => Ok(()),
    }
}

/// Proposals whose time was over a day ago: their decision is in the audit log.
pub(crate) fn ended(now: DateTime<Utc>) -> Condition {
    Condition::all().add(Column::Until.lt((now - LIFETIME).timestamp_micros()))
}
