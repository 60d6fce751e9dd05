//! Compares the rows of files with the storage, byte by byte.

use super::row::{Column, Entity, Model, State};
use super::service::{Service, Uploads, unavailable};
use crate::views::Result;
use futures_util::TryStreamExt;
use palisade_crypto::hex;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Result of an inspection.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    /// Files with a row and whole bytes.
    pub(crate) whole: u64,
    pub(crate) bytes: u64,
    /// Files that wait for the virus scanner.
    pub(crate) checking: u64,
    pub(crate) quarantined: u64,
    /// Keys of rows with missing or changed bytes, each with the reason.
    pub(crate) damaged: Vec<(String, String)>,
    /// Keys of bytes without a row.
    pub(crate) unknown: Vec<String>,
}

/// Rows that are read at once.
const BATCH: u64 = 500;

impl Uploads {
    /// Decrypts every file and compares its hash with that of its row; then looks for bytes without a
    /// row. `progress` gets the number of each file.
    ///
    /// # Errors
    /// When the database or the storage does not answer.
    pub(crate) async fn inspect(&self, mut progress: impl FnMut(u64)) -> Result<Inspection> {
        let (service, mut found) = (&self.0, Inspection::default());
        let mut known = BTreeSet::new();
        let mut after = 0;
        loop {
            let rows = service.rows_after(after).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in rows {
                service.inspect_file(&row, &mut found).await;
                known.insert(row.key);
                progress(known.len() as u64);
            }
        }
        let stored = service.storage.names().await;
        let stored = stored.map_err(|error| unavailable(&error))?;
        let unknown = stored.iter().filter(|name| !known.contains(name.last()));
        for name in unknown {
            // its row may have come meanwhile
            if !service.has_row(name.last()).await? {
                found.unknown.push(name.last().to_owned());
            }
        }
        Ok(found)
    }
}

impl Service {
    async fn rows_after(&self, id: i64) -> Result<Vec<Model>, DbErr> {
        Entity::find()
            .filter(Column::Id.gt(id))
            .order_by_asc(Column::Id)
            .limit(BATCH)
            .all(&self.database.handle())
            .await
    }

    async fn has_row(&self, key: &str) -> Result<bool, DbErr> {
        let row = Entity::find().filter(Column::Key.eq(key));
        Ok(row.one(&self.database.handle()).await?.is_some())
    }

    async fn inspect_file(&self, row: &Model, found: &mut Inspection) {
        match State::of(&row.state) {
            // their bytes are not complete, or not needed any more
            State::Arriving | State::Gone => return,
            State::Checking => found.checking += 1,
            State::Quarantined => found.quarantined += 1,
            State::Clean | State::Released => {}
        }
        match self.hash(row).await {
            Ok(hash) if hash == row.sha256 => {
                found.whole += 1;
                found.bytes += u64::try_from(row.bytes).unwrap_or_default();
            }
            Ok(_) => found
                .damaged
                .push((row.key.clone(), "it has another hash".into())),
            Err(why) => found.damaged.push((row.key.clone(), why)),
        }
    }

    /// SHA-256 of the decrypted content.
    async fn hash(&self, row: &Model) -> Result<String, String> {
        let content = self.content(row).await;
        let mut content = content.map_err(|error| error.to_string())?;
        let mut hash = Sha256::new();
        loop {
            match content.try_next().await {
                Ok(Some(piece)) => hash.update(&piece),
                Ok(None) => break,
                Err(error) => return Err(format!("it cannot be decrypted: {error}")),
            }
        }
        Ok(hex(&hash.finalize()))
    }
}
