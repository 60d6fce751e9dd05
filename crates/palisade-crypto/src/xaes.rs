//! XAES-256-GCM: AES-256-GCM with nonces of 24 bytes, safe to choose at random
//! ([C2SP](https://c2sp.org/XAES-256-GCM)).

use aes::Aes256;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use cmac::{Cmac, Mac};
use zeroize::Zeroizing;

pub(crate) const NONCE: usize = 24;

/// Encrypts a message, and appends a tag of 16 bytes.
pub(crate) fn encrypt(key: &[u8; 32], nonce: &[u8; NONCE], payload: Payload<'_, '_>) -> Vec<u8> {
    let (cipher, nonce) = derive(key, nonce);
    cipher
        .encrypt(&nonce, payload)
        .expect("a value in memory is shorter than the cipher's limit")
}

/// Decrypts a message, if its tag is right.
pub(crate) fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    payload: Payload<'_, '_>,
) -> Option<Zeroizing<Vec<u8>>> {
    let (cipher, nonce) = derive(key, nonce);
    cipher.decrypt(&nonce, payload).ok().map(Zeroizing::new)
}

/// The cipher of a nonce's first half, and the second half as the nonce of AES-256-GCM.
fn derive(key: &[u8; 32], nonce: &[u8; NONCE]) -> (Aes256Gcm, Nonce<aes_gcm::aead::consts::U12>) {
    let (first, second) = nonce.split_at(NONCE / 2);
    let mac = <Cmac<Aes256> as KeyInit>::new_from_slice(key).expect("32 bytes are a key");
    let half = |counter| {
        let mut mac = mac.clone();
        mac.update(&[0, counter, b'X', 0]);
        mac.update(first);
        mac.finalize().into_bytes()
    };
    let mut derived = Zeroizing::new([0; 32]);
    derived[..16].copy_from_slice(&half(1));
    derived[16..].copy_from_slice(&half(2));
    let cipher = Aes256Gcm::new_from_slice(&*derived).expect("32 bytes are a key");
    let second: [u8; NONCE / 2] = second.try_into().expect("half of a nonce");
    (cipher, second.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    const NONCE_TEXT: &[u8; NONCE] = b"ABCDEFGHIJKLMNOPQRSTUVWX";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string grows");
            text
        })
    }

    fn payload<'a>(msg: &'a [u8], aad: &'a [u8]) -> Payload<'a, 'a> {
        Payload { msg, aad }
    }

    /// The vectors of the specification.
    #[test]
    fn the_vectors_of_c2sp_agree() {
        let with = |byte, aad| {
            let text = payload(b"XAES-256-GCM", aad);
            hex(&encrypt(&[byte; 32], NONCE_TEXT, text))
        };
        let first = "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271";
        assert_eq!(with(1, b""), first);
        let second = "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d";
        assert_eq!(with(3, b"c2sp.org/XAES-256-GCM"), second);
    }

    #[test]
    fn a_changed_bit_does_not_decrypt() {
        let sealed = encrypt(&[7; 32], NONCE_TEXT, payload(b"value", b"e1"));
        let open = |nonce: &[u8; NONCE], sealed: &[u8], aad: &[u8]| {
            decrypt(&[7; 32], nonce, payload(sealed, aad)).is_some()
        };
        assert!(open(NONCE_TEXT, &sealed, b"e1"));
        assert!(!open(NONCE_TEXT, &sealed, b"u1"));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!open(NONCE_TEXT, &changed, b"e1"), "bit {bit}");
        }
        for bit in 0..NONCE * 8 {
            let mut nonce = *NONCE_TEXT;
            nonce[bit / 8] ^= 1 << (bit % 8);
            assert!(!open(&nonce, &sealed, b"e1"), "bit {bit} of the nonce");
        }
    }
}
