//! The authorization code grant with PKCE ([RFC 9700](https://www.rfc-editor.org/rfc/rfc9700),
//! [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)).

use super::id_token::{self, Expected};
use super::identity::{Identity, Tokens};
use super::provider_request::send;
use super::{Discovery, Doubt, Kind, Provider, ProviderError, ProviderSettings};
use crate::auth::Purpose;
use crate::http::client::Client;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, Request, header};
use palisade_crypto::{constant_time_eq, random};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

/// A pending authorization request.
#[derive(Serialize, Deserialize)]
pub(super) struct AuthorizationRequest {
    pub(super) provider: String,
    state: String,
    nonce: String,
    verifier: String,
    redirect_uri: String,
    pub(super) next: Option<String>,
    /// The user who links this login to an account.
    pub(super) adds_to: Option<i32>,
}

impl AuthorizationRequest {
    /// Whether a response belongs to it: from the provider, with its state.
    pub(super) fn is_answered(
        &self,
        provider: &Provider,
        back: &AuthorizationResponse<'_>,
    ) -> bool {
        let is_same = constant_time_eq(self.state.as_bytes(), back.state.as_bytes());
        let is_theirs =
            provider.kind != Kind::OpenId || back.iss.is_none_or(|iss| iss == provider.issuer);
        is_same && is_theirs && self.provider == provider.settings.name
    }
}

impl Purpose for AuthorizationRequest {
    const NAME: &'static str = "social login";
    const LIFETIME_SECS: i64 = 600;
}

/// The authorization response.
pub(super) struct AuthorizationResponse<'a> {
    pub(super) code: &'a str,
    pub(super) state: &'a str,
    pub(super) iss: Option<&'a str>,
}

/// A provider with its metadata.
#[derive(Default)]
pub(super) struct OpenIdClient {
    discovery: Discovery,
}

/// Creates the authorization request, and the URL to redirect to.
pub(super) struct StartedLogin {
    pub(super) away: AuthorizationRequest,
    pub(super) to: Url,
}

impl OpenIdClient {
    pub(super) async fn begin(
        &self,
        provider: &Provider,
        client: &Client,
        now: DateTime<Utc>,
        base: &str,
    ) -> Result<StartedLogin, ProviderError> {
        let authorize = match provider.endpoints() {
            Some(endpoints) => endpoints.authorize,
            None => self
                .discovery
                .known(client, &provider.issuer, now)
                .await?
                .metadata
                .authorization_endpoint
                .clone(),
        };
        let ProviderSettings {
            name, client_id, ..
        } = &provider.settings;
        let [state, nonce, verifier] = std::array::from_fn(|_| random::token().expose().to_owned());
        let redirect_uri = format!("{base}/account/social/{name}/callback");
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let mut to = Url::parse(&authorize)
            .map_err(|error| ProviderError::Misconfigured(error.to_string()))?;
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", &provider.scopes)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if provider.kind == Kind::OpenId {
            to.query_pairs_mut().append_pair("nonce", &nonce);
        }
        let away = AuthorizationRequest {
            provider: name.clone(),
            state,
            nonce,
            verifier,
            redirect_uri,
            next: None,
            adds_to: None,
        };
        Ok(StartedLogin { away, to })
    }

    /// Completes the request: the identity.
    pub(super) async fn finish(
        &self,
        provider: &Provider,
        client: &Client,
        now: DateTime<Utc>,
        away: &AuthorizationRequest,
        back: &AuthorizationResponse<'_>,
    ) -> Result<Identity, ProviderError> {
        match provider.endpoints() {
            Some(endpoints) => {
                let tokens = exchange(
                    provider,
                    client,
                    &endpoints.token,
                    &[],
                    away,
                    (back.code, now),
                )
                .await?;
                super::profile::identity(provider, client, &endpoints, tokens.into()).await
            }
            None => self.by_id_token(provider, client, now, away, back).await,
        }
    }

    async fn by_id_token(
        &self,
        provider: &Provider,
        client: &Client,
        now: DateTime<Utc>,
        away: &AuthorizationRequest,
        back: &AuthorizationResponse<'_>,
    ) -> Result<Identity, ProviderError> {
        let mut known = self.discovery.known(client, &provider.issuer, now).await?;
        let metadata = &known.metadata;
        // the issuer of the response, where the provider names it (RFC 9207), against mix-up
        // attacks
        let must_say = metadata.authorization_response_iss_parameter_supported;
        if back.iss.map_or(must_say, |iss| iss != metadata.issuer) {
            return Err(ProviderError::InvalidResponse(
                "the response is from another issuer".into(),
            ));
        }
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let tokens = exchange(
            provider,
            client,
            &metadata.token_endpoint,
            methods,
            away,
            (back.code, now),
        )
        .await?;
        let id_token = tokens
            .id_token
            .clone()
            .ok_or_else(|| ProviderError::InvalidResponse("there is no ID token".into()))?;
        let expected = Expected {
            issuer: &provider.issuer,
            client_id: &provider.settings.client_id,
            nonce: &away.nonce,
            access_token: &tokens.access_token,
            now,
        };
        let mut judged = id_token::verify(&id_token, &known.keys, &expected);
        if matches!(judged, Err(Doubt::UnknownKey)) {
            known = self
                .discovery
                .renewed(client, &provider.issuer, now)
                .await?;
            judged = id_token::verify(&id_token, &known.keys, &expected);
        }
        let claims = judged.map_err(|doubt| {
            ProviderError::InvalidResponse(format!("the ID token is invalid: {doubt:?}"))
        })?;
        let name = claims
            .preferred_username
            .or(claims.name)
            .unwrap_or_default();
        Ok(Identity {
            issuer: provider.issuer.clone(),
            subject: claims.sub,
            is_verified: claims.email.is_some()
                && claims.email_verified.is_some_and(|truth| truth.holds()),
            email: claims.email,
            name,
            tokens: tokens.kept(provider),
        })
    }

    /// The logout URL of the provider, if it has one and the site uses it.
    pub(super) async fn logout(
        &self,
        provider: &Provider,
        client: &Client,
        now: DateTime<Utc>,
        base: &str,
    ) -> Option<Url> {
        if !provider.settings.logs_out || provider.kind != Kind::OpenId {
            return None;
        }
        let known = self
            .discovery
            .known(client, &provider.issuer, now)
            .await
            .ok()?;
        let mut url = Url::parse(known.metadata.end_session_endpoint.as_deref()?).ok()?;
        url.query_pairs_mut()
            .append_pair("client_id", &provider.settings.client_id)
            .append_pair("post_logout_redirect_uri", &format!("{base}/"));
        Some(url)
    }
}

/// Exchanges the code for tokens, in a request from this site to the provider.
async fn exchange(
    provider: &Provider,
    client: &Client,
    endpoint: &str,
    methods: &[String],
    away: &AuthorizationRequest,
    (code, now): (&str, DateTime<Utc>),
) -> Result<Tokens, ProviderError> {
    let secret = super::proof::client_secret(provider, now)?;
    let request = exchange_request(provider, endpoint, methods, away, (code, &secret));
    let tokens: Tokens = send(
        client,
        request.map_err(|error| ProviderError::Misconfigured(error.to_string()))?,
    )
    .await?;
    if tokens.token_type.eq_ignore_ascii_case("bearer") {
        Ok(tokens)
    } else {
        Err(ProviderError::InvalidResponse(
            "the token type is unknown".into(),
        ))
    }
}

fn exchange_request(
    provider: &Provider,
    endpoint: &str,
    methods: &[String],
    away: &AuthorizationRequest,
    (code, secret): (&str, &str),
) -> Result<Request<Bytes>, http::Error> {
    let client_id = &provider.settings.client_id;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code);
    form.append_pair("redirect_uri", &away.redirect_uri)
        .append_pair("code_verifier", &away.verifier);
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(endpoint)
        .header(header::ACCEPT, "application/json");
    // OpenID Connect's default is Basic; OAuth 2.0 alone has none
    let takes_basic = provider.kind == Kind::OpenId
        && (methods.is_empty() || methods.iter().any(|method| method == "client_secret_basic"));
    if takes_basic || provider.kind == Kind::X {
        let quoted =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let both = format!("{}:{}", quoted(client_id), quoted(secret));
        request = request.header(
            header::AUTHORIZATION,
            format!("Basic {}", STANDARD.encode(both)),
        );
    } else {
        form.append_pair("client_id", client_id)
            .append_pair("client_secret", secret);
    }
    request
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(form.finish()))
}
