use super::{ForwardedBy, HostPattern};
use crate::checks::{Check, Level};
use crate::settings::{Profile, Secs, section, setting_from_str, setting_words};
use ipnet::IpNet;

setting_from_str!(
    HostPattern,
    "a host such as example.org, or .example.org with all subdomains"
);
/// What happens to requests from a block-listed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockMode {
    /// 403.
    Block,
    /// The site's handler decides ([`App::challenge`](crate::app::App::challenge)); without one
    /// 403.
    Challenge,
    /// They are served, and recorded.
    Log,
}

setting_words!(
    BlockMode,
    "block, challenge or log",
    Block = "block",
    Challenge = "challenge",
    Log = "log"
);
setting_words!(
    ForwardedBy,
    "x-forwarded or forwarded",
    XForwarded = "x-forwarded",
    Forwarded = "forwarded"
);

section! {
    /// Hosts, proxies, and limits of requests.
    HttpSettings("http") {
        /// Allowed hosts; a leading dot includes all subdomains
        allowed_hosts: Vec<HostPattern> = |profile| local_hosts(profile);
        /// Networks of the trusted proxies
        trusted_proxies: Vec<IpNet> = |_| Vec::new();
        /// The header in which they report the client: x-forwarded (X-Forwarded-For and -Proto) or
        /// forwarded (RFC 7239); the other is ignored
        forwarded_by: ForwardedBy = |_| ForwardedBy::XForwarded;
        /// Whether the proxies report the host in X-Forwarded-Host, because they replace Host
        forwarded_host: bool = |_| false;
        /// Whether the proxies' X-Request-ID is used for requests and the log
        forwarded_request_id: bool = |_| false;
        /// Whether plain HTTP is redirected to HTTPS
        https_redirect: bool = |profile| !profile.is_development();
        /// Host of that redirect; the requested one if empty
        https_host: Option<String> = |_| None;
        /// Paths that are served over plain HTTP as well, such as /health/live for a load balancer
        https_redirect_exempt: Vec<String> = |_| vec!["/health/live".into(), "/health/ready".into()];
        /// Block-listed networks
        blocked_networks: Vec<IpNet> = |_| Vec::new();
        /// Files with further networks, one per line; reloaded when they change
        block_lists: Vec<String> = |_| Vec::new();
        /// URLs of block lists of other sites, such as Tor's exit list; the last valid one is kept
        block_list_urls: Vec<String> = |_| Vec::new();
        /// Seconds between two fetches of such lists
        block_list_secs: Secs = |_| Secs(3600);
        /// What happens to requests from there: block (403), challenge (the site's handler decides)
        /// or log
        block_mode: BlockMode = |_| BlockMode::Block;
        /// Most bytes of a request body
        max_body_bytes: u64 = |_| 2_621_440;
        /// Most bytes of a form that are searched for its token; more if its fields can hold more
        max_form_bytes: u64 = |_| 65_536;
        /// Most bytes of a JSON body
        max_json_bytes: u64 = |_| 1_048_576;
        /// Deepest nesting of a JSON body
        max_json_depth: u64 = |_| 32;
        /// Most fields of a form
        max_form_fields: u64 = |_| 1000;
        /// Most parts of a multipart form (multipart/form-data)
        max_parts: u64 = |_| 100;
        /// Most bytes of path and query
        max_url_bytes: u64 = |_| 8192;
        /// Timeout of a request body, in seconds
        body_timeout_secs: Secs = |_| Secs(30);
        /// Timeout of a handler, in seconds
        response_timeout_secs: Secs = |_| Secs(60);
    }
}

/// Limits of parsed input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputLimits {
    /// Nesting of JSON.
    pub json_depth: usize,
    /// Fields of a form.
    pub form_fields: usize,
    /// Bytes of a form with short fields.
    pub form_bytes: usize,
    /// Parts of a multipart form.
    pub parts: usize,
}

impl HttpSettings {
    /// Limits of parsed input.
    pub(crate) fn input_limits(&self) -> InputLimits {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        InputLimits {
            json_depth: size(self.max_json_depth),
            form_fields: size(self.max_form_fields),
            form_bytes: size(self.max_form_bytes.min(self.max_body_bytes)),
            parts: size(self.max_parts),
        }
    }
}

fn local_hosts(profile: Profile) -> Vec<HostPattern> {
    let local = if profile.is_development() {
        &["localhost", ".localhost", "127.0.0.1", "[::1]"][..]
    } else {
        &[]
    };
    local.iter().filter_map(|host| host.parse().ok()).collect()
}

/// Configuration checks.
pub const CHECKS: &[Check<HttpSettings>] = &[
    Check {
        id: "http.hosts_missing",
        django: Some("security.W020"),
        level: Level::Error,
        title: "no host is allowed, so every request would be refused",
        why: "the Host header is input: links and cache keys made from any host belong to the \
            attacker",
        fix: "list the site's names in http.allowed_hosts, for example \
            PALISADE_HTTP__ALLOWED_HOSTS=desk.example.org",
        fires: |settings| settings.allowed_hosts.is_empty(),
    },
    Check {
        id: "http.hosts_wildcard",
        django: None,
        level: Level::Error,
        title: "every host is allowed, or every host below a public suffix",
        why: "links in mails and cached pages could be made to point to an attacker's host",
        fix: "list the site's own names in http.allowed_hosts",
        fires: |settings| settings.allowed_hosts.iter().any(HostPattern::is_too_wide),
    },
    Check {
        id: "http.https_redirect_off",
        django: Some("security.W008"),
        level: Level::Error,
        title: "plain HTTP is not redirected to HTTPS",
        why: "the first request of a visitor can be read and changed in transit",
        fix: "set http.https_redirect = true",
        fires: |settings| !settings.https_redirect,
    },
    Check {
        id: "http.block_list_in_clear",
        django: None,
        level: Level::Error,
        title: "a block list is fetched over plain HTTP",
        why: "a man in the middle decides which clients are blocked",
        fix: "use https:// URLs in http.block_list_urls",
        fires: |settings| {
            settings
                .block_list_urls
                .iter()
                .any(|url| !url.starts_with("https://"))
        },
    },
    Check {
        id: "http.proxies_unrestricted",
        django: None,
        level: Level::Error,
        title: "all clients are trusted proxies",
        why: "any client could spoof its address for rate limits, locks and logs",
        fix: "list only your proxies in http.trusted_proxies",
        fires: |settings| {
            settings
                .trusted_proxies
                .iter()
                .any(|network| network.prefix_len() < 8)
        },
    },
];
