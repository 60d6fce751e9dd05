use super::ListenAddress;
use crate::settings::{Origin, Reader, Secs, section, setting_from_str};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;

/// A TCP port.
pub type Port = NonZeroU16;

setting_from_str!(Port, "a port from 1 to 65535");

section! {
    /// Listen address, timeouts and limits of the server.
    ServerSettings("server") {
        /// Address to listen on, or unix:PATH; the development profile allows loopback addresses
        /// and Unix sockets only
        address: ListenAddress = |_| ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 8000)));
        /// Port to listen on in place of that of the address, as platforms set it in PORT; outside
        /// of development on all addresses
        port: Option<Port> = |_| None;
        /// Whether trusted proxies begin each connection with a header of the PROXY protocol,
        /// version 1 or 2
        proxy_protocol: bool = |_| false;
        /// Concurrent connections; more get 503
        max_connections: u64 = |_| 1024;
        /// Concurrent connections per address (IPv6: per /64); trusted proxies are not counted
        max_connections_per_address: u64 = |_| 128;
        /// Bytes that all requests and responses together may hold in memory; more get 503
        max_held_bytes: u64 = |_| 64 * 1024 * 1024;
        /// Bytes that those of one address (IPv6: one /64) may hold in memory; more get 429
        max_held_bytes_per_address: u64 = |_| 16 * 1024 * 1024;
        /// Timeout of a TLS handshake, in seconds
        handshake_timeout_secs: Secs = |_| Secs(10);
        /// Timeout of a request's headers, in seconds from their first byte
        header_timeout_secs: Secs = |_| Secs(15);
        /// Seconds that a connection may be idle between requests
        keep_alive_secs: Secs = |_| Secs(30);
        /// Seconds before min_bytes_per_second applies
        slow_grace_secs: Secs = |_| Secs(10);
        /// Minimum average rate at which a client sends a body or reads a response, after the grace
        min_bytes_per_second: u64 = |_| 500;
        /// Most bytes of a request's headers
        max_header_bytes: u64 = |_| 65_536;
        /// Most header lines of a request; browsers send about twenty
        max_headers: u64 = |_| 100;
        /// Concurrent requests on one HTTP/2 connection
        max_streams: u64 = |_| 100;
        /// Seconds in which requests may finish at shutdown
        drain_secs: Secs = |_| Secs(10);
    }
}

section! {
    /// Certificate files, if this process terminates TLS; otherwise a trusted proxy does.
    TlsSettings("tls") {
        /// PEM file of the certificate chain
        certificate: Option<String> = |_| None;
        /// PEM file of the private key
        key: Option<String> = |_| None;
        /// Address of a second listener that redirects HTTP to HTTPS, such as 0.0.0.0:80
        redirect_address: Option<SocketAddr> = |_| None;
    }
}

impl ServerSettings {
    /// Applies the platform's port, unless the operator has set an address.
    pub(crate) fn with_platform_port(self, reader: &Reader) -> Self {
        let is_named = !matches!(
            reader.origin("server.address"),
            None | Some(Origin::Default | Origin::Site)
        );
        let Some(port) = self.port.filter(|_| !is_named) else {
            return self;
        };
        let ip = if reader.profile().is_development() {
            Ipv4Addr::LOCALHOST
        } else {
            Ipv4Addr::UNSPECIFIED
        };
        Self {
            address: ListenAddress::Tcp(SocketAddr::from((ip, port.get()))),
            ..self
        }
    }
}

impl TlsSettings {
    /// Whether certificate files are set.
    pub fn has_files(&self) -> bool {
        self.certificate.is_some() || self.key.is_some()
    }
}
