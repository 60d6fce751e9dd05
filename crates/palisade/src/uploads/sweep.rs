//! Deletes files: those that belong to no row after their time, those of deleted rows, and those of
//! erased users. First the row is marked, then the bytes go, then the row.

use super::row::{Column, Entity, Model, State};
use super::service::{Service, Uploads};
use crate::db::Tx;
use crate::sql;
use crate::storage::StorageKey;
use crate::views::Result;
use sea_orm::sea_query::{Query, SimpleExpr};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one statement.
const BATCH: u64 = 500;

/// Marks files as deleted: they are not served any more.
pub(super) async fn mark(tx: &Tx, which: SimpleExpr) -> Result<u64, DbErr> {
    let marked = Entity::update_many()
        .col_expr(Column::State, State::Gone.word().into())
        .filter(which)
        .exec(tx)
        .await?;
    Ok(marked.rows_affected)
}

impl Uploads {
    /// Deletes expired files and those of deleted rows. Returns their number.
    ///
    /// # Errors
    /// When the database or the storage does not answer; the next run goes on.
    pub(crate) async fn sweep(&self) -> Result<u64> {
        let service = &self.0;
        // files may be evidence while an incident stops all changes
        if service.database.lock().require_open().is_err() {
            return Ok(0);
        }
        let ended = Column::Until.lte(service.now());
        service
            .database
            .write_always(async |tx| mark(tx, ended).await)
            .await?;
        service.mark_of_deleted_users().await?;
        service.mark_orphans().await?;
        service.remove_marked().await
    }
}

impl Service {
    /// Marks files of users that another program has deleted.
    async fn mark_of_deleted_users(&self) -> Result<(), DbErr> {
        let table = self.database.users().users.clone();
        let users = Query::select().column("id").from(table).take();
        let which = Column::UserId.not_in_subquery(users);
        self.database
            .write_always(async |tx| mark(tx, which).await)
            .await
            .map(drop)
    }

    /// Marks files of rows that were deleted, also by another program.
    async fn mark_orphans(&self) -> Result<()> {
        let mut after = 0;
        loop {
            let rows = Entity::find()
                .filter(Column::Id.gt(after))
                .filter(Column::OwnerKey.is_not_null())
                .filter(Column::State.ne(State::Gone.word()))
                .order_by_asc(Column::Id)
                .limit(BATCH)
                .all(&self.database.handle())
                .await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.id;
            let orphans = self.orphans(&rows).await?;
            if !orphans.is_empty() {
                let which = Column::Id.is_in(orphans);
                self.database
                    .write_always(async |tx| mark(tx, which).await)
                    .await?;
            }
        }
    }

    async fn orphans(&self, rows: &[Model]) -> Result<Vec<i64>> {
        let db = self.database.handle();
        let mut by_table: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for row in rows {
            let table = row.owner_table.as_deref().unwrap_or_default();
            let key = row.owner_key.clone().unwrap_or_default();
            by_table.entry(table).or_default().push(key);
        }
        // a row in the bin of the admin may come back
        let binned = sql!(
            "SELECT object_id FROM palisade_bin WHERE until > ?",
            self.now_micros()
        );
        let binned: Vec<(String,)> = db.fetch_all(binned).await?;
        let binned: BTreeSet<String> = binned.into_iter().map(|(key,)| key).collect();
        let mut orphans = Vec::new();
        for (table, keys) in by_table {
            // files of an entity that is not registered stay: a mistake in code must not delete them
            let Some(policy) = self.policies.iter().find(|policy| policy.table() == table) else {
                continue;
            };
            let mut missing = policy.missing(keys, &db).await?;
            missing.retain(|key| !binned.contains(key));
            let is_orphan = |row: &&Model| {
                let key = row.owner_key.as_deref().unwrap_or_default();
                row.owner_table.as_deref() == Some(table) && missing.iter().any(|gone| gone == key)
            };
            orphans.extend(rows.iter().filter(is_orphan).map(|row| row.id));
        }
        Ok(orphans)
    }

    fn now_micros(&self) -> i64 {
        self.clock.now().timestamp_micros()
    }

    /// Deletes the bytes and then the row of each marked file. One that cannot be deleted waits for
    /// the next run.
    async fn remove_marked(&self) -> Result<u64> {
        let (mut count, mut after) = (0, 0);
        loop {
            let rows = Entity::find()
                .filter(Column::State.eq(State::Gone.word()))
                .filter(Column::Id.gt(after))
                .order_by_asc(Column::Id)
                .limit(BATCH)
                .all(&self.database.handle())
                .await?;
            if rows.is_empty() {
                return Ok(count);
            }
            for row in rows {
                after = row.id;
                if let Ok(key) = row.key.parse::<StorageKey>()
                    && let Err(error) = self.storage.delete(&(&key).into()).await
                {
                    tracing::warn!(target: "palisade", %error, file = row.key, "a file could not be deleted");
                    continue;
                }
                let remove = sql!("DELETE FROM palisade_file WHERE id = ?", row.id);
                self.database
                    .write_always(async |tx| tx.execute_sql(remove).await)
                    .await?;
                count += 1;
            }
        }
    }
}
