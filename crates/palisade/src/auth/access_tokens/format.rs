//! The format of a personal access token: `pal_`, 30 random characters of `0-9A-Za-z` (178 bits),
//! and their CRC-32 as 6 characters of the same alphabet. Secret scanners find it by its prefix, and
//! a mistyped or invented token is refused without a query.

use palisade_crypto::{Secret, random};

/// The start of every token.
pub(crate) const PREFIX: &str = "pal_";
const RANDOM: usize = 30;
const CHECKSUM: usize = 6;
const LENGTH: usize = PREFIX.len() + RANDOM + CHECKSUM;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(super) fn generate() -> Secret<String> {
    let random = random::alphanumeric(RANDOM);
    let start = Secret::new(format!("{PREFIX}{}", random.expose()));
    let checksum = checksum(start.expose());
    Secret::new(format!("{}{checksum}", start.expose()))
}

/// Whether a text has the format and a correct checksum.
pub(crate) fn is_well_formed(text: &str) -> bool {
    let is_long_enough = text.len() == LENGTH && text.is_ascii() && text.starts_with(PREFIX);
    is_long_enough && text[LENGTH - CHECKSUM..] == checksum(&text[..LENGTH - CHECKSUM])
}

/// The first well-formed token in a text.
pub(crate) fn find(text: &str) -> Option<&str> {
    let starts = text.match_indices(PREFIX).map(|(start, _)| start);
    let candidates = starts.filter_map(|start| text.get(start..start + LENGTH));
    candidates.into_iter().find(|text| is_well_formed(text))
}

/// CRC-32 as digits of base 62, most significant first.
fn checksum(start: &str) -> String {
    let mut rest = crc32fast::hash(start.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_token_has_another_checksum() {
        let token = generate();
        let token = token.expose();
        assert!(is_well_formed(token), "{token}");
        assert_eq!(find(&format!("?key={token}&x=1")), Some(token.as_str()));
        for place in PREFIX.len()..LENGTH {
            let mut bytes = token.as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).unwrap_or_default();
            assert!(!is_well_formed(&changed), "{changed}");
        }
        for wrong in ["", "pal_", &token[..39], &format!("{token}0"), "pal_é"] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }
}
