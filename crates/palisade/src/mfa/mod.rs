//! Second factors: passkeys ([WebAuthn](https://www.w3.org/TR/webauthn-3/)), codes of an
//! authenticator app (TOTP, [RFC 6238](https://www.rfc-editor.org/rfc/rfc6238)) and recovery codes.
//!
//! A user with a second factor needs it at every login, after the password and before a session is
//! authenticated. Staff must have one (`mfa.require_for_staff`); a route requires it with
//! [`with_factor`](crate::permissions::Access::with_factor). A code is valid once, within one time
//! step of clock skew, and guesses are counted like those at passwords. Secrets are stored
//! encrypted; recovery codes as hashes.
//!
//! # Losing everything
//! A user who has lost passkeys, app and recovery codes asks the operators:
//! `user remove-factors NAME` notifies the owner by mail. A day later the factors are removed and
//! all sessions end, unless one of the factors was used meanwhile. A visitor alone cannot bypass a
//! second factor.

mod factors;
mod guards;
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

/// The encrypted columns of this area.
pub(crate) const SEALED: [crate::db::SealedColumn; 2] = [factors::SEALED, keys::SEALED];

pub use factors::Factors;
pub(crate) use keys::OwnKeys;
pub use migration::migrations;
pub use settings::{CHECKS, MfaSettings};
pub use totp::{Authenticator, code_at};
