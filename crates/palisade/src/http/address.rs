use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whom a proxy speaks for.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// How whoever it speaks for came.
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The host that the client requested.
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whether a header is one in which proxies describe the client's request. From anybody else it is the client's invention, and many extractors and layers believe it.
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

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// How it is connected.
    pub link: Link,
    /// Whether its forwarding headers may be looked at. Not behind a balancer that speaks the PROXY protocol: it looks at no HTTP, so they are the
    /// client's.
    pub may_forward: bool,
}

/// The address of the peer at the other end of a Unix socket: a proxy on this machine, which the permissions of the socket let in. It has none of its own, and no
/// client ever has this one.
pub const UNIX_PEER: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// How a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// In clear: a proxy, or a developer's browser.
    Plain,
    /// By TLS that ends in this process.
    Encrypted,
    /// In clear, at the address that sends everybody to HTTPS.
    RedirectsOnly,
}

/// What is counted as one client: an IPv4 address, or the /64 that one household or server has.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// The networks that a client is counted with, and by how many times the limit of one client each is wider: an IPv4 address; of IPv6 its /64, the /56 that a
/// household may have, and the /48 of a customer ([RFC 6177](https://www.rfc-editor.org/rfc/rfc6177)).
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

/// One of the networks that a client is counted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientNetwork {
    /// Its first address.
    pub network: IpAddr,
    /// Bits that are the same for all of it: 32 for an IPv4 address.
    pub prefix: u8,
    /// How many clients it may be.
    pub times: u32,
}

impl ClientNetwork {
    /// How many times the share of one client the network may hold at once: less than `times`, because connections and memory are scarcer than requests.
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

/// The address that limits, locks and logs go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The header in which the proxies write who they speak for. The other one is whatever the client wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedBy {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)).
    Forwarded,
}

/// The proxies whose word is taken. Nobody else's is ever read.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardedBy,
    /// Whether a header that cannot be understood was logged.
    warned: Arc<AtomicBool>,
}

/// One step of the way of a request, as a proxy wrote it down.
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

    /// Whether this is one of the proxies.
    pub fn trusts(&self, address: IpAddr) -> bool {
        address == UNIX_PEER
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address.to_canonical()))
    }

    /// Whether this is a header that the proxies write.
    pub(crate) fn reads(&self, name: &HeaderName) -> bool {
        match self.header {
            ForwardedBy::XForwarded => *name == X_FORWARDED_FOR || *name == X_FORWARDED_PROTO,
            ForwardedBy::Forwarded => *name == header::FORWARDED,
        }
    }

    /// The rightmost address of the way that no trusted proxy has; the peer itself unless it is one.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return ClientAddress(peer);
        }
        ClientAddress(self.farthest(headers).map_or(peer, |hop| hop.address))
    }

    /// Whether the client's connection was encrypted: to us, or to a trusted proxy that says so.
    pub fn is_secure(&self, peer: Peer, headers: &HeaderMap) -> bool {
        match self.header {
            // behind the PROXY protocol the address is the client's, and no header is a proxy's
            _ if !self.trusts(peer.address) || !peer.may_forward => peer.link == Link::Encrypted,
            ForwardedBy::XForwarded => self.says_secure(headers),
            ForwardedBy::Forwarded => self.farthest(headers).is_some_and(|hop| hop.is_secure),
        }
    }

    /// Whether `X-Forwarded-Proto` says https. Proxies that add to the header write one value each, in the order of `X-Forwarded-For`: that of the proxy
    /// which the client is connected to counts. Proxies that replace it leave one value.
    fn says_secure(&self, headers: &HeaderMap) -> bool {
        let Some(said) = self.forwarded(headers, &X_FORWARDED_PROTO) else {
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

    /// The host that the client asked for, where the proxies write it into `X-Forwarded-Host`.
    pub(crate) fn host(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        self.forwarded(headers, &X_FORWARDED_HOST)
            .and_then(|host| HeaderValue::from_bytes(host).ok())
    }

    /// The value that the proxy at the client's end wrote into a header: a list with one value of each proxy, in the order of `X-Forwarded-For`, or the value of a
    /// proxy that replaces the header.
    fn forwarded<'a>(&self, headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
        let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let said: Vec<&[u8]> = lines
            .flat_map(|line| line.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .collect();
        let hops = self.hops(headers).count().max(1);
        said.get(said.len().checked_sub(1)?.saturating_sub(hops - 1))
            .copied()
    }

    /// The first on the way from the nearest proxy to the client that no proxy has: each was written by the one before it.
    fn farthest(&self, headers: &HeaderMap) -> Option<Hop> {
        self.hops(headers).last()
    }

    /// The way from the nearest proxy to the client, as far as proxies wrote it down.
    fn hops<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = Hop> + 'a {
        let name = match self.header {
            ForwardedBy::XForwarded => X_FORWARDED_FOR,
            ForwardedBy::Forwarded => header::FORWARDED,
        };
        // bytes: a client may write anything in front of what our proxy adds, and must not take that away with it
        let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let mut has_ended = false;
        lines
            .flat_map(|line| line.split(|byte| *byte == b','))
            .rev()
            .map_while(move |written| {
                if has_ended {
                    return None;
                }
                // what cannot be read was not written by a trusted proxy: the client is behind the last known address
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
                // some write the port as well
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
