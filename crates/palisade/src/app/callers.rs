//! Programs that bring tokens: what the guard asks of them, and how it refuses them ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).

#[cfg(feature = "social")]
use super::Routes;
use super::Site;
use super::guard::Arrival;
#[cfg(feature = "social")]
use crate::api::{Refused, Tokens};
#[cfg(feature = "social")]
use crate::audit_log::{self, Event};
use crate::permissions::Access;
#[cfg(feature = "social")]
use crate::permissions::public;
use crate::views::Error;
#[cfg(feature = "social")]
use crate::views::ErrorKind;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
#[cfg(feature = "social")]
use serde_json::Value;

/// Whether a request is a program's: cookies say nothing then, and no form token is asked for. A browser sends this header only for a page of this very site,
/// or for one that the route's CORS names.
pub(super) fn is_call(access: &Access, headers: &HeaderMap) -> bool {
    let is_bearer = |value: &HeaderValue| {
        value
            .as_bytes()
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"bearer "))
    };
    let brings = || headers.get_all(header::AUTHORIZATION).iter().any(is_bearer);
    access.needs_token() || (access.takes_tokens() && brings())
}

/// Where the keys are that verify tokens of this site, and what says so.
#[cfg(feature = "social")]
pub(super) fn routes() -> Routes {
    let json = |value: Value| {
        (
            [(header::CONTENT_TYPE, "application/json")],
            value.to_string(),
        )
    };
    let answer = move |value: Option<Value>| value.map(json).ok_or_else(Error::not_found);
    let keys = async move |tokens: Tokens| answer(tokens.published().map(|(keys, _)| keys));
    let metadata =
        async move |tokens: Tokens| answer(tokens.published().map(|(_, metadata)| metadata));
    Routes::new()
        .route("/.well-known/jwks.json", public().get(keys))
        .route(
            "/.well-known/oauth-authorization-server",
            public().get(metadata),
        )
}

/// For handlers that make tokens, or ask whose they are.
#[cfg(feature = "social")]
pub(super) fn attach(site: &Site, parts: &mut Parts) {
    if let Some(tokens) = &site.tokens {
        parts.extensions.insert(tokens.clone());
    }
}

#[cfg(not(feature = "social"))]
pub(super) fn attach(_: &Site, _: &mut Parts) {}

/// Adds the caller of a request that brings a token which is believed. Without one, the route's rule says what is missing.
#[cfg(feature = "social")]
pub(super) async fn name(arrival: &Arrival, parts: &mut Parts) -> Result<(), Response> {
    let context = &arrival.context;
    context.personal().mark();
    let Some(tokens) = &arrival.site.tokens else {
        return Ok(());
    };
    match tokens
        .caller(&arrival.site.database.handle(), &parts.headers)
        .await
    {
        Ok(caller) => {
            caller.map(|caller| parts.extensions.insert(caller));
            Ok(())
        }
        Err(Refused::Wrong(why)) => {
            audit_log::record(Event::TokenRefused, Some(arrival.client), context.id(), why);
            Err(refused(
                StatusCode::UNAUTHORIZED,
                format!("Bearer error=\"invalid_token\", error_description=\"{why}\""),
            ))
        }
        Err(Refused::Unknown(trouble)) => {
            tracing::warn!(target: "palisade", %trouble, "a token cannot be judged");
            let message = "Nobody can say right now whether this token is good. Try again later.";
            Err(Error::new(ErrorKind::Unavailable, message).into_response())
        }
    }
}

#[cfg(not(feature = "social"))]
pub(super) async fn name(_: &Arrival, _: &mut Parts) -> Result<(), Response> {
    Ok(())
}

/// Nobody has said who calls.
pub(super) fn unnamed(scope: &str) -> Response {
    refused(
        StatusCode::UNAUTHORIZED,
        format!("Bearer scope=\"{scope}\""),
    )
}

/// Somebody calls, and may do something else.
pub(super) fn narrow(scope: &str) -> Response {
    refused(
        StatusCode::FORBIDDEN,
        format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""),
    )
}

fn refused(status: StatusCode, challenge: String) -> Response {
    let mut response = match status {
        StatusCode::FORBIDDEN => Error::forbidden().into_response(),
        status => status.into_response(),
    };
    // scopes and descriptions are of this program and have no quotes in them
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
