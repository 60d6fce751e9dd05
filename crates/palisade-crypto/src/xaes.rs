//! XAES-256-GCM: AES-256-GCM with nonces of 24 bytes, safe to choose at random
//! ([C2SP](https://c2sp.org/XAES-256-GCM)).

use aes::Aes256;
use aes::cipher::BlockCipherEncrypt;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, AeadInOut, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

pub(crate) const NONCE: usize = 24;
const TAG: usize = 16;

/// A key, with the subkey of CMAC (NIST SP 800-38B) that all its nonces share.
#[derive(Clone)]
pub(crate) struct Key {
    aes: Aes256,
    subkey: Zeroizing<u128>,
}

impl Key {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let aes = Aes256::new(key.into());
        let mut zero = [0; 16].into();
        aes.encrypt_block(&mut zero);
        let zero = u128::from_be_bytes(zero.into());
        let carry = (zero >> 127) * 0x87;
        Self {
            aes,
            subkey: Zeroizing::new((zero << 1) ^ carry),
        }
    }

    /// Encrypts a message: its ciphertext with a tag of 16 bytes.
    pub(crate) fn encrypt(&self, nonce: &[u8; NONCE], payload: Payload<'_, '_>) -> Vec<u8> {
        let (cipher, nonce) = self.derive(nonce);
        cipher
            .encrypt(&nonce, payload)
            .expect("a value in memory is shorter than the cipher's limit")
    }

    /// Decrypts a ciphertext with its tag in place, if the tag is right.
    pub(crate) fn decrypt<'a>(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let (cipher, nonce) = self.derive(nonce);
        let length = sealed.len().checked_sub(TAG)?;
        let (text, tag) = sealed.split_at_mut(length);
        let tag: [u8; TAG] = (&*tag).try_into().expect("the rest is a tag");
        let opened = cipher.decrypt_inout_detached(&nonce, aad, (&mut *text).into(), (&tag).into());
        opened.ok().map(|()| &*text)
    }

    /// The cipher of a nonce's first half, and the second half as the nonce of AES-256-GCM. Its
    /// key is the CMAC of two messages of one block.
    fn derive(&self, nonce: &[u8; NONCE]) -> (Aes256Gcm, Nonce<U12>) {
        let (first, second) = nonce.split_at(NONCE / 2);
        let block = |counter| {
            let mut block = [0; 16];
            block[..4].copy_from_slice(&[0, counter, b'X', 0]);
            block[4..].copy_from_slice(first);
            (u128::from_be_bytes(block) ^ *self.subkey).to_be_bytes()
        };
        let mut blocks = [block(1).into(), block(2).into()];
        self.aes.encrypt_blocks(&mut blocks);
        let mut key = Zeroizing::new([0; 32]);
        key[..16].copy_from_slice(&blocks[0]);
        key[16..].copy_from_slice(&blocks[1]);
        let second: [u8; NONCE / 2] = second.try_into().expect("half of a nonce");
        (Aes256Gcm::new((&*key).into()), second.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::random;
    use cmac::{Cmac, Mac};
    use std::fmt::Write;

    const NONCE_TEXT: &[u8; NONCE] = b"ABCDEFGHIJKLMNOPQRSTUVWX";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
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
            hex(&Key::new(&[byte; 32]).encrypt(NONCE_TEXT, text))
        };
        let first = "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271";
        assert_eq!(with(1, b""), first);
        let second = "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d";
        assert_eq!(with(3, b"c2sp.org/XAES-256-GCM"), second);
    }

    /// AES-256-GCM under a key that the crate `cmac` derives, for 1,000 keys and nonces.
    #[test]
    fn keys_are_derived_by_cmac() {
        for _ in 0..1_000 {
            let (key, nonce) = (random::bytes::<32>(), random::bytes::<NONCE>());
            let half = |counter| {
                let mut mac = <Cmac<Aes256> as KeyInit>::new(&key.into());
                mac.update(&[0, counter, b'X', 0]);
                mac.update(&nonce[..12]);
                mac.finalize().into_bytes()
            };
            let derived: [u8; 32] = [half(1), half(2)].concat().try_into().unwrap();
            let second: [u8; 12] = nonce[12..].try_into().unwrap();
            let cipher = Aes256Gcm::new(&derived.into());
            let expected = cipher.encrypt(&second.into(), payload(b"value", b"e1"));
            let sealed = Key::new(&key).encrypt(&nonce, payload(b"value", b"e1"));
            assert_eq!(sealed, expected.unwrap());
        }
    }

    #[test]
    fn a_changed_bit_does_not_decrypt() {
        let key = Key::new(&[7; 32]);
        let sealed = key.encrypt(NONCE_TEXT, payload(b"value", b"e1"));
        let open = |nonce: &[u8; NONCE], mut sealed: Vec<u8>, aad: &[u8]| {
            let opened = key.decrypt(nonce, aad, &mut sealed);
            opened.map(<[u8]>::to_vec)
        };
        let opened = open(NONCE_TEXT, sealed.clone(), b"e1");
        assert_eq!(opened.as_deref(), Some(b"value".as_slice()));
        assert_eq!(open(NONCE_TEXT, sealed.clone(), b"u1"), None);
        for length in 0..sealed.len() {
            assert_eq!(open(NONCE_TEXT, sealed[..length].to_vec(), b"e1"), None);
        }
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(NONCE_TEXT, changed, b"e1"), None, "bit {bit}");
        }
        for bit in 0..NONCE * 8 {
            let mut nonce = *NONCE_TEXT;
            nonce[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                open(&nonce, sealed.clone(), b"e1"),
                None,
                "nonce, bit {bit}"
            );
        }
    }
}
