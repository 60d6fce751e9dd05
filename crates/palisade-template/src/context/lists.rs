//! The small languages of `srcset` and `<meta content>`, and elements that a value may name.

use super::Fault;
use super::url::Url;

/// A list of pictures, each a URL and perhaps a width or density.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Srcset {
    /// Nothing written yet: a value may be a whole list.
    #[default]
    Start,
    Candidate(Url),
    /// After the white space that ends a URL.
    Descriptor,
}

impl Srcset {
    pub(super) fn read(&mut self, text: &str) -> Result<(), Fault> {
        for character in text.chars() {
            let before = std::mem::take(self);
            *self = match (before, character) {
                (Self::Start, c) if c.is_ascii_whitespace() => Self::Start,
                (_, ',') => Self::Candidate(Url::Start),
                (Self::Candidate(Url::Start), c) if c.is_ascii_whitespace() => {
                    Self::Candidate(Url::Start)
                }
                (Self::Candidate(_) | Self::Descriptor, c) if c.is_ascii_whitespace() => {
                    Self::Descriptor
                }
                (Self::Descriptor, _) => Self::Descriptor,
                (Self::Start, c) => Self::candidate(Url::Start, c)?,
                (Self::Candidate(url), c) => Self::candidate(url, c)?,
            };
        }
        Ok(())
    }

    fn candidate(mut url: Url, character: char) -> Result<Self, Fault> {
        url.read(character.encode_utf8(&mut [0; 4]))?;
        Ok(Self::Candidate(url))
    }

    pub(super) fn after_value(&mut self) {
        match self {
            Self::Start => *self = Self::Candidate(Url::Begun),
            Self::Candidate(url) => url.after_value(),
            Self::Descriptor => {}
        }
    }

    pub(super) fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (one, two) if one == two => Some(one.clone()),
            (Self::Candidate(one), Self::Candidate(two)) => one.join(two).map(Self::Candidate),
            (Self::Start, Self::Candidate(url)) | (Self::Candidate(url), Self::Start) => {
                Url::Start.join(url).map(Self::Candidate)
            }
            _ => None,
        }
    }
}

/// The content of a `<meta>`: text, or the target of a refresh after `url=`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Meta {
    Plain {
        /// The letters of `url` and `=` that were read, without white space.
        read: String,
        /// Something stands before, since the last `;`, that may begin a URL.
        is_begun: bool,
    },
    Url(Url),
}

impl Meta {
    pub(super) fn read(&mut self, text: &str) -> Result<(), Fault> {
        for character in text.chars() {
            match self {
                Self::Url(Url::Start) if matches!(character, '"' | '\'') => {}
                Self::Url(url) => url.read(character.encode_utf8(&mut [0; 4]))?,
                Self::Plain { read, .. }
                    if character.is_whitespace() && (read.is_empty() || read == "url") => {}
                Self::Plain { read, is_begun } => {
                    *is_begun = character.is_alphabetic() || (*is_begun && character != ';');
                    read.push(character.to_ascii_lowercase());
                    match read.as_str() {
                        "url=" => *self = Self::Url(Url::Start),
                        part if "url=".starts_with(part) => {}
                        _ => {
                            *read = if character.eq_ignore_ascii_case(&'u') {
                                "u".into()
                            } else {
                                String::new()
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn after_value(&mut self) {
        match self {
            Self::Plain { read, is_begun } => {
                read.clear();
                *is_begun = true;
            }
            Self::Url(url) => url.after_value(),
        }
    }

    pub(super) fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (one, two) if one == two => Some(one.clone()),
            (Self::Url(one), Self::Url(two)) => one.join(two).map(Self::Url),
            (Self::Plain { .. }, Self::Plain { .. }) => Some(Self::Plain {
                read: String::new(),
                is_begun: true,
            }),
            _ => None,
        }
    }
}

/// Whether a value may be part of the name of this element: it has no attribute or content of its own that a browser would run.
pub(crate) fn is_plain_element(name: &str) -> bool {
    const PLAIN: [&str; 42] = [
        "article",
        "aside",
        "b",
        "blockquote",
        "code",
        "dd",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "i",
        "li",
        "main",
        "mark",
        "nav",
        "ol",
        "p",
        "pre",
        "s",
        "section",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
    ];
    name == "ul" || name == "u" || PLAIN.contains(&name)
}
