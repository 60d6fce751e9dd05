use super::{ForwardedBy, HostPattern};
use crate::checks::{Check, Level};
use crate::settings::{Secs, section, setting_from_str, setting_words};
use ipnet::IpNet;

setting_from_str!(
    HostPattern,
    "a host such as example.org, or .example.org with everything below it"
);
/// What happens to requests from an address of a block list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockMode {
    /// They get 403.
    Block,
    /// The site's own hook decides ([`App::challenge`](crate::app::App::challenge)); without one they get 403.
    Challenge,
    /// They are answered, and recorded.
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
    /// Who is served, over what, and how much may be sent.
    HttpSettings("http") {
        /// Hosts that are served; a leading dot includes everything below
        allowed_hosts: Vec<HostPattern> = |profile| local_hosts(profile.is_development());
        /// Networks of the proxies whose word about the client is believed
        trusted_proxies: Vec<IpNet> = |_| Vec::new();
        /// The header they write it in: x-forwarded (X-Forwarded-For and -Proto) or forwarded (RFC 7239); the other is ignored
        forwarded_by: ForwardedBy = |_| ForwardedBy::XForwarded;
        /// Whether the proxies name the host in X-Forwarded-Host, because they replace Host
        forwarded_host: bool = |_| false;
        /// Whether the proxies name requests in X-Request-ID, and the log follows them
        forwarded_request_id: bool = |_| false;
        /// Whether plain HTTP is sent to HTTPS
        https_redirect: bool = |profile| !profile.is_development();
        /// Host that plain HTTP is sent to; the requested one if empty
        https_host: Option<String> = |_| None;
        /// Paths that are served over plain HTTP as well, such as /health/live for a balancer
        https_redirect_exempt: Vec<String> = |_| vec!["/health/live".into(), "/health/ready".into()];
        /// Networks that are not served
        blocked_networks: Vec<IpNet> = |_| Vec::new();
        /// Files with more of them, one a line; read again when they change
        block_lists: Vec<String> = |_| Vec::new();
        /// Addresses of lists of other sites, such as Tor's list of exits; the last good one is kept
        block_list_urls: Vec<String> = |_| Vec::new();
        /// Seconds after which they are asked for again
        block_list_secs: Secs = |_| Secs(3600);
        /// What happens to requests from there: block (403), challenge (the site's hook decides) or log
        block_mode: BlockMode = |_| BlockMode::Block;
        /// Most bytes of a request's body
        max_body_bytes: u64 = |_| 2_621_440;
        /// Most bytes of a form that are read to find its token; a form whose fields can hold more takes what they can hold
        max_form_bytes: u64 = |_| 65_536;
        /// Most bytes of a body of JSON
        max_json_bytes: u64 = |_| 1_048_576;
        /// Most levels of lists and objects within each other in a body of JSON
        max_json_depth: u64 = |_| 32;
        /// Most fields of a form
        max_form_fields: u64 = |_| 1000;
        /// Most parts of a form of parts (multipart/form-data)
        max_parts: u64 = |_| 100;
        /// Most bytes of path and query
        max_url_bytes: u64 = |_| 8192;
        /// Seconds in which a body must have arrived
        body_timeout_secs: Secs = |_| Secs(30);
        /// Seconds in which a handler must have answered
        response_timeout_secs: Secs = |_| Secs(60);
    }
}

/// What is read of a body at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputLimits {
    /// Levels of JSON.
    pub json_depth: usize,
    /// Fields of a form.
    pub form_fields: usize,
    /// Bytes of a form whose fields are short.
    pub form_bytes: usize,
    /// Parts of a form of parts.
    pub parts: usize,
}

impl HttpSettings {
    /// What is read of a body at the most.
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

fn local_hosts(is_development: bool) -> Vec<HostPattern> {
    let local = if is_development {
        &["localhost", ".localhost", "127.0.0.1", "[::1]"][..]
    } else {
        &[]
    };
    local.iter().filter_map(|host| host.parse().ok()).collect()
}

/// What can be wrong with these settings.
pub const CHECKS: &[Check<HttpSettings>] = &[
    Check {
        id: "http.hosts_missing",
        django: Some("security.W020"),
        level: Level::Error,
        title: "no host is allowed, so nobody would be served",
        why: "the Host header is input: links and cache keys made from any host belong to the attacker",
        fix: "list the site's names in http.allowed_hosts, for example PALISADE_HTTP__ALLOWED_HOSTS=desk.example.org",
        fires: |settings| settings.allowed_hosts.is_empty(),
    },
    Check {
        id: "http.hosts_wildcard",
        django: None,
        level: Level::Error,
        title: "every host is allowed, or every host below a suffix that everybody can have a name under",
        why: "links in mails and cached pages could be made to point to an attacker's host",
        fix: "list the site's own names in http.allowed_hosts",
        fires: |settings| settings.allowed_hosts.iter().any(HostPattern::is_too_wide),
    },
    Check {
        id: "http.https_redirect_off",
        django: Some("security.W008"),
        level: Level::Error,
        title: "plain HTTP is not sent to HTTPS",
        why: "the first request of a visitor can be read and changed on the way",
        fix: "set http.https_redirect = true",
        fires: |settings| !settings.https_redirect,
    },
    Check {
        id: "http.block_list_in_clear",
        django: None,
        level: Level::Error,
        title: "a block list is fetched in clear",
        why: "whoever is on the way decides who is served",
        fix: "name lists in http.block_list_urls by https://",
        fires: |settings| {
            settings
                .block_list_urls
                .iter()
                .any(|url| !url.starts_with("https://"))
        },
    },
    Check {
        id: "http.proxies_everybody",
        django: None,
        level: Level::Error,
        title: "everybody is a trusted proxy",
        why: "any visitor could choose the address that limits, locks and logs see",
        fix: "list only your proxies in http.trusted_proxies",
        fires: |settings| {
            settings
                .trusted_proxies
                .iter()
                .any(|network| network.prefix_len() < 8)
        },
    },
];
