//! Values that Django derives from a user and the key: the session hash that depends on the
//! password, and the password reset token.

use crate::KeyRing;
use crate::encoding::{base36, from_base36, hex};
use crate::mac::{constant_time_eq, salted_hmac};

/// The user's values that a password reset token is bound to. A change of one of them revokes the
/// token.
#[derive(Debug, Clone, Copy)]
pub struct ResetClaims<'a> {
    /// Primary key, in decimal.
    pub user_id: &'a str,
    /// The stored, encoded password hash.
    pub password_field: &'a str,
    /// `last_login` in UTC as `YYYY-MM-DD HH:MM:SS`, or empty for a user who never logged in.
    pub last_login: &'a str,
    /// E-mail address, may be empty.
    pub email: &'a str,
}

/// Django's `get_session_auth_hash()`: 64 hexadecimal characters that change with the password.
pub fn session_auth_hash(ring: &KeyRing, password_field: &str) -> String {
    auth_hash(ring.newest(), password_field)
}

/// Whether a key of the ring gives `hash` for this password field.
pub fn is_session_auth_hash(ring: &KeyRing, password_field: &str, hash: &str) -> bool {
    ring.keys()
        .any(|key| constant_time_eq(auth_hash(key, password_field).as_bytes(), hash.as_bytes()))
}

/// Django's password reset token, `time-hash`; `now` in seconds since 1970.
pub fn reset_token(ring: &KeyRing, claims: ResetClaims<'_>, now: u64) -> String {
    token_at(ring.newest(), claims, now.saturating_sub(EPOCH_2001))
}

/// Whether `token` was made for these claims at `not_before` or later, in seconds since 1970.
pub fn is_reset_token(
    ring: &KeyRing,
    claims: ResetClaims<'_>,
    token: &str,
    not_before: u64,
) -> bool {
    let Some(made_at) = token
        .split_once('-')
        .and_then(|(time, _)| from_base36(time))
    else {
        return false;
    };
    let is_ours =
        |key| constant_time_eq(token_at(key, claims, made_at).as_bytes(), token.as_bytes());
    let is_fresh = made_at.saturating_add(EPOCH_2001) >= not_before;
    // both, always: constant work for expired and forged tokens
    ring.keys().any(is_ours) & is_fresh
}

/// Seconds between 1970-01-01 and 2001-01-01, from which Django counts.
const EPOCH_2001: u64 = 978_307_200;

fn auth_hash(key: &str, password_field: &str) -> String {
    let salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
    hex(&salted_hmac(salt, password_field.as_bytes(), key))
}

fn token_at(key: &str, claims: ResetClaims<'_>, made_at: u64) -> String {
    let ResetClaims {
        user_id,
        password_field,
        last_login,
        email,
    } = claims;
    let bound = format!("{user_id}{password_field}{last_login}{made_at}{email}");
    let hash = hex(&salted_hmac(
        "django.contrib.auth.tokens.PasswordResetTokenGenerator",
        bound.as_bytes(),
        key,
    ));
    let every_other: String = hash.chars().step_by(2).collect();
    format!("{}-{every_other}", base36(made_at))
}
