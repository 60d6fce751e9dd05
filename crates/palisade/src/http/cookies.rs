//! Cookies as a browser may keep them: `__Host-`, Secure, HttpOnly, SameSite; read strictly, written whole.

use crate::settings::setting_words;
use http::{HeaderMap, HeaderValue, header};

/// When a cookie is sent along from another site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When a link is followed.
    Lax,
    /// Always: no protection. Production refuses it.
    None,
}

setting_words!(
    SameSite,
    "strict, lax or none",
    Strict = "Strict",
    Lax = "Lax",
    None = "None"
);

/// Whether a cookie may travel in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Encrypted only: `__Host-` and Secure.
    Secure,
    /// Encrypted only, under a name without prefix: another program on this host sets it too.
    Shared,
    /// Also in clear: plain HTTP on this machine, where `Secure` would lose the cookie in some browsers.
    Plain,
    /// The same for one of several sites on a developer's machine, by its port: browsers send the cookies of a host to all its ports.
    PlainAt(u16),
}

impl Transport {
    /// That of a site in development which listens on a port. The usual one, 8000, is not named.
    pub(crate) fn in_development(port: u16) -> Self {
        if matches!(port, 0 | 8000) {
            Self::Plain
        } else {
            Self::PlainAt(port)
        }
    }

    fn is_plain(self) -> bool {
        matches!(self, Self::Plain | Self::PlainAt(_))
    }
}

/// A cookie of the framework: always HttpOnly, path `/`, no domain.
#[derive(Debug, Clone, Copy)]
pub struct Cookie<'a> {
    /// Name without prefix: `session`.
    pub name: &'a str,
    /// Secure or not.
    pub transport: Transport,
    /// When it is sent from other sites.
    pub same_site: SameSite,
    /// Seconds to keep it, `None` until the browser closes.
    pub max_age_secs: Option<u64>,
}

impl Cookie<'_> {
    /// The name on the wire. A `__Host-` cookie cannot be planted by a sibling domain or over plain HTTP
    /// ([RFC 6265bis, 4.1.3](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis)).
    pub fn wire_name(&self) -> String {
        match self.transport {
            Transport::Secure => format!("__Host-{}", self.name),
            Transport::Shared | Transport::Plain => self.name.to_owned(),
            Transport::PlainAt(port) => format!("{}_{port}", self.name),
        }
    }

    /// The value that the request carries, if it carries exactly one.
    pub fn read<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        // most visitors of a public page have none
        if headers.contains_key(header::COOKIE) {
            read(headers, &self.wire_name())
        } else {
            None
        }
    }

    /// The header that sets the cookie.
    pub fn set(&self, value: &str) -> Option<HeaderValue> {
        let secure = if self.transport.is_plain() {
            ""
        } else {
            "; Secure"
        };
        let age = self
            .max_age_secs
            .map(|secs| format!("; Max-Age={secs}"))
            .unwrap_or_default();
        let line = format!(
            "{}={value}; Path=/; HttpOnly; SameSite={}{secure}{age}",
            self.wire_name(),
            self.same_site
        );
        // browsers drop what is longer than 4096 bytes (ASVS 3.3.5): better no cookie than half of one
        HeaderValue::from_str(&line)
            .ok()
            .filter(|_| is_value(value) && self.wire_name().len() + value.len() <= 4096)
    }

    /// The header that removes the cookie.
    pub fn clear(&self) -> Option<HeaderValue> {
        Cookie {
            max_age_secs: Some(0),
            ..*self
        }
        .set("")
    }
}

/// The value of the cookie `name`. Two cookies of one name are a sign of one that was planted: neither is believed.
///
/// Other cookies may hold any bytes: scripts and sibling domains set them, and browsers send what they were given.
pub fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes);
    let mut values = lines
        .flat_map(|line| line.split(|byte| *byte == b';'))
        .filter_map(|pair| value_of(pair, name));
    let value = values.next()?;
    let is_one = values.next().is_none();
    std::str::from_utf8(value)
        .ok()
        .filter(|value| is_one && value.is_ascii())
}

/// The value of a pair with this name. Only spaces and tabs stand around pairs: a name behind other white space is another name.
fn value_of<'h>(pair: &'h [u8], name: &str) -> Option<&'h [u8]> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = pair.iter().position(|byte| !is_space(byte))?;
    let end = pair.iter().rposition(|byte| !is_space(byte))?;
    pair[start..=end]
        .strip_prefix(name.as_bytes())?
        .strip_prefix(b"=")
}

/// Characters of a cookie's value by RFC 6265.
fn is_value(value: &str) -> bool {
    value
        .bytes()
        .all(|byte| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e))
}
