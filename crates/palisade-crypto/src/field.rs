//! Encrypted columns: values bound to table, column and row, and indexes to find them by.

use crate::encoding::{base64url, from_base64url};
use crate::xaes::NONCE;
use crate::{DataKey, DataRing, Secret, random};
use aes_gcm::aead::Payload;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// The place of a value: it can be decrypted nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The primary key of the row, as text.
    pub key: &'a str,
}

/// A value to encrypt.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    /// The value.
    pub value: &'a [u8],
    /// The time, in seconds since 1970, from which on it cannot be decrypted.
    pub until: Option<u64>,
}

impl<'a> Plain<'a> {
    /// A value without an expiry.
    pub fn new(value: &'a [u8]) -> Self {
        Self { value, until: None }
    }
}

/// Why a value cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// It is no encrypted value, or was changed.
    Damaged,
    /// It names a key that is not on the ring.
    UnknownKey,
    /// It was encrypted for another table, column or row.
    Moved,
    /// Its time is over.
    Expired,
}

/// Starts of the formats: a key of the ring, and a key of one user.
const RING: &str = "e1";
const USER: &str = "u1";
/// Version, place, expiry, length.
const HEADER: usize = 1 + PLACE + 8 + 4;
const PLACE: usize = 16;
/// Plaintexts are padded to a multiple of this: their ciphertexts show no exact length.
const BLOCK: usize = 32;

/// The key of one user's values.
pub struct UserKey(DataKey);

impl UserKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(DataKey::generate(0, u64::MAX))
    }

    /// A key of which [`UserKey::to_text`] returned the id and the secret.
    ///
    /// # Errors
    /// When the text is another one.
    pub fn from_text(text: &Secret<String>) -> Result<Self, OpenError> {
        let (id, secret) = text.expose().split_once('.').ok_or(OpenError::Damaged)?;
        let secret = Secret::new(secret.to_owned());
        let key = DataKey::from_parts(id, (0, u64::MAX), &secret);
        key.map(Self).map_err(|_| OpenError::Damaged)
    }

    /// Id and secret, to be stored encrypted.
    pub fn to_text(&self) -> Secret<String> {
        let secret = self.0.secret_text();
        Secret::new(format!("{}.{}", self.0.id(), secret.expose()))
    }

    /// Encrypts a value, as [`seal`].
    pub fn seal(&self, place: Place<'_>, plain: Plain<'_>) -> String {
        seal_with((USER, &self.0), place, plain)
    }

    /// Decrypts a value, as [`open`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        &self,
        place: Place<'_>,
        sealed: &str,
        now: u64,
    ) -> Result<Secret<Vec<u8>>, OpenError> {
        let (id, payload) = parts(sealed, USER)?;
        if id != self.0.id() {
            return Err(OpenError::UnknownKey);
        }
        open_with((USER, &self.0), place, payload, now)
    }
}

/// Encrypts a value for its place with the active key of a ring, by XAES-256-GCM
/// ([C2SP](https://c2sp.org/XAES-256-GCM)) with a random nonce.
///
/// ```
/// use palisade_crypto::field::{OpenError, Place, Plain, open, seal};
/// use palisade_crypto::{DataKey, DataRing};
/// let ring = DataRing::new(vec![DataKey::generate(0, 90 * 86_400)])?;
/// let place = Place { table: "contact", column: "phone", key: "7" };
/// let plain = Plain { value: b"+31 20 1234567", until: Some(3_600) };
/// let sealed = seal(&ring, place, plain, 0);
/// assert_eq!(open(&ring, place, &sealed, 3_599).map(|value| value.expose().clone()), Ok(b"+31 20 1234567".to_vec()));
/// let other = Place { key: "8", ..place };
/// assert_eq!(open(&ring, other, &sealed, 0).err(), Some(OpenError::Moved));
/// assert_eq!(open(&ring, place, &sealed, 3_600).err(), Some(OpenError::Expired));
/// # Ok::<(), palisade_crypto::DataKeyError>(())
/// ```
///
/// # Security
/// Read access to the store reveals the length of a value in steps of 32 bytes; write access can
/// restore an older value of the same place.
pub fn seal(ring: &DataRing, place: Place<'_>, plain: Plain<'_>, now: u64) -> String {
    seal_with((RING, ring.active(now)), place, plain)
}

/// Decrypts a value in its place, with the key of the ring that it names.
///
/// # Errors
/// See [`OpenError`].
pub fn open(
    ring: &DataRing,
    place: Place<'_>,
    sealed: &str,
    now: u64,
) -> Result<Secret<Vec<u8>>, OpenError> {
    let (id, payload) = parts(sealed, RING)?;
    let key = ring.key(id).ok_or(OpenError::UnknownKey)?;
    open_with((RING, key), place, payload, now)
}

/// The expiry of a value that can be decrypted, so that re-encryption keeps it.
///
/// # Errors
/// See [`OpenError`]; an expired value has an expiry too.
pub fn expiry(ring: &DataRing, place: Place<'_>, sealed: &str) -> Result<Option<u64>, OpenError> {
    let (id, payload) = parts(sealed, RING)?;
    let key = ring.key(id).ok_or(OpenError::UnknownKey)?;
    let opened = decrypt((RING, key), payload)?;
    opened.in_place(place)?;
    Ok(opened.header.until)
}

/// The id of the key that a value names, if it was encrypted with a key of a ring.
pub fn key_id(sealed: &str) -> Option<&str> {
    parts(sealed, RING).ok().map(|(id, _)| id)
}

/// Whether a text has the format of an encrypted value, of a ring or of a user.
pub fn is_sealed(text: &str) -> bool {
    parts(text, RING).or_else(|_| parts(text, USER)).is_ok()
}

/// The first characters of all values that a key has encrypted.
pub fn prefix_of(id: &str) -> String {
    format!("{RING}.{id}.")
}

fn parts<'a>(sealed: &'a str, form: &str) -> Result<(&'a str, &'a str), OpenError> {
    let rest = sealed
        .strip_prefix(form)
        .and_then(|rest| rest.strip_prefix('.'));
    rest.and_then(|rest| rest.split_once('.'))
        .ok_or(OpenError::Damaged)
}

fn seal_with(
    (form, key): (&str, &DataKey),
    place: Place<'_>,
    Plain { value, until }: Plain<'_>,
) -> String {
    let length = u32::try_from(value.len()).expect("a column holds less than 4 GiB");
    let padded = (HEADER + value.len())
        .next_multiple_of(BLOCK)
        .max(2 * BLOCK);
    let mut plaintext = Zeroizing::new(Vec::with_capacity(padded));
    plaintext.push(1);
    plaintext.extend(digest_of(place));
    plaintext.extend(until.unwrap_or(0).to_be_bytes());
    plaintext.extend(length.to_be_bytes());
    plaintext.extend(value);
    plaintext.resize(padded, 0);
    let nonce = random::bytes::<NONCE>();
    let aad = associated(form, key.id());
    let payload = Payload {
        msg: &plaintext,
        aad: aad.as_bytes(),
    };
    let sealed = key.field().encrypt(&nonce, payload);
    let text = base64url(&[&nonce[..], &sealed].concat());
    format!("{form}.{}.{text}", key.id())
}

fn open_with(
    named: (&str, &DataKey),
    place: Place<'_>,
    payload: &str,
    now: u64,
) -> Result<Secret<Vec<u8>>, OpenError> {
    let opened = decrypt(named, payload)?;
    opened.in_place(place)?;
    match opened.header.until {
        Some(until) if until <= now => Err(OpenError::Expired),
        _ => Ok(opened.value()),
    }
}

fn decrypt(named: (&str, &DataKey), payload: &str) -> Result<Opened, OpenError> {
    let (form, key) = named;
    let mut bytes = Zeroizing::new(from_base64url(payload).ok_or(OpenError::Damaged)?);
    let (nonce, sealed) = bytes
        .split_first_chunk_mut::<NONCE>()
        .ok_or(OpenError::Damaged)?;
    let aad = associated(form, key.id());
    let plaintext = key.field().decrypt(nonce, aad.as_bytes(), sealed);
    let header = plaintext.and_then(Header::read).ok_or(OpenError::Damaged)?;
    Ok(Opened { header, bytes })
}

/// What stands before a decrypted value.
struct Header {
    place: [u8; PLACE],
    until: Option<u64>,
    length: usize,
}

impl Header {
    /// `None` for another version or a length beyond the plaintext.
    fn read(plaintext: &[u8]) -> Option<Self> {
        let (version, rest) = plaintext.split_first()?;
        let (place, rest) = rest.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (length, value) = rest.split_first_chunk()?;
        let length = u32::from_be_bytes(*length) as usize;
        (*version == 1 && length <= value.len()).then(|| Self {
            place: *place,
            until: Some(u64::from_be_bytes(*until)).filter(|until| *until != 0),
            length,
        })
    }
}

/// A decrypted value, after its nonce and its header.
struct Opened {
    header: Header,
    bytes: Zeroizing<Vec<u8>>,
}

impl Opened {
    fn in_place(&self, place: Place<'_>) -> Result<(), OpenError> {
        match self.header.place == digest_of(place) {
            true => Ok(()),
            false => Err(OpenError::Moved),
        }
    }

    fn value(mut self) -> Secret<Vec<u8>> {
        let mut value = std::mem::take(&mut *self.bytes);
        value.drain(..NONCE + HEADER);
        value.truncate(self.header.length);
        Secret::new(value)
    }
}

/// The place as 128 bits, inside of the ciphertext. The lengths keep ("ab", "c") and ("a", "bc")
/// apart.
fn digest_of(place: Place<'_>) -> [u8; PLACE] {
    let mut hash = Sha256::new();
    for part in [place.table, place.column, place.key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut digest = [0; PLACE];
    digest.copy_from_slice(&hash.finalize()[..PLACE]);
    digest
}

fn associated(form: &str, id: &str) -> String {
    [form, ".", id].concat()
}

/// A blind index: equal values of one column have equal texts, which show nothing else without the
/// key. HMAC-SHA-256, truncated to 128 bits or fewer.
///
/// ```
/// use palisade_crypto::field::BlindIndexKey;
/// use palisade_crypto::{DataKey, DataRing};
/// let ring = DataRing::new(vec![DataKey::generate(0, 90 * 86_400)])?;
/// let index = BlindIndexKey { table: "contact", column: "phone_index", bits: 128 };
/// let stored = index.of(ring.active(0), &["31201234567"]);
/// assert!(index.candidates(&ring, &["31201234567"]).contains(&stored));
/// # Ok::<(), palisade_crypto::DataKeyError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BlindIndexKey<'a> {
    /// The table.
    pub table: &'a str,
    /// The column of the index.
    pub column: &'a str,
    /// Bits of the index, from 1 to 128: fewer let different values share a text.
    pub bits: u8,
}

impl BlindIndexKey<'_> {
    /// The text of a value, or of a tuple of values, under a key.
    pub fn of(&self, key: &DataKey, parts: &[&str]) -> String {
        let length = (self.table.len() as u64).to_be_bytes();
        let place = [
            b"index".as_slice(),
            &length,
            self.table.as_bytes(),
            self.column.as_bytes(),
        ];
        let derived = Zeroizing::new(key.derive(&place));
        let mut mac = Hmac::<Sha256>::new_from_slice(&*derived).expect("HMAC takes any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let bits = usize::from(self.bits.clamp(1, 128));
        let mut tag = mac.finalize().into_bytes()[..bits.div_ceil(8)].to_vec();
        if let Some(last) = tag.last_mut() {
            *last &= 0xff << ((8 - bits % 8) % 8);
        }
        format!("b1.{}.{}", key.id(), base64url(&tag))
    }

    /// The texts of a value under each key of a ring: a query finds it under any of them.
    pub fn candidates(&self, ring: &DataRing, parts: &[&str]) -> Vec<String> {
        ring.keys().iter().map(|key| self.of(key, parts)).collect()
    }
}

/// The id of the key of an index.
pub fn index_key_id(index: &str) -> Option<&str> {
    parts(index, "b1").ok().map(|(id, _)| id)
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "the value is no encrypted value, or was changed",
            Self::UnknownKey => "the value was encrypted with a key that is not on the ring",
            Self::Moved => "the value was encrypted for another table, column or row",
            Self::Expired => "the value has expired",
        })
    }
}

impl std::error::Error for OpenError {}
