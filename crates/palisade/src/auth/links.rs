use crate::http::{HostPattern, RequestHost};
use http::{HeaderMap, header};

/// Where links in mail lead.
///
/// Not simply to the host that a request named: whoever asks for a mail to somebody else chooses that, and the link holds a token.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    /// `site.url`, if it is set.
    pub(crate) fixed: Option<String>,
    /// The hosts that are served.
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) is_development: bool,
}

impl Links {
    /// Scheme and host of links that answer a request with these headers: the host that it named if that is listed by its full name, or else the first one
    /// that is.
    pub(crate) fn base(&self, headers: &HeaderMap) -> String {
        if let Some(fixed) = &self.fixed {
            return fixed.trim_end_matches('/').to_owned();
        }
        let named = headers
            .get(header::HOST)
            .and_then(|value| RequestHost::parse(value.to_str().ok()?));
        match named {
            // the port is that of the server a developer started
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

    /// The same where nobody has asked: for what happens by itself.
    pub(crate) fn main_base(&self) -> String {
        self.fixed
            .clone()
            .unwrap_or_else(|| format!("https://{}", self.main()))
    }

    /// The host that the site is known by.
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

    // F034; ASVS 6.4: a link in a mail never leads where whoever asked for it says
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
