//! CSS.

use super::Text;
use std::fmt::Write;

const BLOCKED: &str = "blocked";

/// A word, a number with its unit, a colour, a `property: value`: what cannot leave its declaration or load anything.
pub(super) fn value(text: &str) -> Text {
    let decoded = decode(text);
    let letters: String = decoded
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_ascii_lowercase();
    let is_fine = decoded.chars().all(is_harmless)
        && !decoded.contains("--")
        && !["expression", "mozbinding", "javascript", "vbscript"]
            .iter()
            .any(|word| letters.contains(word));
    if is_fine {
        Text::Encoded(decoded)
    } else {
        Text::Blocked(BLOCKED)
    }
}

fn is_harmless(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(
            character,
            ' ' | '\t'
                | '\n'
                | '.'
                | ','
                | '#'
                | '%'
                | '-'
                | '+'
                | '_'
                | ':'
                | '!'
                | '='
                | '~'
                | '|'
                | '$'
                | '^'
                | '?'
        )
}

/// Escapes are read before the look, so that they cannot hide anything. A NUL ends nothing and is no letter.
fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find('\\') {
        decoded.push_str(&rest[..found]);
        rest = &rest[found + 1..];
        let digits = rest
            .bytes()
            .take(6)
            .take_while(u8::is_ascii_hexdigit)
            .count();
        if digits == 0 {
            // an escaped character is itself
            continue;
        }
        let character = u32::from_str_radix(&rest[..digits], 16)
            .ok()
            .and_then(char::from_u32);
        decoded.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[digits..];
        rest = rest.strip_prefix([' ', '\t', '\n']).unwrap_or(rest);
    }
    decoded.push_str(rest);
    decoded
}

/// The inside of a string.
pub(super) fn string(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 8);
    let mut after_escape = false;
    for character in text.chars() {
        let is_plain = character.is_alphanumeric()
            || matches!(
                character,
                ' ' | '-'
                    | '_'
                    | ','
                    | '.'
                    | '!'
                    | '?'
                    | '#'
                    | '%'
                    | '*'
                    | '|'
                    | '~'
                    | '^'
                    | '$'
                    | '@'
            );
        if character == '\0' {
            // CSS has no NUL, and no escape for it
            written.push(char::REPLACEMENT_CHARACTER);
        } else if is_plain {
            // a digit or space would belong to the escape before it
            if after_escape && (character.is_ascii_hexdigit() || character == ' ') {
                written.push(' ');
            }
            written.push(character);
        } else {
            let _ = write!(written, "\\{:x}", u32::from(character));
            after_escape = true;
            continue;
        }
        after_escape = false;
    }
    if after_escape {
        written.push(' ');
    }
    written
}

/// A string may be a URL, in `@import` and `image-set()`.
pub(super) fn string_start(text: &str) -> Text {
    match super::url::without_script(text) {
        Text::Blocked(_) => Text::Blocked(BLOCKED),
        _ => Text::Encoded(string(text)),
    }
}

/// Style of the programmer, which must still not end the element.
pub(super) fn trusted(css: &str) -> String {
    css.replace("</", "\\3C /").replace("<!--", "\\3C !--")
}
