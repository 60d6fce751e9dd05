use crate::http::Origin;
use crate::settings::setting_from_str;
use std::fmt;
use std::str::FromStr;

/// An origin that serves files and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOrigin(Origin);

setting_from_str!(
    FileOrigin,
    "an origin over TLS, such as https://files.example.net"
);

impl FromStr for FileOrigin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let origin = Origin::parse(text).ok_or(())?;
        let is_safe = origin.is_secure() || origin.is_local();
        match is_safe && origin.to_string() == text {
            true => Ok(Self(origin)),
            false => Err(()),
        }
    }
}

impl fmt::Display for FileOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FileOrigin {
    /// Its host.
    pub(crate) fn domain(&self) -> &str {
        self.0.host()
    }

    /// Whether it may be the same site as a host, whose cookies it could set then. The public suffix
    /// list is not available: the last two labels decide, or three where they are short.
    pub(crate) fn is_site_of(&self, host: &str) -> bool {
        registrable(self.domain()) == registrable(host.trim_start_matches('.'))
    }
}

fn registrable(domain: &str) -> Vec<&str> {
    let mut labels: Vec<&str> = domain.rsplit('.').collect();
    let has_short_suffix = labels.len() > 2 && labels[..2].iter().all(|label| label.len() <= 3);
    labels.truncate(if has_short_suffix { 3 } else { 2 });
    labels
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn origins_are_parsed() {
        for text in [
            "https://files.example.net",
            "http://localhost:8001",
            "http://127.0.0.1:1",
        ] {
            assert!(text.parse::<FileOrigin>().is_ok(), "{text}");
        }
        for text in [
            "http://files.example.net",
            "https://files.example.net/",
            "https://files.example.net/a",
            "https://user@files.example.net",
            "files.example.net",
            "null",
            "",
        ] {
            assert!(text.parse::<FileOrigin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_sibling_is_the_same_site() {
        let origin: FileOrigin = "https://files.example.co.uk".parse().unwrap();
        for host in ["example.co.uk", "desk.example.co.uk", ".example.co.uk"] {
            assert!(origin.is_site_of(host), "{host}");
        }
        for host in ["other.co.uk", "example.com", "desk.example.org"] {
            assert!(!origin.is_site_of(host), "{host}");
        }
    }
}
