//! Steps 2 to 7 of the request pipeline, in order. Steps 8 to 11 are in `guard`, because they
//! depend on the route.
//!
//! Every refusal becomes the same generic error page, and every response gets the same headers in
//! one place. Only invalid HTTP is answered earlier, by hyper, with a bare 400, 414 or 431.

use super::forward::Forwarded;
use super::guard::Arrival;
use super::repeats::NonceOf;
use super::{Site, health, limits, shield};
use crate::audit_log::Event;
use crate::csrf::is_safe;
use crate::db::Attached;
use crate::headers::{PagePolicies, keep_from_caches};
use crate::http::{
    BlockMode, BodyFate, BodyFault, BodyLimits, ClientAddress, Link, NoRoom, Peer, Received,
    RequestHost, SharedReceived, X_FORWARDED_FOR, is_forwarding,
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
///
/// Requests with unsafe methods run in their own task, so that a disconnect does not cancel them
/// halfway.
pub(crate) async fn answer(site: Arc<Site>, peer: Peer, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_http1 = name_host(&mut parts);
    warn_of_strange_proxy(&site, peer, &parts.headers);
    take_forwarded_host(&site, peer, &mut parts);
    let request_id = forwarded_request_id(&site, peer, &parts.headers);
    remove_forwarding_headers(&site, peer, &mut parts.headers);
    let has_chunks = parts.headers.contains_key(header::TRANSFER_ENCODING);
    // 2: request id; panics are caught around all steps that can have bugs
    let context = RequestContext::new(&parts, site.views.clone(), request_id);
    // 3: client address
    let client = site.proxies.client(peer.address, &parts.headers);
    let is_secure =
        peer.link != Link::RedirectsOnly && site.proxies.is_secure(peer, &parts.headers);
    let arrival = Arrival {
        site: site.clone(),
        context: context.clone(),
        client,
        is_secure,
    };
    let admitted = match health::is_page(parts.uri.path()) {
        true => site.memory.admit_for_health(client.0),
        false => site.memory.admit(client.0),
    };
    let held = match admitted {
        Ok(held) => held,
        Err(full) => return without_room(&arrival, full),
    };
    let has_body = !body.is_end_stream();
    let body = Received::new(body, body_limits(&site, &parts.headers)).counted(held.clone());
    let fate = body.fate();
    let body = SharedReceived::new(body);
    let rest = body.clone();
    let runs_to_end = !is_safe(&parts.method) || site.changes_on_read(parts.uri.path());
    let admission = Admission {
        link: peer.link,
        has_body,
        fate,
    };
    let answering = answered(arrival, parts, body, admission);
    let mut response = match runs_to_end {
        true => run_to_end(&site, held.clone(), context.during(answering)).await,
        false => context.during(answering).await,
    };
    response.extensions_mut().insert(held);
    if is_http1 {
        close_where_due(response, has_chunks || (has_body && !rest.drain()))
    } else {
        response
    }
}

/// Data of a request besides its head and its body.
struct Admission {
    link: Link,
    has_body: bool,
    fate: BodyFate,
}

/// Steps 4 to 11, and the response headers.
async fn answered(
    arrival: Arrival,
    mut parts: Parts,
    body: SharedReceived,
    admission: Admission,
) -> Response {
    let Arrival {
        site,
        context,
        is_secure,
        ..
    } = arrival.clone();
    // pinned in place: this future is large, and passing it on would move it
    let mut admitted = pin!(async {
        match gate(&arrival, &mut parts, admission.link).await {
            Err(refusal) => {
                arrival.is_refusal_logged();
                refusal
            }
            Ok(()) => {
                parts.extensions.insert(arrival.client);
                parts.extensions.insert(arrival.context.clone());
                parts
                    .extensions
                    .insert(Attached(arrival.site.database.clone()));
                health::attach(&arrival.site, &mut parts);
                let site = arrival.site.clone();
                parts.extensions.insert(arrival);
                handled(&site, parts, body, &admission).await
            }
        }
    });
    // the site's own code decides about challenges: it may panic as a handler may
    leave(
        &site,
        &context,
        is_secure,
        shield::shielded(admitted.as_mut()).await,
    )
    .await
}

/// Answers in a task that is not dropped with the connection. Shutdown waits for it, and its memory
/// is accounted until its end.
async fn run_to_end(
    site: &Site,
    held: impl Send + 'static,
    answering: impl Future<Output = Response> + Send + 'static,
) -> Response {
    let answering = async move {
        let response = answering.await;
        drop(held);
        response
    };
    let response = site.changes.spawn(answering).await;
    response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// 503 or 429: the memory limit is reached.
fn without_room(arrival: &Arrival, full: NoRoom) -> Response {
    let status = match full {
        NoRoom::Client => StatusCode::TOO_MANY_REQUESTS,
        NoRoom::Site => StatusCode::SERVICE_UNAVAILABLE,
    };
    if arrival.is_refusal_logged() {
        let client = arrival.client;
        tracing::warn!(target: "palisade", status = status.as_u16(), %client, "a request was refused: out of memory budget");
    }
    (
        status,
        [(header::RETRY_AFTER, HeaderValue::from_static("5"))],
    )
        .into_response()
}

fn is_proxy(site: &Site, peer: Peer) -> bool {
    peer.may_forward && site.proxies.trusts(peer.address)
}

/// Replaces Host by `X-Forwarded-Host` of a trusted proxy, if enabled. It is checked as any other
/// Host.
fn take_forwarded_host(site: &Site, peer: Peer, parts: &mut Parts) {
    if !site.settings.http.forwarded_host || !is_proxy(site, peer) {
        return;
    }
    if let Some(host) = site.proxies.host(&parts.headers) {
        parts.headers.insert(header::HOST, host);
        // the target of an absolute-form request names the other host
        let target = parts.uri.path_and_query().cloned();
        parts.uri = target.map(http::Uri::from).unwrap_or_default();
    }
}

/// The `X-Request-ID` of a trusted proxy, if enabled and safe to log.
fn forwarded_request_id(site: &Site, peer: Peer, headers: &HeaderMap) -> Option<String> {
    let is_read = site.settings.http.forwarded_request_id && is_proxy(site, peer);
    let id = headers.get(REQUEST_ID).filter(|_| is_read)?.to_str().ok()?;
    let is_name = (8..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_name.then(|| id.to_owned())
}

/// Removes forwarding headers, on which handlers, extractors and layers rely: only the configured
/// header of a trusted proxy stays.
fn remove_forwarding_headers(site: &Site, peer: Peer, headers: &mut HeaderMap) {
    let is_proxy = is_proxy(site, peer);
    let is_kept = |name: &HeaderName| is_proxy && site.proxies.reads(name);
    let doubtful: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_forwarding(name) && !is_kept(name))
        .cloned()
        .collect();
    doubtful.iter().for_each(|name| drop(headers.remove(name)));
}

/// Copies the `:authority` of HTTP/2 to Host
/// ([RFC 9113 section 8.3.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1)), so that all
/// requests look the same. Returns whether this one came over HTTP/1.
fn name_host(parts: &mut Parts) -> bool {
    if parts.version != Version::HTTP_2 {
        return true;
    }
    let authority = parts
        .uri
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority.filter(|_| !parts.headers.contains_key(header::HOST)) {
        parts.headers.insert(header::HOST, authority);
    }
    false
}

/// Closes the connection where the rest of a body may still arrive, because it could be taken for
/// the next request (request smuggling). The same holds after chunked bodies, which browsers do not
/// send and proxies have disagreed about. `Connection: close` tells the client.
fn close_where_due(mut response: Response, is_doubtful: bool) -> Response {
    let closes = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::URI_TOO_LONG,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    ];
    if is_doubtful || closes.contains(&response.status()) {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Logs forwarding headers of an untrusted peer: either a proxy is not configured, and all visitors
/// count as one client, or a client tries to spoof its address. Logged once, because it can be
/// input.
fn warn_of_strange_proxy(site: &Site, peer: Peer, headers: &HeaderMap) {
    let speaks =
        || headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
    let is_news = peer.may_forward
        && !site.proxies.trusts(peer.address)
        && !site.has_warned.load(Ordering::Relaxed);
    if is_news && speaks() && !site.has_warned.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            target: "palisade", peer = %peer.address,
            "forwarding headers from an address that is not in http.trusted_proxies are ignored: \
                is this a proxy of yours?"
        );
    }
}

/// Steps 4 to 6. The limit of all requests comes first, because a refused request costs as much as
/// any other.
async fn gate(arrival: &Arrival, parts: &mut Parts, link: Link) -> Result<(), Response> {
    limits::of_requests(arrival, parts).await?;
    let host = allowed_host(arrival, parts)?; // 4
    known_method_and_path(arrival, parts)?;
    proven(arrival, parts)?;
    secure(arrival, parts, link, &host)?; // 5
    welcome(arrival, parts).await // 6
}

fn allowed_host(arrival: &Arrival, parts: &Parts) -> Result<RequestHost, Response> {
    let mut named = parts.headers.get_all(header::HOST).iter();
    let header = named.next().and_then(|value| value.to_str().ok());
    // the target of an absolute-form request names the host; a different Host header is a cache
    // poisoning attempt
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let is_one =
        named.next().is_none() && authority.is_none_or(|authority| Some(authority) == header);
    let host = header
        .filter(|_| is_one)
        .and_then(RequestHost::parse)
        .filter(|host| host.is_allowed(&arrival.site.settings.http.allowed_hosts));
    // load balancers probe by a changing address, or without a Host; the response has no link that
    // could be poisoned
    let is_probe = || is_one && health::is_probe(parts.uri.path()) && is_safe(&parts.method);
    host.or_else(|| is_probe().then(RequestHost::unnamed))
        .ok_or_else(|| {
            let shown = header.unwrap_or_default();
            arrival.record_refusal(Event::HostRefused, shown);
            Error::new(ErrorKind::BadRequest, "This site has another name.").into_response()
        })
}

fn known_method_and_path(arrival: &Arrival, parts: &mut Parts) -> Result<(), Response> {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if !KNOWN.contains(&parts.method) {
        return Err(StatusCode::NOT_IMPLEMENTED.into_response());
    }
    let header_bytes: usize = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if header_bytes as u64 > arrival.site.settings.server.max_header_bytes
        || parts.headers.len() as u64 > arrival.site.settings.server.max_headers
    {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response());
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    if target.len() as u64 > arrival.site.settings.http.max_url_bytes {
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
fn proven(arrival: &Arrival, parts: &Parts) -> Result<(), Response> {
    let file = arrival
        .site
        .challenges
        .as_ref()
        .and_then(|challenges| challenges.file(parts.uri.path()));
    file.map_or(Ok(()), |text| Err(text.into_response()))
}

fn secure(
    arrival: &Arrival,
    parts: &Parts,
    link: Link,
    host: &RequestHost,
) -> Result<(), Response> {
    let settings = &arrival.site.settings.http;
    let is_exempt = settings
        .https_redirect_exempt
        .iter()
        .any(|path| path == parts.uri.path());
    let may_stay = link != Link::RedirectsOnly && (!settings.https_redirect || is_exempt);
    if arrival.is_secure || may_stay {
        return Ok(());
    }
    if host.domain().is_empty() {
        return Err(StatusCode::BAD_REQUEST.into_response());
    }
    // an API client that sends a token over plain HTTP must fail, not be redirected (ASVS 4.1.2)
    if arrival.context.wants_problem() || parts.headers.contains_key(header::AUTHORIZATION) {
        return Err(Error::new(ErrorKind::Forbidden, "Use https.").into_response());
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let host = settings
        .https_host
        .clone()
        .unwrap_or_else(|| arrival.site.https_host(host, link));
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

async fn welcome(arrival: &Arrival, parts: &Parts) -> Result<(), Response> {
    let (site, ClientAddress(address)) = (&arrival.site, arrival.client);
    if site.block_lists.contains(address) {
        arrival.record_refusal(Event::Blocked, "");
        match (site.settings.http.block_mode, &site.challenge) {
            (BlockMode::Log, _) => {}
            (BlockMode::Challenge, Some(challenge)) => challenge(parts).map_or(Ok(()), Err)?,
            (BlockMode::Challenge, None) | (BlockMode::Block, _) => {
                return Err(Error::forbidden().into_response());
            }
        }
    }
    limits::of_changes(arrival, parts).await
}

/// Runs the router with panic handling, a timeout, and limits for the body.
async fn handled(
    site: &Site,
    parts: Parts,
    body: SharedReceived,
    admission: &Admission,
) -> Response {
    let limits = body_limits(site, &parts.headers);
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.bytes) {
        return at_fault(BodyFault::TooLarge);
    }
    let body = if admission.has_body {
        Body::new(body)
    } else {
        Body::empty()
    };
    let mut request = Request::from_parts(parts, body);
    if admission.has_body {
        // for layers that transform the body, such as decompression: they run after the limit of
        // received bytes
        let most = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
        DefaultBodyLimit::max(most).apply(&mut request);
    }
    let mut routed = pin!(async {
        site.router
            .clone()
            .oneshot(request)
            .await
            .unwrap_or_else(|never| match never {})
    });
    let clock = site.settings.http.response_timeout_secs.duration();
    let answered = tokio::time::timeout(clock, shield::shielded(routed.as_mut())).await;
    match (answered, admission.fate.fault()) {
        // for any result of the handler
        (Ok(response), Some(fault))
            if response.status().is_client_error() || response.status().is_server_error() =>
        {
            at_fault(fault)
        }
        (Ok(response), _) => response,
        (Err(_), _) => Error::new(
            ErrorKind::Unavailable,
            "This took too long. Please try again.",
        )
        .into_response(),
    }
}

fn body_limits(site: &Site, headers: &HeaderMap) -> BodyLimits {
    let (http, server) = (&site.settings.http, &site.settings.server);
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let is_json = content_type
        .windows(4)
        .any(|part| part.eq_ignore_ascii_case(b"json"));
    BodyLimits {
        bytes: if is_json {
            http.max_json_bytes
        } else {
            http.max_body_bytes
        },
        whole: http.body_timeout_secs.duration(),
        grace: server.slow_grace_secs.duration(),
        rate: server.min_bytes_per_second,
    }
}

fn at_fault(fault: BodyFault) -> Response {
    match fault {
        BodyFault::TooLarge => {
            Error::new(ErrorKind::TooLarge, "That was more than this site accepts.").into_response()
        }
        BodyFault::TooSlow => StatusCode::REQUEST_TIMEOUT.into_response(),
        BodyFault::NoRoom => Error::new(
            ErrorKind::Busy,
            "This site is busy. Please try again in a few seconds.",
        )
        .into_response(),
    }
}

/// The last step of every response: error page, headers, request id.
async fn leave(
    site: &Site,
    context: &RequestContext,
    is_secure: bool,
    response: Response,
) -> Response {
    let mut response = if views::is_bare_error(&response) {
        Box::pin(views::failed(context, response)).await
    } else {
        response
    };
    *response.version_mut() = Version::HTTP_11;
    let status = response.status();
    // a hidden page must look like one that does not exist
    let is_kept_by_nobody = context.is_personal() || status == StatusCode::NOT_FOUND;
    let page = response.extensions_mut().remove::<PagePolicies>();
    let is_forwarded = response.extensions_mut().remove::<Forwarded>().is_some();
    let repeated = response.extensions_mut().remove::<NonceOf>();
    let nonce = repeated
        .as_ref()
        .map_or_else(|| context.nonce(), |NonceOf(nonce)| nonce);
    let headers = response.headers_mut();
    if status != StatusCode::METHOD_NOT_ALLOWED && !is_forwarded {
        headers.remove(header::ALLOW);
    }
    match is_forwarded {
        true => site.headers.complete(headers, is_secure),
        false => site.headers.apply(headers, nonce, is_secure, page.as_ref()),
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
