use http::HeaderMap;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// How it is connected.
    pub link: Link,
}

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

/// The address that limits, locks and logs go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The proxies whose word is taken. Nobody else's `X-Forwarded-*` is ever read.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Proxies by network.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.iter().map(IpNet::trunc).collect())
    }

    /// Whether this is one of the proxies.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// The rightmost address of the way that no trusted proxy has; the peer itself unless it is one.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return ClientAddress(peer);
        }
        let hops =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let mut client = peer;
        for hop in hops.collect::<Vec<_>>().into_iter().rev() {
            // what cannot be read was not written by our proxy: whoever it spoke for is behind the last address we know
            let Ok(address) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        ClientAddress(client)
    }

    /// Whether the client's connection was encrypted: to us, or to a trusted proxy that says so.
    pub fn is_secure(&self, peer: Peer, headers: &HeaderMap) -> bool {
        if self.trusts(peer.address) { says_secure(headers) } else { peer.link == Link::Encrypted }
    }
}

fn says_secure(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all("x-forwarded-proto").iter();
    let said = protocols.next().is_some_and(|value| value.as_bytes() == b"https");
    // two headers: one of them is the client's
    said && protocols.next().is_none()
}
