//! Step 1: connections. TLS, HTTP/1.1 and HTTP/2, limits and timeouts against slow and greedy
//! clients, graceful shutdown.
//!
//! | Limit | Setting | When exceeded |
//! |---|---|---|
//! | connections in total, per address | `server.max_connections`, `…_per_address` | 503 or 429, closed |
//! | TLS handshake | `server.handshake_timeout_secs` | closed |
//! | headers of a request | `server.header_timeout_secs`, `max_header_bytes`, `max_headers` | 408 or 431, closed |
//! | idle time between requests | `server.keep_alive_secs` | closed |
//! | transfer rate of a body, and of reading a response | `server.slow_grace_secs`, `min_bytes_per_second` | 408, or closed |
//! | concurrent streams of one HTTP/2 connection | `server.max_streams` | streams are refused |

mod activity;
mod connection_limit;
mod framing;
mod listener;
mod proxy_protocol;
mod settings;
mod timeout_stream;
mod tls;

pub use listener::ListenAddress;
use listener::{Listener, Socket};
pub use settings::{ServerSettings, TlsSettings};
pub use tls::TlsError;

use super::acme::ACME_TLS;
use super::site::Ports;
use super::{Site, SiteSettings, pipeline};
use crate::app::endpoints::health::is_page;
use crate::http::{Held, Link, Peer};
use crate::static_files::SharedBody;
use activity::{Answer, ConnectionActivity};
use axum::body::Body;
pub(super) use connection_limit::ConnectionLimiter;
use connection_limit::{Full, Slot};
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use listenfd::ListenFd;
use socket2::{SockRef, TcpKeepalive};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use timeout_stream::{ON_THE_WAY, Protocol, Stream, TimeoutStream, Timeouts};
pub(super) use tls::Certificates;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A listening server.
pub struct Server {
    shared: Arc<Shared>,
    listener: Listener,
    redirect: Option<Listener>,
    certificates: Option<Arc<Certificates>>,
}

struct Shared {
    site: Arc<Site>,
    slots: Arc<ConnectionLimiter>,
    /// Permits for lingering connections: closed here, not yet by the peer.
    lingering: Arc<Semaphore>,
    timeouts: Timeouts,
    tls: Option<TlsAcceptor>,
}

/// Result of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections whose requests took longer than `server.drain_secs`.
    pub cut_off: usize,
}

/// Why a server does not listen.
#[derive(Debug)]
pub enum ListenError {
    /// The address is in use, or not local.
    Address(ListenAddress, io::Error),
    /// The address is reachable from other machines, in the development profile.
    Public(ListenAddress),
    /// A socket of `LISTEN_FDS` is invalid.
    Inherited(io::Error),
    /// The certificate cannot be used.
    Tls(TlsError),
}

impl Server {
    /// Listens on `server.address` and `tls.redirect_address`, or on the sockets that systemd
    /// opened, in this order (`sd_listen_fds(3)`).
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn listen(site: Arc<Site>) -> Result<Self, ListenError> {
        let (settings, tls) = (&site.settings.server, &site.settings.tls);
        let ordered = site
            .challenges
            .clone()
            .filter(|_| !tls.has_files())
            .map(Certificates::ordered);
        let loaded = tls
            .has_files()
            .then(|| Certificates::load(tls))
            .transpose()
            .map_err(ListenError::Tls)?;
        let certificates = loaded.or(ordered);
        let config = certificates
            .clone()
            .map(tls::config)
            .transpose()
            .map_err(ListenError::Tls)?;
        let mut inherited = ListenFd::from_env();
        let listener = Listener::open(&site.settings, &mut inherited, 0, &settings.address)?;
        let redirect = tls
            .redirect_address
            .filter(|_| site.settings.ends_tls())
            .map(ListenAddress::Tcp);
        let redirect = redirect
            .map(|address| Listener::open(&site.settings, &mut inherited, 1, &address))
            .transpose()?;
        let port = |listener: &Listener| listener.address()?.port();
        if let (Some(plain), Some(encrypted)) = (redirect.as_ref().and_then(port), port(&listener))
        {
            let _ = site.ports.set(Ports { plain, encrypted });
        }
        let slots = ConnectionLimiter::new(
            settings.max_connections,
            settings.max_connections_per_address,
        );
        let _ = site.open.set(slots.clone());
        let shared = Shared {
            slots,
            lingering: Arc::new(Semaphore::new(clamped(settings.max_connections))),
            timeouts: timeouts(settings),
            tls: config.map(TlsAcceptor::from),
            site,
        };
        Ok(Self {
            shared: Arc::new(shared),
            listener,
            redirect,
            certificates,
        })
    }

    /// Checks that the development profile listens on this machine only.
    ///
    /// # Errors
    /// [`ListenError::Public`].
    pub fn may_listen(settings: &SiteSettings, address: &ListenAddress) -> Result<(), ListenError> {
        let is_public = settings.profile.is_development() && address.is_public();
        if is_public {
            Err(ListenError::Public(address.clone()))
        } else {
            Ok(())
        }
    }

    /// The local URL of the site, or its Unix socket.
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() {
            "https"
        } else {
            "http"
        };
        match self
            .listener
            .address()
            .unwrap_or_else(|| self.shared.site.settings.server.address.clone())
        {
            ListenAddress::Tcp(address) => format!("{scheme}://{address}"),
            socket => socket.to_string(),
        }
    }

    /// Address of the listener that redirects HTTP to HTTPS.
    pub fn redirect_address(&self) -> Option<SocketAddr> {
        match self.redirect.as_ref()?.address()? {
            ListenAddress::Tcp(address) => Some(address),
            ListenAddress::Unix(_) => None,
        }
    }

    /// Serves until `stop` resolves, then lets requests finish.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Stopped {
        let Self {
            shared,
            listener,
            redirect,
            certificates,
        } = self;
        let watching = certificates
            .map(|certificates| tokio::spawn(looked_after(shared.site.clone(), certificates)));
        let graceful = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            let (accepted, link) = tokio::select! {
                accepted = listener.accept() => (accepted, if shared.tls.is_some() { Link::Encrypted } else { Link::Plain }),
                accepted = accept(redirect.as_ref()) => (accepted, Link::RedirectsOnly),
                () = &mut stop => break,
            };
            match accepted {
                Ok((stream, address)) => {
                    tokio::spawn(shared.clone().connection(
                        stream,
                        Peer {
                            address,
                            link,
                            may_forward: true,
                        },
                        graceful.watcher(),
                    ));
                }
                // out of file descriptors, or a client that disconnected: neither is a reason to
                // stop
                Err(error) => {
                    tracing::warn!(target: "palisade", %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop((listener, redirect));
        if let Some(watching) = watching {
            watching.abort();
        }
        let changes = &shared.site.changes;
        changes.close();
        let drained = async { tokio::join!(graceful.shutdown(), changes.wait()) };
        let drained = timeout(shared.site.settings.server.drain_secs.duration(), drained).await;
        Stopped {
            cut_off: if drained.is_err() {
                shared.slots.taken().max(changes.len())
            } else {
                0
            },
        }
    }
}

/// Keeps the certificate valid, for as long as the server runs.
async fn looked_after(site: Arc<Site>, certificates: Arc<Certificates>) {
    #[cfg(feature = "acme")]
    if site.settings.acme.is_on() {
        return crate::app::acme::keep(site, certificates).await;
    }
    drop(site);
    certificates.watch().await;
}

async fn accept(listener: Option<&Listener>) -> io::Result<(Socket, IpAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

fn timeouts(settings: &ServerSettings) -> Timeouts {
    Timeouts {
        header: settings.header_timeout_secs.duration(),
        keep_alive: settings.keep_alive_secs.duration(),
        grace: settings.slow_grace_secs.duration(),
        rate: settings.min_bytes_per_second,
    }
}

impl Shared {
    async fn connection(self: Arc<Self>, mut stream: Socket, mut peer: Peer, watcher: Watcher) {
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
                self.served(
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

    async fn served(
        self: Arc<Self>,
        stream: Socket,
        connection: Connection,
        watcher: Watcher,
        slot: Slot,
    ) {
        let activity = connection.activity.clone();
        let mut serving = pin!(self.spoken(stream, connection, watcher));
        loop {
            tokio::select! {
                () = &mut serving => return,
                // to make room; a request that has just arrived is answered first
                () = slot.closing() => if activity.idle_since().is_some() { return },
            }
        }
    }

    async fn spoken(self: Arc<Self>, stream: Socket, connection: Connection, watcher: Watcher) {
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
        let stream = self.watched(stream, &connection, Protocol::Http1);
        let mut http = http1::Builder::new();
        // the wrapped stream enforces the header timeout; hyper's own starts too early, and sends
        // no response
        http.timer(TokioTimer::new()).header_read_timeout(None);
        // a little more than the limit, so that the client gets an error page
        http.max_buf_size(clamped(settings.max_header_bytes).saturating_add(16 * 1024))
            .max_headers(clamped(settings.max_headers).max(MOST_HEADERS_FOR_FREE));
        let service = service_fn(move |request| self.clone().answer(request, connection.clone()));
        watcher
            .watch(http.serve_connection(TokioIo::new(stream), service))
            .await
    }

    fn watched<S: Stream>(
        &self,
        stream: S,
        connection: &Connection,
        protocol: Protocol,
    ) -> TimeoutStream<S> {
        let Connection { peer, activity, .. } = connection;
        TimeoutStream::new(
            stream,
            self.lingering.clone(),
            peer.address,
            activity.clone(),
            protocol,
            self.timeouts,
        )
    }

    async fn http2<S: Stream>(
        self: Arc<Self>,
        stream: S,
        connection: Connection,
        watcher: Watcher,
    ) -> hyper::Result<()> {
        let settings = self.site.settings.server.clone();
        let stream = self.watched(stream, &connection, Protocol::Http2);
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
            return Ok(no_room().map(|body| answering.answered(body, None, None)));
        }
        let piece = (request.version() == Version::HTTP_2).then_some(PIECE);
        let mut response = pipeline::answer(self.site.clone(), peer, request.map(Body::new)).await;
        let held = response.extensions_mut().remove::<Arc<Held>>();
        // static files are in memory once, however many responses use them
        let held = held.filter(|_| response.extensions().get::<SharedBody>().is_none());
        Ok(response.map(|body| answering.answered(body, piece, held)))
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

fn clamped(limit: u64) -> usize {
    usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .clamp(16, 1 << 24)
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address, error) => {
                write!(
                    f,
                    "cannot listen on {address}: {error}\n  fix: stop the process that listens there, or choose another address with serve --address"
                )
            }
            Self::Public(address) => write!(
                f,
                "{address} can be reached from other machines, and the development profile serves this one only\n  \
                 fix: listen on 127.0.0.1, or set PALISADE_PROFILE=staging"
            ),
            Self::Inherited(error) => write!(
                f,
                "LISTEN_FDS names a socket that cannot be used: {error}\n  fix: let the socket unit listen on server.address (ListenStream=443), or unset LISTEN_FDS"
            ),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ListenError {}

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
