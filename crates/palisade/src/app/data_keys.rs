//! The keys of encrypted columns: the file `data.keys`, and its rotation.
//!
//! A key is made two days before the last one retires, so that every instance knows it before the
//! first value names it.

use super::{BootError, Prepared, Site, SiteSettings};
use crate::checks::{Check, Level};
use crate::clock::{Clock, unix_seconds};
use crate::crypto::{DataKey, DataRing, Secret};
use crate::db::{Database, FieldKeys};
use crate::encrypted_fields::{self, Pace, Plain, Plaintexts};
use crate::storage::write_private;
use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

const DAY: u64 = 86_400;
/// From the making of a key to its activation.
const NOTICE: u64 = 2 * DAY;

/// Checks of the keys of encrypted columns.
pub const CHECKS: &[Check<SiteSettings>] = &[
    Check {
        id: "keys.data_unreadable",
        django: None,
        level: Level::Error,
        title: "the keys of encrypted columns cannot be read",
        why: "no encrypted column could be read or written",
        fix: "make data.keys in the data folder readable for the site's user, with the text that \
            `keys new` or `data rotate` wrote, or correct keys.data",
        fires: |settings| data_keys(settings).is_err(),
    },
    Check {
        id: "keys.data_readable_by_others",
        django: None,
        level: Level::Error,
        title: "other users of this machine can read the keys of encrypted columns",
        why: "they could decrypt every copy of the database",
        fix: "chmod 600 data.keys in the data folder",
        fires: |settings| super::keys::is_readable_by_others(DataKeyFile::of(settings).path()),
    },
    Check {
        id: "keys.data_due",
        django: None,
        level: Level::Warning,
        title: "the newest key of encrypted columns is about to retire, and comes from keys.data",
        why: "a program cannot change its own configuration, so this key stays in use (ASVS 13.3.4)",
        fix: "add the key that `data rotate` prints to keys.data",
        fires: |settings| {
            let ring = settings
                .keys
                .data
                .as_ref()
                .and_then(|_| data_keys(settings).ok()?);
            let now = unix_seconds(chrono::Utc::now());
            ring.is_some_and(|ring| next_key(&ring, (now, settings.keys.data_days)).is_some())
        },
    },
];

/// `data.keys`: TOML with one table for each key.
#[derive(Debug, Clone)]
pub struct DataKeyFile(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    key: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    id: String,
    active_from: String,
    retires_at: String,
    secret: String,
}

impl Drop for StoredKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// A key file that cannot be used. Holds no part of a key.
pub(crate) type KeysError = String;

impl DataKeyFile {
    /// The key file of these settings.
    pub fn of(settings: &SiteSettings) -> Self {
        Self(settings.data().join(&settings.keys.data_file))
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn read(&self) -> Result<Option<DataRing>, KeysError> {
        match std::fs::read_to_string(&self.0).map(Zeroizing::new) {
            Ok(text) => parse(&text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads the keys, and replaces them by those that `change` returns, if any. One process at a
    /// time. Returns the keys that are in the file now.
    ///
    /// # Errors
    /// When the file cannot be read or written; the old one stays intact.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(Option<&DataRing>) -> Option<DataRing>,
    ) -> Result<Option<DataRing>, KeysError> {
        let said = |error: io::Error| format!("{}: {error}", self.0.display());
        let folder = self.0.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(said)?;
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(self.0.with_extension("keys.lock"));
        let lock = lock.map_err(said)?;
        lock.lock().map_err(said)?;
        let known = self.read()?;
        let Some(changed) = change(known.as_ref()) else {
            return Ok(known);
        };
        write_private(&self.0, text_of(&changed).as_bytes()).map_err(said)?;
        Ok(Some(changed))
    }
}

/// The keys of the configuration, or of the file; `None` without any.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn data_keys(settings: &SiteSettings) -> Result<Option<DataRing>, KeysError> {
    match &settings.keys.data {
        Some(text) => parse(text.expose()).map(Some),
        None => DataKeyFile::of(settings).read(),
    }
}

fn parse(text: &str) -> Result<DataRing, KeysError> {
    // without the parser's message, which quotes the line
    let stored: Stored = toml::from_str(text)
        .map_err(|_| "these are no [[key]] tables with id, active_from, retires_at and secret")?;
    let key = |stored: &StoredKey| {
        let seconds = |text: &str| {
            let time = DateTime::parse_from_rfc3339(text);
            let time =
                time.map_err(|_| format!("{text:?} is no time such as 2026-01-31T12:00:00Z"));
            time.map(|time| time.timestamp().max(0).unsigned_abs())
        };
        let dates = (seconds(&stored.active_from)?, seconds(&stored.retires_at)?);
        let secret = Secret::new(stored.secret.clone());
        DataKey::from_parts(&stored.id, dates, &secret).map_err(|error| error.to_string())
    };
    let keys = stored.key.iter().map(key).collect::<Result<_, _>>()?;
    DataRing::new(keys).map_err(|error| error.to_string())
}

/// A ring in the format of the file.
pub(crate) fn text_of(ring: &DataRing) -> Zeroizing<String> {
    let time = |seconds: u64| {
        let time = DateTime::from_timestamp(seconds.try_into().unwrap_or(i64::MAX), 0);
        let time = time.unwrap_or(DateTime::<chrono::Utc>::MAX_UTC);
        time.to_rfc3339_opts(SecondsFormat::Secs, true)
    };
    let key = |key: &DataKey| StoredKey {
        id: key.id().into(),
        active_from: time(key.active_from()),
        retires_at: time(key.retires_at()),
        secret: key.secret_text().expose().clone(),
    };
    let stored = Stored {
        key: ring.keys().iter().map(key).collect(),
    };
    let mut text = Zeroizing::new(String::from(HEADING));
    let written = toml::to_string(&stored).map(Zeroizing::new);
    text.push_str(&written.expect("texts and times are TOML"));
    text
}

const HEADING: &str = "# Keys of encrypted columns. Without them, encrypted values are lost: keep copies, apart from \
    those of the database.\n\n";

/// A ring with a first key, which is active at once.
pub(crate) fn first_ring((now, days): (u64, u64)) -> DataRing {
    let key = DataKey::generate(now, retirement(now, days));
    DataRing::new(vec![key]).expect("one key is a ring")
}

fn retirement(active_from: u64, days: u64) -> u64 {
    match days {
        0 => active_from + 100 * 365 * DAY,
        days => active_from + days * DAY,
    }
}

/// The next key, if it is time to make it: two days before the last one retires.
fn next_key(ring: &DataRing, (now, days): (u64, u64)) -> Option<DataKey> {
    let newest = &ring.keys()[0];
    if days == 0 || newest.retires_at() > now + NOTICE {
        return None;
    }
    let active_from = newest.retires_at().max(now + NOTICE);
    Some(DataKey::generate(
        active_from,
        retirement(active_from, days),
    ))
}

/// The ring with another key, which comes first of those that are activated in the same second.
pub(crate) fn with_key(ring: &DataRing, key: DataKey) -> DataRing {
    let keys = [&[key], ring.keys()].concat();
    DataRing::new(keys).unwrap_or_else(|_| ring.clone())
}

/// The ring for a key that is active at once: announced keys, which have encrypted nothing yet, may be
/// known to others as well.
pub(crate) fn without_announced(ring: &DataRing, now: u64) -> DataRing {
    let keys = ring.keys().iter().filter(|key| key.active_from() <= now);
    DataRing::new(keys.cloned().collect()).unwrap_or_else(|_| ring.clone())
}

/// When a new key begins to encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    AtOnce,
    /// In two days: every instance has read it by then.
    Announced,
}

impl From<bool> for Activation {
    fn from(is_at_once: bool) -> Self {
        if is_at_once {
            Self::AtOnce
        } else {
            Self::Announced
        }
    }
}

/// A new key.
pub(crate) fn key_from(now: u64, days: u64, activation: Activation) -> DataKey {
    let active_from = match activation {
        Activation::AtOnce => now,
        Activation::Announced => now + NOTICE,
    };
    DataKey::generate(active_from, retirement(active_from, days))
}

impl Prepared {
    /// The keys and tables of encrypted columns.
    pub(super) fn field_keys(&self, clock: Arc<dyn Clock>) -> FieldKeys {
        // unreadable keys are findings of `check`, and stop the start
        let ring = data_keys(&self.settings).ok().flatten();
        FieldKeys::new(ring, clock, self.app.encrypted.clone())
    }

    /// Without keys, a site with encrypted columns does not start; in the development profile the
    /// first start makes some.
    pub(super) fn make_development_data_key(&self) -> Result<(), BootError> {
        let is_wanted = self.settings.profile.is_development() && self.settings.keys.data.is_none();
        if !is_wanted || self.app.encrypted.is_empty() {
            return Ok(());
        }
        self.make_data_key()
    }

    /// Whether the site has encrypted columns, and no key for them.
    pub(crate) fn lacks_data_key(&self) -> bool {
        !self.app.encrypted.is_empty() && matches!(data_keys(&self.settings), Ok(None))
    }

    /// Makes the first key, unless the file exists.
    pub(crate) fn make_data_key(&self) -> Result<(), BootError> {
        let file = DataKeyFile::of(&self.settings);
        // an unreadable file is a finding of `check`
        if file.path().exists() {
            return Ok(());
        }
        let now = unix_seconds(chrono::Utc::now());
        let first = |known: Option<&DataRing>| match known {
            None => Some(first_ring((now, self.settings.keys.data_days))),
            Some(_) => None,
        };
        let made = file.change(first).map(drop);
        made.map_err(|why| BootError::Data(file.path().into(), io::Error::other(why)))
    }

    /// Requires every key that values may need, and notes those of the ring.
    pub(super) async fn require_data_keys(&self, database: &Database) -> Result<(), BootError> {
        if self.app.encrypted.is_empty() {
            return Ok(());
        }
        let missing = encrypted_fields::missing_keys(database).await;
        let missing = missing.map_err(BootError::Database)?;
        if !missing.is_empty() {
            return Err(BootError::MissingDataKeys(missing));
        }
        let noted = encrypted_fields::note_keys(database).await;
        noted.map_err(BootError::Database)
    }
}

impl Site {
    /// Makes the next key of encrypted columns when it is due, and reads keys that another instance
    /// or a command has made: as the server does every ten minutes.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the database does not answer.
    pub(crate) async fn refresh_data_keys(&self) -> Result<(), String> {
        let fields = self.database.fields().clone();
        if self.settings.keys.data.is_some() || fields.tables().is_empty() {
            return Ok(());
        }
        let (file, days) = (
            DataKeyFile::of(&self.settings),
            self.settings.keys.data_days,
        );
        let stored = data_keys(&self.settings)?;
        let missing = encrypted_fields::missing_on(&self.database, stored.as_ref()).await;
        let missing = missing.map_err(|error| error.to_string())?;
        // another folder, or an older copy of the file: this process knows more
        if !missing.is_empty() {
            let shown = file.path().display();
            return Err(format!(
                "{shown} lacks keys that values may need: {}",
                missing.join(", ")
            ));
        }
        let now = fields.now();
        let changed = tokio::task::spawn_blocking(move || {
            let next = |known: Option<&DataRing>| {
                let key = next_key(known?, (now, days))?;
                tracing::info!(target: "palisade", id = key.id(), "a key of encrypted columns was made, to be used in two days");
                Some(with_key(known?, key))
            };
            file.change(next)
        });
        let changed = changed.await.map_err(|error| error.to_string())??;
        match changed {
            Some(ring) => fields.replace_ring(ring),
            None => return Err("the file with the keys of encrypted columns is gone".into()),
        }
        let noted = encrypted_fields::note_keys(&self.database).await;
        noted.map_err(|error| error.to_string())
    }

    /// Re-encrypts every row of an older key, as `data reencrypt` does, and returns the number of
    /// rows, and of values that cannot be decrypted. For tests.
    ///
    /// # Errors
    /// Errors of the database.
    #[doc(hidden)]
    pub async fn data_reencrypted(&self) -> Result<(u64, u64), sea_orm::DbErr> {
        let (mut rows, mut failed) = (0, 0);
        for table in encrypted_fields::tables_named(&self.database, None) {
            let mut pace = Pace {
                per_second: None,
                report: &mut |_| {},
            };
            let done = encrypted_fields::reencrypt(&self.database, &table, &mut pace).await?;
            (rows, failed) = (rows + done.rows, failed + done.failed_count);
        }
        Ok((rows, failed))
    }

    /// Encrypts a column, as `data encrypt` does, and returns the number of rows, and the first
    /// failures. For tests.
    ///
    /// # Errors
    /// As the command.
    #[doc(hidden)]
    pub async fn column_encrypted(
        &self,
        table: &str,
        column: &str,
        source: &str,
    ) -> Result<(u64, Vec<String>), sea_orm::DbErr> {
        let tables = encrypted_fields::tables_named(&self.database, Some(table));
        let known = tables
            .first()
            .and_then(|table| Some((table, table.column(column)?)));
        let (table, column) = known.expect("an encrypted column");
        let plaintexts = Plaintexts {
            table,
            column,
            source,
            format: &Plain,
        };
        let mut pace = Pace {
            per_second: None,
            report: &mut |_| {},
        };
        let done = plaintexts.encrypt(&self.database, &mut pace).await?;
        Ok((done.rows, done.failed))
    }

    /// Adds a key that is active at once, as `data rotate --at-once` does. For tests.
    ///
    /// # Errors
    /// When the file cannot be written.
    #[doc(hidden)]
    pub async fn data_key_added(&self) -> Result<(), String> {
        let key = key_from(
            self.database.fields().now(),
            self.settings.keys.data_days,
            Activation::AtOnce,
        );
        let file = DataKeyFile::of(&self.settings);
        file.change(|known| Some(with_key(known?, key)))?;
        self.refresh_data_keys().await
    }

    /// The same, for tests.
    ///
    /// # Errors
    /// As above.
    #[doc(hidden)]
    pub async fn data_keys_refreshed(&self) -> Result<(), String> {
        self.refresh_data_keys().await
    }
}
