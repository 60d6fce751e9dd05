//! Steps 2 to 7 of the way of a request, in order. Steps 8 to 11 are in `guard`, because they depend on the route.
//!
//! Every refusal becomes the same quiet page, and every answer, whoever gave it, leaves through the same door with the same headers.
//! Only what is no HTTP at all is answered before, by hyper, with a bare 400, 414 or 431.

use super::forward::Forwarded;
use super::guard::Arrival;
use super::{Site, health, limits, shield};
use crate::audit_log::{self, Event};
use crate::db::Attached;
use crate::headers::{PagePolicies, keep_from_caches};
use crate::http::{
    BlockMode, BodyFault, BodyLimits, ClientAddress, Link, Peer, Received, RequestHost, X_FORWARDED_FOR, X_FORWARDED_PROTO,
};
use crate::views::{self, Error, ErrorKind, RequestContext};
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use http_body::Body as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tower::ServiceExt;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request of the connection to `peer`.
pub(crate) async fn answer(site: Arc<Site>, peer: Peer, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_http1 = name_host(&mut parts);
    if !peer.may_forward {
        for name in [X_FORWARDED_FOR, X_FORWARDED_PROTO, header::FORWARDED] {
            parts.headers.remove(name);
        }
    }
    let has_chunks = parts.headers.contains_key(header::TRANSFER_ENCODING);
    // 2: request id; the shield against panics is around everything that can hold a bug
    let context = RequestContext::new(&parts, site.views.clone());
    // 3: client address
    let client = site.proxies.client(peer.address, &parts.headers);
    let is_secure = peer.link != Link::RedirectsOnly && site.proxies.is_secure(peer, &parts.headers);
    warn_of_strange_proxy(&site, peer, &parts.headers);
    let arrival = Arrival { site: site.clone(), context: context.clone(), client, is_secure };
    let answered = pin!(async {
        // pinned where it is made, here and below: a future that is handed on is moved, and this one is large
        let mut admitted = pin!(async {
            match gate(&arrival, &mut parts, peer.link).await {
                Err(refusal) => refusal,
                Ok(()) => {
                    parts.extensions.insert(arrival);
                    parts.extensions.insert(context.clone());
                    parts.extensions.insert(client);
                    parts.extensions.insert(Attached(site.database.clone()));
                    health::attach(&site, &mut parts);
                    handled(&site, Request::from_parts(parts, body)).await
                }
            }
        });
        // the site's own code decides about challenges: it may hold a bug as a handler may
        leave(&site, &context, is_secure, shield::shielded(admitted.as_mut()).await).await
    });
    let response = context.during(answered).await;
    if is_http1 { closed_where_due(response, has_chunks) } else { response }
}

/// HTTP/2 names the host in `:authority` ([RFC 9113 section 8.3.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1)): from here on all requests
/// look the same. Says whether this one came over HTTP/1.
fn name_host(parts: &mut Parts) -> bool {
    if parts.version != Version::HTTP_2 {
        return true;
    }
    let authority = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority.filter(|_| !parts.headers.contains_key(header::HOST)) {
        parts.headers.insert(header::HOST, authority);
    }
    false
}

/// Where the rest of a request may still be on its way, nothing that follows can be trusted to be one. Nor can it after chunks, which no browser
/// sends and proxies have disagreed about.
fn closed_where_due(mut response: Response, has_chunks: bool) -> Response {
    let closes = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::URI_TOO_LONG,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    ];
    if has_chunks || closes.contains(&response.status()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Either a proxy is not configured, and then all visitors are one client; or somebody tries to be somebody else. Said once: it may be input.
fn warn_of_strange_proxy(site: &Site, peer: Peer, headers: &HeaderMap) {
    let speaks = || headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
    let is_news = !site.proxies.trusts(peer.address) && !site.has_warned.load(Ordering::Relaxed);
    if is_news && speaks() && !site.has_warned.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            target: "palisade", peer = %peer.address,
            "forwarding headers came from an address that is not in http.trusted_proxies, and are ignored: is this a proxy of yours?"
        );
    }
}

/// Steps 4 to 6.
async fn gate(arrival: &Arrival, parts: &mut Parts, link: Link) -> Result<(), Response> {
    let host = allowed_host(arrival, parts)?; // 4
    known_method_and_path(arrival, parts)?;
    proven(arrival, parts)?;
    secure(arrival, parts, link, &host)?; // 5
    welcome(arrival, parts).await // 6
}

fn allowed_host(arrival: &Arrival, parts: &Parts) -> Result<RequestHost, Response> {
    let mut named = parts.headers.get_all(header::HOST).iter();
    let header = named.next().and_then(|value| value.to_str().ok());
    // in absolute form the target names the host; a Host header that says otherwise is an attack on some cache
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let is_one = named.next().is_none() && authority.is_none_or(|authority| Some(authority) == header);
    let host = header
        .filter(|_| is_one)
        .and_then(RequestHost::parse)
        .filter(|host| host.is_allowed(&arrival.site.settings.http.allowed_hosts));
    host.ok_or_else(|| {
        let shown = header.unwrap_or_default();
        audit_log::record(Event::HostRefused, Some(arrival.client), arrival.context.id(), shown);
        Error::new(ErrorKind::BadRequest, "This site is not served under this name.").into_response()
    })
}

fn known_method_and_path(arrival: &Arrival, parts: &Parts) -> Result<(), Response> {
    const KNOWN: [Method; 7] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    if !KNOWN.contains(&parts.method) {
        return Err(StatusCode::NOT_IMPLEMENTED.into_response());
    }
    let header_bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if header_bytes as u64 > arrival.site.settings.server.max_header_bytes
        || parts.headers.len() as u64 > arrival.site.settings.server.max_headers
    {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response());
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() as u64 > arrival.site.settings.http.max_url_bytes {
        return Err(StatusCode::URI_TOO_LONG.into_response());
    }
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8();
    let is_fine =
        path.is_ok_and(|path| path.starts_with('/') && !path.contains(['\0', '\\']) && !path.contains("//") && !has_dots(&path));
    if is_fine { Ok(()) } else { Err(Error::new(ErrorKind::BadRequest, "This address cannot be understood.").into_response()) }
}

/// `.` and `..` as parts of a path: browsers remove them, so whoever sends them is trying something.
fn has_dots(path: &str) -> bool {
    path.split('/').any(|part| part == "." || part == "..")
}

/// An authority that checks whether a name is ours asks in clear, and whoever it is.
fn proven(arrival: &Arrival, parts: &Parts) -> Result<(), Response> {
    let file = arrival.site.challenges.as_ref().and_then(|challenges| challenges.file(parts.uri.path()));
    file.map_or(Ok(()), |text| Err(text.into_response()))
}

fn secure(arrival: &Arrival, parts: &Parts, link: Link, host: &RequestHost) -> Result<(), Response> {
    let settings = &arrival.site.settings.http;
    let is_exempt = settings.https_redirect_exempt.iter().any(|path| path == parts.uri.path());
    let may_stay = link != Link::RedirectsOnly && (!settings.https_redirect || is_exempt);
    if arrival.is_secure || may_stay {
        return Ok(());
    }
    // a program that sends a token in clear must fail, not be led on (ASVS 4.1.2)
    if arrival.context.wants_problem() || parts.headers.contains_key(header::AUTHORIZATION) {
        return Err(Error::new(ErrorKind::Forbidden, "Use https.").into_response());
    }
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let host = settings.https_host.clone().unwrap_or_else(|| host.domain().to_owned());
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    let status = if is_read { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
    match HeaderValue::from_str(&format!("https://{host}{target}")) {
        Ok(location) => Err((status, [(header::LOCATION, location)]).into_response()),
        Err(_) => Err(StatusCode::BAD_REQUEST.into_response()),
    }
}

async fn welcome(arrival: &Arrival, parts: &Parts) -> Result<(), Response> {
    let (site, ClientAddress(address)) = (&arrival.site, arrival.client);
    if site.block_lists.contains(address) {
        audit_log::record(Event::Blocked, Some(arrival.client), arrival.context.id(), "");
        match (site.settings.http.block_mode, &site.challenge) {
            (BlockMode::Log, _) => {}
            (BlockMode::Challenge, Some(challenge)) => challenge(parts).map_or(Ok(()), Err)?,
            (BlockMode::Challenge, None) | (BlockMode::Block, _) => return Err(Error::forbidden().into_response()),
        }
    }
    limits::of_site(arrival, !crate::csrf::is_safe(&parts.method)).await
}

/// The router behind the shield and the clock, with a body that ends in time and at its limit.
async fn handled(site: &Site, request: Request) -> Response {
    let limits = body_limits(site, request.headers());
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.bytes) {
        return at_fault(BodyFault::TooLarge);
    }
    let (parts, body) = request.into_parts();
    let body = Received::new(body, limits);
    let fate = body.fate();
    let body = if body.is_end_stream() { Body::empty() } else { Body::new(body) };
    let has_body = !body.is_end_stream();
    let mut request = Request::from_parts(parts, body);
    if has_body {
        // it ends by itself
        DefaultBodyLimit::disable().apply(&mut request);
    }
    let mut routed = pin!(async { site.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}) });
    let clock = site.settings.http.response_timeout_secs.duration();
    let answered = tokio::time::timeout(clock, shield::shielded(routed.as_mut())).await;
    match (answered, fate.fault()) {
        // whatever the handler made of it
        (Ok(response), Some(fault)) if response.status().is_client_error() || response.status().is_server_error() => {
            at_fault(fault)
        }
        (Ok(response), _) => response,
        (Err(_), _) => Error::new(ErrorKind::Unavailable, "This took too long. Please try again.").into_response(),
    }
}

fn body_limits(site: &Site, headers: &HeaderMap) -> BodyLimits {
    let (http, server) = (&site.settings.http, &site.settings.server);
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_json = content_type.windows(4).any(|part| part.eq_ignore_ascii_case(b"json"));
    BodyLimits {
        bytes: if is_json { http.max_json_bytes } else { http.max_body_bytes },
        whole: http.body_timeout_secs.duration(),
        grace: server.slow_grace_secs.duration(),
        rate: server.min_bytes_per_second,
    }
}

fn at_fault(fault: BodyFault) -> Response {
    match fault {
        BodyFault::TooLarge => Error::new(ErrorKind::TooLarge, "That was more than this site accepts.").into_response(),
        BodyFault::TooSlow => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// The one door out: the quiet page for errors, the headers, the request id.
async fn leave(site: &Site, context: &RequestContext, is_secure: bool, response: Response) -> Response {
    let mut response = if views::is_bare_error(&response) { Box::pin(views::failed(context, response)).await } else { response };
    *response.version_mut() = Version::HTTP_11;
    let status = response.status();
    // a page that is hidden must look like one that does not exist
    let is_kept_by_nobody = context.is_personal() || status == StatusCode::NOT_FOUND;
    let page = response.extensions_mut().remove::<PagePolicies>();
    let is_forwarded = response.extensions_mut().remove::<Forwarded>().is_some();
    let headers = response.headers_mut();
    if status != StatusCode::METHOD_NOT_ALLOWED && !is_forwarded {
        headers.remove(header::ALLOW);
    }
    match is_forwarded {
        true => site.headers.complete(headers, is_secure),
        false => site.headers.apply(headers, context.nonce(), is_secure, page.as_ref()),
    }
    if is_kept_by_nobody {
        keep_from_caches(headers);
    } else if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    if let Ok(id) = HeaderValue::from_str(context.id()) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
