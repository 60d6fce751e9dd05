use crate::{Secret, random};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

/// The site's secret keys, newest first: the newest signs, all of them verify.
///
/// A key is text of at least [`KeyRing::MIN_LENGTH`] characters with at least [`KeyRing::MIN_UNIQUE`] different ones, so that
/// Django's `SECRET_KEY` and `SECRET_KEY_FALLBACKS` can be used as they are. Keys for purposes of our own are derived by
/// HKDF-SHA256 ([RFC 5869](https://www.rfc-editor.org/rfc/rfc5869)); what is shared with Django uses the key as Django does.
#[derive(Clone)]
pub struct KeyRing(Arc<[Secret<String>]>);

/// Why a key is refused. Holds no part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key at all, or it is empty.
    Missing,
    /// Shorter than [`KeyRing::MIN_LENGTH`] characters.
    TooShort,
    /// Fewer than [`KeyRing::MIN_UNIQUE`] different characters.
    TooUniform,
    /// Starts with `django-insecure-`: made for development by Django's project template.
    Placeholder,
}

impl KeyRing {
    /// Least number of characters of a key.
    pub const MIN_LENGTH: usize = 50;
    /// Least number of different characters in a key.
    pub const MIN_UNIQUE: usize = 5;

    /// A ring of one key.
    ///
    /// # Errors
    /// When the key is weak: see [`KeyError`].
    pub fn new(key: impl Into<String>) -> Result<Self, KeyError> {
        Self::from_keys(vec![Secret::new(key.into())])
    }

    /// A ring of several keys, newest first.
    ///
    /// # Errors
    /// When there is no key or one is weak.
    pub fn from_keys(keys: Vec<Secret<String>>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::Missing);
        }
        keys.iter().try_for_each(|key| judge(key.expose()))?;
        Ok(Self(keys.into()))
    }

    /// Each key with `prefix` in front, for the purposes for which Django changes the key instead of the salt.
    pub(crate) fn with_prefix(&self, prefix: &str) -> Self {
        Self(
            self.keys()
                .map(|key| Secret::new(format!("{prefix}{key}")))
                .collect(),
        )
    }

    /// A new random key: 64 characters, 380 bits.
    pub fn generate() -> Secret<String> {
        random::alphanumeric(64)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: a ring without keys cannot be created.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn newest(&self) -> &str {
        self.0[0].expose()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.expose().as_str())
    }

    /// 32 bytes for `purpose` and `context` from each key, newest first. Different purposes give unrelated bytes.
    pub fn derive<'a>(
        &'a self,
        purpose: &'a str,
        context: &'a [u8],
    ) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.keys().map(move |key| derive(key, purpose, context))
    }

    /// 32 bytes for `purpose` and `context` from the newest key.
    ///
    /// ```
    /// use palisade_crypto::KeyRing;
    /// let ring = KeyRing::new(KeyRing::generate().expose().as_str())?;
    /// let (one, other) = (ring.derive_newest("invoice", b"7"), ring.derive_newest("invoice", b"8"));
    /// assert_ne!(one, other);
    /// # Ok::<(), palisade_crypto::KeyError>(())
    /// ```
    pub fn derive_newest(&self, purpose: &str, context: &[u8]) -> [u8; 32] {
        derive(self.newest(), purpose, context)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.len())
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no secret key"),
            Self::TooShort => write!(
                f,
                "the secret key has fewer than {} characters",
                KeyRing::MIN_LENGTH
            ),
            Self::TooUniform => write!(
                f,
                "the secret key has fewer than {} different characters",
                KeyRing::MIN_UNIQUE
            ),
            Self::Placeholder => f.write_str(
                "the secret key starts with django-insecure-, so it was made for development",
            ),
        }
    }
}

impl std::error::Error for KeyError {}

fn judge(key: &str) -> Result<(), KeyError> {
    let unique: std::collections::HashSet<char> = key.chars().collect();
    match key {
        "" => Err(KeyError::Missing),
        _ if key.starts_with("django-insecure-") => Err(KeyError::Placeholder),
        _ if key.chars().count() < KeyRing::MIN_LENGTH => Err(KeyError::TooShort),
        _ if unique.len() < KeyRing::MIN_UNIQUE => Err(KeyError::TooUniform),
        _ => Ok(()),
    }
}

fn derive(key: &str, purpose: &str, context: &[u8]) -> [u8; 32] {
    let mut derived = [0; 32];
    let hkdf = Hkdf::<Sha256>::new(Some(b"palisade v1"), key.as_bytes());
    // the length keeps ("ab", "c") and ("a", "bc") apart
    let length = (purpose.len() as u64).to_be_bytes();
    hkdf.expand_multi_info(&[&length, purpose.as_bytes(), context], &mut derived)
        .expect("32 bytes are within HKDF's limit");
    derived
}
