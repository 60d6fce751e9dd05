use palisade_crypto::{hex, random};
use std::fmt;
use std::str::FromStr;

/// The key of a stored file: 160 random bits in hexadecimal digits. No part of it comes from a
/// client, so that no name can lead to another place (path traversal, D51).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StorageKey(String);

const BYTES: usize = 20;

impl StorageKey {
    pub(crate) fn random() -> Self {
        Self(hex(&random::bytes::<BYTES>()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StorageKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.len() == 2 * BYTES && text.bytes().all(is_digit) {
            true => Ok(Self(text.to_owned())),
            false => Err(()),
        }
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    // D51: paths and globs are no keys
    #[test]
    fn hostile_keys_do_not_parse() {
        let key = StorageKey::random();
        assert_eq!(key.as_str().parse::<StorageKey>().unwrap(), key);
        assert_ne!(key, StorageKey::random());
        let hostile = [
            "",
            "..",
            "../../etc/passwd",
            "*",
            "ab/../cd",
            "%2e%2e%2f",
            "0123456789012345678901234567890123456789/",
            "0123456789012345678901234567890123456789\n",
            "012345678901234567890123456789012345678",
            "012345678901234567890123456789012345678A",
            "01234567890123456789012345678901234567\u{0}9",
            "0123456789012345678901234567890123456[0]",
            "..%c0%af..%c0%af..%c0%af..%c0%af..%c0%af",
            "٠١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦٧٨٩",
            "................/../../../../../etc/pass",
        ];
        for text in hostile {
            assert!(text.parse::<StorageKey>().is_err(), "{text:?}");
        }
    }
}
