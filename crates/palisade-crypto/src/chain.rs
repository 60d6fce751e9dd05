//! Keys and hashes of a tamper-evident log: a chain of records in which each link covers all before it.
//!
//! A record has a digest. The link of a record is the hash of the link before it and of its digest:
//! a changed, removed or moved record changes every later link. Hashes alone can be computed again
//! by an attacker with the table, so digest and link are authenticated by HMAC-SHA256 with keys that
//! are not in the database.

use crate::KeyRing;
use crate::encoding::{base64url, from_base64url, hex};
use crate::mac::{constant_time_eq, hmac_sha256};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A SHA-256 hash or an HMAC.
pub type Hash = [u8; 32];

/// The link before the first record.
pub const ORIGIN: Hash = [0; 32];

/// The hash of fields, each with its length, so that no two lists of fields give the same bytes.
pub fn digest(purpose: &str, fields: &[&[u8]]) -> Hash {
    let mut hash = Sha256::new();
    for field in std::iter::once(purpose.as_bytes()).chain(fields.iter().copied()) {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

/// The link of a record after another.
pub fn link(before: &Hash, digest: &Hash) -> Hash {
    self::digest("link", &[before, digest])
}

/// A commitment to values that can be erased: with its salt gone, they cannot be guessed from it.
pub fn commitment(salt: &[u8], values: &[&[u8]]) -> Hash {
    hmac_sha256(salt, &digest("commitment", values))
}

/// A hash as 43 characters of base64url.
pub fn to_text(hash: &Hash) -> String {
    base64url(hash)
}

/// Reads the same.
pub fn from_text(text: &str) -> Option<Hash> {
    from_base64url(text)?.try_into().ok()
}

/// The keys of a chain, one for each key of the ring, newest first.
pub struct ChainKeys(Vec<ChainKey>);

/// A key of a chain.
pub struct ChainKey {
    id: String,
    records: Zeroizing<Hash>,
    links: Zeroizing<Hash>,
    notes: Zeroizing<Hash>,
}

impl ChainKeys {
    /// Derives the keys of a chain by its purpose.
    pub fn new(ring: &KeyRing, purpose: &str) -> Self {
        let derived = ring.derive(purpose, b"chain");
        Self(derived.map(|key| ChainKey::new(&key)).collect())
    }

    /// The key that authenticates new records.
    ///
    /// # Panics
    /// Never: a ring has a key.
    pub fn newest(&self) -> &ChainKey {
        &self.0[0]
    }

    /// The key of this id.
    pub fn key(&self, id: &str) -> Option<&ChainKey> {
        self.0.iter().find(|key| key.id == id)
    }

    /// All keys, newest first.
    pub fn all(&self) -> &[ChainKey] {
        &self.0
    }
}

impl ChainKey {
    fn new(key: &Hash) -> Self {
        let part = |name: &[u8]| Zeroizing::new(hmac_sha256(key, name));
        Self {
            id: hex(&hmac_sha256(key, b"id")[..4]),
            records: part(b"records"),
            links: part(b"links"),
            notes: part(b"notes"),
        }
    }

    /// Eight hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Authenticates the digest of a record, wherever it is.
    pub fn seal(&self, digest: &Hash) -> Hash {
        hmac_sha256(&*self.records, digest)
    }

    /// Authenticates a link.
    pub fn authenticate(&self, link: &Hash) -> Hash {
        hmac_sha256(&*self.links, link)
    }

    /// Whether the seal is that of the digest.
    pub fn is_seal(&self, digest: &Hash, seal: &[u8]) -> bool {
        constant_time_eq(&self.seal(digest), seal)
    }

    /// Whether the MAC is that of the link.
    pub fn is_authentic(&self, link: &Hash, mac: &[u8]) -> bool {
        constant_time_eq(&self.authenticate(link), mac)
    }

    /// The seed of the key that signs notes.
    pub(crate) fn note_seed(&self) -> &Hash {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn keys(key: &str) -> ChainKeys {
        ChainKeys::new(&KeyRing::new(key).unwrap(), "test")
    }

    #[test]
    fn fields_cannot_be_shifted_into_each_other() {
        let one = digest("p", &[b"ab", b"c"]);
        assert_ne!(one, digest("p", &[b"a", b"bc"]));
        assert_ne!(one, digest("p", &[b"abc"]));
        assert_ne!(one, digest("q", &[b"ab", b"c"]));
        assert_ne!(one, digest("p", &[b"ab", b"c", b""]));
    }

    #[test]
    fn a_link_covers_everything_before_it() {
        let (a, b) = (digest("p", &[b"a"]), digest("p", &[b"b"]));
        let chain = link(&link(&ORIGIN, &a), &b);
        assert_ne!(chain, link(&link(&ORIGIN, &b), &a));
        assert_ne!(chain, link(&ORIGIN, &b));
    }

    #[test]
    fn other_keys_and_other_uses_authenticate_nothing() {
        let key = "a first example key, at least fifty characters long 0123";
        let other = "a second example key, at least fifty characters long 012";
        let (keys, others) = (keys(key), self::keys(other));
        let hash = digest("p", &[b"a"]);
        let (seal, mac) = (keys.newest().seal(&hash), keys.newest().authenticate(&hash));
        assert!(keys.newest().is_seal(&hash, &seal) && keys.newest().is_authentic(&hash, &mac));
        assert!(!keys.newest().is_seal(&hash, &mac) && !keys.newest().is_authentic(&hash, &seal));
        assert!(!others.newest().is_seal(&hash, &seal));
        assert!(others.key(keys.newest().id()).is_none());
        assert!(!keys.newest().is_seal(&hash, &[]));
    }
}
