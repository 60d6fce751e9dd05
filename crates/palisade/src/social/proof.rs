//! Client authentication at a provider: a shared secret, or, at Apple, a signed JWT
//! ([Creating a client secret](https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret)).

use super::{Provider, ProviderError};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use std::borrow::Cow;

/// The secret of the configuration, or a JWT signed with its key.
pub(super) fn client_secret(
    provider: &Provider,
    now: DateTime<Utc>,
) -> Result<Cow<'_, str>, ProviderError> {
    let secret = provider.settings.client_secret.expose();
    let (Some(team), Some(key_id)) = (&provider.settings.team_id, &provider.settings.key_id) else {
        return Ok(Cow::Borrowed(secret.as_str()));
    };
    let unusable = || {
        ProviderError::Misconfigured(format!(
            "client_secret of {} is not an ES256 private key",
            provider.settings.name
        ))
    };
    let der = PrivatePkcs8KeyDer::from_pem_slice(secret.as_bytes()).map_err(|_| unusable())?;
    let key = EncodingKey::from_ec_der(der.secret_pkcs8_der());
    let header = Header {
        kid: Some(key_id.clone()),
        ..Header::new(Algorithm::ES256)
    };
    let at = now.timestamp();
    let claims = json!({ "iss": team, "iat": at, "exp": at + 300, "aud": provider.issuer, "sub": provider.settings.client_id });
    encode(&header, &claims, &key)
        .map(Cow::Owned)
        .map_err(|_| unusable())
}
