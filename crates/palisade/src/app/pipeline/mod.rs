//! The request pipeline, step by step, in the order of ARCHITECTURE.md: `answer` begins it,
//! `perimeter` has the checks before the route is known, `route_guard` those of the route.
//!
//! Every refusal becomes the same generic error page, and every response gets the same headers in
//! one place. Only invalid HTTP is answered earlier, by hyper, with a bare 400, 414 or 431.

pub(in crate::app) mod bearer;
pub(in crate::app) mod block_list;
pub(in crate::app) mod catch_panic;
pub(in crate::app) mod double_submit;
mod forwarding;
mod perimeter;
mod posture;
pub(in crate::app) mod rate_limit;
pub(in crate::app) mod refusal;
pub(in crate::app) mod repeats;
pub(in crate::app) mod request_info;
pub(in crate::app) mod route_guard;
pub(in crate::app) mod route_rule;
mod route_steps;
mod unsent;
mod webhook;

#[cfg(feature = "otlp")]
use self::forwarding::begin_trace;
use self::forwarding::{
    apply_forwarded_host, copy_authority_to_host, forwarded_request_id, remove_forwarding_headers,
    scheme, warn_of_untrusted_proxy,
};
use crate::app::Site;
use crate::app::endpoints::health;
use crate::app::pipeline::repeats::NonceOf;
use crate::app::pipeline::request_info::RequestInfo;
use crate::app::upstream::Forwarded;
use crate::audit_log::{self, Event};
use crate::csrf::is_safe;
use crate::db::Attached;
use crate::headers::{PagePolicies, keep_from_caches};
use crate::http::{
    BodyAllowance, BodyFate, BodyFault, BodyLimits, Link, NoRoom, Peer, Received, Scheme,
    SharedReceived,
};
use crate::views::{self, Error, ErrorKind, RequestContext};
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use http_body::Body as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::error::Elapsed;
use tower::ServiceExt;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request of the connection to `peer`.
///
/// Requests with unsafe methods run in their own task, so that a disconnect does not cancel them
/// halfway.
pub(crate) async fn answer(site: Arc<Site>, peer: Peer, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_http1 = copy_authority_to_host(&mut parts);
    warn_of_untrusted_proxy(&site, peer, &parts.headers);
    apply_forwarded_host(&site, peer, &mut parts);
    // 2: request id
    let request_id = forwarded_request_id(&site, peer, &parts.headers);
    #[cfg(feature = "otlp")]
    let traced = begin_trace(&site, peer, &parts.headers);
    remove_forwarding_headers(&site, peer, &mut parts.headers);
    let has_chunks = parts.headers.contains_key(header::TRANSFER_ENCODING);
    // panics are caught around all steps that can have bugs
    // 3: client address
    let client = site.proxies.client(peer.address, &parts.headers);
    let context = RequestContext::new(&parts, site.views.clone(), (client, request_id));
    let scheme = scheme(&site, peer, &parts.headers);
    let info = RequestInfo {
        site: site.clone(),
        context: context.clone(),
        client,
        scheme,
        entrance: peer.entrance,
        #[cfg(feature = "otlp")]
        traced,
    };
    let _in_flight = site.metrics.begin();
    let (began, method) = (Instant::now(), parts.method.clone());
    let admitted = match health::is_page(parts.uri.path()) {
        true => site.memory.admit_for_health(client.0),
        false => site.memory.admit(client.0),
    };
    let held = match admitted {
        Ok(held) => held,
        Err(full) => return counted(&info, (&method, began), out_of_memory(&info, full)),
    };
    let has_body = !body.is_end_stream();
    let limits = body_limits(&site, &parts.headers);
    let allowance = BodyAllowance::new(held.clone());
    let body = Received::new(body, limits).count_memory(held.clone());
    let body = body.with_allowance(allowance.clone());
    let (fate, body) = (body.fate(), SharedReceived::new(body));
    let rest = body.clone();
    let runs_to_end = !is_safe(&parts.method) || site.changes_on_read(parts.uri.path());
    let admission = Admission {
        link: peer.link,
        has_body,
        fate,
        allowance,
    };
    let answering = run_steps(info.clone(), parts, body, admission);
    let response = match runs_to_end {
        true => run_to_end(&site, held.clone(), context.during(answering)).await,
        false => context.during(answering).await,
    };
    let mut response = counted(&info, (&method, began), response);
    response.extensions_mut().insert(held);
    let is_ambiguous =
        || has_chunks || (has_body && !rest.drain()) || CLOSE_AFTER.contains(&response.status());
    if is_http1 && is_ambiguous() {
        close(&mut response);
    }
    response
}

/// Announces that the connection is closed after a response.
fn close(response: &mut Response) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
}

/// Counts a response in the metrics.
fn counted(
    info: &RequestInfo,
    (method, began): (&Method, Instant),
    response: Response,
) -> Response {
    let answer = (method, response.status());
    info.site.monitor.answered(answer.1);
    #[cfg(feature = "otlp")]
    info.site
        .telemetry
        .answered(info.traced.clone(), info.context.route(), answer);
    info.site
        .metrics
        .answered(info.context.route(), answer, began.elapsed());
    response
}

/// Data of a request besides its head and its body.
struct Admission {
    link: Link,
    has_body: bool,
    fate: BodyFate,
    allowance: BodyAllowance,
}

/// Steps 4 to 11, and the response headers.
async fn run_steps(
    info: RequestInfo,
    mut parts: Parts,
    body: SharedReceived,
    admission: Admission,
) -> Response {
    let RequestInfo {
        site,
        context,
        scheme,
        ..
    } = info.clone();
    // pinned in place: this future is large, and passing it on would move it
    let mut admitted = pin!(async {
        match perimeter::run(&info, &mut parts, admission.link).await {
            Err(refusal) => {
                info.is_refusal_logged();
                refusal
            }
            Ok(()) => {
                parts.extensions.insert(info.client);
                parts.extensions.insert(info.context.clone());
                parts
                    .extensions
                    .insert(Attached(info.site.database.clone()));
                health::attach(&info.site, &mut parts);
                let site = info.site.clone();
                parts.extensions.insert(info);
                route(&site, parts, body, &admission).await
            }
        }
    });
    // the site's own code decides about challenges: it may panic as a handler may
    finish_response(
        &site,
        &context,
        scheme,
        catch_panic::catch_panic(admitted.as_mut()).await,
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
fn out_of_memory(info: &RequestInfo, full: NoRoom) -> Response {
    let status = match full {
        NoRoom::Client => StatusCode::TOO_MANY_REQUESTS,
        NoRoom::Site => StatusCode::SERVICE_UNAVAILABLE,
    };
    if info.is_refusal_logged() {
        let client = info.client;
        tracing::warn!(target: "palisade", status = status.as_u16(), %client, "a request was refused: out of memory budget");
    }
    (
        status,
        [(header::RETRY_AFTER, HeaderValue::from_static("5"))],
    )
        .into_response()
}

/// Responses after which the rest of a body may still arrive. It could be taken for the next request
/// (request smuggling), so the connection is closed; the same holds after chunked bodies, which
/// browsers do not send and proxies have disagreed about. `Connection: close` tells the client.
const CLOSE_AFTER: [StatusCode; 4] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::URI_TOO_LONG,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
];

/// Runs the router with panic handling, a timeout, and limits for the body.
async fn route(
    site: &Site,
    mut parts: Parts,
    body: SharedReceived,
    admission: &Admission,
) -> Response {
    let most_bytes = most_body_bytes(site, &parts.headers);
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most_bytes) {
        return body_error(BodyFault::TooLarge);
    }
    let body = if admission.has_body {
        Body::new(body)
    } else {
        Body::empty()
    };
    if admission.has_body {
        parts.extensions.insert(admission.allowance.clone());
    }
    let mut request = Request::from_parts(parts, body);
    if admission.has_body {
        // for middleware that transforms the body, such as decompression: they run after the limit of
        // received bytes
        let most = usize::try_from(most_bytes).unwrap_or(usize::MAX);
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
    let mut answering = pin!(catch_panic::catch_panic(routed.as_mut()));
    let answered = within(clock, &admission.allowance, answering.as_mut()).await;
    match (answered, admission.fate.fault()) {
        // for any result of the handler
        (Ok(response), Some(fault))
            if response.status().is_client_error() || response.status().is_server_error() =>
        {
            body_error(fault)
        }
        (Ok(response), _) => response,
        (Err(_), _) => Error::new(
            ErrorKind::Unavailable,
            "This took too long. Please try again.",
        )
        .into_response(),
    }
}

/// The result within a time, which an allowance for the body may extend.
async fn within<T>(
    clock: Duration,
    allowance: &BodyAllowance,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Elapsed> {
    let begun = tokio::time::Instant::now();
    loop {
        let time = clock + allowance.time();
        let ended = tokio::time::timeout_at(begun + time, work.as_mut()).await;
        if ended.is_ok() || clock + allowance.time() <= time {
            return ended;
        }
    }
}

/// The limit of a body before it is read: forms with files may get an allowance.
fn most_body_bytes(site: &Site, headers: &HeaderMap) -> u64 {
    let own = body_limits(site, headers).bytes;
    match posture::is_multipart(headers) {
        true => own.max(site.settings.uploads.max_form_bytes),
        false => own,
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

fn body_error(fault: BodyFault) -> Response {
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

/// Turns a redirect into an answer with its target, for a script that would follow it: the page there
/// may show a message once, and belongs into the window.
fn tell_location(response: &mut Response) {
    if response.status() != StatusCode::SEE_OTHER {
        return;
    }
    if let Some(target) = response.headers_mut().remove(header::LOCATION) {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().insert("x-location", target);
        let page = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, page);
    }
}

/// The last step of every response: error page, headers, request id.
async fn finish_response(
    site: &Site,
    context: &RequestContext,
    scheme: Scheme,
    response: Response,
) -> Response {
    let mut response = if views::is_bare_error(&response) {
        Box::pin(views::render_error(context, response)).await
    } else {
        response
    };
    *response.version_mut() = Version::HTTP_11;
    if context.wants_location() && !is_safe(context.method()) {
        tell_location(&mut response);
    }
    let status = response.status();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        audit_log::record(Event::ErrorRaised);
    }
    // a hidden page must look like one that does not exist
    let is_uncacheable = context.is_personal() || status == StatusCode::NOT_FOUND;
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
        true => site.headers.complete(headers, scheme),
        false => site.headers.apply(headers, nonce, scheme, page.as_ref()),
    }
    if is_uncacheable {
        keep_from_caches(headers);
    } else if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    if let Ok(id) = HeaderValue::from_str(context.id()) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
