//! The database: read on connections that cannot write, written in explicit transactions, and never
//! through a string built at run time.
//!
//! A handler takes [`Db`], a read-only connection; the database itself refuses writes on it. To
//! write, a handler of POST, PUT, PATCH or DELETE begins a [`Tx`] with [`Db::begin`] and ends it
//! with [`Tx::commit`]; an error, an early return or a panic before that rolls everything back. In
//! a handler of GET or HEAD, [`Db::begin`] fails with an explanation.
//!
//! Both run SeaORM's entities and queries. Raw SQL must be a literal with bound values:
//! [`sql!`](crate::sql).
//!
//! ```
//! use palisade::prelude::*;
//! async fn count(db: Db) -> Result<String> {
//!     let row: Option<(i64,)> = db.fetch_one(sql!("SELECT COUNT(*) FROM ticket WHERE status = ?", "open")).await?;
//!     Ok(format!("{} open", row.map_or(0, |(count,)| count)))
//! }
//! ```

mod backend;
mod column_type;
mod connection;
mod data_handle;
mod described_table;
mod diagnosis;
mod entity_table;
mod error;
mod extract;
pub(crate) mod field_keys;
mod grants;
mod keyset;
mod links;
pub mod migrate;
mod migration;
mod migration_lock;
mod pool;
#[cfg(all(feature = "backup", feature = "postgres"))]
mod postgres_tool;
pub(crate) mod probe;
mod raw;
mod recorder;
mod references;
mod restoring;
mod retry;
mod sealed;
mod search;
mod settings;
#[cfg(feature = "backup")]
mod snapshot;
mod sqlite;
mod stored_value;
mod url;
mod write_lock;

pub(crate) use column_type::Family;
pub(crate) use connection::Single;
pub use connection::{Db, Tx};
pub use data_handle::DataHandle;
pub(crate) use described_table::DescribedColumn;
pub(crate) use diagnosis::Diagnosis;
pub(crate) use entity_table::{Difference, EntityTable, differences};
#[cfg(feature = "sentry")]
pub(crate) use error::code;
pub use error::{DbFailure, failure};
pub(crate) use extract::Attached;
#[doc(hidden)]
pub use field_keys::{
    EncryptedColumn, EncryptedTable, IndexColumn, IndexedPart, PlainField, TableKey,
};
pub(crate) use field_keys::{FieldKeys, NOT_ENCRYPTED};
pub(crate) use grants::grants_of_roles;
pub(crate) use keyset::{Direction, Keyset};
pub use links::Links;
pub(crate) use migrate::foreign_table;
pub use migration::{Migration, belongs_to, references};
pub use pool::Database;
pub(crate) use pool::options;
#[cfg(all(feature = "backup", feature = "postgres"))]
pub(crate) use postgres_tool::postgres_tool;
pub use raw::{FromRow, RawSql};
#[doc(hidden)]
pub use recorder::Recorder;
pub(crate) use references::{OnDelete, Reference};
#[cfg(feature = "backup")]
pub(crate) use restoring::RESTORING;
pub(crate) use retry::retry_after_secs;
pub(crate) use sealed::{KeyColumn, Resealed, SealedColumn};
pub use search::contains;
pub(crate) use search::contains_in;
pub use settings::{CHECKS, DatabaseSettings};
#[cfg(feature = "backup")]
pub(crate) use snapshot::{Snapshot, TableDigest};
pub(crate) use stored_value::{Values, is_null, restored, restored_all, stored, stored_all};
pub use url::DatabaseUrl;
#[cfg(all(feature = "backup", feature = "postgres"))]
pub(crate) use url::PostgresUrl;
pub(crate) use write_lock::WriteLock;
