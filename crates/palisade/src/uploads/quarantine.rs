//! Files in quarantine: deleted by one member of staff, released by two (V2.3.5).

use super::row::{Column, Entity, Model, State};
use super::sweep::mark;
use crate::audit_log::{Entry, Event, record_in};
use crate::db::{Db, Tx};
use crate::views::{Error, Result};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// A proposal to release waits for a second person for a day.
const WAITS: i64 = 86_400;

/// A step in the decision about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The first person asks for the release.
    Propose,
    /// The second person releases.
    Release,
    /// The first person takes the proposal back.
    Withdraw,
    /// One person deletes the file.
    Delete,
}

/// Newest first, at most so many.
const SHOWN: u64 = 200;

/// The files in quarantine.
pub(crate) async fn quarantined(db: &Db) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::State.eq(State::Quarantined.word()))
        .order_by_desc(Column::Id)
        .limit(SHOWN)
        .all(db)
        .await
}

/// Whether the file waits for a second person at this time.
pub(crate) fn is_proposed(file: &Model, now: i64) -> bool {
    let is_new = |at: i64| now < at.saturating_add(WAITS);
    file.proposed_by.is_some() && file.proposed_at.is_some_and(is_new)
}

/// Decides about a file in the name of a user.
///
/// # Errors
/// 404 for a file that is not in quarantine, 409 for a step that does not fit its state, 403 for the
/// same person twice.
pub(crate) async fn decide(
    tx: &Tx,
    (id, decision): (i64, Decision),
    (user, now): (i32, i64),
) -> Result<()> {
    let file = Entity::find_by_id(id)
        .filter(Column::State.eq(State::Quarantined.word()))
        .lock_exclusive()
        .one(tx)
        .await?;
    let file = file.ok_or_else(Error::not_found)?;
    let is_own = file.proposed_by == Some(user);
    let event = match (decision, is_proposed(&file, now)) {
        (Decision::Propose, false) => {
            propose(tx, &file, Some((user, now))).await?;
            Event::AdminProposed
        }
        (Decision::Withdraw, true) if is_own => {
            propose(tx, &file, None).await?;
            Event::AdminDecided
        }
        (Decision::Release, true) if is_own => return Err(Error::forbidden()),
        (Decision::Release, true) => {
            release(tx, &file).await?;
            Event::FileReleased
        }
        (Decision::Delete, _) => {
            mark(tx, Column::Id.eq(file.id)).await?;
            Event::AdminDecided
        }
        _ => {
            return Err(Error::conflict(
                "Another member of staff was faster. Load the page again.",
            ));
        }
    };
    let word = match decision {
        Decision::Propose => "release proposed",
        Decision::Release => "released",
        Decision::Withdraw => "proposal withdrawn",
        Decision::Delete => "deleted",
    };
    let detail = format!("{word}: file {} in quarantine", file.id);
    Ok(record_in(tx, Entry::new(event).detail(detail)).await?)
}

async fn propose(tx: &Tx, file: &Model, by: Option<(i32, i64)>) -> Result<(), DbErr> {
    let change = Entity::update_many()
        .col_expr(Column::ProposedBy, by.map(|(user, _)| user).into())
        .col_expr(Column::ProposedAt, by.map(|(_, now)| now).into())
        .filter(Column::Id.eq(file.id));
    change.exec(tx).await.map(drop)
}

/// Releases every file of this content: the decision was about the content.
async fn release(tx: &Tx, file: &Model) -> Result<(), DbErr> {
    let change = Entity::update_many()
        .col_expr(Column::State, State::Released.word().into())
        .filter(Column::Sha256.eq(file.sha256.as_str()))
        .filter(Column::State.eq(State::Quarantined.word()));
    change.exec(tx).await.map(drop)
}
