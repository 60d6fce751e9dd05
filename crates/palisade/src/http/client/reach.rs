use crate::http::Networks;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;

/// Special-purpose networks: IANA's registries for
/// [IPv4](https://www.iana.org/assignments/iana-ipv4-special-registry) and
/// [IPv6](https://www.iana.org/assignments/iana-ipv6-special-registry), multicast, and a cloud's
/// metadata address in public space. Of IPv6 only `2000::/3` is allocated.
const NOT_PUBLIC: &str = "\
    0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 168.63.129.16/32, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24, 192.31.196.0/24, \
    192.52.193.0/24, 192.88.99.0/24, 192.168.0.0/16, 192.175.48.0/24, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/4, 240.0.0.0/4, \
    2001::/23, 2001:db8::/32, 2002::/16, 2620:4f:8000::/48, 3fff::/20";

static REFUSED: LazyLock<Networks> =
    LazyLock::new(|| NOT_PUBLIC.parse().expect("the networks of the registries"));

/// Whether an address is public. IPv4 addresses are also recognised inside IPv6 ones
/// ([RFC 4291 section 2.5.5](https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5),
/// [RFC 6052](https://www.rfc-editor.org/rfc/rfc6052)).
///
/// ```
/// use palisade::http::client::is_public;
/// assert!(is_public("9.9.9.9".parse().unwrap()));
/// assert!(!is_public("::ffff:169.254.169.254".parse().unwrap()));
/// ```
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(_) => !REFUSED.contains(address),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => v6.segments()[0] & 0xe000 == 0x2000 && !REFUSED.contains(address),
        },
    }
}

/// The IPv4 address embedded for NAT64 (`64:ff9b::/96`).
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = v6.segments() else {
        return None;
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// Allowed addresses: public ones, and those of the configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach(Networks);

impl Reach {
    pub(super) fn new(private: &[IpNet]) -> Self {
        Self(private.iter().copied().collect())
    }

    pub(super) fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.0.contains(address)
    }
}

/// No address of the name is allowed.
#[derive(Debug)]
pub(super) struct NotPublic;

impl std::fmt::Display for NotPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it has no public address")
    }
}

impl std::error::Error for NotPublic {}

/// Resolves a name to its allowed addresses. The connection uses this result, so the name cannot
/// resolve differently later (DNS rebinding).
impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found: io::Result<Vec<SocketAddr>> = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map(Iterator::collect);
            let allowed: Vec<SocketAddr> = found?
                .into_iter()
                .filter(|address| reach.allows(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
