//! What an ID token must prove before it is believed ([OpenID Connect Core, section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation),
//! [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725)).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use palisade_crypto::constant_time_eq;
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// What this site expects of a token.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) access_token: &'a str,
    pub(super) now: DateTime<Utc>,
}

/// What a token says, once it is believed.
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

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Some write `"true"`.
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

/// Why a token is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Its key is not among those that are known: perhaps it is new.
    UnknownKey,
    /// Anything else.
    Wrong(&'static str),
}

/// Signatures by private keys alone: a secret that both sides know, and none at all, prove nothing (ASVS 9.1.2).
const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::RS512, Algorithm::EdDSA];
/// Clocks differ by so much.
const LEEWAY_SECS: i64 = 60;
/// A token of a login that was begun ten minutes ago is not newer than that.
const OLDEST_SECS: i64 = 15 * 60;

/// Believes a token, or says what is wrong with it. Keys come from `keys` alone: what the token names is not looked at (ASVS 9.1.3).
pub(super) fn verify(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Claims, Doubt> {
    let header = decode_header(token).map_err(|_| Doubt::Wrong("it is no signed token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Doubt::Wrong("its algorithm is not taken"));
    }
    if header.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt")) {
        return Err(Doubt::Wrong("it is a token for something else"));
    }
    let key = key(keys, header.kid.as_deref(), header.alg).ok_or(Doubt::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    // judged below, by this site's clock
    (validation.validate_exp, validation.validate_aud) = (false, false);
    validation.required_spec_claims.clear();
    let claims = decode::<Claims>(token, &key, &validation).map_err(|_| Doubt::Wrong("its signature is wrong"))?.claims;
    claims.judge(header.alg, expected).map_or(Ok(()), |wrong| Err(Doubt::Wrong(wrong)))?;
    Ok(claims)
}

fn key(keys: &JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let is_good = |jwk: &&Jwk| {
        let common = &jwk.common;
        let is_for_signatures = common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
        let is_for_this = common.key_algorithm.is_none_or(|known| known.to_string() == format!("{algorithm:?}"));
        let is_public = !matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_));
        let is_named = kid.is_none_or(|kid| common.key_id.as_deref() == Some(kid));
        is_for_signatures && is_for_this && is_public && is_named
    };
    let mut good = keys.keys.iter().filter(is_good).filter_map(|jwk| DecodingKey::from_jwk(jwk).ok());
    good.find(|key| key.family() == algorithm.family())
}

impl Claims {
    /// What is wrong with it.
    fn judge(&self, algorithm: Algorithm, expected: &Expected<'_>) -> Option<&'static str> {
        let now = expected.now.timestamp();
        let (is_ours, is_alone) = match &self.aud {
            Audience::One(one) => (one == expected.client_id, true),
            Audience::Many(all) => (all.iter().any(|one| one == expected.client_id), all.len() == 1),
        };
        let nonce = self.nonce.as_deref().unwrap_or_default();
        let rules = [
            (self.iss == expected.issuer, "it is of another issuer"),
            (is_ours, "it is for another site"),
            (is_alone || self.azp.is_some(), "it is for several sites, and does not say who asked for it"),
            (self.azp.as_ref().is_none_or(|azp| azp == expected.client_id), "another site asked for it"),
            (self.exp > now - LEEWAY_SECS, "it has expired"),
            ((now - OLDEST_SECS..=now + LEEWAY_SECS).contains(&self.iat), "it was not made just now"),
            (self.nbf.is_none_or(|nbf| nbf <= now + LEEWAY_SECS), "it is not good yet"),
            (constant_time_eq(nonce.as_bytes(), expected.nonce.as_bytes()), "it is of another login"),
            ((1..=255).contains(&self.sub.len()), "it names nobody"),
            (self.is_of(algorithm, expected.access_token), "it belongs to another access token"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, wrong)| wrong)
    }

    /// Whether it came with this access token, where it says so.
    fn is_of(&self, algorithm: Algorithm, access_token: &str) -> bool {
        let Some(at_hash) = &self.at_hash else { return true };
        let digest = match algorithm {
            Algorithm::ES384 => Sha384::digest(access_token).to_vec(),
            Algorithm::RS512 | Algorithm::EdDSA => Sha512::digest(access_token).to_vec(),
            _ => Sha256::digest(access_token).to_vec(),
        };
        constant_time_eq(URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2]).as_bytes(), at_hash.as_bytes())
    }
}
