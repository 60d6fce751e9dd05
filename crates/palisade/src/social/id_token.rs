//! Verification of ID tokens
//! ([OpenID Connect Core, section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation),
//! [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725)).

use super::signed::{Audience, Doubt, LEEWAY_SECS, verify_signature};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::JwkSet;
use palisade_crypto::constant_time_eq;
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Expected values of a token.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) access_token: &'a str,
    pub(super) now: DateTime<Utc>,
}

/// The validated claims.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    at_hash: Option<String>,
    pub(super) email: Option<String>,
    pub(super) email_verified: Option<Truth>,
    pub(super) preferred_username: Option<String>,
    pub(super) name: Option<String>,
}

/// Some providers send `"true"`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Truth {
    Bool(bool),
    Text(String),
}

impl Truth {
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Bool(is_true) => *is_true,
            Self::Text(text) => text == "true",
        }
    }
}

/// Pending requests expire after ten minutes, so a token cannot be older.
const OLDEST_SECS: i64 = 15 * 60;

/// Verifies a token, or returns the problem.
pub(super) fn verify(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Claims, Doubt> {
    let is_id_token = |typ: Option<&str>| typ.is_none_or(|typ| typ.eq_ignore_ascii_case("jwt"));
    let (claims, algorithm) = verify_signature::<Claims>(token, keys, is_id_token)?;
    claims
        .judge(algorithm, expected)
        .map_or(Ok(()), |wrong| Err(Doubt::Wrong(wrong)))?;
    Ok(claims)
}

impl Claims {
    /// The problem, for the log.
    fn judge(&self, algorithm: Algorithm, expected: &Expected<'_>) -> Option<&'static str> {
        let now = expected.now.timestamp();
        let nonce = self.nonce.as_deref().unwrap_or_default();
        let rules = [
            (self.iss == expected.issuer, "it is from another issuer"),
            (
                self.aud.holds(expected.client_id),
                "it is for another audience",
            ),
            (
                self.aud.is_alone() || self.azp.is_some(),
                "it has several audiences, and no authorized party",
            ),
            (
                self.azp
                    .as_ref()
                    .is_none_or(|azp| azp == expected.client_id),
                "its authorized party is another client",
            ),
            (self.exp > now - LEEWAY_SECS, "it has expired"),
            (
                (now - OLDEST_SECS..=now + LEEWAY_SECS).contains(&self.iat),
                "it was not issued just now",
            ),
            (
                self.nbf.is_none_or(|nbf| nbf <= now + LEEWAY_SECS),
                "it is not valid yet",
            ),
            (
                constant_time_eq(nonce.as_bytes(), expected.nonce.as_bytes()),
                "it belongs to another login (nonce)",
            ),
            (
                (1..=255).contains(&self.sub.len()),
                "the subject is missing or too long",
            ),
            (
                self.is_of(algorithm, expected.access_token),
                "it belongs to another access token (at_hash)",
            ),
        ];
        rules
            .into_iter()
            .find(|(holds, _)| !holds)
            .map(|(_, wrong)| wrong)
    }

    /// Whether the token was issued with this access token, where it says so (`at_hash`).
    fn is_of(&self, algorithm: Algorithm, access_token: &str) -> bool {
        let Some(at_hash) = &self.at_hash else {
            return true;
        };
        let digest = match algorithm {
            Algorithm::ES384 => Sha384::digest(access_token).to_vec(),
            Algorithm::RS512 | Algorithm::EdDSA => Sha512::digest(access_token).to_vec(),
            _ => Sha256::digest(access_token).to_vec(),
        };
        constant_time_eq(
            URL_SAFE_NO_PAD
                .encode(&digest[..digest.len() / 2])
                .as_bytes(),
            at_hash.as_bytes(),
        )
    }
}
