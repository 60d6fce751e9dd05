//! Encrypted columns: a copy of the database shows no value, and a row changed in the database
//! does not pass for another one.
//!
//! A value is encrypted by XAES-256-GCM with a key of the data folder's `data.keys`, which is
//! not the key that signs sessions and links; it is bound to its table, column and row. A column
//! with a blind index finds a value without decrypting others.
//!
//! ```
//! # mod contact {
//! use palisade::entity::*;
//! use palisade::prelude::*;
//!
//! #[sea_orm::model]
//! #[derive(Clone, Debug, PartialEq, DeriveEntityModel, EncryptedFields)]
//! #[sea_orm(table_name = "contact")]
//! pub struct Model {
//!     #[sea_orm(primary_key)]
//!     pub id: i32,
//!     pub email: Encrypted<Email>,
//!     #[blind_index(email)]
//!     pub email_index: BlindIndex<Email>,
//! }
//!
//! impl ActiveModelBehavior for ActiveModel {}
//!
//! pub async fn add(tx: &Tx, email: Email) -> Result<Model> {
//!     let new = ActiveModel { email: Set(email.into()), ..Default::default() };
//!     Ok(tx.insert_row(new).await?) // encrypts, and fills email_index
//! }
//!
//! pub async fn find(db: &Db, email: &Email) -> Result<Option<String>> {
//!     let found = Entity::find().filter(Entity::email_is(db, email)?).one(db).await?;
//!     let Some(contact) = found else { return Ok(None) };
//!     Ok(Some(contact.open_email(db)?.expose().to_string()))
//! }
//! # }
//! # use palisade::prelude::*;
//! let app = App::new().encrypted::<contact::Entity>();
//! ```
//!
//! The column types are `text`; that of an index gets an index of the database. The keys and their
//! rotation are in the guide, `docs/encrypted-fields.md`.

#[cfg(feature = "adopt")]
#[doc(hidden)]
pub mod django;
mod encrypt_column;
mod error;
mod index;
mod migration;
mod noted_keys;
mod open;
mod reencrypt;
mod rows;
mod status;
mod user_keys;
mod value;
mod write;

#[doc(hidden)]
pub use encrypt_column::{Format, ReadValue};
pub(crate) use encrypt_column::{Plain, Plaintexts};
pub use error::{FieldError, FieldErrorKind};
pub use index::BlindIndex;
#[doc(hidden)]
pub use index::{IndexQuery, describe_index};
pub use migration::migrations;
pub(crate) use noted_keys::{forget_key, missing_keys, missing_on, note_keys};
#[doc(hidden)]
pub use open::{key_of, open, open_of_user};
pub(crate) use reencrypt::{Pace, Rewritten, outdated_rows, reencrypt, tables_named};
#[cfg(feature = "backup")]
pub(crate) use status::opened_columns;
pub(crate) use status::{ColumnStatus, status, values_of_key};
#[cfg(feature = "backup")]
pub(crate) use user_keys::StoredUserKey;
pub(crate) use user_keys::UserKeys;
pub use value::{Encryptable, Encrypted};
#[doc(hidden)]
pub use value::{ToEncrypt, describe_column};
#[doc(hidden)]
pub use write::{EncryptedRow, describe_table};
pub(crate) use write::{encrypt_change, is_encrypted_change};
#[doc(hidden)]
pub use zeroize::{Zeroize, Zeroizing};
