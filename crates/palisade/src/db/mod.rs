//! The database: read by connections that cannot write, written in explicit transactions, never through a string made at run time.
//!
//! A handler takes [`Db`]. It is a connection for reading, and the database itself refuses everything else on it. To write, a
//! handler of POST, PUT, PATCH or DELETE opens a [`Tx`] with [`Db::begin`] and ends with [`Tx::commit`]; an error, an early return or
//! a panic before that undoes everything. In a handler of GET or HEAD, [`Db::begin`] is an error that says why.
//!
//! Both run SeaORM's entities and queries. Raw SQL must be a literal with bound values: [`sql!`](crate::sql).
//!
//! ```
//! use palisade::prelude::*;
//! async fn count(db: Db) -> Result<String> {
//!     let row: Option<(i64,)> = db.fetch_one(sql!("SELECT COUNT(*) FROM ticket WHERE status = ?", "open")).await?;
//!     Ok(format!("{} open", row.map_or(0, |(count,)| count)))
//! }
//! ```

mod backend;
mod connection;
mod diagnosis;
mod error;
mod extract;
pub mod migrate;
mod migration_lock;
mod pool;
pub(crate) mod probe;
mod raw;
mod recorder;
mod sealed;
mod search;
mod settings;
mod sqlite;
mod url;

pub(crate) use connection::Single;
pub use connection::{Db, Tx};
pub(crate) use diagnosis::Diagnosis;
pub use error::{DbFailure, failure};
pub(crate) use extract::Attached;
pub(crate) use migrate::foreign_table;
pub use pool::Database;
pub(crate) use pool::options;
pub use raw::{FromRow, RawSql};
#[doc(hidden)]
pub use recorder::Recorder;
pub(crate) use sealed::{KeyColumn, Resealed, SealedColumn};
pub use search::contains;
pub use settings::{CHECKS, DatabaseSettings};
pub use url::DatabaseUrl;
