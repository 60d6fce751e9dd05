//! Authenticated encryption of files, in chunks that are read in any order.

use crate::encoding::{base64url, from_base64url};
use crate::seal::NotSealed;
use crate::{Secret, random};
use aead_stream::{NewStream, Nonce, StreamBE32, StreamPrimitive};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{KeyInit, Payload};
use zeroize::Zeroizing;

/// Bytes of a chunk before encryption; the last chunk may be shorter, and empty in an empty file.
pub const CHUNK: u64 = 64 * 1024;
/// Bytes that encryption adds to a chunk.
const TAG: u64 = 16;
const KEY: usize = 32;
const NONCE: usize = 19;

type Stream = StreamBE32<XChaCha20Poly1305>;

/// Encrypts one file with a key of its own, by the STREAM construction of Hoang, Reyhanitabar,
/// Rogaway and Vizár ([Online Authenticated-Encryption](https://eprint.iacr.org/2015/189)) over
/// XChaCha20-Poly1305.
///
/// A chunk is bound to its file, its position and whether it is the last one: it cannot be changed,
/// cut off, moved or replaced.
///
/// ```
/// use palisade_crypto::file::{FileKey, FileSealer, chunk_count, sealed_length};
/// let (sealer, key) = FileSealer::new("file 7");
/// let sealed = sealer.last(b"a short file");
/// assert_eq!(sealed.len() as u64, sealed_length(12));
/// let opener = FileKey::from_text(&key.to_text())?.opener("file 7");
/// assert_eq!(opener.open(0, &sealed, 12)?, b"a short file");
/// # Ok::<(), palisade_crypto::seal::NotSealed>(())
/// ```
pub struct FileSealer {
    stream: Stream,
    place: Vec<u8>,
    next: u32,
}

/// The key of one file. It opens the file; only a [`FileSealer`] creates one, so that no key
/// encrypts two files.
pub struct FileKey(Secret<Vec<u8>>);

/// Decrypts the chunks of one file.
pub struct FileOpener {
    stream: Stream,
    place: Vec<u8>,
}

/// Number of chunks of a file of this many bytes.
pub fn chunk_count(length: u64) -> u64 {
    length.div_ceil(CHUNK).max(1)
}

/// Bytes of an encrypted file.
pub fn sealed_length(length: u64) -> u64 {
    length + chunk_count(length) * TAG
}

/// The bytes of a chunk in the encrypted file, from the first up to the exclusive end, for a file
/// of `length` bytes.
pub fn sealed_range(chunk: u64, length: u64) -> std::ops::Range<u64> {
    let begin = chunk * (CHUNK + TAG);
    begin..(begin + CHUNK + TAG).min(sealed_length(length))
}

fn stream(secret: &[u8]) -> Option<Stream> {
    let (key, nonce) = secret.split_at_checked(KEY)?;
    let cipher = XChaCha20Poly1305::new_from_slice(key).ok()?;
    let nonce = <Nonce<XChaCha20Poly1305, Stream>>::try_from(nonce).ok()?;
    Some(Stream::from_aead(cipher, &nonce))
}

impl FileSealer {
    /// A sealer with a new key. `place` names the file, such as the key of its row.
    pub fn new(place: &str) -> (Self, FileKey) {
        let secret = Zeroizing::new(random::bytes::<{ KEY + NONCE }>());
        let sealer = Self {
            stream: stream(&*secret).expect("the lengths are those of the cipher"),
            place: place.as_bytes().to_vec(),
            next: 0,
        };
        (sealer, FileKey(Secret::new(secret.to_vec())))
    }

    /// Encrypts a chunk that is not the last one, of exactly [`CHUNK`] bytes.
    ///
    /// # Panics
    /// When it has another length: the chunks behind it would not be found.
    pub fn next(&mut self, chunk: &[u8]) -> Vec<u8> {
        assert_eq!(
            chunk.len() as u64,
            CHUNK,
            "only the last chunk may be shorter"
        );
        let payload = Payload {
            msg: chunk,
            aad: &self.place,
        };
        let sealed = self.stream.encrypt(self.next, false, payload);
        self.next += 1;
        sealed.expect("a chunk is shorter than the cipher's limit")
    }

    /// Encrypts the last chunk.
    ///
    /// # Panics
    /// When it is longer than [`CHUNK`].
    pub fn last(self, chunk: &[u8]) -> Vec<u8> {
        assert!(
            chunk.len() as u64 <= CHUNK,
            "a chunk has at most {CHUNK} bytes"
        );
        let payload = Payload {
            msg: chunk,
            aad: &self.place,
        };
        let sealed = self.stream.encrypt(self.next, true, payload);
        sealed.expect("a chunk is shorter than the cipher's limit")
    }
}

impl FileKey {
    /// The key as text, to be encrypted and stored.
    pub fn to_text(&self) -> Secret<String> {
        Secret::new(base64url(self.0.expose()))
    }

    /// A stored key.
    ///
    /// # Errors
    /// [`NotSealed`] when it is no key.
    pub fn from_text(text: &Secret<String>) -> Result<Self, NotSealed> {
        let bytes = from_base64url(text.expose()).ok_or(NotSealed)?;
        match bytes.len() == KEY + NONCE {
            true => Ok(Self(Secret::new(bytes))),
            false => Err(NotSealed),
        }
    }

    /// Decrypts the file that was sealed at this place.
    pub fn opener(&self, place: &str) -> FileOpener {
        FileOpener {
            stream: stream(self.0.expose()).expect("the length was checked"),
            place: place.as_bytes().to_vec(),
        }
    }
}

impl FileOpener {
    /// Decrypts a chunk of a file of `length` bytes.
    ///
    /// # Errors
    /// [`NotSealed`] when it is not this chunk of this file.
    pub fn open(&self, chunk: u64, sealed: &[u8], length: u64) -> Result<Vec<u8>, NotSealed> {
        let position = u32::try_from(chunk).map_err(|_| NotSealed)?;
        let is_last = chunk + 1 == chunk_count(length);
        let payload = Payload {
            msg: sealed,
            aad: &self.place,
        };
        let opened = self.stream.decrypt(position, is_last, payload);
        opened.map_err(|_| NotSealed)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn seal(place: &str, content: &[u8]) -> (Vec<u8>, FileKey) {
        let (mut sealer, key) = FileSealer::new(place);
        let (mut sealed, mut rest) = (Vec::new(), content);
        while rest.len() as u64 > CHUNK {
            let (chunk, after) = rest.split_at(CHUNK as usize);
            sealed.extend(sealer.next(chunk));
            rest = after;
        }
        sealed.extend(sealer.last(rest));
        (sealed, key)
    }

    fn open(
        key: &FileKey,
        place: &str,
        sealed: &[u8],
        length: usize,
    ) -> Result<Vec<u8>, NotSealed> {
        let (opener, length) = (key.opener(place), length as u64);
        let mut whole = Vec::new();
        for chunk in 0..chunk_count(length) {
            let range = sealed_range(chunk, length);
            let part = sealed
                .get(range.start as usize..range.end as usize)
                .ok_or(NotSealed)?;
            whole.extend(opener.open(chunk, part, length)?);
        }
        Ok(whole)
    }

    #[test]
    fn files_of_all_lengths_are_opened() {
        for length in [
            0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 300_000,
        ] {
            let content: Vec<u8> = (0..length).map(|byte| (byte % 251) as u8).collect();
            let (sealed, key) = seal("file 1", &content);
            assert_eq!(sealed.len() as u64, sealed_length(length as u64));
            let key = FileKey::from_text(&key.to_text()).unwrap();
            assert_eq!(
                open(&key, "file 1", &sealed, length).unwrap(),
                content,
                "{length}"
            );
        }
    }

    // F085: no chunk can be changed, cut off, moved or replaced
    #[test]
    fn a_changed_file_is_not_opened() {
        let content = vec![7; 200_000];
        let (sealed, key) = seal("file 1", &content);
        let (other, other_key) = seal("file 1", &content);
        let chunk = (CHUNK + TAG) as usize;
        let is_refused = |sealed: &[u8], length| open(&key, "file 1", sealed, length).is_err();
        assert!(!is_refused(&sealed, 200_000));
        for at in [0, 70_000, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(is_refused(&changed, 200_000), "changed at {at}");
        }
        assert!(is_refused(&sealed[..chunk], 65_536), "cut after a chunk");
        assert!(
            is_refused(&sealed[..sealed.len() - 1], 199_999),
            "cut within one"
        );
        let swapped = [
            &sealed[chunk..2 * chunk],
            &sealed[..chunk],
            &sealed[2 * chunk..],
        ]
        .concat();
        assert!(is_refused(&swapped, 200_000), "two chunks exchanged");
        let mixed = [&other[..chunk], &sealed[chunk..]].concat();
        assert!(is_refused(&mixed, 200_000), "a chunk of another file");
        assert!(is_refused(&other, 200_000), "an older file of the same row");
        assert!(
            open(&key, "file 2", &sealed, 200_000).is_err(),
            "another row"
        );
        assert!(
            open(&other_key, "file 1", &sealed, 200_000).is_err(),
            "another key"
        );
    }
}
