//! Signed notes ([C2SP](https://c2sp.org/signed-note)): a text with an Ed25519 signature, to be
//! verified without the key that signs.

use crate::chain::ChainKey;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt;

/// Byte of Ed25519 in names of keys.
const ED25519_NOTE: u8 = 1;

/// The name and public key of a signer, written as `name+id+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: [u8; 32],
}

/// The text of a note is not signed by this key, or is no note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSigned;

impl fmt::Display for NotSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the note has no signature of this key")
    }
}

impl std::error::Error for NotSigned {}

/// Signs `text`, which ends with a line break, under the name of the signer.
pub fn sign(key: &ChainKey, name: &str, text: &str) -> String {
    let pair = pair(key);
    let id = Verifier::of(key, name).id();
    let signature = pair.sign(text.as_bytes());
    let signed = STANDARD.encode([&id[..], signature.as_ref()].concat());
    format!("{text}\n\u{2014} {name} {signed}\n")
}

fn pair(key: &ChainKey) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(key.note_seed()).expect("a seed has 32 bytes")
}

impl Verifier {
    /// The verifier of a key's notes.
    pub fn of(key: &ChainKey, name: &str) -> Self {
        let mut public = [0; 32];
        public.copy_from_slice(pair(key).public_key().as_ref());
        Self {
            name: name.to_owned(),
            key: public,
        }
    }

    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let key = STANDARD.decode(key).ok()?;
        let [ED25519_NOTE, key @ ..] = key.as_slice() else {
            return None;
        };
        let verifier = Self {
            name: name.to_owned(),
            key: key.try_into().ok()?,
        };
        (crate::encoding::hex(&verifier.id()) == id).then_some(verifier)
    }

    fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', ED25519_NOTE]);
        hash.update(self.key);
        let mut id = [0; 4];
        id.copy_from_slice(&hash.finalize()[..4]);
        id
    }

    /// The text of a note with a signature of this key.
    ///
    /// # Errors
    /// When it is missing or wrong. Signatures of other keys are ignored.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NotSigned> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NotSigned)?;
        let text = &note[..text.len() + 1];
        let mut own = signatures.lines().filter_map(|line| self.signature(line));
        let is_valid = |signature: Vec<u8>| self.is_signature(text, &signature);
        let is_signed = own.next().is_some_and(is_valid) && own.all(is_valid);
        is_signed.then_some(text).ok_or(NotSigned)
    }

    /// The signature of a line, if it names this key.
    fn signature(&self, line: &str) -> Option<Vec<u8>> {
        let (name, signed) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let signed = STANDARD.decode(signed).ok()?;
        let signature = signed.strip_prefix(&self.id())?;
        (name == self.name).then(|| signature.to_vec())
    }

    fn is_signature(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key)
            .verify(text.as_bytes(), signature)
            .is_ok()
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519_NOTE][..], &self.key].concat();
        write!(
            f,
            "{}+{}+{}",
            self.name,
            crate::encoding::hex(&self.id()),
            STANDARD.encode(key)
        )
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::KeyRing;
    use crate::chain::ChainKeys;

    fn keys(key: &str) -> ChainKeys {
        ChainKeys::new(&KeyRing::new(key).unwrap(), "test")
    }

    // the example of the specification (C2SP signed-note)
    #[test]
    fn the_note_of_the_specification_is_verified() {
        let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let verifier = Verifier::parse(key).unwrap();
        assert_eq!(verifier.to_string(), key);
        let note = "This is an example message.\n\n\u{2014} example.com/foo \
            Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        assert_eq!(verifier.open(note), Ok("This is an example message.\n"));
        assert_eq!(
            verifier.open(&note.replace("example m", "Example m")),
            Err(NotSigned)
        );
        assert!(Verifier::parse(&key.replace("530d", "530e")).is_none());
    }

    #[test]
    fn only_the_signed_text_is_opened() {
        let keys = keys("a first example key, at least fifty characters long 0123");
        let key = keys.newest();
        let verifier = Verifier::of(key, "desk/audit");
        let text = "desk/audit\n7\nAAAA\n";
        let note = sign(key, "desk/audit", text);
        assert_eq!(verifier.open(&note), Ok(text));
        assert_eq!(
            Verifier::parse(&verifier.to_string()).as_ref(),
            Some(&verifier)
        );
        assert_eq!(verifier.open(&note.replace('7', "8")), Err(NotSigned));
        assert_eq!(verifier.open(text), Err(NotSigned));
        assert_eq!(verifier.open(""), Err(NotSigned));
        let other = Verifier::of(key, "other/audit");
        assert_eq!(other.open(&note), Err(NotSigned), "another name");
    }

    // a text with an empty line, or a signature in it, is not taken for another one
    #[test]
    fn the_last_empty_line_divides_text_and_signatures() {
        let keys = keys("a first example key, at least fifty characters long 0123");
        let key = keys.newest();
        let verifier = Verifier::of(key, "n");
        let inner = sign(key, "n", "a\n");
        let note = sign(key, "n", &inner);
        assert_eq!(verifier.open(&note), Ok(inner.as_str()));
        let unsigned = format!("{inner}\nmore\n");
        assert_eq!(verifier.open(&unsigned), Err(NotSigned));
    }
}
