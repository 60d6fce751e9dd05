//! The history of changes: written in the transaction of the change, with an event that holds the
//! hash of its values, so that the chain of the audit log covers them.

use super::django_log;
use super::store::changes::{ActiveModel, Column, Entity, Model};
use super::transaction::{NewChange, Work};
use crate::audit_log::{Entry as AuditEntry, Event, record_in};
use crate::db::{Db, Tx};
use crate::views::{Result, current_context};
use chrono::{DateTime, Utc};
use palisade_crypto::random;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, NotSet, QueryFilter, QueryOrder, QuerySelect, Set,
};
use sha2::{Digest, Sha256};

pub(crate) async fn write(work: &Work<'_>, change: NewChange<'_>) -> Result<()> {
    let diff = change.diff.text();
    // erased with the values, which could be guessed from the hash otherwise
    let salt = random::alphanumeric(SALT_LENGTH).expose().clone();
    let (entry, key) = (work.entry, change.key);
    let row = ActiveModel {
        id: NotSet,
        at: Set(work.site.now().timestamp_micros()),
        user_id: Set(work.actor.id()),
        resource: Set(entry.name.to_owned()),
        object_id: Set(key.to_owned()),
        label: Set(change.label.clone()),
        verb: Set(change.verb.to_owned()),
        diff: Set(diff.clone()),
        address: Set(work.origin.address.clone()),
        request: Set(work.origin.request.clone()),
        why: Set(work.why.to_owned()),
        batch: Set(work.batch.to_owned()),
        undoes: Set(work.undoes),
        people: Set(change.people.clone()),
        salt: Set(salt.clone()),
    };
    Entity::insert(row).exec_without_returning(work.tx).await?;
    django_log::write(work, &change).await?;
    let hash = Sha256::digest(format!(
        "{salt}\n{}\n{key}\n{}\n{diff}",
        entry.name, change.verb
    ));
    let hex = crate::crypto::hex(&hash);
    // the event of a job has no request, and so no actor
    let by = match (current_context(), work.actor.id()) {
        (None, Some(user)) => format!(", by user {user}"),
        _ => String::new(),
    };
    let detail = format!(
        "{} {} {}{by}, sha256 {hex}",
        change.verb,
        entry.name,
        shown_key(key)
    );
    Ok(record_in(work.tx, AuditEntry::new(Event::AdminChanged).detail(detail)).await?)
}

/// Characters of a salt: 130 bits.
const SALT_LENGTH: usize = 22;

/// A key in the log: a text may be a secret.
fn shown_key(key: &str) -> String {
    match key.parse::<i64>() {
        Ok(number) => number.to_string(),
        Err(_) => key.chars().take(8).chain(['…']).collect(),
    }
}

/// The changes of a row or, without a key, of a resource; the newest first.
pub(crate) async fn of_object(
    db: &Db,
    (resource, key): (&str, &str),
    most: u64,
) -> Result<Vec<Model>, DbErr> {
    let changes = Entity::find()
        .filter(Column::Resource.eq(resource))
        .filter(Column::ObjectId.eq(key))
        .order_by_desc(Column::Id)
        .limit(most);
    changes.all(db).await
}

/// The latest changes of some resources, before a change.
pub(crate) async fn latest(
    db: &Db,
    resources: Vec<&'static str>,
    (before, most): (Option<i64>, u64),
) -> Result<Vec<Model>, DbErr> {
    let mut changes = Entity::find().filter(Column::Resource.is_in(resources));
    if let Some(before) = before {
        changes = changes.filter(Column::Id.lt(before));
    }
    changes.order_by_desc(Column::Id).limit(most).all(db).await
}

pub(crate) async fn by_id(db: &Db, id: i64) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// The changes of a batch.
pub(crate) async fn of_batch(db: &Db, batch: &str) -> Result<Vec<Model>, DbErr> {
    let changes = Entity::find().filter(Column::Batch.eq(batch));
    changes.order_by_asc(Column::Id).all(db).await
}

/// Erases the values of a user's rows, and the user's name as author.
pub(crate) async fn erase(tx: &Tx, user: i32) -> Result<(), DbErr> {
    let theirs = Column::People.contains(format!(",{user},"));
    Entity::update_many()
        .col_expr(Column::Diff, Expr::value("[]"))
        .col_expr(Column::Label, Expr::value(""))
        .col_expr(Column::Why, Expr::value(""))
        .col_expr(Column::Salt, Expr::value(""))
        .col_expr(Column::People, Expr::value(""))
        .filter(theirs)
        .exec(tx)
        .await?;
    Entity::update_many()
        .col_expr(Column::UserId, Expr::value(Option::<i32>::None))
        .col_expr(Column::Address, Expr::value(""))
        .filter(Column::UserId.eq(user))
        .exec(tx)
        .await?;
    Ok(())
}

/// Changes that are older than a time.
pub(crate) fn older(time: DateTime<Utc>) -> Condition {
    Condition::all().add(Column::At.lt(time.timestamp_micros()))
}
