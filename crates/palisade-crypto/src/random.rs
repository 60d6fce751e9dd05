//! Unguessable values from the operating system, and the hash that a database keeps of them.

use crate::{Secret, encoding::base64url};
use sha2::{Digest, Sha256};
use std::cell::RefCell;

/// `N` random bytes from the operating system.
///
/// # Panics
/// When the operating system provides no randomness. A process cannot be safe without it.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    getrandom::fill(&mut buffer).expect("the operating system provides randomness");
    buffer
}

/// A token of 256 random bits as 43 characters of url-safe base64: session keys, links, secrets in cookies.
pub fn token() -> Secret<String> {
    Secret::new(base64url(&bytes::<32>()))
}

/// A nonce of 128 random bits as 22 characters of url-safe base64: CSP nonces, request ids. Not a secret.
pub fn nonce() -> String {
    base64url(&bytes::<16>())
}

/// Two nonces. Random bytes are buffered per thread, because a system call per request would cost
/// more than the rest of its nonce handling. A snapshot of a running process copies the buffer:
/// nonces are not secrets.
pub fn nonces() -> [String; 2] {
    AHEAD.with_borrow_mut(|ahead| std::array::from_fn(|_| base64url(&ahead.next())))
}

/// Buffer of random bytes.
struct Ahead {
    bytes: [u8; 1024],
    used: usize,
}

thread_local! {
    static AHEAD: RefCell<Ahead> = const { RefCell::new(Ahead { bytes: [0; 1024], used: 1024 }) };
}

impl Ahead {
    /// Sixteen bytes, which are wiped from the buffer.
    fn next(&mut self) -> [u8; 16] {
        if self.used == self.bytes.len() {
            (self.bytes, self.used) = (bytes(), 0);
        }
        let mut next = [0; 16];
        next.swap_with_slice(&mut self.bytes[self.used..self.used + 16]);
        self.used += 16;
        next
    }
}

/// `length` random characters of `0-9A-Za-z`, without bias; Django uses these for salts and keys.
pub fn alphanumeric(length: usize) -> Secret<String> {
    const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // 248 = 4 × 62: a larger byte would favour the first characters
        for byte in bytes::<32>()
            .into_iter()
            .filter(|byte| *byte < 248)
            .take(length - text.len())
        {
            text.push(ALPHABET[usize::from(byte % 62)] as char);
        }
    }
    Secret::new(text)
}

/// The stored hash of a [`token`]: 240 bits of its SHA-256 as 40 characters of url-safe base64.
///
/// A plain hash is enough because the token has 256 random bits. Forty characters fit Django's `session_key` column.
pub fn stored_hash(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    base64url(&digest[..30])
}
