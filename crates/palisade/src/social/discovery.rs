//! Metadata and keys of an OpenID provider
//! ([OpenID Connect Discovery 1.0](https://openid.net/specs/openid-connect-discovery-1_0.html)).

use super::ProviderError;
use super::settings::is_safe;
use crate::http::client::Client;
use arc_swap::ArcSwapOption;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::Mutex;
use url::Url;

/// The used part of the metadata.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    /// Empty for an issuer of access tokens only.
    #[serde(default)]
    pub(super) authorization_endpoint: String,
    #[serde(default)]
    pub(super) token_endpoint: String,
    jwks_uri: String,
    pub(super) end_session_endpoint: Option<String>,
    #[serde(default)]
    pub(super) token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// Metadata and keys, with the time of the fetch.
pub(crate) struct Known {
    pub(super) metadata: Metadata,
    pub(crate) keys: JwkSet,
    at: DateTime<Utc>,
}

/// Cache for one provider. Refreshed after an hour, and when a key is unknown.
#[derive(Default)]
pub(crate) struct Discovery {
    known: ArcSwapOption<Known>,
    /// Time of the last failure; the provider is not asked for a while after it.
    failed: Mutex<Option<(DateTime<Utc>, ProviderError)>>,
}

const KEPT: TimeDelta = TimeDelta::hours(1);
/// How long stale metadata and keys are used while the provider does not answer.
const LONGEST: TimeDelta = TimeDelta::days(1);
/// Shortest interval between refreshes for an unknown key.
const LEAST: TimeDelta = TimeDelta::seconds(30);

impl Discovery {
    /// Metadata and keys, at most an hour old.
    pub(crate) async fn current(
        &self,
        client: &Client,
        issuer: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<Known>, ProviderError> {
        self.newer_than(client, issuer, now, now - KEPT).await
    }

    /// Metadata and keys, refreshed because a key was missing.
    pub(crate) async fn refresh(
        &self,
        client: &Client,
        issuer: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<Known>, ProviderError> {
        self.newer_than(client, issuer, now, now - LEAST).await
    }

    async fn newer_than(
        &self,
        client: &Client,
        issuer: &str,
        now: DateTime<Utc>,
        limit: DateTime<Utc>,
    ) -> Result<Arc<Known>, ProviderError> {
        let good = || self.known.load_full().filter(|known| known.at > limit);
        if let Some(known) = good() {
            return Ok(known);
        }
        // of concurrent callers, one fetches and the others wait
        let mut failed = self.failed.lock().await;
        if let Some(known) = good() {
            return Ok(known);
        }
        if failed.as_ref().is_none_or(|(at, _)| now - *at > LEAST) {
            match ask(client, issuer, now).await {
                Ok(known) => {
                    let known = Arc::new(known);
                    self.known.store(Some(known.clone()));
                    *failed = None;
                    return Ok(known);
                }
                Err(trouble) => *failed = Some((now, trouble)),
            }
        }
        // fall back to the stale metadata
        let old = self
            .known
            .load_full()
            .filter(|known| known.at > now - LONGEST);
        let trouble = failed.as_ref().map_or_else(
            || ProviderError::Unreachable(issuer.into()),
            |(_, trouble)| trouble.clone(),
        );
        old.ok_or(trouble)
    }
}

async fn ask(client: &Client, issuer: &str, now: DateTime<Utc>) -> Result<Known, ProviderError> {
    let metadata = metadata_of(client, issuer.trim_end_matches('/')).await?;
    // metadata of another issuer must not be accepted: it would be trusted everywhere (ASVS 10.5.3)
    if metadata.issuer != issuer {
        return Err(ProviderError::Misconfigured(format!(
            "the metadata of {issuer} names another issuer"
        )));
    }
    let used = [&metadata.authorization_endpoint, &metadata.token_endpoint]
        .into_iter()
        .filter(|url| !url.is_empty());
    let used = used
        .chain([&metadata.jwks_uri])
        .chain(&metadata.end_session_endpoint);
    if let Some(unsafe_one) = used
        .into_iter()
        .find(|url| !Url::parse(url).is_ok_and(|url| is_safe(&url)))
    {
        return Err(ProviderError::Misconfigured(format!(
            "{issuer} has an endpoint with plain HTTP: {unsafe_one}"
        )));
    }
    let keys = json(client, &metadata.jwks_uri).await?;
    Ok(Known {
        metadata,
        keys,
        at: now,
    })
}

/// The metadata URL of OpenID Connect, or that of OAuth 2.0
/// ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)) for issuers of access tokens only.
async fn metadata_of(client: &Client, base: &str) -> Result<Metadata, ProviderError> {
    let answer = json(client, &format!("{base}/.well-known/openid-configuration")).await;
    // RFC 8414 inserts the well-known part before the path of the issuer
    let other = Url::parse(base).ok().map(|url| {
        let path = url.path().trim_end_matches('/');
        format!(
            "{}/.well-known/oauth-authorization-server{path}",
            url.origin().ascii_serialization()
        )
    });
    match (answer, other) {
        (Err(trouble), Some(other)) => json(client, &other).await.map_err(|_| trouble),
        (answer, _) => answer,
    }
}

async fn json<T: DeserializeOwned>(client: &Client, url: &str) -> Result<T, ProviderError> {
    let answer = client
        .get(url)
        .await
        .map_err(|error| ProviderError::Unreachable(error.to_string()))?;
    if !answer.status().is_success() {
        return Err(ProviderError::Unreachable(format!(
            "{url} answers {}",
            answer.status()
        )));
    }
    serde_json::from_slice(answer.body())
        .map_err(|error| ProviderError::Misconfigured(format!("{url}: {error}")))
}
