//! Certificates by themselves ([RFC 8555](https://www.rfc-editor.org/rfc/rfc8555)): ordered, proven, kept and renewed without anybody's doing.
//!
//! ```toml
//! [acme]
//! domains = ["desk.example.org"]
//! contact = "admin@example.org"
//! accept_terms = true     # of the authority, Let's Encrypt if no other is named
//! ```
//!
//! The account, the certificate with its key, and open challenges are rows of the site's database, sealed with the site's keys. So all instances show one
//! certificate and answer each other's challenges, and one of them at a time orders: whoever holds the lease. A certificate is renewed when a third of its
//! life is left, a little earlier or later by chance; an order that fails is tried again after a minute, then two, up to six hours.

mod challenges;
#[cfg(feature = "acme")]
mod client;
#[cfg(feature = "acme")]
mod keeper;
mod migration;
#[cfg(feature = "acme")]
mod order;
mod settings;
#[cfg(feature = "acme")]
mod store;
#[cfg(all(test, feature = "acme"))]
mod tests;

use crate::db::{KeyColumn, SealedColumn};

const PURPOSE: &str = "acme";

/// The account, the certificate and open challenges.
pub(super) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_acme",
    key: KeyColumn::Text("name"),
    column: "value",
    purpose: PURPOSE,
    owner: None,
    place: |row| row.key.clone(),
};

pub(super) use challenges::{ACME_TLS, Challenges};
#[cfg(feature = "acme")]
pub(super) use keeper::keep;
pub(super) use migration::migrations;
pub(super) use settings::CHECKS;
pub use settings::{AcmeSettings, Challenge};
