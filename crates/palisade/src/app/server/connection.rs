//! One connection: TLS handshake, HTTP/1.1 or HTTP/2, and its limits.

use super::activity::{Answer, ConnectionActivity};
use super::connection_limit::{ConnectionLimiter, Full, Slot};
use super::listener::Socket;
use super::proxy_protocol;
use super::timeout_stream::{ON_THE_WAY, Protocol, Stream, StreamOwner, TimeoutStream, Timeouts};
use crate::app::acme::ACME_TLS;
use crate::app::endpoints::health::is_page;
use crate::app::{Site, pipeline};
use crate::http::{Held, Link, Peer};
use crate::static_files::SharedBody;
use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use socket2::{SockRef, TcpKeepalive};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// State that all connections of a server share.
pub(super) struct Shared {
    pub(super) site: Arc<Site>,
    pub(super) slots: Arc<ConnectionLimiter>,
    /// Permits for lingering connections: closed here, not yet by the peer.
    pub(super) lingering: Arc<Semaphore>,
    pub(super) timeouts: Timeouts,
    pub(super) tls: Option<TlsAcceptor>,
}

impl Shared {
    /// Serves a connection to its end.
    pub(super) async fn connection(
        self: Arc<Self>,
        mut stream: Socket,
        mut peer: Peer,
        watcher: Watcher,
    ) {
        if let Socket::Left(tcp) = &stream {
            prepare(tcp);
        }
        if self.site.settings.server.proxy_protocol && self.site.proxies.trusts(peer.address) {
            match timeout(self.timeouts.header, proxy_protocol::client(&mut stream)).await {
                Ok(Ok(client)) => {
                    peer = Peer {
                        address: client.unwrap_or(peer.address),
                        may_forward: false,
                        ..peer
                    }
                }
                Ok(Err(_)) | Err(_) => {
                    tracing::warn!(target: "palisade", proxy = %peer.address, "a connection of a trusted proxy had no PROXY header");
                    return;
                }
            }
        }
        // a trusted proxy is not limited per address
        let counted = (!self.site.proxies.trusts(peer.address)).then_some(peer.address);
        let activity = Arc::new(ConnectionActivity::default());
        match self.slots.take(counted, &activity).await {
            Ok(slot) => {
                self.serve(
                    stream,
                    Connection {
                        peer,
                        activity,
                        is_for_health: slot.is_for_health,
                    },
                    watcher,
                    slot,
                )
                .await
            }
            Err(full) => refuse(stream, peer.link, full).await,
        }
    }

    async fn serve(
        self: Arc<Self>,
        stream: Socket,
        connection: Connection,
        watcher: Watcher,
        slot: Slot,
    ) {
        let activity = connection.activity.clone();
        let mut serving = pin!(self.negotiate(stream, connection, watcher));
        loop {
            tokio::select! {
                () = &mut serving => return,
                // to make room; a request that has just arrived is answered first
                () = slot.closing() => if activity.idle_since().is_some() { return },
            }
        }
    }

    async fn negotiate(self: Arc<Self>, stream: Socket, connection: Connection, watcher: Watcher) {
        let ended = match (self.tls.clone(), connection.peer.link) {
            (Some(tls), Link::Encrypted) => {
                let handshake = timeout(
                    self.site.settings.server.handshake_timeout_secs.duration(),
                    tls.accept(stream),
                )
                .await;
                match handshake {
                    // the validation connection of an ACME server ends after the handshake (RFC
                    // 8737 section 3)
                    Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(ACME_TLS) => {
                        return;
                    }
                    Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                        self.http2(stream, connection, watcher).await
                    }
                    Ok(Ok(stream)) => self.http1(stream, connection, watcher).await,
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            _ => self.http1(stream, connection, watcher).await,
        };
        if let Err(error) = ended {
            tracing::debug!(target: "palisade", %error, "a connection ended early");
        }
    }

    async fn http1<S: Stream>(
        self: Arc<Self>,
        stream: S,
        connection: Connection,
        watcher: Watcher,
    ) -> hyper::Result<()> {
        let settings = self.site.settings.server.clone();
        let stream = self.with_timeouts(stream, &connection, Protocol::Http1);
        let mut http = http1::Builder::new();
        // the wrapped stream enforces the header timeout; hyper's own starts too early, and sends
        // no response
        http.timer(TokioTimer::new()).header_read_timeout(None);
        // a little more than the limit, so that the client gets an error page
        http.max_buf_size(clamp_limit(settings.max_header_bytes).saturating_add(16 * 1024))
            .max_headers(clamp_limit(settings.max_headers).max(MOST_HEADERS_FOR_FREE));
        let service = service_fn(move |request| self.clone().answer(request, connection.clone()));
        watcher
            .watch(http.serve_connection(TokioIo::new(stream), service))
            .await
    }

    fn with_timeouts<S: Stream>(
        &self,
        stream: S,
        connection: &Connection,
        protocol: Protocol,
    ) -> TimeoutStream<S> {
        let Connection { peer, activity, .. } = connection;
        let owner = StreamOwner {
            lingering: self.lingering.clone(),
            peer: peer.address,
            activity: activity.clone(),
        };
        TimeoutStream::new(stream, protocol, self.timeouts, owner)
    }

    async fn http2<S: Stream>(
        self: Arc<Self>,
        stream: S,
        connection: Connection,
        watcher: Watcher,
    ) -> hyper::Result<()> {
        let settings = self.site.settings.server.clone();
        let stream = self.with_timeouts(stream, &connection, Protocol::Http2);
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_EVERY);
        http.max_concurrent_streams(u32::try_from(settings.max_streams).unwrap_or(100))
            .max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(65_536))
            .max_pending_accept_reset_streams(MOST_RESETS)
            .max_local_error_reset_streams(MOST_ERRORS)
            .max_send_buf_size(SEND_BUFFER);
        let service = service_fn(move |request| self.clone().answer(request, connection.clone()));
        watcher
            .watch(http.serve_connection(TokioIo::new(stream), service))
            .await
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: Connection,
    ) -> Result<Response<Answer>, Infallible> {
        let Connection {
            peer,
            activity,
            is_for_health,
        } = connection;
        let answering = activity.begin();
        if is_for_health && !is_page(request.uri().path()) {
            return Ok(no_room().map(|body| answering.attach_to(body, None, None)));
        }
        let piece = (request.version() == Version::HTTP_2).then_some(PIECE);
        let mut response = pipeline::answer(self.site.clone(), peer, request.map(Body::new)).await;
        let held = response.extensions_mut().remove::<Arc<Held>>();
        // static files are in memory once, however many responses use them
        let held = held.filter(|_| response.extensions().get::<SharedBody>().is_none());
        Ok(response.map(|body| answering.attach_to(body, piece, held)))
    }
}

/// State of a connection, for its requests.
#[derive(Clone)]
struct Connection {
    peer: Peer,
    activity: Arc<ConnectionActivity>,
    /// Whether it is one of the connections reserved for `/health` when all are taken.
    is_for_health: bool,
}

/// 503: all connections are taken.
fn no_room() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Limits the unsent bytes in the kernel, so that a slow reader is detected, and enables keep-alive
/// probes, so that a dead peer is.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_notsent_lowat(ON_THE_WAY);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE));
}

/// Refuses a connection with an error response. Over TLS it is closed without one, because a
/// handshake is the very cost to avoid.
async fn refuse(mut stream: Socket, link: Link, full: Full) {
    let status = match full {
        Full::Site => "503 Service Unavailable",
        Full::Client => "429 Too Many Requests",
    };
    tracing::warn!(target: "palisade", status, "a connection was refused: too many connections");
    if link != Link::Encrypted {
        let answer = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n"
        );
        let _ = timeout(Duration::from_secs(1), stream.write_all(answer.as_bytes())).await;
        let _ = stream.shutdown().await;
    }
}

pub(super) fn clamp_limit(limit: u64) -> usize {
    usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .clamp(16, 1 << 24)
}

/// Header lines that the parser handles without allocation.
const MOST_HEADERS_FOR_FREE: usize = 100;
/// Largest part of a response that is handed to HTTP/2 at once: it is held until the client reads
/// it.
const PIECE: usize = 16 * 1024;
/// Idle time before TCP keep-alive probes.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// HTTP/2 ping interval; a dead peer is detected after two.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Limit of streams that are reset before they are accepted, against the rapid reset attack
/// (CVE-2023-44487).
const MOST_RESETS: usize = 20;
/// Limit of streams that are reset for client errors.
const MOST_ERRORS: usize = 128;
/// Bytes of a response that are buffered for each stream.
const SEND_BUFFER: usize = 64 * 1024;
