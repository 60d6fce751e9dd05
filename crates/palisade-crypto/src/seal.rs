//! Authenticated encryption of stored values, bound to their place.

use crate::encoding::{base64url, from_base64url};
use crate::{KeyRing, Secret, random};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use zeroize::Zeroizing;

/// Encrypts values for one purpose, by XChaCha20-Poly1305
/// ([draft-irtf-cfrg-xchacha](https://datatracker.ietf.org/doc/draft-irtf-cfrg-xchacha/)) with a
/// random nonce and a key derived for the purpose.
///
/// `place` is associated data, such as table, column and row: a value that was moved from another
/// place is refused.
///
/// ```
/// # use palisade_crypto::{KeyRing, seal::Sealer};
/// let ring = KeyRing::new("an example key, at least fifty characters long: 0123456789")?;
/// let sealer = Sealer::new(&ring, "phone numbers");
/// let sealed = sealer.seal(b"+31 20 1234567", "user 7");
/// assert_eq!(sealer.open(&sealed, "user 7")?.expose(), b"+31 20 1234567");
/// assert!(sealer.open(&sealed, "user 8").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// Read access to the store reveals the length of a value; write access can restore an older value
/// of the same place (rollback).
pub struct Sealer<'a> {
    ring: &'a KeyRing,
    purpose: &'a str,
}

/// The value was not encrypted for this purpose and place with a key of the ring, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSealed;

/// The format: key id, nonce, and ciphertext.
const FORM: &str = "s1.";
const NAME: usize = 4;
const NONCE: usize = 24;

impl<'a> Sealer<'a> {
    /// A sealer for a purpose: different purposes have unrelated keys.
    pub fn new(ring: &'a KeyRing, purpose: &'a str) -> Self {
        Self { ring, purpose }
    }

    /// Encrypts a value with the newest key, as text.
    pub fn seal(&self, value: &[u8], place: &str) -> String {
        let nonce = random::bytes::<NONCE>();
        let payload = Payload {
            msg: value,
            aad: &self.associated_data(place),
        };
        let (key, name) = (
            self.ring.derive_newest(self.purpose, b"seal"),
            self.ring.derive_newest(self.purpose, b"seal key name"),
        );
        let sealed = cipher(key)
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a value in memory is shorter than the cipher's limit");
        format!(
            "{FORM}{}",
            base64url(&[&name[..NAME], &nonce, &sealed].concat())
        )
    }

    /// Decrypts a value, with the key of the ring that it names.
    ///
    /// # Errors
    /// [`NotSealed`].
    pub fn open(&self, sealed: &str, place: &str) -> Result<Secret<Vec<u8>>, NotSealed> {
        let bytes = sealed
            .strip_prefix(FORM)
            .and_then(from_base64url)
            .ok_or(NotSealed)?;
        let (name, rest) = bytes.split_first_chunk::<NAME>().ok_or(NotSealed)?;
        let (nonce, value) = rest.split_first_chunk::<NONCE>().ok_or(NotSealed)?;
        let names = self.ring.derive(self.purpose, b"seal key name");
        let named = names
            .zip(self.ring.derive(self.purpose, b"seal"))
            .filter(|(known, _)| known.starts_with(name));
        let bound = self.associated_data(place);
        let open = |key| {
            cipher(key)
                .decrypt(
                    &XNonce::from(*nonce),
                    Payload {
                        msg: value,
                        aad: &bound,
                    },
                )
                .ok()
        };
        let mut opened = named.filter_map(|(_, key)| open(key));
        opened.next().map(Secret::new).ok_or(NotSealed)
    }

    /// Index of the key that a value names: 0 is the newest. `None` if it is not on the ring, or
    /// the text is not an encrypted value.
    ///
    /// Key ids are short, so this finds values to re-encrypt; only [`Sealer::open`] tells whether
    /// one can be decrypted.
    pub fn key_of(&self, sealed: &str) -> Option<usize> {
        let bytes = sealed.strip_prefix(FORM).and_then(from_base64url)?;
        let name = bytes.first_chunk::<NAME>()?;
        self.ring
            .derive(self.purpose, b"seal key name")
            .position(|known| known.starts_with(name))
    }

    /// Whether a text has the format of an encrypted value.
    pub fn is_sealed(text: &str) -> bool {
        text.starts_with(FORM)
    }

    /// The length keeps ("ab", "c") and ("a", "bc") apart.
    fn associated_data(&self, place: &str) -> Vec<u8> {
        [
            &(self.purpose.len() as u64).to_be_bytes(),
            self.purpose.as_bytes(),
            place.as_bytes(),
        ]
        .concat()
    }
}

fn cipher(key: [u8; 32]) -> XChaCha20Poly1305 {
    let key = Zeroizing::new(key);
    XChaCha20Poly1305::new_from_slice(&*key).expect("32 bytes are the cipher's key")
}

impl fmt::Display for NotSealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value was not encrypted here with a key of the ring, or was changed")
    }
}

impl std::error::Error for NotSealed {}
