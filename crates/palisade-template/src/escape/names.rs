//! Names of elements and attributes.

use super::Text;
use crate::context::{is_plain_attribute, is_plain_element};

/// What stands for a name that was refused.
const BLOCKED_ATTRIBUTE: &str = "data-blocked";

/// The rest of an element's name that begins with `start`.
pub(super) fn tag_name(start: &str, text: &str) -> Text {
    let name = format!("{start}{}", text.to_ascii_lowercase());
    if is_plain_element(&name) {
        Text::Encoded(text.to_owned())
    } else {
        Text::Blocked("-blocked")
    }
}

/// Whether attributes, which begin with white space, may follow a name.
pub(super) fn is_complete(name: &str, attributes: Option<&str>) -> bool {
    let is_plain = name == "a" || is_plain_element(name);
    is_plain && attributes.is_some_and(|written| written.starts_with(' '))
}

pub(super) fn attribute(element: &str, text: &str) -> Text {
    if is_plain_attribute(element, text) {
        Text::Encoded(text.to_owned())
    } else {
        Text::Blocked(BLOCKED_ATTRIBUTE)
    }
}

pub(super) fn attribute_or_nothing(element: &str, text: &str) -> Text {
    match (text.trim(), attribute(element, text.trim())) {
        ("", _) => Text::Encoded(String::new()),
        // `"a"{{ " selected" if b }}`
        (name, Text::Encoded(_)) if text.starts_with(' ') => Text::Encoded(format!(" {name}")),
        (_, other) => other,
    }
}

/// The rest of a name that begins with `data-` or `aria-`.
pub(super) fn attribute_part(text: &str) -> Text {
    let is_word = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let is_code = ["ng-", "hx-", "script", "src", "url", "uri", "href"]
        .iter()
        .any(|part| text.to_ascii_lowercase().contains(part));
    if is_word && !is_code {
        Text::Encoded(text.to_owned())
    } else {
        Text::Blocked("blocked")
    }
}
