//! Tokens that others signed: which signatures are believed, whatever a token is for ([RFC 8725](https://www.rfc-editor.org/rfc/rfc8725)).

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a token is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Its key is not among those that are known: perhaps it is new.
    UnknownKey,
    /// Anything else.
    Wrong(&'static str),
}

/// Whom a token is for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Whether it is for this one, perhaps among others.
    pub(crate) fn holds(&self, ours: &str) -> bool {
        match self {
            Self::One(one) => one == ours,
            Self::Many(all) => all.iter().any(|one| one == ours),
        }
    }

    /// Whether it is for nobody else.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::One(_)) || matches!(self, Self::Many(all) if all.len() == 1)
    }
}

/// Signatures by private keys alone: a secret that both sides know, and none at all, prove nothing (ASVS 9.1.2).
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::RS512,
    Algorithm::EdDSA,
];
/// Clocks differ by so much.
pub(crate) const LEEWAY_SECS: i64 = 60;

/// What a token says, and how it is signed, if one of `keys` signed it. Keys come from there alone: what the token names is not looked at (ASVS 9.1.3).
pub(crate) fn believed<T: DeserializeOwned>(
    token: &str,
    keys: &JwkSet,
    is_kind: impl Fn(Option<&str>) -> bool,
) -> Result<(T, Algorithm), Doubt> {
    let header = decode_header(token).map_err(|_| Doubt::Wrong("it is no signed token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Doubt::Wrong("its algorithm is not taken"));
    }
    if !is_kind(header.typ.as_deref()) {
        return Err(Doubt::Wrong("it is a token for something else"));
    }
    let key = key(keys, header.kid.as_deref(), header.alg).ok_or(Doubt::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    // judged by the caller, by this site's clock
    (validation.validate_exp, validation.validate_aud) = (false, false);
    validation.required_spec_claims.clear();
    let claims = decode::<T>(token, &key, &validation)
        .map_err(|_| Doubt::Wrong("its signature is wrong"))?
        .claims;
    Ok((claims, header.alg))
}

fn key(keys: &JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let is_good = |jwk: &&Jwk| {
        let common = &jwk.common;
        let is_for_signatures = common
            .public_key_use
            .as_ref()
            .is_none_or(|used| *used == PublicKeyUse::Signature);
        let is_for_this = common
            .key_algorithm
            .is_none_or(|known| known.to_string() == format!("{algorithm:?}"));
        let is_public = !matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_));
        let is_named = kid.is_none_or(|kid| common.key_id.as_deref() == Some(kid));
        is_for_signatures && is_for_this && is_public && is_named
    };
    let mut good = keys
        .keys
        .iter()
        .filter(is_good)
        .filter_map(|jwk| DecodingKey::from_jwk(jwk).ok());
    good.find(|key| key.family() == algorithm.family())
}
