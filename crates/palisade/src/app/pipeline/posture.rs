//! Refuses requests by the measures of operators: blocked, paused, read-only.

use super::request_info::RequestInfo;
use crate::app::upstream::normalize_path;
use crate::audit_log::{self, Entry, Event};
use crate::csrf::is_safe;
use crate::incident::{Blockable, Paused, Posture};
use crate::views::{Error, ErrorKind};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

/// Seconds after which a client may try again.
const RETRY: u64 = 60;

/// The step of the perimeter, after block lists.
pub(super) fn check(info: &RequestInfo, parts: &Parts) -> Result<(), Response> {
    let posture = info.site.incident.posture();
    if posture.is_normal() {
        return Ok(());
    }
    check_rules(&posture, info, parts)?;
    let path = parts.uri.path();
    record_canary(&posture, info, path);
    if is_paused(&posture, parts) {
        return Err(refuse(
            "This is paused for the moment. Please try again later.",
        ));
    }
    let changes = !is_safe(&parts.method) || info.site.changes_on_read(path);
    match posture.is_read_only() && changes && !is_allowed(parts) {
        true => Err(refuse(
            "This site is read-only for the moment. Nothing was changed. Please try again later.",
        )),
        false => Ok(()),
    }
}

/// Records the use of a path that no page links to. Its budget is apart from that of other refusals,
/// which a scanner uses up.
fn record_canary(posture: &Posture, info: &RequestInfo, path: &str) {
    let plain = normalize_path::plain(path);
    let is_touched = posture.is_canary(plain.as_deref().unwrap_or(path));
    let site = &info.site;
    if is_touched && site.throttle.admit_here(&site.limits.canaries, info.client) {
        audit_log::record(Entry::new(Event::CanaryTouched).detail("a path"));
    }
}

/// Staff log in to work on the incident, and everyone can log out.
fn is_allowed(parts: &Parts) -> bool {
    let path = parts.uri.path();
    const ALLOWED: [&str; 3] = [
        "/account/login",
        "/account/logout",
        "/account/reauthenticate",
    ];
    let is_below = |allowed: &&str| {
        path.strip_prefix(*allowed)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    ALLOWED.iter().any(is_below) || is_safe(&parts.method) && path.starts_with("/account/social/")
}

fn check_rules(posture: &Posture, info: &RequestInfo, parts: &Parts) -> Result<(), Response> {
    let request = Blockable {
        method: parts.method.as_str(),
        query: parts.uri.query().unwrap_or_default(),
        address: info.client.0,
        is_path: &|template| {
            let path = parts.uri.path();
            let bare = path.strip_suffix('/').unwrap_or(path);
            [path, bare]
                .iter()
                .any(|path| normalize_path::matches(template, path))
        },
        has_header: &|name| parts.headers.contains_key(name),
    };
    match posture.blocks(&request) {
        None => Ok(()),
        Some(rule) => {
            info.record_refusal(Event::Blocked, &format!("rule {rule}"));
            Err(Error::forbidden().into_response())
        }
    }
}

fn is_paused(posture: &Posture, parts: &Parts) -> bool {
    let path = parts.uri.path();
    let starts = |all: &[&str]| all.iter().any(|start| path.starts_with(start));
    let has_token = || {
        let scheme = parts.headers.get(header::AUTHORIZATION);
        let scheme = scheme
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        scheme
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("bearer "))
    };
    let is_form = !is_safe(&parts.method);
    (posture.is_paused(Paused::SignUp)
        && is_form
        && starts(&["/account/signup", "/account/confirm"]))
        || (posture.is_paused(Paused::Login) && is_form && starts(&["/account/login"]))
        || (posture.is_paused(Paused::Login) && starts(&["/account/social/"]))
        || (posture.is_paused(Paused::Tokens) && has_token())
        || (posture.is_paused(Paused::Uploads) && is_form && is_multipart(&parts.headers))
}

/// Whether a body can hold files.
pub(super) fn is_multipart(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    kind.get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
}

fn refuse(message: &'static str) -> Response {
    let mut response = Error::new(ErrorKind::Unavailable, message).into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY));
    response
}
