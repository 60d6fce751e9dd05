//! Addresses that mail can be sent to: what a form takes is what the mailer sends to.

use lettre::Address;
use unicode_normalization::UnicodeNormalization;

/// Most bytes of the part before the `@` ([RFC 5321 section 4.5.3.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1)).
const MAX_LOCAL: usize = 64;
/// Most bytes of a domain.
const MAX_DOMAIN: usize = 253;

/// The address for SMTP: its domain in ASCII ([UTS 46](https://www.unicode.org/reports/tr46/)). None for what is no address of the Internet: quoted parts,
/// addresses in brackets and names without a dot are not taken, and neither are letters outside ASCII before the `@`, which many servers cannot send to
/// ([RFC 6531](https://www.rfc-editor.org/rfc/rfc6531)).
pub(crate) fn deliverable(address: &str) -> Option<Address> {
    let (local, domain) = address.rsplit_once('@')?;
    let is_atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    if local.len() > MAX_LOCAL || !local.split('.').all(is_atom) {
        return None;
    }
    Address::new(local, ascii_domain(domain)?).ok()
}

fn ascii_domain(domain: &str) -> Option<String> {
    // only what is written as it is meant: symbols and other dots are mapped or refused from one version of the rules to the next
    if !domain
        .chars()
        .all(|letter| letter.is_alphanumeric() || unicode_normalization::char::is_combining_mark(letter) || "-.".contains(letter))
    {
        return None;
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    // one spelling: what the rules map beyond case, such as letters of full width, would be many addresses of one mailbox to the limits
    let lower: String = domain.to_lowercase().nfc().collect();
    let is_one = ascii == lower || idna::domain_to_unicode(&ascii).0 == lower;
    let (_, top) = ascii.rsplit_once('.').filter(|_| is_one)?;
    let is_top = top.len() > 1 && !top.bytes().all(|byte| byte.is_ascii_digit());
    (is_top && ascii.len() <= MAX_DOMAIN).then_some(ascii)
}
