//! The authorization code grant with PKCE ([RFC 9700](https://www.rfc-editor.org/rfc/rfc9700),
//! [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)).

use super::discovery::{Discovery, Known};
use super::id_token::{self, Claims, Expected};
use super::identity::{Identity, Tokens};
use super::provider_request::send;
use super::{Doubt, Kind, Provider, ProviderError, ProviderSettings};
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
use std::sync::Arc;
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
        response: &AuthorizationResponse<'_>,
    ) -> bool {
        let is_same = constant_time_eq(self.state.as_bytes(), response.state.as_bytes());
        let is_theirs =
            provider.kind != Kind::OpenId || response.iss.is_none_or(|iss| iss == provider.issuer);
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

/// An authorization request, and the URL to redirect to.
pub(super) struct StartedLogin {
    pub(super) request: AuthorizationRequest,
    pub(super) to: Url,
}

/// Calls a provider at a time.
pub(super) struct ProviderClient<'a> {
    pub(super) provider: &'a Provider,
    pub(super) discovery: &'a Discovery,
    pub(super) client: &'a Client,
    pub(super) now: DateTime<Utc>,
}

impl ProviderClient<'_> {
    async fn metadata(&self) -> Result<Arc<Known>, ProviderError> {
        let issuer = &self.provider.issuer;
        self.discovery.current(self.client, issuer, self.now).await
    }

    /// Creates the authorization request, and the URL to redirect to.
    pub(super) async fn begin(&self, base: &str) -> Result<StartedLogin, ProviderError> {
        let authorize = match self.provider.endpoints() {
            Some(endpoints) => endpoints.authorize,
            None => self
                .metadata()
                .await?
                .metadata
                .authorization_endpoint
                .clone(),
        };
        let ProviderSettings {
            name, client_id, ..
        } = &self.provider.settings;
        let [state, nonce, verifier] = std::array::from_fn(|_| random::token().expose().to_owned());
        let redirect_uri = format!("{base}/account/social/{name}/callback");
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let mut to = Url::parse(&authorize)
            .map_err(|error| ProviderError::Misconfigured(error.to_string()))?;
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", &self.provider.scopes)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if self.provider.kind == Kind::OpenId {
            to.query_pairs_mut().append_pair("nonce", &nonce);
        }
        let request = AuthorizationRequest {
            provider: name.clone(),
            state,
            nonce,
            verifier,
            redirect_uri,
            next: None,
            adds_to: None,
        };
        Ok(StartedLogin { request, to })
    }

    /// Completes the request: the identity.
    pub(super) async fn finish(
        &self,
        request: &AuthorizationRequest,
        response: &AuthorizationResponse<'_>,
    ) -> Result<Identity, ProviderError> {
        let Some(endpoints) = self.provider.endpoints() else {
            return self.finish_with_id_token(request, response).await;
        };
        let exchange = Exchange {
            endpoint: &endpoints.token,
            methods: &[],
            request,
            code: response.code,
        };
        let tokens = self.exchange(exchange).await?;
        super::profile::identity(self.provider, self.client, &endpoints, tokens.into()).await
    }

    async fn finish_with_id_token(
        &self,
        request: &AuthorizationRequest,
        response: &AuthorizationResponse<'_>,
    ) -> Result<Identity, ProviderError> {
        let known = self.metadata().await?;
        let metadata = &known.metadata;
        // the issuer of the response, where the provider names it (RFC 9207), against mix-up
        // attacks
        let must_say = metadata.authorization_response_iss_parameter_supported;
        if response.iss.map_or(must_say, |iss| iss != metadata.issuer) {
            return Err(ProviderError::InvalidResponse(
                "the response is from another issuer".into(),
            ));
        }
        let exchange = Exchange {
            endpoint: &metadata.token_endpoint,
            methods: &metadata.token_endpoint_auth_methods_supported,
            request,
            code: response.code,
        };
        let tokens = self.exchange(exchange).await?;
        let claims = self.verify_id_token(&known, request, &tokens).await?;
        let name = claims
            .preferred_username
            .or(claims.name)
            .unwrap_or_default();
        Ok(Identity {
            issuer: self.provider.issuer.clone(),
            subject: claims.sub,
            is_verified: claims.email.is_some()
                && claims.email_verified.is_some_and(|truth| truth.holds()),
            email: claims.email,
            name,
            tokens: tokens.tokens_to_store(self.provider),
        })
    }

    /// Verifies an ID token. For an unknown key the provider's keys are fetched again.
    async fn verify_id_token(
        &self,
        known: &Known,
        request: &AuthorizationRequest,
        tokens: &Tokens,
    ) -> Result<Claims, ProviderError> {
        let id_token = tokens.id_token.as_deref();
        let id_token = id_token
            .ok_or_else(|| ProviderError::InvalidResponse("there is no ID token".into()))?;
        let expected = Expected {
            issuer: &self.provider.issuer,
            client_id: &self.provider.settings.client_id,
            nonce: &request.nonce,
            access_token: &tokens.access_token,
            now: self.now,
        };
        let mut verified = id_token::verify(id_token, &known.keys, &expected);
        if matches!(verified, Err(Doubt::UnknownKey)) {
            let issuer = &self.provider.issuer;
            let newer = self.discovery.refresh(self.client, issuer, self.now);
            verified = id_token::verify(id_token, &newer.await?.keys, &expected);
        }
        verified.map_err(|doubt| {
            ProviderError::InvalidResponse(format!("the ID token is invalid: {doubt:?}"))
        })
    }

    /// The logout URL of the provider, if it has one and the site uses it.
    pub(super) async fn logout(&self, base: &str) -> Option<Url> {
        let settings = &self.provider.settings;
        if !settings.logs_out || self.provider.kind != Kind::OpenId {
            return None;
        }
        let known = self.metadata().await.ok()?;
        let mut url = Url::parse(known.metadata.end_session_endpoint.as_deref()?).ok()?;
        url.query_pairs_mut()
            .append_pair("client_id", &settings.client_id)
            .append_pair("post_logout_redirect_uri", &format!("{base}/"));
        Some(url)
    }

    /// Exchanges the code for tokens, in a request from this site to the provider.
    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Tokens, ProviderError> {
        let secret = super::proof::client_secret(self.provider, self.now)?;
        let request = exchange
            .request(self.provider, &secret)
            .map_err(|error| ProviderError::Misconfigured(error.to_string()))?;
        let tokens: Tokens = send(self.client, request).await?;
        if tokens.token_type.eq_ignore_ascii_case("bearer") {
            Ok(tokens)
        } else {
            let said = "the token type is unknown";
            Err(ProviderError::InvalidResponse(said.into()))
        }
    }
}

/// The exchange of a code for tokens.
struct Exchange<'a> {
    /// The token endpoint, and the methods of authentication that it supports.
    endpoint: &'a str,
    methods: &'a [String],
    request: &'a AuthorizationRequest,
    code: &'a str,
}

impl Exchange<'_> {
    fn request(&self, provider: &Provider, secret: &str) -> Result<Request<Bytes>, http::Error> {
        let client_id = &provider.settings.client_id;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", self.code);
        form.append_pair("redirect_uri", &self.request.redirect_uri)
            .append_pair("code_verifier", &self.request.verifier);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.endpoint)
            .header(header::ACCEPT, "application/json");
        // OpenID Connect's default is Basic; OAuth 2.0 alone has none
        let takes_basic = provider.kind == Kind::OpenId
            && (self.methods.is_empty()
                || self
                    .methods
                    .iter()
                    .any(|method| method == "client_secret_basic"));
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
}
