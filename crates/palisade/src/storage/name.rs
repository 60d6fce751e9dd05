use super::StorageKey;
use std::fmt;
use std::str::FromStr;

/// The name of an object in a storage: one or two parts of lower-case letters, digits, hyphens and
/// dots. No name leads out of the storage (path traversal, D51).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName(String);

const MOST_CHARACTERS: usize = 100;

impl ObjectName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub(crate) fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

fn is_part(part: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let begins = part.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    begins && !part.contains("..") && part.bytes().all(is_allowed)
}

impl FromStr for ObjectName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_short = text.len() <= MOST_CHARACTERS && text.split('/').count() <= 2;
        match is_short && text.split('/').all(is_part) {
            true => Ok(Self(text.to_owned())),
            false => Err(()),
        }
    }
}

/// In a folder by the first two digits: a folder of a million files is slow to list.
impl From<&StorageKey> for ObjectName {
    fn from(key: &StorageKey) -> Self {
        Self(format!("{}/{key}", &key.as_str()[..2]))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    // D51: no name leads out of the storage
    #[test]
    fn hostile_names_do_not_parse() {
        let key = StorageKey::random();
        let name = ObjectName::from(&key);
        assert_eq!(name.as_str().parse::<ObjectName>().unwrap(), name);
        assert_eq!(name.last(), key.as_str());
        assert!(
            "backup-20261130-101500123-4f2a91.tar.zst.age"
                .parse::<ObjectName>()
                .is_ok()
        );
        let long = "a".repeat(101);
        let hostile = [
            "", "..", "a/..", "../a", "a/b/c", "/a", "a/", "a//b", ".a", "a/.b", "a..b", "A",
            "a b", "a\\b", "a\n", "a\u{0}", "a%2f", "*", "ä", &long,
        ];
        for text in hostile {
            assert!(text.parse::<ObjectName>().is_err(), "{text:?}");
        }
    }
}
