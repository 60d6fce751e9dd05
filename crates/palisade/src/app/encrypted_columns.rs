//! All encrypted columns, for key rotation.

use crate::app::{Prepared, Site, acme};
use crate::checks::{Finding, Level};
use crate::crypto::KeyRing;
use crate::db::{Database, Resealed, SealedColumn};
use crate::{admin, auth, flows, mail, mfa, social, tasks, uploads};
use sea_orm::DbErr;

fn columns() -> impl Iterator<Item = SealedColumn> {
    mfa::SEALED
        .into_iter()
        .chain([social::SEALED, mail::SEALED, tasks::SEALED])
        .chain([auth::SEALED, auth::SEALED_UNSENT])
        .chain([acme::SEALED, flows::SEALED])
        .chain(admin::SEALED)
        .chain([uploads::SEALED])
}

/// Re-encrypts everything with the newest key of the ring, in batches.
///
/// # Errors
/// Errors of the database; rows that are done stay done.
pub(crate) async fn reseal(database: &Database, ring: &KeyRing) -> Result<Resealed, DbErr> {
    let mut all = Resealed::default();
    for column in columns() {
        let one = column.reseal(database, ring).await?;
        all = Resealed {
            done: all.done + one.done,
            unopened: all.unopened + one.unopened,
        };
    }
    Ok(all)
}

impl Site {
    /// Encrypts the keys of all files with the newest key.
    ///
    /// # Errors
    /// Errors of the database; rows that are done stay done.
    pub(crate) async fn reencrypt_files(&self) -> Result<Resealed, DbErr> {
        uploads::SEALED.reseal(&self.database, &self.ring).await
    }
}

#[cfg(feature = "backup")]
impl Site {
    /// Encrypted columns with a value, and whether their first one is decrypted.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn opened_columns(&self) -> Result<Vec<(String, bool)>, DbErr> {
        let database = &self.database;
        let mut all = crate::encrypted_fields::opened_columns(database).await?;
        for column in columns() {
            let name = format!("{}.{}", column.table, column.column);
            let is_open = column.opens(database, &self.ring).await?;
            all.extend(is_open.map(|is_open| (name, is_open)));
        }
        Ok(all)
    }
}

/// Encrypted values by key.
pub(crate) struct Needed {
    /// `table.column` with the number of values, for the oldest key of a ring that has several.
    pub(crate) oldest: Vec<(String, u64)>,
    /// Values encrypted with a key that is not the newest.
    pub(crate) older: u64,
    /// Values encrypted with a key that is not on the ring.
    pub(crate) lost: u64,
}

/// Counts encrypted values by key.
///
/// # Errors
/// Errors of the database.
pub(crate) async fn keys_in_use(database: &Database, ring: &KeyRing) -> Result<Needed, DbErr> {
    let mut needed = Needed {
        oldest: Vec::new(),
        older: 0,
        lost: 0,
    };
    for column in columns() {
        let counts = column.count(database, ring).await?;
        let (of_keys, lost) = counts.split_at(ring.len());
        needed.older += of_keys[1..].iter().sum::<u64>();
        needed.lost += lost.iter().sum::<u64>();
        let oldest = of_keys[1..].last().copied().unwrap_or_default();
        if oldest > 0 {
            needed
                .oldest
                .push((format!("{}.{}", column.table, column.column), oldest));
        }
    }
    Ok(needed)
}

/// Every encrypted column of the framework with its values under the newest secret key, under older
/// ones, and under none of the ring.
///
/// # Errors
/// Errors of the database.
pub(crate) async fn keys_by_column(
    database: &Database,
    prepared: &Prepared,
) -> Result<Vec<(String, u64, u64, u64)>, DbErr> {
    let Ok(ring) = crate::app::keys::ring(prepared.settings()) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for column in columns() {
        let counts = column.count(database, &ring).await?;
        let (of_keys, lost) = counts.split_at(ring.len());
        let name = format!("{}.{}", column.table, column.column);
        let older = of_keys[1..].iter().sum();
        all.push((name, of_keys[0], older, lost.iter().sum()));
    }
    Ok(all)
}

impl Site {
    /// Re-encrypts values of older keys with the newest, as the server does every ten minutes.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn reseal(&self) -> Result<(), DbErr> {
        let Resealed { done, unopened } = reseal(&self.database, &self.ring).await?;
        if done > 0 {
            tracing::info!(target: "palisade", done, "values were re-encrypted with the newest key");
        }
        if unopened > 0 {
            tracing::warn!(target: "palisade", unopened, "values cannot be decrypted with any key of the ring: restore the key that encrypted them");
        }
        Ok(())
    }
}

impl Prepared {
    /// Findings about keys in the database. None, where it is not ready or does not answer.
    pub(crate) async fn key_findings(&self) -> Vec<Finding> {
        let Some((database, ring)) = self.database_and_ring().await else {
            return Vec::new();
        };
        match keys_in_use(&database, &ring).await {
            Ok(needed) => findings(&needed),
            Err(_) => Vec::new(),
        }
    }

    /// The database, if it is ready, and the keys. Creates no file.
    pub(crate) async fn database_and_ring(&self) -> Option<(Database, KeyRing)> {
        let ring = crate::app::keys::ring(self.settings()).ok()?;
        Some((self.ready_database().await?, ring))
    }

    /// The database, if it exists and all migrations have run. Creates no file.
    pub(crate) async fn ready_database(&self) -> Option<Database> {
        let settings = self.settings();
        let is_new = settings
            .database
            .file(settings.data())
            .is_some_and(|file| !file.exists());
        if is_new {
            return None;
        }
        let database = self.database().await.ok()?;
        let is_ready = self
            .migrations()
            .pending(&database)
            .await
            .is_ok_and(|pending| pending.is_empty());
        is_ready.then_some(database)
    }
}

fn findings(needed: &Needed) -> Vec<Finding> {
    let older = (needed.older > 0).then(|| Finding {
        id: "keys.older_needed".into(),
        django: None,
        level: Level::Info,
        title: format!(
            "{} encrypted values need a key that is not the newest",
            needed.older
        ),
        why: "an older key cannot be retired until they are re-encrypted".into(),
        fix: "run `keys reencrypt`, or leave it to the running site".into(),
    });
    let lost = (needed.lost > 0).then(|| Finding {
        id: "keys.lost".into(),
        django: None,
        level: Level::Warning,
        title: format!(
            "{} encrypted values cannot be decrypted with any key of the ring",
            needed.lost
        ),
        why: "authenticator apps and passkeys among them cannot be used".into(),
        fix: "restore the removed key, as the last line of the key file or in \
            SECRET_KEY_FALLBACKS, and run `keys reencrypt`"
            .into(),
    });
    older.into_iter().chain(lost).collect()
}
