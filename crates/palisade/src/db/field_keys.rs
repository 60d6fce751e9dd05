//! The keys of encrypted columns, and the tables that have some. `db` owns
//! them, because each handle of the database can encrypt and decrypt; `encrypted_fields` uses them.

use crate::clock::{Clock, SystemClock, unix_seconds};
use arc_swap::ArcSwapOption;
use palisade_crypto::DataRing;
use palisade_crypto::field::Plain;
use palisade_crypto::random;
use sea_orm::DbErr;
use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, LazyLock};
use zeroize::Zeroizing;

/// The keys and the tables of a site.
pub(crate) struct FieldKeys {
    ring: ArcSwapOption<DataRing>,
    clock: Arc<dyn Clock>,
    tables: Vec<EncryptedTable>,
}

/// A table with encrypted columns. The derive `EncryptedFields` describes it.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct EncryptedTable {
    pub table: &'static str,
    pub key: TableKey,
    pub columns: Vec<EncryptedColumn>,
    pub indexes: Vec<IndexColumn>,
    /// The type of the rows that are written.
    pub row: TypeId,
    /// The plaintext of a column of such a row that is to be encrypted.
    pub plain: fn(&dyn Any, &str) -> Option<PlainField>,
}

/// The primary key of a table: one column.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKey {
    Number(&'static str),
    Text(&'static str),
}

/// An encrypted column.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct EncryptedColumn {
    pub name: &'static str,
    /// The column with the user whose key encrypts it.
    pub owner: Option<&'static str>,
    /// Whether a text is a value of the column's type, and its normal spelling.
    pub spelling: fn(&str) -> Option<Zeroizing<String>>,
}

/// A column with a blind index.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct IndexColumn {
    pub name: &'static str,
    pub parts: Vec<IndexedPart>,
    pub bits: u8,
    pub is_unique: bool,
}

/// An encrypted column that is part of an index.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct IndexedPart {
    pub column: &'static str,
    /// The normal form of a plaintext.
    pub normal: fn(&str) -> Option<Zeroizing<String>>,
}

/// A plaintext that is to be encrypted.
#[doc(hidden)]
pub struct PlainField {
    pub text: Zeroizing<String>,
    /// Seconds since 1970.
    pub until: Option<u64>,
}

impl PlainField {
    pub(crate) fn value(&self) -> Plain<'_> {
        Plain {
            value: self.text.as_bytes(),
            until: self.until,
        }
    }
}

/// The mark in place of a value that was not encrypted: statements with it are refused.
/// Random, so that no input of a visitor is taken for it.
pub(crate) static NOT_ENCRYPTED: LazyLock<String> =
    LazyLock::new(|| format!("not encrypted {}", random::nonce()));

impl TableKey {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Number(name) | Self::Text(name) => name,
        }
    }
}

impl EncryptedTable {
    pub(crate) fn column(&self, name: &str) -> Option<&EncryptedColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Default for FieldKeys {
    fn default() -> Self {
        Self {
            ring: ArcSwapOption::empty(),
            clock: Arc::new(SystemClock),
            tables: Vec::new(),
        }
    }
}

impl FieldKeys {
    pub(crate) fn new(
        ring: Option<DataRing>,
        clock: Arc<dyn Clock>,
        tables: Vec<EncryptedTable>,
    ) -> Self {
        Self {
            ring: ArcSwapOption::new(ring.map(Arc::new)),
            clock,
            tables,
        }
    }

    /// The keys.
    ///
    /// # Errors
    /// When the site has none.
    pub(crate) fn ring(&self) -> Result<Arc<DataRing>, DbErr> {
        self.ring.load_full().ok_or_else(|| {
            DbErr::Custom(
                "there is no key for encrypted columns: run `keys new`, or set keys.data".into(),
            )
        })
    }

    /// Uses other keys from now on.
    pub(crate) fn replace_ring(&self, ring: DataRing) {
        self.ring.store(Some(Arc::new(ring)));
    }

    /// Seconds since 1970 by the clock of the site.
    pub(crate) fn now(&self) -> u64 {
        unix_seconds(self.clock.now())
    }

    pub(crate) fn tables(&self) -> &[EncryptedTable] {
        &self.tables
    }

    /// The table whose rows are written with this type.
    pub(crate) fn table_of(&self, row: TypeId) -> Option<&EncryptedTable> {
        self.tables.iter().find(|table| table.row == row)
    }
}

impl fmt::Debug for FieldKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FieldKeys({} tables)", self.tables.len())
    }
}
