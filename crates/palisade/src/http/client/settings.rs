use super::reach::is_public;
use crate::checks::{Check, Level};
use crate::http::HostPattern;
use crate::settings::{Secs, section};
use ipnet::IpNet;
use std::net::IpAddr;

section! {
    /// Limits of outgoing requests.
    ClientSettings("client") {
        /// Timeout of a whole response, in seconds
        timeout_secs: Secs = |_| Secs(10);
        /// Most bytes of a response
        max_bytes: u64 = |_| 4_194_304;
        /// Most redirects, where the site's code follows them, each validated like the first URL
        max_redirects: u64 = |_| 5;
        /// Allowed hosts, a leading dot with all subdomains; all public ones if empty
        only_hosts: Vec<HostPattern> = |_| Vec::new();
        /// Private networks that are allowed nevertheless, such as that of an internal service
        private_networks: Vec<IpNet> = |_| Vec::new();
        /// PEM file of additional certificate authorities
        certificate_authority: Option<String> = |_| None;
    }
}

impl ClientSettings {
    /// Whether the host of a URL is on the allow-list.
    pub(crate) fn lists(&self, url: &str) -> bool {
        let host = url::Url::parse(url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        self.only_hosts.is_empty() || self.only_hosts.iter().any(|pattern| pattern.matches(&host))
    }
}

/// Metadata services of clouds, which hand out credentials: Amazon and most others, Amazon by IPv6,
/// Alibaba, Oracle, Azure.
const METADATA: [&str; 5] = [
    "169.254.169.254",
    "fd00:ec2::254",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
];

fn reaches_too_far(network: &IpNet) -> bool {
    let tells = |address: &str| {
        address
            .parse::<IpAddr>()
            .is_ok_and(|address| network.contains(&address))
    };
    network.prefix_len() < 8 || METADATA.iter().any(|address| tells(address))
}

/// Configuration checks.
pub const CHECKS: &[Check<ClientSettings>] = &[
    Check {
        id: "client.everything_reachable",
        django: None,
        level: Level::Error,
        title: "outgoing requests may reach all networks, or the metadata services of clouds",
        why: "an attacker who controls a fetched URL reads internal services (SSRF, ASVS 13.2.4)",
        fix: "list only the networks of your own services in client.private_networks, for \
            example 10.0.7.0/24",
        fires: |settings| settings.private_networks.iter().any(reaches_too_far),
    },
    Check {
        id: "client.private_reachable",
        django: None,
        level: Level::Info,
        title: "outgoing requests may reach private networks",
        why: "a URL that a visitor chooses can lead there as well",
        fix: "keep client.private_networks as small as it can be",
        fires: |settings| {
            settings
                .private_networks
                .iter()
                .any(|network| !is_public(network.network()))
        },
    },
];
