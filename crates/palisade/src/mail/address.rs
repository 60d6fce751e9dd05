//! Deliverable email addresses: forms accept what the mailer can send to.

use lettre::Address;
use unicode_normalization::UnicodeNormalization;

/// Most bytes of the local part
/// ([RFC 5321 section 4.5.3.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1)).
const MAX_LOCAL: usize = 64;
/// Most bytes of a domain.
const MAX_DOMAIN: usize = 253;

/// Parses an address for SMTP, with its domain in ASCII ([UTS 46](https://www.unicode.org/reports/tr46/)). `None` for quoted local parts, address literals,
/// domains without a dot, and local parts outside ASCII, which need SMTPUTF8 ([RFC 6531](https://www.rfc-editor.org/rfc/rfc6531)).
pub(crate) fn deliverable(address: &str) -> Option<Address> {
    let (local, domain) = address.rsplit_once('@')?;
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    if local.len() > MAX_LOCAL || !local.split('.').all(is_atom) {
        return None;
    }
    Address::new(local, ascii_domain(domain)?).ok()
}

fn ascii_domain(domain: &str) -> Option<String> {
    // letters, marks, hyphens and dots: the versions of IDNA treat symbols and other separators
    // differently
    if !domain.chars().all(|letter| {
        letter.is_alphanumeric()
            || unicode_normalization::char::is_combining_mark(letter)
            || "-.".contains(letter)
    }) {
        return None;
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    // letters that UTS 46 maps beyond case, such as full-width ones, would make many addresses of
    // one mailbox, each with its own rate limit
    let lower: String = domain.to_lowercase().nfc().collect();
    let is_one = ascii == lower || idna::domain_to_unicode(&ascii).0 == lower;
    let (_, top) = ascii.rsplit_once('.').filter(|_| is_one)?;
    let is_top = top.len() > 1 && !top.bytes().all(|byte| byte.is_ascii_digit());
    (is_top && ascii.len() <= MAX_DOMAIN).then_some(ascii)
}
