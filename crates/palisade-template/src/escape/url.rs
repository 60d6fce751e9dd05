//! URLs ([RFC 3986](https://www.rfc-editor.org/rfc/rfc3986)).

use super::Text;
use crate::context::{Inner, is_allowed_scheme, is_code_scheme};

/// Placeholder of a refused URL.
const BLOCKED: &str = "about:invalid#blocked";

pub(super) fn encode(inner: Inner, text: &str) -> Text {
    match inner {
        Inner::UrlStart if !has_allowed_scheme(text) => Text::Blocked(BLOCKED),
        Inner::CodeUrlStart | Inner::ActionStart
            if inner == Inner::CodeUrlStart && !is_same_site(text) =>
        {
            Text::Blocked(BLOCKED)
        }
        Inner::ActionStart if !has_allowed_scheme(text) => Text::Blocked(BLOCKED),
        // with a written / after it, this would be another site
        Inner::CodeUrlStart
            if text.trim().trim_matches(['/', '\\']).is_empty() && !text.trim().is_empty() =>
        {
            Text::Encoded("/.".into())
        }
        Inner::UrlBegun => Text::Encoded(without_scheme(text)),
        // nothing between two written slashes would be another site
        Inner::UrlAfterSlash if text.is_empty() => Text::Encoded(".".into()),
        Inner::UrlAfterSlash => Text::Encoded(after_slash(text)),
        Inner::UrlQuery => part(text, &UNRESERVED),
        _ => part(text, &ANY),
    }
}

/// Percent-encodes what may not stand in a URL, and keeps what is encoded already.
pub(super) fn normalise(text: &str) -> String {
    match part(text, &ANY) {
        Text::Encoded(text) => text,
        _ => text.to_owned(),
    }
}

/// A byte that may stand in a part of a URL as it is, for each part.
type Keeps = [bool; 256];

const UNRESERVED: Keeps = keeps(b"-._~");
const ANY: Keeps = keeps(b"-._~!#$&*+,/:;=?@[]");
const IN_LIST: Keeps = keeps(b"-._~!#$&*+/:;=?@[]");
const IN_LIST_QUERY: Keeps = keeps(b"-._~=/:");

/// RFC 3986 sections 2.2 and 2.3: letters, digits and `others`. Quotes and parentheses are in none: they end a `url()` or an attribute.
const fn keeps(others: &[u8]) -> Keeps {
    let mut kept = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        kept[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        kept[others[at] as usize] = true;
        at += 1;
    }
    kept
}

fn part(text: &str, keeps: &Keeps) -> Text {
    let bytes = text.as_bytes();
    // most are fine as they are
    let Some(first) = bytes.iter().position(|byte| !keeps[usize::from(*byte)]) else {
        return Text::Same;
    };
    let keeps_encoded = keeps[usize::from(b'&')];
    let mut encoded = String::with_capacity(text.len() + 16);
    encoded.push_str(&text[..first]);
    for (at, &byte) in bytes.iter().enumerate().skip(first) {
        let is_encoded = byte == b'%'
            && keeps_encoded
            && bytes
                .get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if keeps[usize::from(byte)] || is_encoded {
            encoded.push(char::from(byte));
        } else {
            push_encoded(&mut encoded, byte);
        }
    }
    Text::Encoded(encoded)
}

fn push_encoded(encoded: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    encoded.push('%');
    encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
    encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// As browsers read it: without tabs and line breaks, and without what stands before it.
fn as_read(text: &str) -> impl Iterator<Item = char> {
    let start = text
        .find(|c: char| !(c.is_whitespace() || c.is_control()))
        .unwrap_or(text.len());
    text[start..]
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
}

/// The text before the first `:` of a URL, if that `:` can end a scheme.
fn scheme(text: &str) -> Option<String> {
    // most have none, also after the characters that browsers ignore
    if text
        .bytes()
        .find(|byte| matches!(byte, b':' | b'/' | b'?' | b'#' | b'\\'))
        != Some(b':')
    {
        return None;
    }
    let mut scheme = String::new();
    for character in as_read(text) {
        match character {
            ':' => return Some(scheme),
            '/' | '?' | '#' | '\\' => return None,
            c => scheme.push(c),
        }
    }
    None
}

fn has_allowed_scheme(text: &str) -> bool {
    scheme(text).is_none_or(|scheme| is_allowed_scheme(&scheme))
}

/// Whether a URL is same-site: no scheme, no host.
pub(crate) fn is_same_site(text: &str) -> bool {
    let starts_with_slashes = as_read(text)
        .take(2)
        .filter(|c| matches!(c, '/' | '\\'))
        .count()
        == 2;
    scheme(text).is_none() && !starts_with_slashes
}

/// A value that a written scheme or a value stands before must not complete one.
fn without_scheme(text: &str) -> String {
    let normal = normalise(text);
    let end = normal.find(['/', '?', '#']).unwrap_or(normal.len());
    normal[..end].replace(':', "%3A") + &normal[end..]
}

/// `/` and a value that begins with `/` would be another site.
fn after_slash(text: &str) -> String {
    let normal = normalise(text);
    match normal.strip_prefix('/') {
        Some(rest) => format!("%2F{rest}"),
        None => normal,
    }
}

/// Text that may hold a URL somewhere, such as the content of a `<meta>`.
pub(super) fn without_script(text: &str) -> Text {
    // browsers take some characters out before they look, and end a URL at others
    let unbroken: String = text
        .chars()
        .filter(|c| !(c.is_whitespace() || c.is_control()))
        .collect();
    let names_code = |text: &str| {
        text.match_indices(':').any(|(at, _)| {
            let start = text[..at]
                .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
            let start = start.map_or(0, |found| {
                found + text[found..].chars().next().map_or(1, char::len_utf8)
            });
            is_code_scheme(&text[start..at])
        })
    };
    if names_code(text) || names_code(&unbroken) {
        Text::Blocked(BLOCKED)
    } else {
        Text::Encoded(text.to_owned())
    }
}

/// The same behind something that may begin a scheme: no `:`.
pub(super) fn without_scheme_at_all(text: &str) -> Text {
    if text.contains(':') {
        Text::Blocked("blocked")
    } else {
        Text::Encoded(text.to_owned())
    }
}

/// A value in a `srcset`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SrcsetValue {
    /// A trusted URL.
    Url,
    Text,
}

/// Candidates of a `srcset`, or a part of one.
pub(super) fn srcset(inner: Inner, text: &str, kind: SrcsetValue) -> Text {
    match inner {
        Inner::SrcsetList if kind == SrcsetValue::Text => {
            let candidates: Option<Vec<String>> = text.split(',').map(candidate).collect();
            candidates.map_or(Text::Blocked(BLOCKED), |candidates| {
                Text::Encoded(candidates.join(","))
            })
        }
        Inner::SrcsetQuery if kind == SrcsetValue::Text => in_list(text, &IN_LIST_QUERY),
        Inner::SrcsetPart | Inner::SrcsetQuery => in_list(text, &IN_LIST),
        _ if has_allowed_scheme(text) => in_list(text, &IN_LIST),
        _ => Text::Blocked(BLOCKED),
    }
}

fn in_list(text: &str, keeps: &Keeps) -> Text {
    match part(text.trim(), keeps) {
        Text::Same => Text::Encoded(text.trim().to_owned()),
        encoded => encoded,
    }
}

/// One picture: a URL, and perhaps a width or density.
fn candidate(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    let (url, descriptor) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let is_descriptor = descriptor
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if words.next().is_some() || !is_descriptor || !has_allowed_scheme(url) {
        return None;
    }
    let url = normalise(url);
    let space = if text.starts_with(|c: char| c.is_ascii_whitespace()) {
        " "
    } else {
        ""
    };
    Some(if descriptor.is_empty() {
        format!("{space}{url}")
    } else {
        format!("{space}{url} {descriptor}")
    })
}
