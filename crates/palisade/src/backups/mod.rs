//! Backups of the database and of the files of users, from one snapshot (F001).
//!
//! # Security
//! 1. A backup is encrypted to public keys of [age](https://age-encryption.org/v1): the site, and an
//!    attacker who has taken it over, can write backups and not read them.
//! 2. Its manifest is signed by the site, so that nobody else can make one that is restored.
//! 3. The keys of users are in a file of their own, which is kept for days and not for months: older
//!    backups forget the encrypted values of users who were deleted.
//! 4. A backup counts as verified when it was restored in a scratch place and compared row by row.

#[cfg(feature = "backup")]
mod archive;
#[cfg(feature = "backup")]
mod manifest;
mod name;
mod overdue;
mod record;
mod retention;
mod settings;

#[cfg(feature = "backup")]
pub(crate) use archive::{
    ArchiveWriter, DATABASE, FILES, Hashed, SETTINGS, decrypt, encrypt, unpack,
};
#[cfg(feature = "backup")]
pub(crate) use manifest::{Content, Engine, FORMAT, Manifest, TableState, table_states};
pub(crate) use name::{BackupName, Part};
pub(crate) use overdue::{History, Overdue};
#[cfg(feature = "backup")]
pub(crate) use record::{Recorded, record, record_verified, recorded};
pub(crate) use record::{history, migrations};
pub(crate) use retention::expired;
pub use settings::{BackupSettings, CHECKS};

use sea_orm::DbErr;
use std::fmt;
use std::io;

/// Why a backup was not written or not restored, for the operator.
#[derive(Debug)]
pub(crate) struct BackupError(String);

impl BackupError {
    pub(crate) fn new(said: impl Into<String>) -> Self {
        Self(said.into())
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BackupError {}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<DbErr> for BackupError {
    fn from(error: DbErr) -> Self {
        Self(format!("the database: {error}"))
    }
}

impl From<crate::storage::StorageError> for BackupError {
    fn from(error: crate::storage::StorageError) -> Self {
        Self(error.to_string())
    }
}
