use std::borrow::Cow;
use std::fmt;

/// Escapes text for HTML text and quoted attributes: `&`, `<`, `>`, `"` and `'`, as Django's `escape`.
///
/// ```
/// assert_eq!(palisade_template::escape_html("<b>'&\""), "&lt;b&gt;&#x27;&amp;&quot;");
/// ```
pub fn escape_html(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(is_special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + text.len() / 8 + 8);
    write_html(&mut escaped, text).expect("a string takes everything");
    Cow::Owned(escaped)
}

/// Writes escaped text.
#[inline]
pub(crate) fn write_html(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        out.write_str(&rest[..at])?;
        out.write_str(reference(rest.as_bytes()[at]))?;
        rest = &rest[at + 1..];
    }
    out.write_str(rest)
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
pub(super) fn unquoted(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            // browsers replace it, and a reference to it as well
            '\0' => escaped.push('\u{fffd}'),
            c if c.is_ascii_alphanumeric()
                || matches!(c, '-' | '.' | '_' | '/' | ':' | ',' | ';' | '%' | '#' | '?' | '@' | '!' | '*' | '~')
                || !c.is_ascii() =>
            {
                escaped.push(c);
            }
            c => escaped.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    escaped
}
