//! Rate limits: of the whole site in step 6, of routes around steps 9 and 10.

use crate::app::pipeline::request_info::RequestInfo;
use crate::audit_log::Event;
use crate::auth::Visitor;
use crate::csrf::is_safe;
use crate::forms::{FormStart, is_form, single};
use crate::http::network;
use crate::permissions::{Caller, OnBehalf};
use crate::throttle::{By, Left, Limit, Outcome, Rate};
use crate::views::{Error, ErrorKind};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as _;
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;

/// The limit of all requests, by address. First of all checks: a request for a wrong host costs as
/// much as any other.
pub(in crate::app) async fn check_requests(
    info: &RequestInfo,
    parts: &Parts,
) -> Result<(), Response> {
    let limits = &info.site.limits;
    let limit = if is_foreign(info, parts) {
        &limits.foreign_requests
    } else {
        &limits.requests
    };
    to_response(
        info,
        limit,
        info.site.throttle.admit_address(limit, info.client).await,
    )
}

/// The limit of requests with unsafe methods, by address.
pub(in crate::app) async fn check_changes(
    info: &RequestInfo,
    parts: &Parts,
) -> Result<(), Response> {
    if crate::csrf::is_safe(&parts.method) {
        return Ok(());
    }
    let limits = &info.site.limits;
    let limit = if is_foreign(info, parts) {
        &limits.foreign_changes
    } else {
        &limits.changes
    };
    to_response(
        info,
        limit,
        info.site.throttle.admit_address(limit, info.client).await,
    )
}

/// Whether this is a cross-site subresource request, without user activation. It is counted
/// separately: another site must not use up the limit of an office
/// ([Fetch metadata](https://www.w3.org/TR/fetch-metadata/)).
fn is_foreign(info: &RequestInfo, parts: &Parts) -> bool {
    let says = |name: &str, values: &[&str]| {
        let value = parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.is_some_and(|value| values.contains(&value))
    };
    let is_cross_site =
        says("sec-fetch-site", &["cross-site", "same-site"]) && !says("sec-fetch-user", &["?1"]);
    let is_forged = || {
        !crate::csrf::is_safe(&parts.method)
            && info.site.csrf.check_source(parts, info.scheme).is_err()
    };
    is_cross_site || is_forged()
}

/// The limits of a route that need no body. Returns the name of the tightest one, and its rest.
pub(in crate::app) async fn check_route<'a>(
    limits: impl Iterator<Item = &'a Limit>,
    info: &RequestInfo,
    visitor: &Visitor,
    parts: &Parts,
) -> Result<Option<NamedLeft>, Response> {
    let is_change = !crate::csrf::is_safe(&parts.method);
    let mut tightest: Option<NamedLeft> = None;
    for limit in limits.filter(|limit| is_change || !limit.counts_changes()) {
        let outcome = if matches!(limit.by(), By::Address) {
            info.site.throttle.admit_address(limit, info.client).await
        } else {
            let Some(who) = limit_key(limit.by(), info, visitor, parts).await? else {
                continue;
            };
            info.site.throttle.admit(limit, &who).await
        };
        to_response(info, limit, outcome)?;
        if let Outcome::Fine(Some(left)) = outcome
            && tightest.is_none_or(|(_, known)| left.requests < known.requests)
        {
            tightest = Some((limit.name(), left));
        }
    }
    Ok(tightest)
}

/// A limit by name, and its rest.
pub(in crate::app) type NamedLeft = (&'static str, Left);

/// Adds the rest of a limit to a response
/// ([draft-ietf-httpapi-ratelimit-headers](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/)).
pub(in crate::app) fn add_left((name, left): NamedLeft, headers: &mut HeaderMap) {
    if headers.contains_key("ratelimit") {
        return;
    }
    let seconds = left.reset.as_secs() + 1;
    add_headers((name, left.rate), (left.requests, seconds), headers);
}

fn add_headers((name, rate): (&str, Rate), (rest, seconds): (u32, u64), headers: &mut HeaderMap) {
    let (count, window) = (rate.count(), rate.period().as_secs());
    let fields = [
        (
            "ratelimit-policy",
            format!("\"{name}\";q={count};w={window}"),
        ),
        ("ratelimit", format!("\"{name}\";r={rest};t={seconds}")),
    ];
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Whether one of the rate limits uses form fields.
pub(in crate::app) fn has_field_limits(limits: &[Limit]) -> bool {
    limits
        .iter()
        .any(|limit| matches!(limit.by(), By::Field(_)))
}

/// The limits of a route that use form fields.
pub(in crate::app) async fn check_fields(
    limits: &[Limit],
    info: &RequestInfo,
    parts: &Parts,
    body: &mut Body,
) -> Result<(), Response> {
    if !is_form(&parts.headers) {
        // a body of another type must not go uncounted either
        return match is_safe(&parts.method) || body.is_end_stream() {
            true => Ok(()),
            false => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response()),
        };
    }
    let most = info.site.settings.http.input_limits();
    let start = FormStart::read(body, most.form_bytes)
        .await
        .map_err(|_| StatusCode::BAD_REQUEST.into_response())?;
    // a field behind padding must not go uncounted
    if !start.is_whole {
        return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    }
    let fields = start
        .fields(most.form_fields)
        .map_err(|_| StatusCode::BAD_REQUEST.into_response())?;
    for limit in limits {
        if let By::Field(name) = limit.by()
            && let Some(value) =
                single(&fields, name).map_err(|_| StatusCode::BAD_REQUEST.into_response())?
        {
            count(info, limit, &format!("field {}", normalize(value))).await?;
        }
    }
    Ok(())
}

/// Normalises an input, so that variants of it share one rate limit.
fn normalize(value: &str) -> String {
    value.trim().nfkc().flat_map(char::to_lowercase).collect()
}

/// The client of a request, for a rate limit.
async fn limit_key(
    by: &By,
    info: &RequestInfo,
    visitor: &Visitor,
    parts: &Parts,
) -> Result<Option<String>, Response> {
    let address = || network(info.client.0).to_string();
    let user = async || {
        // the user of a token, or the caller that another site vouches for
        if let Some(user) = parts.extensions.get::<OnBehalf>() {
            let id = user.actor.visitor().user().await;
            let id = id.map_err(IntoResponse::into_response)?.map(|user| user.id);
            return Ok(id.map(|id| format!("user {id}")));
        }
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(Some(format!("caller {} {}", caller.issuer, caller.subject)));
        }
        let user = visitor.user().await.map_err(IntoResponse::into_response)?;
        Ok(user.map(|user| format!("user {}", user.id)))
    };
    Ok(match by {
        By::User => user().await?,
        By::Token => parts.extensions.get::<Caller>().map(Caller::token_key),
        By::UserOrAddress => Some(user().await?.unwrap_or_else(address)),
        By::Header(name) => parts
            .headers
            .get(*name)
            .map(|value| format!("header {}", String::from_utf8_lossy(value.as_bytes()))),
        By::Value(find) => find(parts).map(|value| format!("value {value}")),
        By::Address | By::Field(_) => None,
    })
}

async fn count(
    info: &RequestInfo,
    limit: &Limit,
    who: &(dyn std::fmt::Display + Sync),
) -> Result<(), Response> {
    to_response(info, limit, info.site.throttle.admit(limit, who).await)
}

fn to_response(info: &RequestInfo, limit: &Limit, outcome: Outcome) -> Result<(), Response> {
    match outcome {
        Outcome::Fine(_) => Ok(()),
        Outcome::TooMany(rate, wait) => {
            info.record_refusal(Event::RateLimited, limit.name());
            Err(too_many(limit, rate, wait))
        }
        Outcome::Unknown => Err(Error::new(
            ErrorKind::Busy,
            "This site is busy. Please try again in a few seconds.",
        )
        .into_response()),
    }
}

/// 429 ([RFC 6585 section 4](https://www.rfc-editor.org/rfc/rfc6585#section-4)), with the rate
/// limit and the time to wait.
fn too_many(limit: &Limit, rate: Rate, wait: Duration) -> Response {
    let mut response = Error::new(
        ErrorKind::TooMany,
        "Too many requests. Please wait a moment.",
    )
    .into_response();
    let seconds = wait.as_secs() + 1;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    add_headers((limit.name(), rate), (0, seconds), headers);
    response
}
