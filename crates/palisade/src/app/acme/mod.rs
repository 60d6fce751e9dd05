//! Automatic certificates by ACME ([RFC 8555](https://www.rfc-editor.org/rfc/rfc8555)): ordered,
//! validated, stored and renewed.
//!
//! ```toml
//! [acme]
//! domains = ["desk.example.org"]
//! contact = "admin@example.org"
//! accept_terms = true     # of the authority, Let's Encrypt if no other is named
//! ```
//!
//! The account, the certificate with its key, and open challenges are rows of the site's database,
//! encrypted with the site's keys. All instances therefore use one certificate and can answer each
//! other's challenges; the holder of a lease places orders. A certificate is renewed when a third
//! of its validity is left, with jitter. A failed order is retried after one minute, then two, up
//! to six hours.

mod challenges;
mod checks;
#[cfg(feature = "acme")]
mod client;
mod migration;
#[cfg(feature = "acme")]
mod order;
#[cfg(feature = "acme")]
mod renewal;
mod settings;
#[cfg(feature = "acme")]
mod store;
#[cfg(all(test, feature = "acme"))]
mod tests;

use crate::db::{KeyColumn, SealedColumn};

const PURPOSE: &str = "acme";

/// Database rows of the account, the certificate and open challenges.
pub(super) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_acme",
    key: KeyColumn::Text("name"),
    column: "value",
    purpose: PURPOSE,
    owner: None,
    place: |row| row.key.clone(),
};

pub(super) use challenges::{ACME_TLS, Challenges};
pub(super) use checks::CHECKS;
pub(super) use migration::migrations;
#[cfg(feature = "acme")]
pub(super) use renewal::keep;
pub use settings::{AcmeSettings, Challenge};
