//! Scans of stored files: those that wait for a verdict, and those of the last days after the
//! scanner got new signatures.

use super::bytes::{StoredBytes, opened};
use super::row::{Column, Entity, Model, State, open_key, place};
use super::scan::Verdict;
use super::service::{Sealing, Service, Uploads};
use crate::audit_log::{Entry, Event, record_in};
use crate::db::Tx;
use crate::storage::{ByteStream, StorageError};
use crate::views::Result;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use std::io;
use std::sync::Arc;

/// States that a verdict changes: a quarantine of another instance stays.
const JUDGED: [State; 3] = [State::Arriving, State::Checking, State::Clean];

/// Kinds that are stored as they came.
const SCANNED: [&str; 3] = ["paper", "plain", "any"];

/// Files that are scanned in one run.
const BATCH: u64 = 100;

impl Uploads {
    /// Scans files that wait for a verdict, and files of the last days that were scanned with older
    /// signatures. Returns the number of verdicts.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn scan_waiting(&self) -> Result<u64> {
        let Some(scanner) = &self.0.scanner else {
            return Ok(0);
        };
        let version = match scanner.ready().await {
            Ok(version) => version,
            Err(away) => {
                if self.0.waiting().await? > 0 {
                    tracing::warn!(target: "palisade", %away, "files wait for the virus scanner");
                }
                return Ok(0);
            }
        };
        let mut count = 0;
        for row in self.0.to_scan(&version).await? {
            self.0.note_try(&row).await?;
            let content = match self.0.content(&row).await {
                Ok(content) => content,
                Err(error) => {
                    tracing::error!(target: "palisade", %error, file = row.key, "a file could not be read for its scan");
                    continue;
                }
            };
            match scanner.scan(content).await {
                Ok(verdict) => {
                    self.0.judge_scan(&row, verdict).await?;
                    count += 1;
                }
                // one file that cannot be scanned must not keep the others
                Err(away) => {
                    tracing::warn!(target: "palisade", %away, file = row.key, "a file waits for the virus scanner");
                    if scanner.ready().await.is_err() {
                        break;
                    }
                }
            }
        }
        Ok(count)
    }

    /// The version of a scanner that has found the test virus, or why it has not; `None` without
    /// one.
    pub(crate) async fn scanner_state(&self) -> Option<Result<String, String>> {
        let ready = self.0.scanner.as_ref()?.ready().await;
        Some(ready.map_err(|away| away.to_string()))
    }
}

impl Service {
    async fn waiting(&self) -> Result<u64, DbErr> {
        let waiting = Entity::find().filter(Column::State.eq(State::Checking.word()));
        waiting.count(&self.database.handle()).await
    }

    async fn to_scan(&self, version: &str) -> Result<Vec<Model>, DbErr> {
        let days = i64::try_from(self.settings.rescan_days).unwrap_or(i64::MAX);
        let since = self.now().saturating_sub(days.saturating_mul(86_400));
        let is_waiting = Column::State.eq(State::Checking.word());
        let is_outdated = Column::State
            .eq(State::Clean.word())
            .and(Column::Kind.is_in(SCANNED))
            .and(Column::ScannedWith.ne(version))
            .and(Column::Created.gte(since));
        Entity::find()
            .filter(is_waiting.or(is_outdated))
            // waiting files first, and those that were tried least
            .order_by_asc(Column::State)
            .order_by_asc(Column::Tried)
            .order_by_asc(Column::Id)
            .limit(BATCH)
            .all(&self.database.handle())
            .await
    }

    /// A file that cannot be scanned goes behind the others.
    async fn note_try(&self, row: &Model) -> Result<(), DbErr> {
        let change = Entity::update_many()
            .col_expr(Column::Tried, self.now().into())
            .filter(Column::Id.eq(row.id));
        self.database
            .write_always(async |tx| change.exec(tx).await)
            .await
            .map(drop)
    }

    /// The decrypted content of a stored file.
    pub(super) async fn content(&self, row: &Model) -> Result<ByteStream, StorageError> {
        let stored = self.stored_bytes(row)?;
        let whole = 0..stored.length;
        opened(&*self.storage, stored, whole).await
    }

    pub(super) fn stored_bytes(&self, row: &Model) -> Result<StoredBytes, StorageError> {
        let failed = |why: &'static str| StorageError::Failed(io::Error::other(why));
        let key = row.key.parse().map_err(|()| failed("its key is no key"))?;
        // a row that was changed must not pass for one of a site without encryption
        let is_plain = row.sealed.is_empty() && self.sealing == Sealing::Off;
        let opener = match open_key(&self.ring, row) {
            Some(secret) => Some(Arc::new(secret.opener(&place(&row.key)))),
            None if is_plain => None,
            None => return Err(failed("no key of the site decrypts its key")),
        };
        Ok(StoredBytes {
            key,
            opener,
            length: u64::try_from(row.bytes).unwrap_or_default(),
        })
    }

    /// Stores a verdict. A file of which two persons have released the content is not withdrawn
    /// again.
    pub(super) async fn judge_scan(
        &self,
        row: &Model,
        (verdict, version): (Verdict, String),
    ) -> Result<State, DbErr> {
        let Verdict::Infected(found) = verdict else {
            let change = Entity::update_many()
                .col_expr(Column::State, State::Clean.word().into())
                .col_expr(Column::ScannedWith, version.into())
                .filter(Column::Id.eq(row.id))
                .filter(Column::ScannedWith.eq(row.scanned_with.as_str()))
                .filter(Column::State.is_in(JUDGED.map(State::word)));
            self.database
                .write_always(async |tx| change.exec(tx).await)
                .await?;
            return Ok(State::Clean);
        };
        let quarantine = async |tx: &Tx| {
            let state = match is_released(tx, &row.sha256).await? {
                true => State::Released,
                // a visitor without an account must not fill the quarantine
                false if row.user_id.is_none() && row.until.is_some() => State::Gone,
                false => State::Quarantined,
            };
            self.withdraw(tx, row, (state, &found, version)).await?;
            Ok::<_, DbErr>(state)
        };
        self.database.write_always(quarantine).await
    }

    async fn withdraw(
        &self,
        tx: &Tx,
        row: &Model,
        (state, found, version): (State, &str, String),
    ) -> Result<(), DbErr> {
        let days = i64::try_from(self.settings.quarantine_days).unwrap_or(i64::MAX);
        let mut change = Entity::update_many()
            .col_expr(Column::State, state.word().into())
            .col_expr(Column::Verdict, found.into())
            .col_expr(Column::ScannedWith, version.into())
            .filter(Column::Id.eq(row.id))
            .filter(Column::State.is_in(JUDGED.map(State::word)));
        if state == State::Quarantined && row.until.is_some() {
            let until = self.now().saturating_add(days.saturating_mul(86_400));
            change = change.col_expr(Column::Until, until.into());
        }
        let changed = change.exec(tx).await?.rows_affected > 0;
        if state != State::Released && changed {
            let detail = format!("{found} in file {}", row.id);
            let mut entry = Entry::new(Event::FileQuarantined).detail(detail);
            if let Some(user) = row.user_id {
                entry = entry.about(user);
            }
            record_in(tx, entry).await?;
        }
        Ok(())
    }
}

async fn is_released(tx: &Tx, sha256: &str) -> Result<bool, DbErr> {
    let released = Entity::find()
        .filter(Column::Sha256.eq(sha256))
        .filter(Column::State.eq(State::Released.word()));
    Ok(released.count(tx).await? > 0)
}
