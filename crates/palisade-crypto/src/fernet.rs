//! Reads Fernet tokens ([specification](https://github.com/fernet/spec/blob/master/Spec.md)), and
//! the bytes that django-cryptography writes in the same layout. Nothing is encrypted so: values
//! are read to be encrypted in our format.

use crate::Secret;
use crate::mac::hmac_sha256;
use aes::{Aes128, Aes192, Aes256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use hkdf::Hkdf;
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;

/// A signing key and an encryption key.
pub struct FernetKey {
    signing: Secret<Vec<u8>>,
    encryption: Secret<Vec<u8>>,
}

/// A decrypted value.
pub struct FernetValue {
    /// When it was written, in seconds since 1970.
    pub written: u64,
    /// The plaintext.
    pub plaintext: Secret<Vec<u8>>,
}

/// Rounds of django-cryptography and of django-fernet-encrypted-fields.
const CRYPTOGRAPHY_ROUNDS: u32 = 30_000;
const ENCRYPTED_FIELDS_ROUNDS: u32 = 100_000;
/// Version, time, IV, and MAC.
const HEAD: usize = 1 + 8 + 16;
const MAC: usize = 32;

impl FernetKey {
    /// A Fernet key: url-safe base64 of 32 bytes. `None` for another text.
    pub fn new(text: &str) -> Option<Self> {
        let bytes = Secret::new(URL_SAFE.decode(text).ok()?);
        let (signing, encryption) = bytes.expose().split_at_checked(16)?;
        (encryption.len() == 16).then(|| Self::of(signing, encryption))
    }

    fn of(signing: &[u8], encryption: &[u8]) -> Self {
        Self {
            signing: Secret::new(signing.to_vec()),
            encryption: Secret::new(encryption.to_vec()),
        }
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self::of(&bytes[..16], &bytes[16..])
    }

    /// The key of django-fernet-encrypted-fields for a SECRET_KEY and a SALT_KEY.
    pub fn of_encrypted_fields(secret_key: &str, salt: &str) -> Self {
        let mut key = [0; 32];
        let (secret, salt) = (secret_key.as_bytes(), salt.as_bytes());
        pbkdf2_hmac::<Sha256>(secret, salt, ENCRYPTED_FIELDS_ROUNDS, &mut key);
        Self::from_bytes(&key)
    }

    /// The key of django-fernet-fields for one of FERNET_KEYS, with FERNET_USE_HKDF.
    pub fn of_fernet_fields(text: &str) -> Self {
        let mut key = [0; 32];
        let salt = b"django-fernet-fields-hkdf-salt";
        Hkdf::<Sha256>::new(Some(salt), text.as_bytes())
            .expand(b"django-fernet-fields", &mut key)
            .expect("32 bytes are within HKDF's limit");
        Self::from_bytes(&key)
    }

    /// The key of django-cryptography: signed with SECRET_KEY, encrypted with a key derived from
    /// CRYPTOGRAPHY_KEY, which is SECRET_KEY where it is not set.
    pub fn of_cryptography(secret_key: &str, (key, salt): (&str, &str)) -> Self {
        let mut derived = [0; 32];
        let (key, salt) = (key.as_bytes(), salt.as_bytes());
        pbkdf2_hmac::<Sha256>(key, salt, CRYPTOGRAPHY_ROUNDS, &mut derived);
        Self::of(secret_key.as_bytes(), &derived)
    }

    /// The key of a field of django-cryptography with a key of its own, of 16, 24 or 32 bytes.
    pub fn of_cryptography_field(secret_key: &str, key: &[u8]) -> Option<Self> {
        matches!(key.len(), 16 | 24 | 32).then(|| Self::of(secret_key.as_bytes(), key))
    }

    /// Decrypts a token, such as `gAAAAA…`. `None` if it was not written with this key, or changed.
    pub fn open_token(&self, token: &str) -> Option<FernetValue> {
        self.open(&URL_SAFE.decode(token).ok()?)
    }

    /// Decrypts the bytes of a token.
    pub fn open(&self, bytes: &[u8]) -> Option<FernetValue> {
        let (signed, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        let expected = hmac_sha256(self.signing.expose(), signed);
        if !crate::constant_time_eq(&expected, mac) {
            return None;
        }
        let (head, sealed) = signed.split_at_checked(HEAD)?;
        let written = u64::from_be_bytes(head[1..9].try_into().ok()?);
        let plaintext = decrypt(self.encryption.expose(), &head[9..], sealed)?;
        (head[0] == 0x80).then(|| FernetValue {
            written,
            plaintext: Secret::new(plaintext),
        })
    }
}

fn decrypt(key: &[u8], iv: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    macro_rules! decrypt {
        ($cipher:ty) => {
            Decryptor::<$cipher>::new_from_slices(key, iv)
                .ok()?
                .decrypt_padded_vec::<Pkcs7>(sealed)
                .ok()
        };
    }
    match key.len() {
        16 => decrypt!(Aes128),
        24 => decrypt!(Aes192),
        _ => decrypt!(Aes256),
    }
}
