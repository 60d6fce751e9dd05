//! Long reads in chunks, each authorized by the rights at its time.

use super::single_key;
use super::{Actor, Scoped, Verb};
use crate::db::Db;
use crate::views::{Error, Result};
use sea_orm::{ColumnTrait, ModelTrait, QueryFilter, QueryOrder, QuerySelect, Value};
use std::marker::PhantomData;

/// All rows that a user may view, in chunks by their key, such as for an export. Permissions, groups
/// and the account are read again for each chunk: an export ends soon after a revocation.
///
/// ```
/// # use palisade::prelude::*;
/// # async fn write(_: &str) {}
/// async fn export<E: Scoped>(actor: Actor, db: Db) -> Result<()> {
///     let mut rows = actor.export::<E>(500);
///     loop {
///         let chunk = rows.next(&db).await?;
///         if chunk.is_empty() {
///             return Ok(());
///         }
///         for row in chunk {
///             write(&format!("{row:?}")).await;
///         }
///     }
/// }
/// ```
pub struct Export<E> {
    actor: Actor,
    size: u64,
    last: Option<Value>,
    entity: PhantomData<fn() -> E>,
}

impl Actor {
    /// The rows that the user may view, in chunks of `size` rows.
    pub fn export<E: Scoped>(&self, size: u64) -> Export<E> {
        Export {
            actor: self.clone(),
            size,
            last: None,
            entity: PhantomData,
        }
    }
}

impl<E: Scoped> Export<E> {
    /// The next rows; none after the last one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next(&mut self, db: &Db) -> Result<Vec<E::Model>> {
        let actor = self.actor.refreshed(db).await?;
        let mut rows = actor.find::<E>(Verb::View).limit(self.size);
        let key =
            single_key::<E>().ok_or_else(|| Error::bug("an export needs a key of one column"))?;
        if let Some(last) = &self.last {
            rows = rows.filter(key.gt(last.clone()));
        }
        let rows = rows.order_by_asc(key).all(db).await?;
        if let Some(row) = rows.last() {
            self.last = row.get_primary_key_value().into_iter().next();
        }
        Ok(rows)
    }
}
