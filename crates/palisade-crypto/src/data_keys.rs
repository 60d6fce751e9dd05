//! Keys of stored data, with ids and dates.

use crate::encoding::{base64url, from_base64url};
use crate::{Secret, random, xaes};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A key of stored data. It encrypts from its activation until that of a newer key, and decrypts
/// for as long as it is on the ring.
#[derive(Clone)]
pub struct DataKey {
    id: String,
    active_from: u64,
    retires_at: u64,
    secret: Secret<[u8; 32]>,
    /// Derived from the secret, for the cipher of columns.
    field: xaes::Key,
}

/// The keys of stored data.
///
/// All of them decrypt, each the values that name its id. Times are seconds since 1970.
///
/// ```
/// use palisade_crypto::{DataKey, DataRing};
/// let (january, april) = (1_767_225_600, 1_775_001_600);
/// let old = DataKey::generate(january, april);
/// let new = DataKey::generate(april, april + 90 * 86_400);
/// let ring = DataRing::new(vec![old.clone(), new.clone()]).unwrap();
/// assert_eq!(ring.active(april - 1).id(), old.id());
/// assert_eq!(ring.active(april).id(), new.id());
/// ```
#[derive(Clone)]
pub struct DataRing(Arc<[DataKey]>);

/// Why a key or a ring is refused. Holds no part of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataKeyError {
    /// An id is not 8 characters of `a-z0-9`.
    Id,
    /// A secret is not 43 characters of url-safe base64, or is all zero.
    Secret,
    /// A key retires before it is activated.
    Dates,
    /// Two keys have the same id.
    SameId(String),
    /// There is no key.
    Empty,
}

/// Characters of an id.
const ID: usize = 8;

impl DataKey {
    /// A new random key of 256 bits, to encrypt between these times.
    pub fn generate(active_from: u64, retires_at: u64) -> Self {
        let id = random::alphanumeric(ID).expose().to_lowercase();
        Self::new(id, (active_from, retires_at), random::bytes())
    }

    fn new(id: String, (active_from, retires_at): (u64, u64), secret: [u8; 32]) -> Self {
        Self {
            id,
            active_from,
            retires_at,
            field: xaes::Key::new(&Zeroizing::new(derive(&secret, &[b"field"]))),
            secret: Secret::new(secret),
        }
    }

    /// A stored key: its secret is url-safe base64 of 32 bytes.
    ///
    /// # Errors
    /// See [`DataKeyError`].
    pub fn from_parts(
        id: &str,
        (active_from, retires_at): (u64, u64),
        secret: &Secret<String>,
    ) -> Result<Self, DataKeyError> {
        let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if id.len() != ID || !id.bytes().all(is_id) {
            return Err(DataKeyError::Id);
        }
        if retires_at <= active_from {
            return Err(DataKeyError::Dates);
        }
        let bytes = from_base64url(secret.expose()).map(Secret::new);
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.expose().as_slice()).ok());
        let bytes = bytes.filter(|bytes| *bytes != [0; 32]);
        let secret = bytes.ok_or(DataKeyError::Secret)?;
        Ok(Self::new(id.into(), (active_from, retires_at), secret))
    }

    /// The id that its values name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it begins to encrypt.
    pub fn active_from(&self) -> u64 {
        self.active_from
    }

    /// When the next key is to replace it.
    pub fn retires_at(&self) -> u64 {
        self.retires_at
    }

    /// The secret in the format of [`DataKey::from_parts`].
    pub fn secret_text(&self) -> Secret<String> {
        Secret::new(base64url(self.secret.expose()))
    }

    /// The key of the cipher of columns.
    pub(crate) fn field(&self) -> &xaes::Key {
        &self.field
    }

    /// 32 bytes for a purpose.
    pub(crate) fn derive(&self, purpose: &[&[u8]]) -> [u8; 32] {
        derive(self.secret.expose(), purpose)
    }
}

fn derive(secret: &[u8; 32], purpose: &[&[u8]]) -> [u8; 32] {
    let mut derived = [0; 32];
    let hkdf = Hkdf::<Sha256>::new(Some(b"palisade data v1"), secret);
    hkdf.expand_multi_info(purpose, &mut derived)
        .expect("32 bytes are within HKDF's limit");
    derived
}

impl DataRing {
    /// A ring of these keys, in any order.
    ///
    /// # Errors
    /// Without a key, and when two have the same id.
    pub fn new(mut keys: Vec<DataKey>) -> Result<Self, DataKeyError> {
        keys.sort_by_key(|key| std::cmp::Reverse(key.active_from));
        let mut ids: Vec<&str> = keys.iter().map(DataKey::id).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(DataKeyError::SameId(pair[0].into()));
        }
        match keys.is_empty() {
            true => Err(DataKeyError::Empty),
            false => Ok(Self(keys.into())),
        }
    }

    /// The keys, the last activated first.
    pub fn keys(&self) -> &[DataKey] {
        &self.0
    }

    /// The key that encrypts at a time: the last activated one. Before all activations it is the
    /// first of them.
    pub fn active(&self, now: u64) -> &DataKey {
        let active = self.0.iter().find(|key| key.active_from <= now);
        active.unwrap_or(&self.0[self.0.len() - 1])
    }

    /// The key with an id.
    pub fn key(&self, id: &str) -> Option<&DataKey> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

impl fmt::Debug for DataRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataRing({} keys)", self.0.len())
    }
}

impl fmt::Display for DataKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => write!(f, "the id of a data key is {ID} characters of a-z0-9"),
            Self::Secret => f.write_str("the secret of a data key is 32 bytes as url-safe base64"),
            Self::Dates => f.write_str("a data key retires before it is activated"),
            Self::SameId(id) => write!(f, "two data keys have the id {id}"),
            Self::Empty => f.write_str("there is no data key"),
        }
    }
}

impl std::error::Error for DataKeyError {}
