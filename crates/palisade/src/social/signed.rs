//! Verification of JWT signatures, for ID tokens and access tokens
//! ([RFC 8725](https://www.rfc-editor.org/rfc/rfc8725)).

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a token is invalid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Its key is unknown; it may be new.
    UnknownKey,
    /// Another reason.
    Wrong(&'static str),
}

/// The audience of a token.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Whether it contains this audience.
    pub(crate) fn holds(&self, ours: &str) -> bool {
        match self {
            Self::One(one) => one == ours,
            Self::Many(all) => all.iter().any(|one| one == ours),
        }
    }

    /// Whether it is exactly this audience.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::One(_)) || matches!(self, Self::Many(all) if all.len() == 1)
    }
}

/// Asymmetric algorithms only: HMAC and `none` are refused (ASVS 9.1.2).
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::RS512,
    Algorithm::EdDSA,
];
/// Accepted clock skew.
pub(crate) const LEEWAY_SECS: i64 = 60;

/// The claims and header of a token, if one of `keys` has signed it. Keys named in the token are
/// ignored (ASVS 9.1.3).
pub(crate) fn verify_signature<T: DeserializeOwned>(
    token: &str,
    keys: &JwkSet,
    is_kind: impl Fn(Option<&str>) -> bool,
) -> Result<(T, Algorithm), Doubt> {
    let header = decode_header(token).map_err(|_| Doubt::Wrong("it is not a signed token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Doubt::Wrong("its algorithm is not accepted"));
    }
    if !is_kind(header.typ.as_deref()) {
        return Err(Doubt::Wrong("it is a token of another type"));
    }
    let key = key(keys, header.kid.as_deref(), header.alg).ok_or(Doubt::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    // checked by the caller, with this site's clock
    (validation.validate_exp, validation.validate_aud) = (false, false);
    validation.required_spec_claims.clear();
    let claims = decode::<T>(token, &key, &validation)
        .map_err(|_| Doubt::Wrong("its signature is invalid"))?
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
