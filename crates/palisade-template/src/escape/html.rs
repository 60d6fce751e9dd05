use std::borrow::Cow;
use std::fmt;

/// Escapes text for HTML text and quoted attributes: `&`, `<`, `>`, `"` and `'`, as Django's `escape`.
///
/// ```
/// assert_eq!(palisade_template::escape_html("<b>'&\""), "&lt;b&gt;&#x27;&amp;&quot;");
/// ```
pub fn escape_html(text: &str) -> Cow<'_, str> {
    if !has_special(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + text.len() / 8 + 8);
    write_html(&mut escaped, text).expect("a string takes everything");
    Cow::Owned(escaped)
}

/// Writes escaped text.
#[inline]
pub(crate) fn write_html(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    if !has_special(text.as_bytes()) {
        return out.write_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        out.write_str(&rest[..at])?;
        out.write_str(reference(rest.as_bytes()[at]))?;
        rest = &rest[at + 1..];
    }
    out.write_str(rest)
}

/// Most text has nothing to escape: eight bytes are looked at together, the last of them from the end.
#[inline]
fn has_special(text: &[u8]) -> bool {
    match text.last_chunk() {
        Some(last) => is_in_word(last) || text.as_chunks().0.iter().any(is_in_word),
        None => text.iter().any(|byte| is_special(*byte)),
    }
}

/// Whether a byte of these is special: bytes that are equal leave a zero, and the borrow of a zero sets its highest bit
/// (Warren, Hacker's Delight, section 6-1). `&` and `'` differ in one bit, and so do `<` and `>`.
#[inline]
fn is_in_word(bytes: &[u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_ne_bytes(*bytes);
    let zeros = |differences: u64| differences.wrapping_sub(ONES) & !differences;
    let quote = word ^ (ONES * u64::from(b'"'));
    let ampersand = (word | ONES) ^ (ONES * u64::from(b'\''));
    let angle = (word | (ONES << 1)) ^ (ONES * u64::from(b'>'));
    (zeros(quote) | zeros(ampersand) | zeros(angle)) & (ONES << 7) != 0
}

#[inline]
fn is_special(byte: u8) -> bool {
    // letters are outside of the range of all five
    byte.wrapping_sub(b'"') <= b'>' - b'"' && matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'')
}

fn reference(byte: u8) -> &'static str {
    match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        _ => "&#x27;",
    }
}

/// For attributes without quotes: everything that could end one is a character reference.
pub(super) fn escape_unquoted(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            // browsers replace it, and a reference to it as well
            '\0' => escaped.push('\u{fffd}'),
            c if c.is_ascii_alphanumeric()
                || matches!(
                    c,
                    '-' | '.'
                        | '_'
                        | '/'
                        | ':'
                        | ','
                        | ';'
                        | '%'
                        | '#'
                        | '?'
                        | '@'
                        | '!'
                        | '*'
                        | '~'
                )
                || !c.is_ascii() =>
            {
                escaped.push(c);
            }
            c => escaped.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{has_special, is_special};

    #[test]
    fn every_byte_is_found_wherever_it_stands() {
        for length in 1..40 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    assert_eq!(
                        has_special(&text),
                        is_special(byte),
                        "{byte} at {at} of {length}"
                    );
                }
            }
        }
        assert!(!has_special(b""));
    }
}
