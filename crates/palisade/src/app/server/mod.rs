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
mod address;
mod connection;
mod connection_limit;
mod error;
mod framing;
mod listener;
mod proxy_protocol;
mod settings;
mod timeout_stream;
mod tls;

pub use address::ListenAddress;
pub use error::ListenError;
use listener::{Listener, Socket};
pub use settings::{ServerSettings, TlsSettings};
pub use tls::TlsError;

use super::site::Ports;
use super::{Site, SiteSettings};
use crate::http::{Entrance, Link, Peer};
use connection::{Shared, clamp_limit};
pub(super) use connection_limit::ConnectionLimiter;
use hyper_util::server::graceful::GracefulShutdown;
use listenfd::ListenFd;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use timeout_stream::Timeouts;
pub(super) use tls::Certificates;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A listening server.
pub struct Server {
    shared: Arc<Shared>,
    listener: Listener,
    redirect: Option<Listener>,
    admin: Option<Listener>,
    certificates: Option<Arc<Certificates>>,
}

/// Result of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections whose requests took longer than `server.drain_secs`.
    pub cut_off: usize,
}

impl Server {
    /// Listens on `server.address`, `tls.redirect_address` and `admin.address`, or on the sockets that
    /// systemd opened, in this order (`sd_listen_fds(3)`).
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn listen(site: Arc<Site>) -> Result<Self, ListenError> {
        let (settings, tls) = (&site.settings.server, &site.settings.tls);
        let ordered = site
            .challenges
            .clone()
            .filter(|_| !tls.has_files())
            .map(Certificates::from_acme);
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
        if let Some(certificates) = &certificates {
            let _ = site.certificates.set(certificates.clone());
        }
        let (listener, redirect, admin) = listeners(&site)?;
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
            lingering: Arc::new(Semaphore::new(clamp_limit(settings.max_connections))),
            timeouts: timeouts(settings),
            tls: config.map(TlsAcceptor::from),
            site,
        };
        Ok(Self {
            shared: Arc::new(shared),
            listener,
            redirect,
            admin,
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

    fn scheme(&self) -> &'static str {
        match self.certificates {
            Some(_) => "https",
            None => "http",
        }
    }

    /// The local URL of the admin, if the site has one.
    pub fn admin_url(&self) -> Option<String> {
        let path = self.shared.site.admin_path()?;
        Some(match self.admin.as_ref().and_then(Listener::address) {
            Some(ListenAddress::Tcp(address)) => format!("{}://{address}{path}", self.scheme()),
            _ => format!("{}{path}", self.url()),
        })
    }

    /// The local URL of the site, or its Unix socket.
    pub fn url(&self) -> String {
        let scheme = self.scheme();
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
            admin,
            certificates,
        } = self;
        let own_link = match shared.tls {
            Some(_) => Link::Encrypted,
            None => Link::Plain,
        };
        let watching = certificates.map(|certificates| {
            tokio::spawn(maintain_certificates(shared.site.clone(), certificates))
        });
        let graceful = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            let (accepted, link, entrance) = tokio::select! {
                accepted = listener.accept() => (accepted, own_link, Entrance::Site),
                accepted = accept(redirect.as_ref()) => (accepted, Link::RedirectsOnly, Entrance::Site),
                accepted = accept(admin.as_ref()) => (accepted, own_link, Entrance::Admin),
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
                            entrance,
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
        drop((listener, redirect, admin));
        if let Some(watching) = watching {
            watching.abort();
        }
        let changes = &shared.site.changes;
        changes.close();
        let drained = async { tokio::join!(graceful.shutdown(), changes.wait()) };
        let drained = timeout(shared.site.settings.server.drain_secs.duration(), drained).await;
        Stopped {
            cut_off: if drained.is_err() {
                shared.slots.open_count().max(changes.len())
            } else {
                0
            },
        }
    }
}

/// The listeners of the site, of the redirect to HTTPS, and of the admin.
fn listeners(site: &Site) -> Result<(Listener, Option<Listener>, Option<Listener>), ListenError> {
    let settings = &site.settings;
    let mut inherited = ListenFd::from_env();
    let listener = Listener::open(settings, &mut inherited, 0, &settings.server.address)?;
    let redirect = settings.tls.redirect_address;
    let redirect = redirect.filter(|_| settings.ends_tls());
    let redirect = redirect
        .map(|address| Listener::open(settings, &mut inherited, 1, &ListenAddress::Tcp(address)))
        .transpose()?;
    let admin = settings.admin.address;
    let admin = admin.filter(|_| site.admin_path().is_some());
    let number = 1 + usize::from(redirect.is_some());
    let admin = admin
        .map(|address| {
            Listener::open(
                settings,
                &mut inherited,
                number,
                &ListenAddress::Tcp(address),
            )
        })
        .transpose()?;
    Ok((listener, redirect, admin))
}

/// Keeps the certificate valid, for as long as the server runs.
async fn maintain_certificates(site: Arc<Site>, certificates: Arc<Certificates>) {
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
