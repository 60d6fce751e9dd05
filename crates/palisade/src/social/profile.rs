//! The identity at a provider without OpenID Connect: by a request with the access token.

use super::identity::{Identity, Opened};
use super::provider::Endpoints;
use super::provider_request::send;
use super::{Kind, Provider, ProviderError};
use crate::http::client::Client;
use bytes::Bytes;
use http::{Request, header};
use serde_json::Value;

/// Fetches the profile.
pub(super) async fn identity(
    provider: &Provider,
    client: &Client,
    endpoints: &Endpoints,
    opened: Opened,
) -> Result<Identity, ProviderError> {
    let user: Value = get(client, &endpoints.user, &opened.access_token).await?;
    let user = if provider.kind == Kind::X {
        &user["data"]
    } else {
        &user
    };
    let (email, is_verified) = match &endpoints.emails {
        Some(url) => primary(&get(client, url, &opened.access_token).await?),
        // addresses in a profile are unverified input
        None => (user["email"].as_str().map(str::to_owned), false),
    };
    let id = user["id"]
        .as_i64()
        .map(|id| id.to_string())
        .or_else(|| user["id"].as_str().map(str::to_owned));
    let subject = id
        .filter(|id| (1..=255).contains(&id.len()))
        .ok_or_else(|| ProviderError::InvalidResponse("the response has no subject".into()))?;
    let name = ["login", "username", "name"]
        .iter()
        .find_map(|key| user[*key].as_str())
        .unwrap_or_default();
    Ok(Identity {
        issuer: provider.issuer.clone(),
        subject,
        email,
        is_verified,
        name: name.into(),
        tokens: opened.tokens_to_store(provider),
    })
}

/// The primary verified address of GitHub's list.
fn primary(list: &Value) -> (Option<String>, bool) {
    let first = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["primary"] == true);
    let email = first
        .and_then(|one| one["email"].as_str())
        .map(str::to_owned);
    (email, first.is_some_and(|one| one["verified"] == true))
}

async fn get(client: &Client, url: &str, access_token: &str) -> Result<Value, ProviderError> {
    let request = Request::get(url).header(header::AUTHORIZATION, format!("Bearer {access_token}"));
    let request = request
        .header(header::ACCEPT, "application/json")
        .body(Bytes::new());
    send(
        client,
        request.map_err(|error| ProviderError::Misconfigured(error.to_string()))?,
    )
    .await
}
