//! API clients with bearer tokens: authentication and refusals
//! ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).

use crate::app::Site;
use crate::app::pipeline::request_info::RequestInfo;
use crate::audit_log::{self, Entry, Event};
use crate::auth::{TOKEN_PREFIX, TokenEnd, TokenRefusal, TokenUser, find_access_token};
use crate::permissions::{Access, Caller, CurrentActor, OnBehalf};
use crate::views::{Error, ErrorKind};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// Whether a request comes from an API client or another site. Its cookies are then ignored, and no CSRF token is
/// required: a browser sends this header only from pages of this site, or of origins that the
/// route's CORS allows.
pub(in crate::app) fn is_call(access: &Access, headers: &HeaderMap) -> bool {
    let is_bearer = |value: &HeaderValue| {
        value
            .as_bytes()
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"bearer "))
    };
    let brings = || headers.get_all(header::AUTHORIZATION).iter().any(is_bearer);
    let is_signed = access.signed_source().is_some();
    is_signed || access.needs_token() || (access.takes_tokens() && brings())
}

/// For handlers that issue or verify tokens.
#[cfg(feature = "social")]
pub(in crate::app) fn attach(site: &Site, parts: &mut Parts) {
    if let Some(tokens) = &site.tokens {
        parts.extensions.insert(tokens.clone());
    }
}

#[cfg(not(feature = "social"))]
pub(in crate::app) fn attach(_: &Site, _: &mut Parts) {}

/// Authenticates the bearer token of a request and adds its [`Caller`], and the user on whose behalf
/// it was sent. The access rule handles a missing token.
pub(in crate::app) async fn authenticate(
    info: &RequestInfo,
    parts: &mut Parts,
    actor: &CurrentActor,
) -> Result<(), Response> {
    info.context.personal().mark();
    let found = match bearer_token(&parts.headers) {
        Ok(None) => return Ok(()),
        Ok(Some(token)) if token.starts_with(TOKEN_PREFIX) => personal(info, token).await,
        Ok(Some(token)) => signed(info, token).await,
        Err(refusal) => Err(refusal),
    };
    let (caller, user) = found.map_err(refused)?;
    if let Some(user) = user {
        // of the audit log, and for a freeze of the account
        info.context.set_user_id(user.user.id);
        let on_behalf = OnBehalf::new(actor.of_token(user));
        parts.extensions.insert(on_behalf);
    }
    parts.extensions.insert(caller);
    Ok(())
}

type Found = Result<(Caller, Option<TokenUser>), TokenRefusal>;

/// The token of the only `Authorization` header.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, TokenRefusal> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(first) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        return Err(TokenRefusal::Wrong("there are two of them"));
    }
    let text = first.to_str().ok();
    let (scheme, token) = text
        .and_then(|text| text.split_once(' '))
        .unwrap_or_default();
    match scheme.eq_ignore_ascii_case("bearer") {
        true => Ok(Some(token.trim())),
        false => Err(TokenRefusal::Wrong("it is not a bearer token")),
    }
}

/// A personal access token.
async fn personal(info: &RequestInfo, token: &str) -> Found {
    let accounts = &info.site.accounts;
    let (token, user) = accounts.authenticate_token(token, info.client).await?;
    let caller = Caller {
        issuer: accounts.email.links.main_base(),
        subject: token.user_id.to_string(),
        client_id: None,
        scopes: token.scopes.split(' ').map(str::to_owned).collect(),
        token_id: Some(token.id),
        bound_to: None,
    };
    Ok((caller, Some(user)))
}

/// A signed token, of this site or of another issuer.
#[cfg(feature = "social")]
async fn signed(info: &RequestInfo, token: &str) -> Found {
    let Some(tokens) = &info.site.tokens else {
        return Err(TokenRefusal::Wrong("it is no token of this site"));
    };
    let db = info.site.database.handle();
    let (caller, user) = tokens.caller(&db, token).await?;
    // a signed token says nothing of a second factor
    let has_factor = false;
    Ok((caller, user.map(|user| TokenUser { user, has_factor })))
}

#[cfg(not(feature = "social"))]
async fn signed(_: &RequestInfo, _: &str) -> Found {
    Err(TokenRefusal::Wrong("it is no token of this site"))
}

fn refused(refusal: TokenRefusal) -> Response {
    match refusal {
        TokenRefusal::Wrong(why) => {
            audit_log::record(Entry::new(Event::TokenRefused).detail(why));
            let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{why}\"");
            refuse(StatusCode::UNAUTHORIZED, challenge)
        }
        TokenRefusal::Unknown(trouble) => {
            tracing::warn!(target: "palisade", %trouble, "a token could not be verified");
            let message = "The token could not be verified right now. Try again later.";
            Error::new(ErrorKind::Unavailable, message).into_response()
        }
    }
}

/// Ends a personal access token that was sent in a URL, which logs and histories keep.
pub(in crate::app) async fn refuse_in_url(
    info: &RequestInfo,
    parts: &Parts,
) -> Result<(), Response> {
    let exposed = parts.uri.query().and_then(find_access_token);
    let exposed = exposed.or_else(|| find_access_token(parts.uri.path()));
    let Some(token) = exposed else { return Ok(()) };
    let ended = info
        .site
        .accounts
        .end_exposed_token(token, TokenEnd::Exposed);
    ended.await.map_err(IntoResponse::into_response)?;
    let message = "An access token is sent in the header Authorization, and never in a URL. It has ended: make a new one.";
    Err(Error::new(ErrorKind::BadRequest, message).into_response())
}

/// 401: no token.
pub(in crate::app) fn missing_token(scope: &str) -> Response {
    refuse(
        StatusCode::UNAUTHORIZED,
        format!("Bearer scope=\"{scope}\""),
    )
}

/// 403: the token lacks the scope.
pub(in crate::app) fn insufficient_scope(scope: &str) -> Response {
    refuse(
        StatusCode::FORBIDDEN,
        format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""),
    )
}

fn refuse(status: StatusCode, challenge: String) -> Response {
    let mut response = match status {
        StatusCode::FORBIDDEN => Error::forbidden().into_response(),
        status => status.into_response(),
    };
    // scopes and descriptions are literals of this program, without quotes
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
