//! Backups of the database and of the files of users, from one snapshot (F001).
//!
//! # Security
//! 1. A backup is encrypted to public keys of [age](https://age-encryption.org/v1): the site, and an
//!    attacker who has taken it over, can write backups and not read them.
//! 2. Its manifest is signed by the site: a backup that an attacker has written is not restored.
//! 3. The keys of users are in a file of their own, which is kept for days and not for months: older
//!    backups forget the encrypted values of users who were deleted.
//! 4. A backup counts as verified when it was restored in a scratch place and compared row by row.

#[cfg(feature = "backup")]
mod archive;
#[cfg(feature = "backup")]
mod error;
#[cfg(feature = "backup")]
mod manifest;
#[cfg(feature = "backup")]
mod name;
mod overdue;
mod record;
#[cfg(feature = "backup")]
mod retention;
mod settings;

#[cfg(feature = "backup")]
pub(crate) use archive::{
    ArchiveWriter, DATABASE, FILES, Hashed, SETTINGS, decrypt, encrypt, unpack,
};
#[cfg(feature = "backup")]
pub(crate) use manifest::{Content, Engine, FORMAT, Manifest, TableState, table_states};
#[cfg(feature = "backup")]
pub(crate) use name::{BackupName, Part};
pub(crate) use overdue::{History, Overdue};
#[cfg(feature = "backup")]
pub(crate) use record::{Recorded, record, record_verified, recorded};
pub(crate) use record::{history, migrations};
#[cfg(feature = "backup")]
pub(crate) use retention::expired;
pub use settings::{BackupSettings, CHECKS};

#[cfg(feature = "backup")]
pub(crate) use error::BackupError;
