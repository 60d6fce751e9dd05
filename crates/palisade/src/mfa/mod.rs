//! Second factors: passkeys ([WebAuthn](https://www.w3.org/TR/webauthn-3/)), codes of an authenticator app (TOTP,
//! [RFC 6238](https://www.rfc-editor.org/rfc/rfc6238)) and recovery codes.
//!
//! Whoever has one proves it at every login, after the password and before there is a session of theirs. Those who work here must have one
//! (`mfa.require_for_staff`); a route asks for it with [`with_factor`](crate::permissions::Access::with_factor). A code works once, within its 30 seconds or
//! one step beside them, and guesses are counted like those at passwords. Secrets are sealed where they are kept; of recovery codes there is a hash.
//!
//! # Losing everything
//! Whoever has lost passkeys, app and recovery codes asks those who run the site: `user remove-factors NAME` tells the owner by mail, and a day later takes
//! the factors away and ends all sessions, unless somebody has logged in with one of them meanwhile. Nothing that a visitor can do alone goes around a second factor.

mod factors;
#[cfg_attr(
    not(feature = "passkeys"),
    expect(dead_code, reason = "without the feature there are none to add")
)]
mod keys;
mod migration;
#[cfg(feature = "passkeys")]
pub(crate) mod passkey_views;
#[cfg(feature = "passkeys")]
mod passkeys;
mod removal;
mod settings;
#[cfg(test)]
mod tests;
mod totp;
pub(crate) mod views;

/// What is encrypted here.
pub(crate) const SEALED: [crate::db::SealedColumn; 2] = [factors::SEALED, keys::SEALED];

pub use factors::Factors;
pub(crate) use keys::OwnKeys;
pub use migration::migrations;
pub use settings::{CHECKS, MfaSettings};
pub use totp::{Authenticator, code_at};
