//! Reverse proxy to the Django project (`django.upstream`): requests for paths without a route are
//! proxied over loopback, without hop-by-hop headers
//! ([RFC 9110 section 7.6](https://www.rfc-editor.org/rfc/rfc9110#section-7.6)).
//!
//! A request has passed steps 2 to 6 before: host, path, HTTPS and rate limits are checked, and
//! forwarding headers are replaced. Sessions, CSRF tokens and access rules are up to Django.
//! Responses keep Django's security headers, and get the missing ones.

pub(in crate::app) mod normalize_path;

use crate::app::pipeline::request_info::RequestInfo;
use crate::django::Upstream;
use crate::http::is_forwarding;
use crate::views::Explained;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use http_body::Body as _;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Proxies requests to the upstream.
#[derive(Clone)]
pub(in crate::app) struct Forward {
    /// Pooled connections, for requests that can be retried.
    pooled: Client<HttpConnector, Body>,
    /// Unpooled connections, one for each request that must arrive at most once.
    unpooled: Client<HttpConnector, Body>,
    authority: String,
    /// Paths of this site's routes, with parameters.
    served: Arc<[String]>,
}

/// Marks a response of the upstream.
#[derive(Clone)]
pub(in crate::app) struct Forwarded;

/// Hop-by-hop headers.
const HOP_BY_HOP_HEADERS: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Timeout to connect to the upstream, which is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an idle connection is pooled: less than the 2 seconds after which gunicorn closes it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);
/// The failure of a pooled connection that was already closed shows within this time, even on a
/// busy machine; a later failure means that processing had begun.
const RETRY_WINDOW: Duration = Duration::from_secs(2);

/// Bytes of a request body that are buffered.
const MAX_BUFFERED_BYTES: u64 = 64 * 1024;
/// End-to-end headers, which a `Connection` header cannot remove.
const END_TO_END_HEADERS: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::SET_COOKIE,
    header::AUTHORIZATION,
];

impl Forward {
    pub(in crate::app) fn new(upstream: &Upstream, served: Vec<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let client = |pooled| {
            Client::builder(TokioExecutor::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(pooled)
                .build(connector.clone())
        };
        Self {
            pooled: client(usize::MAX),
            unpooled: client(0),
            authority: upstream.authority().to_owned(),
            served: served.into(),
        }
    }

    /// The response of the upstream, or 502.
    pub(in crate::app) async fn answer(&self, mut request: Request) -> Response {
        let Some(info) = request.extensions_mut().remove::<RequestInfo>() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        if let Some(answer) = self.redirect_to_normalized(request.uri()) {
            return answer;
        }
        let Some(uri) = self.uri(request.uri()) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let (mut parts, body) = request.into_parts();
        let body = match with_length(&parts.headers, body).await {
            Ok(body) => body,
            Err(_) => return StatusCode::BAD_REQUEST.into_response(), // the counting body has recorded the cause
        };
        set_forwarded_headers(&mut parts.headers, &info);
        let mut onward = Request::new(body);
        (
            *onward.method_mut(),
            *onward.uri_mut(),
            *onward.headers_mut(),
        ) = (parts.method, uri, parts.headers);
        match self.send(onward).await {
            Ok(answer) => mark_forwarded(answer.map(Body::new)),
            Err(error) => {
                tracing::error!(target: "palisade", upstream = self.authority, ?error, request = info.context.id(), "the upstream does not answer");
                StatusCode::BAD_GATEWAY.into_response()
            }
        }
    }

    /// The upstream may close a pooled connection while the next request is in transit, and the
    /// client cannot tell whether it was read. Idempotent requests are retried
    /// ([RFC 9110 section 9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)); all others
    /// never use a pooled connection.
    async fn send(
        &self,
        mut onward: Request,
    ) -> Result<hyper::Response<hyper::body::Incoming>, Error> {
        if !onward.method().is_safe() || !onward.body().is_end_stream() {
            return self.unpooled.request(onward).await;
        }
        // a length without its bytes, which only code of the site could leave, would turn the next
        // visitor's request into a body
        onward.headers_mut().remove(header::CONTENT_LENGTH);
        let mut again = Request::new(Body::empty());
        (*again.method_mut(), *again.uri_mut()) = (onward.method().clone(), onward.uri().clone());
        again.headers_mut().clone_from(onward.headers());
        let begun = Instant::now();
        match self.pooled.request(onward).await {
            Err(error) if was_closed(&error) && begun.elapsed() < RETRY_WINDOW => {
                tracing::info!(target: "palisade", upstream = self.authority, "an upstream connection ended without a response: the request is retried");
                self.unpooled.request(again).await
            }
            answer => answer,
        }
    }

    /// Whether the normalised path has a route here: Django treats the variants as one path, and
    /// its page could have weaker access rules.
    fn redirect_to_normalized(&self, asked: &Uri) -> Option<Response> {
        let Some(plain) = normalize_path::plain(asked.path()) else {
            return Some(StatusCode::BAD_REQUEST.into_response());
        };
        let other = match plain.strip_suffix('/') {
            Some(bare) => bare.to_owned(),
            None => format!("{plain}/"),
        };
        let is_ours = |path: &str| {
            self.served
                .iter()
                .any(|pattern| normalize_path::names(pattern, path))
        };
        let to = if plain != asked.path() {
            plain
        } else {
            Some(other).filter(|other| is_ours(other))?
        };
        let query = asked
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let location = HeaderValue::from_str(&format!("{to}{query}")).ok()?;
        Some(
            (
                StatusCode::PERMANENT_REDIRECT,
                [(header::LOCATION, location)],
            )
                .into_response(),
        )
    }

    fn uri(&self, asked: &Uri) -> Option<Uri> {
        let target = asked.path_and_query().map_or("/", |target| target.as_str());
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.as_str())
            .path_and_query(target)
            .build()
            .ok()
    }
}

/// Whether the connection ended before the response began.
fn was_closed(error: &Error) -> bool {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<hyper::Error>());
    !error.is_connect() && cause.is_some_and(|cause| !cause.is_parse())
}

/// Large bodies are streamed. Small ones are buffered, so that a slow client does not occupy a
/// worker of Django; chunked ones, which browsers do not send, are buffered up to the site's limit,
/// because WSGI has no body without a length.
async fn with_length(headers: &HeaderMap, body: Body) -> Result<Body, axum::Error> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if body.is_end_stream() || length.is_some_and(|length| length > MAX_BUFFERED_BYTES) {
        return Ok(body);
    }
    axum::body::to_bytes(body, usize::MAX).await.map(Body::from)
}

/// The request headers for the upstream: those of the visitor and of this proxy.
fn set_forwarded_headers(headers: &mut HeaderMap, info: &RequestInfo) {
    remove_hop_by_hop_headers(headers);
    headers.remove(header::EXPECT);
    // forwarding headers of clients; and underscores, because WSGI cannot tell `x_forwarded_for`
    // from `x-forwarded-for`
    let is_doubtful = |name: &&HeaderName| is_forwarding(name) || name.as_str().contains('_');
    let doubtful: Vec<HeaderName> = headers.keys().filter(is_doubtful).cloned().collect();
    doubtful.iter().for_each(|name| drop(headers.remove(name)));
    let host = headers.get(header::HOST).cloned();
    join_cookies(headers);
    let proto = info.scheme.as_str();
    let client = HeaderValue::from_str(&info.client.0.to_string()).ok();
    let said = [
        ("x-forwarded-for", client),
        ("x-forwarded-proto", Some(HeaderValue::from_static(proto))),
        ("x-forwarded-host", host),
    ];
    for (name, value) in said {
        value.map(|value| headers.insert(name, value));
    }
    if let Ok(id) = HeaderValue::from_str(info.context.id()) {
        headers.insert("x-request-id", id);
    }
}

/// HTTP/2 may send cookies in separate fields; HTTP/1.1 has one
/// ([RFC 9113 section 8.2.3](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.3)).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if all.len() > 1
        && let Ok(line) = HeaderValue::from_bytes(&all.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, line);
    }
}

fn mark_forwarded(mut answer: Response) -> Response {
    remove_hop_by_hop_headers(answer.headers_mut());
    answer.extensions_mut().insert(Forwarded);
    answer.extensions_mut().insert(Explained);
    answer
}

/// Removes hop-by-hop headers, and those that `Connection` lists
/// ([RFC 9110 section 7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)).
fn remove_hop_by_hop_headers(headers: &mut HeaderMap) {
    let named = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> = named
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let named = named
        .iter()
        .filter(|name| !END_TO_END_HEADERS.contains(name));
    for name in named.chain(&HOP_BY_HOP_HEADERS) {
        headers.remove(name);
    }
}
