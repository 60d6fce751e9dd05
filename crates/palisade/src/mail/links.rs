use crate::http::{HostPattern, RequestHost};
use http::{HeaderMap, header};

/// Base URL of links in mail.
///
/// The Host of a request is attacker-controlled, and the link holds a token: a forged Host would
/// send it to the attacker (password reset poisoning).
#[derive(Debug, Clone)]
pub(crate) struct Links {
    /// `site.url`, if it is set.
    pub(crate) fixed: Option<String>,
    /// The allowed hosts.
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) is_development: bool,
}

impl Links {
    /// Scheme and host of links in response to a request: its Host if that is listed by its full
    /// name, or else the first one that is.
    pub(crate) fn base(&self, headers: &HeaderMap) -> String {
        if let Some(fixed) = &self.fixed {
            return fixed.trim_end_matches('/').to_owned();
        }
        let named = headers
            .get(header::HOST)
            .and_then(|value| RequestHost::parse(value.to_str().ok()?));
        match named {
            // the port is that of the developer's server
            Some(host) if self.is_development => format!("http://{host}"),
            Some(host)
                if self
                    .hosts
                    .iter()
                    .any(|pattern| pattern.name() == host.domain()) =>
            {
                format!("https://{}", host.domain())
            }
            _ => format!("https://{}", self.main()),
        }
    }

    /// The same without a request, for scheduled mail.
    pub(crate) fn main_base(&self) -> String {
        self.fixed
            .clone()
            .unwrap_or_else(|| format!("https://{}", self.main()))
    }

    /// The primary host of the site.
    pub(crate) fn main(&self) -> &str {
        let named = self
            .hosts
            .iter()
            .map(HostPattern::name)
            .find(|name| !name.starts_with('.') && *name != "*");
        named
            .or_else(|| self.hosts.first()?.name().strip_prefix('.'))
            .unwrap_or("localhost")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F034; ASVS 6.4: a forged Host does not change where a link in a mail leads
    #[test]
    fn links_lead_to_hosts_that_are_listed_by_name() {
        let links = |hosts: &[&str], fixed: Option<&str>| Links {
            fixed: fixed.map(str::to_owned),
            hosts: hosts
                .iter()
                .map(|host| host.parse().expect("a host"))
                .collect(),
            is_development: false,
        };
        let base = |links: &Links, host: &str| {
            links.base(
                &[(header::HOST, host.parse().expect("a value"))]
                    .into_iter()
                    .collect(),
            )
        };
        let desk = links(&[".example.org", "desk.example.org"], None);
        for (host, leads_to) in [
            ("desk.example.org", "https://desk.example.org"),
            ("DESK.example.org:8443", "https://desk.example.org"),
            ("evil.example.org", "https://desk.example.org"),
            ("evil.example", "https://desk.example.org"),
            ("", "https://desk.example.org"),
        ] {
            assert_eq!(base(&desk, host), leads_to, "{host}");
        }
        assert_eq!(
            base(&links(&[".example.org"], None), "evil.example.org"),
            "https://example.org"
        );
        assert_eq!(
            base(
                &links(&["*"], Some("https://desk.example.org/")),
                "evil.example"
            ),
            "https://desk.example.org"
        );
    }
}
