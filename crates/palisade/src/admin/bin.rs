//! The bin: deleted rows, encrypted, for thirty days.

use super::entry::Entry;
use super::site::AdminSite;
use super::store::bin::{ActiveModel, Column, Entity, Model};
use crate::db::{Db, KeyColumn, SealedColumn, Tx};
use crate::db::{Values, restored_all};
use crate::permissions::Actor;
use crate::views::{Error, Result};
use chrono::{DateTime, TimeDelta, Utc};
use palisade_crypto::random;
use palisade_crypto::seal::Sealer;
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
};

/// A deleted row.
pub(crate) struct Binned<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) key: &'a str,
    pub(crate) label: String,
    /// All columns, stored.
    pub(crate) row: String,
    pub(crate) people: String,
    pub(crate) batch: &'a str,
}

const PURPOSE: &str = "admin bin";

/// The encrypted column of the bin.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_bin",
    key: KeyColumn::Text("id"),
    column: "sealed",
    purpose: PURPOSE,
    owner: None,
    place: |row| place(&row.key),
};

fn place(id: &str) -> String {
    format!("palisade_bin {id}")
}

pub(crate) async fn put(
    site: &AdminSite,
    tx: &Tx,
    actor: &Actor,
    row: Binned<'_>,
) -> Result<(), DbErr> {
    let id = random::alphanumeric(24).expose().clone();
    let (now, days) = (site.now(), site.settings.bin_days);
    let until = now + TimeDelta::days(i64::try_from(days).unwrap_or(30));
    let sealed = Sealer::new(&site.ring, PURPOSE).seal(row.row.as_bytes(), &place(&id));
    let binned = ActiveModel {
        id: Set(id),
        at: Set(now.timestamp_micros()),
        until: Set(until.timestamp_micros()),
        user_id: Set(actor.id()),
        resource: Set(row.entry.name.to_owned()),
        object_id: Set(row.key.to_owned()),
        label: Set(row.label),
        sealed: Set(sealed),
        people: Set(row.people),
        batch: Set(row.batch.to_owned()),
    };
    Entity::insert(binned).exec_without_returning(tx).await?;
    Ok(())
}

/// The rows of some resources in the bin, the newest first.
pub(crate) async fn list(
    db: &Db,
    resources: Vec<&'static str>,
    now: DateTime<Utc>,
) -> Result<Vec<Model>, DbErr> {
    let rows = Entity::find()
        .filter(Column::Resource.is_in(resources))
        .filter(Column::Until.gt(now.timestamp_micros()))
        .order_by_desc(Column::At)
        .order_by_asc(Column::Id)
        .limit(200);
    rows.all(db).await
}

/// Takes a row out of the bin: at most one transaction gets it.
///
/// # Errors
/// 404 for a row that is not there any more.
pub(crate) async fn take(site: &AdminSite, tx: &Tx, row: &Model) -> Result<Values> {
    let gone = Entity::delete_many()
        .filter(Column::Id.eq(&row.id))
        .filter(Column::Until.gt(site.now().timestamp_micros()));
    if gone.exec(tx).await?.rows_affected == 0 {
        return Err(Error::not_found());
    }
    let opened = Sealer::new(&site.ring, PURPOSE).open(&row.sealed, &place(&row.id));
    let opened = opened.map_err(|_| Error::conflict("This row cannot be decrypted any more."))?;
    let stored = serde_json::from_slice(opened.expose())?;
    restored_all(&stored).ok_or_else(|| Error::bug("a row of the bin cannot be read"))
}

/// A row of the bin by its id, or by the resource and key of the deleted row.
pub(crate) async fn by_id(db: &Db, id: &str) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

pub(crate) async fn erase(tx: &Tx, user: i32) -> Result<(), DbErr> {
    let theirs = Column::People.contains(format!(",{user},"));
    Entity::delete_many().filter(theirs).exec(tx).await?;
    Ok(())
}

/// Rows whose time is over.
pub(crate) fn ended(now: DateTime<Utc>) -> Condition {
    Condition::all().add(Column::Until.lte(now.timestamp_micros()))
}
