//! Requests from this site to a provider.

use super::ProviderError;
use crate::http::client::Client;
use bytes::Bytes;
use http::Request;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Sends a request to a provider.
pub(super) async fn send<T: DeserializeOwned>(
    client: &Client,
    request: Request<Bytes>,
) -> Result<T, ProviderError> {
    let place = request.uri().path().to_owned();
    let answer = client
        .send(request)
        .await
        .map_err(|error| ProviderError::Unreachable(error.to_string()))?;
    if answer.status().is_server_error() {
        return Err(ProviderError::Unreachable(format!(
            "{place} answers {}",
            answer.status()
        )));
    }
    if !answer.status().is_success() {
        let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let word: String = said["error"]
            .as_str()
            .unwrap_or_default()
            .chars()
            .take(50)
            .collect();
        return Err(ProviderError::InvalidResponse(format!(
            "{place} answers {} {word:?}",
            answer.status()
        )));
    }
    serde_json::from_slice(answer.body())
        .map_err(|error| ProviderError::Misconfigured(format!("{place}: {error}")))
}
