//! JavaScript and JSON.

use minijinja::{Error, ErrorKind, Value};
use std::fmt::Write;

/// JSON that is the same value in JavaScript, and that the HTML around it cannot take for anything but text.
///
/// # Errors
/// A value that has no JSON.
pub(crate) fn json(value: &Value) -> Result<String, Error> {
    let text = serde_json::to_string(value).map_err(|error| {
        Error::new(
            ErrorKind::BadSerialization,
            format!("this value cannot be written as JSON: {error}"),
        )
    })?;
    Ok(harmless(&text))
}

/// Within JSON these characters stand in strings only. The escaped `/` keeps `</script` and `*/` away.
fn harmless(json: &str) -> String {
    let mut written = String::with_capacity(json.len() + 8);
    for character in json.chars() {
        match character {
            '/' => written.push_str("\\/"),
            '<' | '>' | '&' | '\'' | '`' | '\u{2028}' | '\u{2029}' | '\u{7f}' => {
                unicode(&mut written, character)
            }
            c => written.push(c),
        }
    }
    written
}

fn unicode(written: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // writing to a string cannot fail
        let _ = write!(written, "\\u{unit:04X}");
    }
}

/// The inside of a string or template literal; JSON strings take it as well.
pub(super) fn string(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\\' => written.push_str("\\\\"),
            '/' => written.push_str("\\/"),
            '"' | '\'' | '`' | '<' | '>' | '&' | '+' | '=' | '$' | '{' | '}' | '\u{2028}'
            | '\u{2029}' => unicode(&mut written, character),
            c if c.is_control() => unicode(&mut written, c),
            c => written.push(c),
        }
    }
    written
}

/// The inside of a regular expression: matches the text, letter by letter. Nothing would make the literal a comment.
pub(super) fn regexp(text: &str) -> String {
    if text.is_empty() {
        return "(?:)".into();
    }
    let mut written = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || character == '_' {
            written.push(character);
        } else {
            unicode(&mut written, character);
        }
    }
    written
}

/// Code of the programmer, which must still not end the element.
pub(super) fn trusted(code: &str) -> String {
    // nor be completed to something that does
    format!(
        " {} ",
        code.replace("</", "<\\/").replace("<!--", "\\u003C!--")
    )
}

/// The inside of a string literal, escapes as they are: what would end the literal is escaped, and `also`.
pub(super) fn trusted_string(string: &str, also: &str) -> String {
    let mut written = String::with_capacity(string.len());
    let mut characters = string.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped)
                    if !also.contains(escaped)
                        && !matches!(
                            escaped,
                            '\n' | '\r' | '\u{2028}' | '\u{2029}' | '<' | '&' | '"' | '\'' | '`'
                        ) =>
                {
                    written.push('\\');
                    written.push(escaped);
                }
                Some(escaped) => unicode(&mut written, escaped),
                None => written.push_str("\\\\"),
            },
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '"' | '\'' | '`' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                unicode(&mut written, character)
            }
            c if also.contains(c) => unicode(&mut written, c),
            c => written.push(c),
        }
    }
    written
}
