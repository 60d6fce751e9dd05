//! Cookies with strict attributes: `__Host-`, Secure, HttpOnly, SameSite; parsed strictly.

use crate::settings::setting_words;
use http::{HeaderMap, HeaderValue, header};

/// SameSite attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never sent with cross-site requests.
    Strict,
    /// Sent when a link is followed.
    Lax,
    /// Always sent: no protection. Production refuses it.
    None,
}

setting_words!(
    SameSite,
    "strict, lax or none",
    Strict = "Strict",
    Lax = "Lax",
    None = "None"
);

/// Secure attribute and name prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Encrypted only: `__Host-` and Secure.
    Secure,
    /// Encrypted only, under a name without prefix, because another application on this host sets
    /// it too.
    Shared,
    /// Plain HTTP too, for development, where some browsers drop `Secure` cookies.
    Plain,
    /// The same for one of several sites on a developer's machine, named by port: browsers send the
    /// cookies of a host to all its ports.
    PlainAt(u16),
}

impl Transport {
    /// For a development site that listens on a port. The default port 8000 is not part of the
    /// name.
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
    /// SameSite attribute.
    pub same_site: SameSite,
    /// Max-Age in seconds, `None` until the browser closes.
    pub max_age_secs: Option<u64>,
}

impl Cookie<'_> {
    /// The name in the header. A `__Host-` cookie cannot be set by a sibling domain or over plain
    /// HTTP
    /// ([RFC 6265bis, 4.1.3](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis)).
    pub fn wire_name(&self) -> String {
        match self.transport {
            Transport::Secure => format!("__Host-{}", self.name),
            Transport::Shared | Transport::Plain => self.name.to_owned(),
            Transport::PlainAt(port) => format!("{}_{port}", self.name),
        }
    }

    /// The value in a request, if there is exactly one.
    pub fn read<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        // most visitors of a public page have no cookies
        if headers.contains_key(header::COOKIE) {
            read(headers, &self.wire_name())
        } else {
            None
        }
    }

    /// The Set-Cookie header.
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
        // browsers drop cookies longer than 4096 bytes (ASVS 3.3.5): none is better than a
        // truncated one
        HeaderValue::from_str(&line)
            .ok()
            .filter(|_| is_value(value) && self.wire_name().len() + value.len() <= 4096)
    }

    /// The Set-Cookie header that deletes the cookie.
    pub fn clear(&self) -> Option<HeaderValue> {
        Cookie {
            max_age_secs: Some(0),
            ..*self
        }
        .set("")
    }
}

/// The value of the cookie `name`. Two cookies of one name indicate an attack (cookie tossing):
/// both are ignored.
///
/// Other cookies may contain any bytes: scripts and sibling domains set them.
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

/// The value of a pair with this name. Only spaces and tabs may surround pairs: a name after other
/// white space is another name.
fn value_of<'h>(pair: &'h [u8], name: &str) -> Option<&'h [u8]> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = pair.iter().position(|byte| !is_space(byte))?;
    let end = pair.iter().rposition(|byte| !is_space(byte))?;
    pair[start..=end]
        .strip_prefix(name.as_bytes())?
        .strip_prefix(b"=")
}

/// Characters of a cookie value by RFC 6265.
fn is_value(value: &str) -> bool {
    value
        .bytes()
        .all(|byte| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e))
}
