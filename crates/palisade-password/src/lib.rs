//! Password hashes in Django's formats, their upgrade, and the policy for new passwords. No I/O.
//!
//! [`Hasher`] creates and verifies hashes; Argon2id is the default. It reads every format that
//! Django writes today, so that users keep their passwords when a site migrates. Verification never
//! panics, for any stored value. [`Policy`] validates a new password and explains violations.
//!
//! Hashing takes tens of milliseconds and megabytes on purpose. Do not call it on an async thread: `palisade` runs it on a bounded pool.
//!
//! ```
//! use palisade_password::{Hasher, Policy, UserAttributes};
//! let policy = Policy::default();
//! assert!(policy.judge("password1234", &UserAttributes::default()).is_err());
//! let hasher = Hasher::default();
//! let encoded = hasher.hash("correct horse battery staple");
//! assert!(hasher.verify("correct horse battery staple", &encoded).is_match());
//! assert!(!hasher.verify("wrong", &encoded).is_match());
//! ```

mod algorithm;
mod formats;
mod hasher;
mod policy;
mod stolen;

pub use algorithm::Algorithm;
pub use hasher::{Hasher, Verdict, is_usable, range_of, unusable};
pub use policy::{Policy, Rule, UserAttributes, Violation, is_similar};
#[doc(hidden)]
pub use stolen::key_of as stolen_key_of;
