use std::fmt;
use std::str::FromStr;

/// A requested host, in lower case, without the trailing dot. Syntax and verdicts are Django's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHost {
    domain: String,
    port: Option<String>,
}

impl RequestHost {
    /// Parses a Host header. `None` for anything that is not a host with an optional port.
    pub fn parse(header: &str) -> Option<Self> {
        let mut header = header.to_ascii_lowercase();
        let end = match header.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => header.find(':').unwrap_or(header.len()),
        };
        let (domain, rest) = header.split_at(end);
        let port = match rest.strip_prefix(':') {
            Some(digits)
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Some(digits.to_owned())
            }
            Some(_) => return None,
            None if rest.is_empty() => None,
            None => return None,
        };
        let is_name = !domain.is_empty()
            && domain
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
        if !is_name && !is_ipv6(domain) {
            return None;
        }
        header.truncate(domain.strip_suffix('.').unwrap_or(domain).len());
        Some(Self {
            domain: header,
            port,
        })
    }

    /// An empty host, for requests whose response does not depend on one.
    pub(crate) fn unnamed() -> Self {
        Self {
            domain: String::new(),
            port: None,
        }
    }

    /// The name or IP address.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The port as text.
    pub fn port(&self) -> Option<&str> {
        self.port.as_deref()
    }

    /// Whether one of the patterns allows this host.
    pub fn is_allowed(&self, patterns: &[HostPattern]) -> bool {
        patterns.iter().any(|pattern| pattern.matches(&self.domain))
    }
}

/// `[`, hexadecimal digits, a colon, then digits, colons and dots, `]`.
fn is_ipv6(domain: &str) -> bool {
    let Some(inner) = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return false;
    };
    let Some((first, rest)) = inner.split_once(':') else {
        return false;
    };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    first.bytes().all(is_hex)
        && !rest.is_empty()
        && rest
            .bytes()
            .all(|byte| is_hex(byte) || byte == b':' || byte == b'.')
}

impl fmt::Display for RequestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.port {
            Some(port) => write!(f, "{}:{port}", self.domain),
            None => f.write_str(&self.domain),
        }
    }
}

/// An allowed host: `example.org`, or `.example.org` with all subdomains, or `*`.
///
/// ```
/// use palisade::http::{HostPattern, RequestHost};
/// let pattern: HostPattern = ".example.org".parse().expect("a pattern");
/// let host = RequestHost::parse("desk.example.org:8000").expect("a host");
/// assert!(host.is_allowed(&[pattern]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(String);

impl HostPattern {
    /// Whether every host matches, which production refuses.
    pub fn is_wildcard(&self) -> bool {
        self.0 == "*"
    }

    /// Whether anyone can register a matching host: all subdomains of a public suffix such as
    /// `.com`, `.co.uk` or `.github.io`.
    pub fn is_too_wide(&self) -> bool {
        let Some(parent) = self.0.strip_prefix('.') else {
            return self.is_wildcard();
        };
        let labels: Vec<&str> = parent.split('.').collect();
        // the public suffix list is not available: one label, or two short ones, are taken for a
        // suffix
        let is_short = labels.len() == 2 && labels.iter().all(|label| label.len() <= 3);
        (labels.len() < 2 && parent != "localhost") || is_short || SHARED_SUFFIXES.contains(&parent)
    }

    /// As written: a name, a dot and a name, or `*`.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn matches(&self, domain: &str) -> bool {
        if self.is_wildcard() {
            return true;
        }
        match self.0.strip_prefix('.') {
            Some(parent) => domain == parent || domain.ends_with(&self.0),
            None => domain == self.0,
        }
    }
}

/// Suffixes below which anyone can register a site.
const SHARED_SUFFIXES: [&str; 16] = [
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "pages.dev",
    "workers.dev",
    "netlify.app",
    "vercel.app",
    "web.app",
    "firebaseapp.com",
    "azurewebsites.net",
    "cloudfront.net",
    "amazonaws.com",
    "appspot.com",
    "blogspot.com",
    "onrender.com",
    "fly.dev",
];

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = text.to_ascii_lowercase();
        let host = RequestHost::parse(&pattern);
        let is_host = host.is_some_and(|host| host.port.is_none());
        if pattern == "*" || is_host {
            Ok(Self(pattern))
        } else {
            Err("a host is a name without scheme, port or path".into())
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
