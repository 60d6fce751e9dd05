//! Keys, signatures, random tokens and [`Secret`] for Palisade. No I/O, no clock: time is an argument.
//!
//! | Need | Use |
//! |---|---|
//! | a value that must never be printed | [`Secret`] |
//! | the site's keys, rotation, keys derived by purpose | [`KeyRing`] |
//! | values shared with Django: cookies, sessions, `signing.dumps` | [`signing`] |
//! | session hash and password reset token of a user, as Django makes them | [`user_tokens`] |
//! | a stored value of the framework, encrypted and bound to its place | [`seal`] |
//! | a column of the site, encrypted and bound to its row, found by a blind index | [`field`], [`DataRing`] |
//! | a file, encrypted in chunks with a key of its own | [`mod@file`] |
//! | a link to an object of an S3-compatible storage | [`presigned`] |
//! | a delivery of a webhook | [`webhook`] |
//! | a tamper-evident log and its signed checkpoints | [`chain`], [`signed_note`] |
//! | an unguessable value and the hash that is stored of it | [`random`] |
//!
//! ```
//! use palisade_crypto::{KeyRing, signing::Signer};
//! let ring = KeyRing::new("an example key, at least fifty characters long: 0123456789")?;
//! let signer = Signer::new(&ring, "newsletter");
//! let signed = signer.sign("ann@example.org");
//! assert_eq!(signer.unsign(&signed)?, "ann@example.org");
//! assert!(signer.unsign("eve@example.org:forged").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod chain;
mod data_keys;
mod encoding;
#[cfg(feature = "fernet")]
pub mod fernet;
pub mod field;
pub mod file;
mod key_ring;
mod mac;
pub mod presigned;
pub mod random;
pub mod seal;
mod secret;
pub mod signed_note;
pub mod signing;
pub mod user_tokens;
pub mod webhook;
mod xaes;

pub use data_keys::{DataKey, DataKeyError, DataRing};
pub use encoding::hex;
pub use key_ring::{KeyError, KeyRing};
pub use mac::{constant_time_eq, hmac_sha256};
pub use secret::Secret;
