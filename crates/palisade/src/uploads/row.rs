//! The table of files.

use crate::db::{KeyColumn, SealedColumn};
use palisade_crypto::file::FileKey;
use palisade_crypto::seal::Sealer;
use palisade_crypto::{KeyRing, Secret};
use sea_orm::entity::prelude::*;

/// A row of `palisade_file`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "palisade_file")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The key in URLs and in the storage.
    #[sea_orm(unique)]
    pub key: String,
    /// Hash of the secret name of a held file; empty once it belongs to a row.
    pub token: String,
    /// Hash of the session that the file is held for.
    pub binding: String,
    /// The user who sent it.
    pub user_id: Option<i32>,
    pub kind: String,
    /// The field of the form.
    pub field: String,
    pub name: String,
    pub media_type: String,
    /// Bytes before encryption.
    pub bytes: i64,
    /// SHA-256 of the content, in hexadecimal digits.
    pub sha256: String,
    /// The key of the file, encrypted.
    pub sealed: String,
    /// Name of the storage.
    pub store: String,
    pub state: String,
    /// The finding of the virus scanner.
    pub verdict: String,
    /// Version of the scanner and its signatures; empty before the first scan.
    pub scanned_with: String,
    /// Seconds since 1970 of the last scan that was begun; 0 before the first.
    pub tried: i64,
    /// The row that the file belongs to: table and key.
    pub owner_table: Option<String>,
    pub owner_key: Option<String>,
    /// Seconds since 1970.
    pub created: i64,
    /// Seconds since 1970; the file is deleted then, unless it belongs to a row.
    pub until: Option<i64>,
    /// The member of staff who proposed to release it from quarantine.
    pub proposed_by: Option<i32>,
    /// Seconds since 1970.
    pub proposed_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The life of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its bytes are being stored.
    Arriving,
    /// It waits for the virus scanner, and is not served.
    Checking,
    /// It is served.
    Clean,
    /// The virus scanner found something: it is not served.
    Quarantined,
    /// Two persons have released it from quarantine: it is served.
    Released,
    /// It is being deleted.
    Gone,
}

impl State {
    const ALL: [Self; 6] = [
        Self::Arriving,
        Self::Checking,
        Self::Clean,
        Self::Quarantined,
        Self::Released,
        Self::Gone,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Arriving => "arriving",
            Self::Checking => "checking",
            Self::Clean => "clean",
            Self::Quarantined => "quarantined",
            Self::Released => "released",
            Self::Gone => "gone",
        }
    }

    /// The state of a word; an unknown one is not served.
    pub(crate) fn of(word: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|state| state.word() == word).unwrap_or(Self::Gone)
    }

    pub(crate) fn is_served(self) -> bool {
        matches!(self, Self::Clean | Self::Released)
    }
}

const PURPOSE: &str = "file keys";

/// The encrypted column of the table, for key rotation.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_file",
    key: KeyColumn::Text("key"),
    column: "sealed",
    purpose: PURPOSE,
    owner: None,
    place: |row| place(&row.key),
};

/// The place of a file's key, and of its content.
pub(super) fn place(key: &str) -> String {
    format!("palisade_file {key}")
}

pub(super) fn seal_key(ring: &KeyRing, (key, secret): (&str, &FileKey)) -> String {
    let text = secret.to_text();
    Sealer::new(ring, PURPOSE).seal(text.expose().as_bytes(), &place(key))
}

/// The key of a file; `None` if no key of the site decrypts it.
pub(super) fn open_key(ring: &KeyRing, row: &Model) -> Option<FileKey> {
    let opened = Sealer::new(ring, PURPOSE).open(&row.sealed, &place(&row.key));
    let text = String::from_utf8(opened.ok()?.expose().clone()).ok()?;
    FileKey::from_text(&Secret::new(text)).ok()
}
