//! Addresses that mail can be sent to: what a form takes is what the mailer sends to.

use lettre::Address;

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
    let (_, top) = ascii.rsplit_once('.')?;
    let is_top = top.len() > 1 && !top.bytes().all(|byte| byte.is_ascii_digit());
    (is_top && ascii.len() <= MAX_DOMAIN).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::vectors;

    // F6: Django's verdicts and ASCII forms. Stricter, by rule: quoted parts, addresses in brackets, names without a dot
    #[test]
    fn email_vectors_of_addresses() {
        let mut judged = 0;
        for case in vectors::cases("email.json").into_iter().filter(|case| case["kind"] == "address") {
            let address = vectors::text(&case, "address");
            let is_stricter = address.contains(['"', '[']) || address.ends_with("@localhost") || case["may_refuse"] == true;
            let ours = deliverable(address).map(|address| address.to_string());
            match &ours {
                Some(ascii) if is_stricter => assert!(ascii.is_ascii(), "{case}"),
                None if is_stricter => continue,
                _ => assert_eq!(
                    ours.as_deref(),
                    case["smtp"].as_str().filter(|_| case["valid"] == true).map(lower_domain).as_deref(),
                    "{case}"
                ),
            }
            judged += 1;
        }
        assert!(judged > 60, "{judged}");
    }

    fn lower_domain(address: &str) -> String {
        let (local, domain) = address.rsplit_once('@').unwrap();
        format!("{local}@{}", domain.to_lowercase())
    }
}
