use super::{HostPattern, Scheme};
use std::fmt;
use std::str::FromStr;
use url::{Host, Url};

/// Scheme, host and port ([RFC 6454](https://www.rfc-editor.org/rfc/rfc6454)). The scheme's default
/// port is omitted.
///
/// ```
/// use palisade::http::{Origin, Scheme};
/// let own = Origin::of_request(Scheme::Https, "example.org").expect("a host");
/// assert_eq!(own.to_string(), "https://example.org");
/// assert!(Origin::parse("null").is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// Parses an Origin header: nothing may follow the port.
    pub fn parse(header: &str) -> Option<Self> {
        let url = Url::parse(header).ok()?;
        let origin = Self::from_url(&url)?;
        // exactly as browsers send it, not as a lenient parser accepts it
        (header == origin.to_string() || header.to_ascii_lowercase() == origin.with_default_port())
            .then_some(origin)
    }

    /// The origin of a whole URL, as in a Referer header.
    pub fn of_url(text: &str) -> Option<Self> {
        Self::from_url(&Url::parse(text).ok()?)
    }

    fn from_url(url: &Url) -> Option<Self> {
        let is_web = matches!(url.scheme(), "http" | "https");
        let host = match url.host()? {
            Host::Domain(domain) => domain.strip_suffix('.').unwrap_or(domain).to_owned(),
            address => address.to_string(),
        };
        (is_web && !host.is_empty()).then(|| Self {
            scheme: url.scheme().into(),
            host,
            port: url.port(),
        })
    }

    /// The origin of this site, from the request's Host.
    pub fn of_request(scheme: Scheme, host: &str) -> Option<Self> {
        Self::of_url(&format!("{}://{host}/", scheme.as_str()))
    }

    /// Its host.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether the scheme is https.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Whether host and port are the same, ignoring the scheme.
    pub fn is_same_host(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port
    }

    fn with_default_port(&self) -> String {
        let default = if self.is_secure() { 443 } else { 80 };
        format!(
            "{}://{}:{}",
            self.scheme,
            self.host,
            self.port.unwrap_or(default)
        )
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A trusted origin: `https://partner.example` or `https://*.partner.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: String,
    host: HostPattern,
    port: Option<u16>,
    text: String,
}

impl OriginPattern {
    /// Whether the origin matches.
    pub fn matches(&self, origin: &Origin) -> bool {
        let is_below =
            !self.text.contains("//*.") || !self.text.ends_with(&format!("*.{}", origin.host));
        self.scheme == origin.scheme
            && self.port == origin.port
            && is_below
            && self.host.matches(&origin.host)
    }

    /// Whether anyone can register a matching origin: all sites, or all subdomains of a public
    /// suffix such as `com` or `co.uk`.
    pub fn is_too_wide(&self) -> bool {
        self.text.contains('*') && self.host.is_too_wide()
    }

    /// Whether a man in the middle can impersonate the origin.
    pub fn is_insecure(&self) -> bool {
        self.scheme != "https"
    }
}

impl FromStr for OriginPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("an origin starts with https://")?;
        let is_wildcard = rest == "*" || rest.starts_with("*.");
        let plain = rest.strip_prefix("*.").unwrap_or(rest);
        if rest == "*" {
            return Ok(Self {
                scheme: scheme.into(),
                host: "*".parse()?,
                port: None,
                text: text.into(),
            });
        }
        let origin = Origin::parse(&format!("{scheme}://{plain}"))
            .ok_or("an origin is scheme, host and port")?;
        let host = if is_wildcard {
            format!(".{}", origin.host)
        } else {
            origin.host.clone()
        };
        Ok(Self {
            scheme: origin.scheme,
            host: host.parse()?,
            port: origin.port,
            text: text.into(),
        })
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
