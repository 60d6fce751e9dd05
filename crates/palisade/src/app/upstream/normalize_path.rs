//! Path normalisation: percent-encoding and trailing slashes
//! ([RFC 3986 section 6.2.2](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2)).

/// The path without unnecessary escapes, and with the others in upper case; `None` if it escapes a
/// slash or a control character.
pub(in crate::app) fn plain(path: &str) -> Option<String> {
    let (mut plain, mut rest) = (String::with_capacity(path.len()), path);
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let (digits, after) = after.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        match byte {
            b'/' | b'\\' | 0..=0x1f | 0x7f => return None,
            _ if is_plain(byte) => plain.push(char::from(byte)),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

/// Characters that need no escape in a path: `pchar` of RFC 3986.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// Whether a path matches a route such as `/tickets/{id}` or `/files/{*rest}`.
pub(in crate::app) fn matches(pattern: &str, path: &str) -> bool {
    let (mut parts, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (parts.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(_)) if part.starts_with("{*") => return true,
            (Some(part), Some(said))
                if part == said || (part.starts_with('{') && !said.is_empty()) => {}
            _ => return false,
        }
    }
}

/// The same for routes that begin with a literal segment: a path that `/{page}` would match with
/// one slash less may belong to another application.
pub(in crate::app) fn names(pattern: &str, path: &str) -> bool {
    !pattern.starts_with("/{") && matches(pattern, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    // F010: one path has one normal form, and one with an escaped slash has none
    #[test]
    fn addresses_have_one_spelling() {
        for (said, means) in [
            ("/report", Some("/report")),
            ("/%72eport", Some("/report")),
            ("/%52eport", Some("/Report")),
            ("/a%40b%7e", Some("/a@b~")),
            ("/caf%c3%a9", Some("/caf%C3%A9")),
            ("/a%20b", Some("/a%20b")),
            ("/%252e", Some("/%252e")),
            ("/a%2fb", None),
            ("/a%5Cb", None),
            ("/a%0a", None),
            ("/a%00", None),
            ("/a%", None),
            ("/a%4", None),
            ("/a%zz", None),
            ("/%é", None),
        ] {
            assert_eq!(plain(said).as_deref(), means, "{said}");
        }
        for (pattern, path, is_it) in [
            ("/latest", "/latest", true),
            ("/latest", "/latest/", false),
            ("/t/{id}", "/t/7", true),
            ("/t/{id}", "/t/", false),
            ("/t/{id}", "/t/7/x", false),
            ("/f/{*rest}", "/f/a/b", true),
            ("/", "/", true),
        ] {
            assert_eq!(matches(pattern, path), is_it, "{pattern} {path}");
        }
        assert!(
            names("/t/{id}", "/t/7")
                && matches("/{page}", "/admin")
                && !names("/{page}", "/admin")
                && !names("/{*rest}", "/admin")
        );
    }
}
