//! Steps 4 to 6: validation of a request before its route is known.

use super::posture::check as check_posture;
use super::rate_limit;
use super::request_info::RequestInfo;
use crate::app::endpoints::health;
use crate::audit_log::Event;
use crate::csrf::is_safe;
use crate::http::{BlockMode, ClientAddress, Link, RequestHost, Scheme, known_method};
use crate::uploads::{self};
use crate::views::{Error, ErrorKind};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// Steps 4 to 6, in order; ARCHITECTURE.md has the same list. The limit of all requests comes
/// first, because a refused request costs as much as any other.
pub(super) async fn run(info: &RequestInfo, parts: &mut Parts, link: Link) -> Result<(), Response> {
    rate_limit::check_requests(info, parts).await?;
    let host = check_host(info, parts)?;
    check_method_and_path(info, parts)?;
    acme_challenge(info, parts)?;
    redirect_to_https(info, parts, link, &host)?;
    check_block_list(info, parts)?;
    check_posture(info, parts)?;
    check_destination(info, parts)?;
    serve_file(info, parts, &host).await?;
    rate_limit::check_changes(info, parts).await
}

/// Refuses to show a response of the API as a page or a frame (ASVS 3.2.1): a browser would interpret
/// the input of users.
fn check_destination(info: &RequestInfo, parts: &Parts) -> Result<(), Response> {
    const SHOWN: [&str; 5] = ["document", "iframe", "frame", "embed", "object"];
    if !info.context.is_api() {
        return Ok(());
    }
    let destination = parts.headers.get("sec-fetch-dest");
    let destination = destination.and_then(|value| value.to_str().ok());
    match destination.is_some_and(|destination| SHOWN.contains(&destination)) {
        true => {
            let said = "This is an address for programs, and no page.";
            Err(Error::new(ErrorKind::Forbidden, said).into_response())
        }
        false => Ok(()),
    }
}

fn check_host(info: &RequestInfo, parts: &Parts) -> Result<RequestHost, Response> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let header = hosts.next().and_then(|value| value.to_str().ok());
    // two Host headers, or one that differs from an absolute-form target, are request smuggling or
    // cache poisoning
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let is_unambiguous =
        hosts.next().is_none() && authority.is_none_or(|authority| Some(authority) == header);
    let host = header
        .filter(|_| is_unambiguous)
        .and_then(RequestHost::parse)
        .filter(|host| {
            host.is_allowed(&info.site.settings.http.allowed_hosts) || is_of_files(info, host)
        });
    // load balancers probe by a changing address, or without a Host; the response has no link that
    // could be poisoned
    let is_probe = is_unambiguous
        && is_safe(&parts.method)
        && health::is_probe(&info.site.settings, parts.uri.path());
    host.or_else(|| is_probe.then(RequestHost::unnamed))
        .ok_or_else(|| {
            let shown = header.unwrap_or_default();
            info.record_refusal(Event::HostRefused, shown);
            Error::new(
                ErrorKind::BadRequest,
                "A request needs one Host header, and it must name this site.",
            )
            .into_response()
        })
}

/// Whether a host serves files of users only.
fn is_of_files(info: &RequestInfo, host: &RequestHost) -> bool {
    let origin = info.site.settings.uploads.origin.as_ref();
    origin.is_some_and(|origin| origin.domain() == host.domain())
}

/// Answers all requests to the origin of files: no route of the site, no session, no cookie.
async fn serve_file(info: &RequestInfo, parts: &Parts, host: &RequestHost) -> Result<(), Response> {
    if !is_of_files(info, host) {
        return Ok(());
    }
    let Some(uploads) = info.site.uploads() else {
        return Err(Error::not_found().into_response());
    };
    let served = uploads::serve_elsewhere(uploads, parts).await;
    Err(served.unwrap_or_else(IntoResponse::into_response))
}

fn check_method_and_path(info: &RequestInfo, parts: &mut Parts) -> Result<(), Response> {
    if known_method(&parts.method).is_none() {
        return Err(StatusCode::NOT_IMPLEMENTED.into_response());
    }
    let header_bytes: usize = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if header_bytes as u64 > info.site.settings.server.max_header_bytes
        || parts.headers.len() as u64 > info.site.settings.server.max_headers
    {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response());
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    if target.len() as u64 > info.site.settings.http.max_url_bytes {
        return Err(StatusCode::URI_TOO_LONG.into_response());
    }
    if is_websocket(&parts.headers) {
        return Err((
            StatusCode::NOT_IMPLEMENTED,
            "WebSockets are not served by this version of Palisade.",
        )
            .into_response());
    }
    // an accepted upgrade would lead nowhere: the connection is served as HTTP to its end
    parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8();
    let is_fine = path.is_ok_and(|path| {
        path.starts_with('/')
            && !path.contains(['\0', '\\'])
            && !path.contains("//")
            && !has_dots(&path)
    });
    if is_fine {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::BadRequest, "The URL could not be understood.").into_response())
    }
}

/// Whether the client requests a protocol upgrade
/// ([RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
fn is_websocket(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::UPGRADE)
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Whether a path has `.` or `..` segments: browsers remove them, so such a request is an attack
/// (path traversal).
fn has_dots(path: &str) -> bool {
    path.split('/').any(|part| part == "." || part == "..")
}

/// Answers http-01 challenges, which ACME servers request over plain HTTP.
fn acme_challenge(info: &RequestInfo, parts: &Parts) -> Result<(), Response> {
    let file = info
        .site
        .challenges
        .as_ref()
        .and_then(|challenges| challenges.file(parts.uri.path()));
    file.map_or(Ok(()), |text| Err(text.into_response()))
}

fn redirect_to_https(
    info: &RequestInfo,
    parts: &Parts,
    link: Link,
    host: &RequestHost,
) -> Result<(), Response> {
    let settings = &info.site.settings.http;
    let is_exempt = settings
        .https_redirect_exempt
        .iter()
        .any(|path| path == parts.uri.path());
    let may_stay = link != Link::RedirectsOnly && (!settings.https_redirect || is_exempt);
    if info.scheme == Scheme::Https || may_stay {
        return Ok(());
    }
    if host.domain().is_empty() {
        return Err(StatusCode::BAD_REQUEST.into_response());
    }
    // an API client that sends a token over plain HTTP must fail, not be redirected (ASVS 4.1.2)
    if info.context.wants_problem() || parts.headers.contains_key(header::AUTHORIZATION) {
        return Err(Error::new(ErrorKind::Forbidden, "Use https.").into_response());
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let host = settings
        .https_host
        .clone()
        .unwrap_or_else(|| info.site.https_host(host, link));
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    let status = if is_read {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::PERMANENT_REDIRECT
    };
    match HeaderValue::from_str(&format!("https://{host}{target}")) {
        Ok(location) => Err((status, [(header::LOCATION, location)]).into_response()),
        Err(_) => Err(StatusCode::BAD_REQUEST.into_response()),
    }
}

fn check_block_list(info: &RequestInfo, parts: &Parts) -> Result<(), Response> {
    let (site, ClientAddress(address)) = (&info.site, info.client);
    if site.block_lists.contains(address) {
        info.record_refusal(Event::Blocked, "");
        match (site.settings.http.block_mode, &site.challenge) {
            (BlockMode::Log, _) => {}
            (BlockMode::Challenge, Some(challenge)) => challenge(parts).map_or(Ok(()), Err)?,
            (BlockMode::Challenge, None) | (BlockMode::Block, _) => {
                return Err(Error::forbidden().into_response());
            }
        }
    }
    Ok(())
}
