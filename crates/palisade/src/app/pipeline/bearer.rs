//! API clients with bearer tokens: authentication and refusals
//! ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).

#[cfg(feature = "social")]
use crate::api::Refused;
use crate::app::Site;
use crate::app::pipeline::request_info::RequestInfo;
#[cfg(feature = "social")]
use crate::audit_log::{self, Entry, Event};
use crate::permissions::Access;
use crate::views::Error;
#[cfg(feature = "social")]
use crate::views::ErrorKind;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// Whether a request comes from an API client. Its cookies are then ignored, and no CSRF token is
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
    access.needs_token() || (access.takes_tokens() && brings())
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

/// Authenticates the bearer token of a request and adds its [`Caller`]. The access rule handles a
/// missing token.
#[cfg(feature = "social")]
pub(in crate::app) async fn authenticate(
    info: &RequestInfo,
    parts: &mut Parts,
) -> Result<(), Response> {
    let context = &info.context;
    context.personal().mark();
    let Some(tokens) = &info.site.tokens else {
        return Ok(());
    };
    match tokens
        .caller(&info.site.database.handle(), &parts.headers)
        .await
    {
        Ok(caller) => {
            if let Some((caller, user)) = caller {
                // of the audit log, and for a freeze of the account
                user.into_iter().for_each(|id| context.set_user_id(id));
                parts.extensions.insert(caller);
            }
            Ok(())
        }
        Err(Refused::Wrong(why)) => {
            audit_log::record(Entry::new(Event::TokenRefused).detail(why));
            Err(refuse(
                StatusCode::UNAUTHORIZED,
                format!("Bearer error=\"invalid_token\", error_description=\"{why}\""),
            ))
        }
        Err(Refused::Unknown(trouble)) => {
            tracing::warn!(target: "palisade", %trouble, "a token could not be verified");
            let message = "The token could not be verified right now. Try again later.";
            Err(Error::new(ErrorKind::Unavailable, message).into_response())
        }
    }
}

#[cfg(not(feature = "social"))]
pub(in crate::app) async fn authenticate(_: &RequestInfo, _: &mut Parts) -> Result<(), Response> {
    Ok(())
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
