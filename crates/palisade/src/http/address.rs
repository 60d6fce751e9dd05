use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `X-Forwarded-For`: address of the client.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`: scheme of the client's connection to the proxy.
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The host that the client requested.
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whether a header describes the client's request to a proxy. Extractors and middleware rely on such
/// headers, and a client can send them too (spoofing).
pub(crate) fn is_forwarding(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded") || FORWARDING.contains(&name)
}

const FORWARDING: [&str; 11] = [
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "via",
];

/// The peer of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Kind of connection.
    pub link: Link,
    /// Whether its forwarding headers may be used. Not with the PROXY protocol: a TCP proxy does
    /// not filter them, so they are the client's.
    pub may_forward: bool,
    /// The listener that accepted it.
    pub entrance: Entrance,
}

/// A listener of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// `server.address`, or that of the redirect.
    Site,
    /// `admin.address`.
    Admin,
}

/// Address of the peer of a Unix socket: a proxy on this machine with access to the socket. It has
/// no IP address, and no client has this one.
pub const UNIX_PEER: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Scheme of a request, as its client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plaintext.
    Http,
    /// Encrypted, to this server or to a trusted proxy.
    Https,
}

impl Scheme {
    /// Its name in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Kind of connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Plaintext: from a proxy, or a developer's browser.
    Plain,
    /// TLS that terminates in this process.
    Encrypted,
    /// Plaintext, at the listener that redirects to HTTPS.
    RedirectsOnly,
}

/// The unit of per-client limits: an IPv4 address, or the /64 of a household or server.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// The networks that a client counts towards, each with the factor of its limit: an IPv4 address;
/// for IPv6 its /64, the /56 that a household may have, and the /48 of a customer
/// ([RFC 6177](https://www.rfc-editor.org/rfc/rfc6177)).
pub fn networks(address: IpAddr) -> impl Iterator<Item = ClientNetwork> {
    let address = address.to_canonical();
    let prefixes: &[(u8, u32)] = if address.is_ipv6() {
        &[(64, 1), (56, 4), (48, 16)]
    } else {
        &[(32, 1)]
    };
    prefixes.iter().map(move |(prefix, times)| {
        let network = match address {
            IpAddr::V6(v6) => {
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> prefix)))
            }
            v4 => v4,
        };
        ClientNetwork {
            network,
            prefix: *prefix,
            times: *times,
        }
    })
}

/// A network that a client counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientNetwork {
    /// Its first address.
    pub network: IpAddr,
    /// Prefix length: 32 for an IPv4 address.
    pub prefix: u8,
    /// Factor of the rate limit.
    pub times: u32,
}

impl ClientNetwork {
    /// Factor of the concurrent share: less than `times`, because connections and memory are
    /// scarcer than requests.
    pub fn shares(&self) -> u32 {
        self.times.isqrt()
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // one client is named by its address, as in logs
        if self.times == 1 {
            self.network.fmt(f)
        } else {
            write!(f, "{}/{}", self.network, self.prefix)
        }
    }
}

/// The client address, for limits, locks and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The header in which proxies report the client. The other one is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedBy {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)).
    Forwarded,
}

/// The trusted proxies. Forwarding headers of all other peers are ignored.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardedBy,
    /// Whether a malformed header was logged.
    warned: Arc<AtomicBool>,
}

/// A hop of a request, as recorded by a proxy.
struct Hop {
    address: IpAddr,
    is_secure: bool,
}

impl TrustedProxies {
    /// Proxies by network, and the header they write.
    pub fn new(networks: &[IpNet], header: ForwardedBy) -> Self {
        Self {
            networks: networks.iter().map(IpNet::trunc).collect(),
            header,
            warned: Arc::default(),
        }
    }

    /// Whether an address is a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        address == UNIX_PEER
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address.to_canonical()))
    }

    /// Whether this is the header that the proxies write.
    pub(crate) fn reads(&self, name: &HeaderName) -> bool {
        match self.header {
            ForwardedBy::XForwarded => *name == X_FORWARDED_FOR || *name == X_FORWARDED_PROTO,
            ForwardedBy::Forwarded => *name == header::FORWARDED,
        }
    }

    /// The client: the rightmost recorded address that is no trusted proxy, or the peer itself
    /// unless it is one.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return ClientAddress(peer);
        }
        ClientAddress(self.farthest(headers).map_or(peer, |hop| hop.address))
    }

    /// The scheme of a request: https on a connection that was encrypted to this server, or to a
    /// trusted proxy that reports it.
    pub fn scheme(&self, peer: Peer, headers: &HeaderMap) -> Scheme {
        let is_encrypted = match self.header {
            // with the PROXY protocol the address is the client's, and no header is a proxy's
            _ if !self.trusts(peer.address) || !peer.may_forward => peer.link == Link::Encrypted,
            ForwardedBy::XForwarded => self.says_secure(headers),
            ForwardedBy::Forwarded => self.farthest(headers).is_some_and(|hop| hop.is_secure),
        };
        match is_encrypted {
            true => Scheme::Https,
            false => Scheme::Http,
        }
    }

    /// Whether `X-Forwarded-Proto` is https. Proxies that append to the header write one value
    /// each, in the order of `X-Forwarded-For`: that of the proxy which the client is connected to
    /// counts. Proxies that replace it leave one value.
    fn says_secure(&self, headers: &HeaderMap) -> bool {
        let Some(said) = self.forwarding_header(headers, &X_FORWARDED_PROTO) else {
            return false;
        };
        let is_known = [&b"http"[..], b"https"]
            .iter()
            .any(|known| said.eq_ignore_ascii_case(known));
        if !is_known && !self.warned.swap(true, Ordering::Relaxed) {
            let said: String = String::from_utf8_lossy(said).chars().take(40).collect();
            tracing::warn!(target: "palisade", ?said, "a trusted proxy wrote an X-Forwarded-Proto that is neither http nor https: it counts as http");
        }
        said.eq_ignore_ascii_case(b"https")
    }

    /// The requested host, where the proxies write it into `X-Forwarded-Host`.
    pub(crate) fn host(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        self.forwarding_header(headers, &X_FORWARDED_HOST)
            .and_then(|host| HeaderValue::from_bytes(host).ok())
    }

    /// The value of a header by the outermost proxy: of a list with one value per proxy, in the
    /// order of `X-Forwarded-For`, or the only value of a proxy that replaces the header.
    fn forwarding_header<'a>(&self, headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
        let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let said: Vec<&[u8]> = lines
            .flat_map(|line| line.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .collect();
        let hops = self.hops(headers).count().max(1);
        said.get(said.len().checked_sub(1)?.saturating_sub(hops - 1))
            .copied()
    }

    /// The client's hop: the last one that a trusted proxy has recorded.
    fn farthest(&self, headers: &HeaderMap) -> Option<Hop> {
        self.hops(headers).last()
    }

    /// The hops from the nearest proxy to the client, as far as trusted proxies recorded them.
    fn hops<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = Hop> + 'a {
        let name = match self.header {
            ForwardedBy::XForwarded => X_FORWARDED_FOR,
            ForwardedBy::Forwarded => header::FORWARDED,
        };
        // bytes: a client may send arbitrary ones before the part that our proxy appends
        let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let mut has_ended = false;
        lines
            .flat_map(|line| line.split(|byte| *byte == b','))
            .rev()
            .map_while(move |written| {
                if has_ended {
                    return None;
                }
                // an unreadable hop was not written by a trusted proxy: the client is behind the
                // last known address
                let hop = std::str::from_utf8(written)
                    .ok()
                    .and_then(|written| self.hop(written.trim()))?;
                has_ended = !self.trusts(hop.address);
                Some(hop)
            })
    }

    fn hop(&self, written: &str) -> Option<Hop> {
        match self.header {
            ForwardedBy::XForwarded => {
                // some proxies append the port
                let address = written
                    .parse::<IpAddr>()
                    .or_else(|_| written.parse::<SocketAddr>().map(|address| address.ip()));
                Some(Hop {
                    address: address.ok()?.to_canonical(),
                    is_secure: false,
                })
            }
            ForwardedBy::Forwarded => {
                let element = rfc7239::parse(written).next()?.ok()?;
                let address = element.forwarded_for.as_ref()?.ip()?.to_canonical();
                let is_secure = element.protocol.is_some_and(|protocol| {
                    protocol.trim_matches('"').eq_ignore_ascii_case("https")
                });
                Some(Hop { address, is_secure })
            }
        }
    }
}
