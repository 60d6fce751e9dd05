//! Paths with values.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Display;

/// Characters that stand for themselves in a segment
/// ([RFC 3986 section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3)).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The path of a route with a value for each of its parameters, percent-encoded: a value is one
/// segment, its slashes begin no other, and an empty value or `..` is `-`. Another number of values does not compile.
///
/// ```
/// use palisade::path;
/// assert_eq!(path!("/tickets/{id}/files/{name}", 7, "a b/../c"), "/tickets/7/files/a%20b%2F..%2Fc");
/// ```
///
/// ```compile_fail
/// let missing = palisade::path!("/tickets/{id}");
/// ```
#[macro_export]
macro_rules! path {
    ($route:literal $(, $value:expr)* $(,)?) => {{
        const {
            let values: &[&str] = &[$(::core::stringify!($value)),*];
            ::core::assert!(
                $crate::http::parameters($route) == values.len(),
                "this path takes one value for each of its parameters"
            );
        }
        $crate::http::filled_path($route, &[$(&$value as &dyn ::std::fmt::Display),*])
    }};
}

/// Number of parameters of a route.
#[doc(hidden)]
pub const fn parameters(route: &str) -> usize {
    let bytes = route.as_bytes();
    let (mut index, mut count) = (0, 0);
    while index < bytes.len() {
        if bytes[index] == b'{' {
            count += 1;
        }
        index += 1;
    }
    count
}

#[doc(hidden)]
pub fn filled_path(route: &str, values: &[&dyn Display]) -> String {
    let mut path = String::new();
    let mut values = values.iter();
    let mut parts = route.split('{');
    path.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (_, after) = part.split_once('}').unwrap_or((part, ""));
        let value = values.next().map(ToString::to_string).unwrap_or_default();
        path.extend(utf8_percent_encode(&value, ENCODED));
        path.push_str(after);
    }
    // a value begins no segment, so those of route and path correspond
    let segments = route.split('/').zip(path.split('/'));
    let segments: Vec<&str> = segments
        .map(|(route, filled)| segment(route, filled))
        .collect();
    segments.join("/")
}

/// Browsers take a segment of dots for another folder, encoded or not; an empty one can make another
/// site's URL of the rest (`//evil.example`).
fn segment<'a>(route: &str, filled: &'a str) -> &'a str {
    match filled {
        "" | "." | ".." if route.contains('{') => "-",
        _ => filled,
    }
}
