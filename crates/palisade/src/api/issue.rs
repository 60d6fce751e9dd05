//! Access tokens issued by this site, signed with keys derived from its key ring: the newest key
//! signs, older ones verify.

use crate::auth::User;
use crate::views::{Error, Result};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use palisade_crypto::{KeyRing, random};
use serde_json::{Value, json};

/// The grant of a token. All fields are required: there is no token for everything (ASVS 9.2.4).
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// Audience: the `api.audience` of the accepting site, usually its URL. All others reject the
    /// token.
    pub audience: &'a str,
    /// Subject: the user on whose behalf the client calls.
    pub user: &'a User,
    /// Scopes.
    pub scopes: &'a [&'a str],
    /// Lifetime in minutes, 1 to 60. A token cannot be revoked for services that only verify its
    /// signature.
    pub minutes: u32,
}

/// Token type ([RFC 9068 section 2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
pub(super) const KIND: &str = "at+jwt";

/// Signing key.
pub(super) struct OwnKeys {
    pub(super) issuer: String,
    newest: EncodingKey,
    kid: String,
    /// Verification keys, published as a JWK set.
    pub(super) public: JwkSet,
}

impl OwnKeys {
    pub(super) fn new(issuer: String, ring: &KeyRing) -> Result<Self, jsonwebtoken::errors::Error> {
        let keys: Vec<EncodingKey> = ring
            .derive("palisade access tokens", b"Ed25519")
            .map(|seed| encoding_key(&seed))
            .collect();
        let public = JwkSet {
            keys: keys.iter().map(public).collect::<Result<_, _>>()?,
        };
        let kid = public
            .keys
            .first()
            .and_then(|jwk| jwk.common.key_id.clone())
            .unwrap_or_default();
        let newest = keys.into_iter().next().unwrap_or_else(|| {
            encoding_key(&ring.derive_newest("palisade access tokens", b"Ed25519"))
        });
        Ok(Self {
            issuer,
            newest,
            kid,
            public,
        })
    }

    /// Signs a token; `bound_to` ties it to the user's password, for this site.
    pub(super) fn sign(&self, grant: &Grant<'_>, now: i64, bound_to: &str) -> Result<String> {
        judge(grant)?;
        let header = Header {
            typ: Some(KIND.into()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        let claims: Value = json!({
            "iss": self.issuer, "sub": grant.user.id.to_string(), "aud": grant.audience, "scope": grant.scopes.join(" "),
            "iat": now, "exp": now + i64::from(grant.minutes) * 60, "jti": random::token().expose(), "client_id": self.issuer,
            "bound_to": bound_to,
        });
        encode(&header, &claims, &self.newest)
            .map_err(|error| Error::bug(format!("a token was not signed: {error}")))
    }

    /// Authorization server metadata ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).
    pub(super) fn metadata(&self) -> Value {
        json!({ "issuer": self.issuer, "jwks_uri": format!("{}/.well-known/jwks.json", self.issuer), "response_types_supported": [] })
    }
}

fn judge(grant: &Grant<'_>) -> Result<()> {
    let is_scope = |scope: &&str| {
        !scope.is_empty()
            && scope
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    let rules = [
        (
            !grant.audience.trim().is_empty(),
            "a token says whom it is for: its audience is empty",
        ),
        (
            !grant.scopes.is_empty() && grant.scopes.iter().all(is_scope),
            "a token has scopes, without spaces and quotes in them",
        ),
        (
            (1..=60).contains(&grant.minutes),
            "a token lasts 1 to 60 minutes",
        ),
    ];
    rules
        .into_iter()
        .find(|(holds, _)| !holds)
        .map_or(Ok(()), |(_, wrong)| Err(Error::bug(wrong)))
}

/// An Ed25519 key in PKCS #8
/// ([RFC 8410 section 7](https://www.rfc-editor.org/rfc/rfc8410#section-7)): a fixed prefix, then
/// the 32 bytes.
fn encoding_key(seed: &[u8; 32]) -> EncodingKey {
    const BEGINNING: [u8; 16] = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    EncodingKey::from_ed_der(&[BEGINNING.as_slice(), seed].concat())
}

fn public(key: &EncodingKey) -> Result<Jwk, jsonwebtoken::errors::Error> {
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::EdDSA)?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(jwk)
}
