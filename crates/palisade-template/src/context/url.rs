//! Which part of a URL a place is in ([RFC 3986](https://www.rfc-editor.org/rfc/rfc3986), read as the
//! [URL standard](https://url.spec.whatwg.org/) has browsers read it).

use super::Fault;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Url {
    #[default]
    Start,
    /// A value decided the beginning.
    Begun,
    /// Only characters that could be a scheme so far.
    Scheme(String),
    OneSlash,
    /// After a `/` that may be the first character: what stands before it may have printed nothing.
    BegunSlash,
    /// After `https:` or `//`, before the host's first character.
    Slashes,
    Authority,
    Path,
    Query,
    /// `javascript:`, `data:`.
    Blocked(String),
    /// Branches disagree on whether the `?` was read.
    Unknown,
}

/// Schemes whose URLs are code, or a page that someone else wrote.
pub(crate) fn is_code_scheme(scheme: &str) -> bool {
    matches!(
        scheme.to_ascii_lowercase().as_str(),
        "javascript" | "vbscript" | "data" | "livescript" | "mocha" | "blob" | "filesystem"
    )
}

/// Schemes that a value may begin with.
pub(crate) fn is_allowed_scheme(scheme: &str) -> bool {
    matches!(
        scheme.to_ascii_lowercase().as_str(),
        "http" | "https" | "mailto" | "tel" | "sms" | "ftp"
    )
}

impl Url {
    /// Reads decoded text.
    pub(super) fn read(&mut self, text: &str) -> Result<(), Fault> {
        // browsers take these out before they look
        for character in text.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')) {
            let before = std::mem::take(self);
            *self = before.step(character)?;
        }
        Ok(())
    }

    fn step(self, character: char) -> Result<Self, Fault> {
        let is_slash = matches!(character, '/' | '\\');
        Ok(match (self, character) {
            (Self::Blocked(scheme), _) => Self::Blocked(scheme),
            (Self::Query, _) => Self::Query,
            (_, '?' | '#') => Self::Query,
            (Self::Start, ' ') => Self::Start,
            (Self::Start, c) if c.is_control() => Self::Start,
            (Self::Start, _) if is_slash => Self::OneSlash,
            (Self::Start, c) if c.is_ascii_alphanumeric() => Self::Scheme(c.into()),
            (Self::Scheme(scheme), ':') => Self::after_scheme(scheme)?,
            (Self::Scheme(scheme), c)
                if c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.') =>
            {
                Self::Scheme(scheme + &c.to_string())
            }
            (Self::Begun, ':') => {
                return Err(Fault::new(
                    "the value before this : would choose the scheme of the URL",
                    "write the scheme in the template, or put the whole URL into one value",
                ));
            }
            (Self::Begun, _) if is_slash => Self::BegunSlash,
            (Self::Begun, _) => Self::Begun,
            (Self::OneSlash | Self::BegunSlash | Self::Slashes, _) if is_slash => Self::Slashes,
            (Self::Slashes, _) => Self::Authority,
            (Self::Authority, _) if is_slash => Self::Path,
            (Self::Authority, _) => Self::Authority,
            (Self::Unknown, _) => Self::Unknown,
            (Self::Start | Self::Scheme(_) | Self::OneSlash | Self::BegunSlash | Self::Path, _) => {
                Self::Path
            }
        })
    }

    fn after_scheme(scheme: String) -> Result<Self, Fault> {
        match scheme.to_ascii_lowercase().as_str() {
            "javascript" | "vbscript" | "livescript" | "mocha" => Err(Fault::new(
                format!("a {scheme}: URL is code"),
                "use a <button> and a <script> that listens to it; for a link that goes nowhere \
                    write href=\"#\"",
            )),
            known if is_code_scheme(known) => Ok(Self::Blocked(scheme)),
            "http" | "https" | "ftp" | "ws" | "wss" | "file" => Ok(Self::Slashes),
            _ => Ok(Self::Path),
        }
    }

    /// A value was printed.
    pub(super) fn after_value(&mut self) {
        let before = std::mem::take(self);
        *self = match before {
            Self::Start | Self::Begun | Self::Scheme(_) => Self::Begun,
            Self::OneSlash | Self::BegunSlash => Self::Path,
            Self::Slashes => Self::Authority,
            other => other,
        };
    }

    pub(super) fn join(&self, other: &Self) -> Option<Self> {
        let is_past_slash =
            |url: &Self| matches!(url, Self::OneSlash | Self::BegunSlash | Self::Path);
        let is_early = |url: &Self| {
            is_past_slash(url)
                || matches!(
                    url,
                    Self::Start | Self::Begun | Self::Scheme(_) | Self::Slashes | Self::Authority
                )
        };
        match (self, other) {
            (one, two) if one == two => Some(one.clone()),
            (Self::Blocked(_), _) | (_, Self::Blocked(_)) => None,
            (one, two) if is_past_slash(one) && is_past_slash(two) => Some(Self::BegunSlash),
            (one, two) if is_early(one) && is_early(two) => Some(Self::Begun),
            _ => Some(Self::Unknown),
        }
    }
}

/// Whether a written URL leads to another site, for certain or perhaps.
pub(super) fn leaves_site(text: &str) -> bool {
    let mut url = Url::Start;
    for character in text.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')) {
        let Ok(next) = url.step(character) else {
            return true;
        };
        url = next;
        match url {
            Url::Slashes | Url::Blocked(_) => return true,
            Url::Path | Url::Query => {
                return text
                    .split(['/', '?', '#'])
                    .next()
                    .is_some_and(|first| first.contains(':'));
            }
            _ => {}
        }
    }
    false
}
