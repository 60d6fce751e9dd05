//! Django's signed values (`django.core.signing`): HMAC-SHA256, url-safe base64, base62 times, JSON with optional zlib.
//!
//! A purpose (Django's *salt*) separates uses: a value signed for one purpose is refused for every
//! other. Purposes must be literals chosen by the programmer, never input.

use crate::KeyRing;
use crate::encoding::{base62, base64url, from_base62, from_base64url};
use crate::mac::{constant_time_eq, salted_hmac};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde_json::Value;
use std::fmt;
use std::io::{Read, Write};

/// Why a signed value is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadSignature {
    /// No separator or time where one must be.
    Malformed,
    /// No key of the ring made this signature for this purpose.
    Forged,
    /// Signed correctly, but longer ago than allowed.
    Expired,
    /// Signed correctly, but with unexpected content.
    Content,
}

/// Signs and verifies text for one purpose, as Django's `Signer` and `TimestampSigner` do.
#[derive(Debug, Clone)]
pub struct Signer {
    ring: KeyRing,
    salt: String,
}

impl Signer {
    /// A signer for `purpose`, Django's `salt`.
    pub fn new(ring: &KeyRing, purpose: impl Into<String>) -> Self {
        Self {
            ring: ring.clone(),
            salt: purpose.into(),
        }
    }

    /// `value:signature`.
    pub fn sign(&self, value: &str) -> String {
        format!(
            "{value}:{}",
            signature(self.ring.newest(), &self.salt, value)
        )
    }

    /// The value of `value:signature` if a key of the ring signed it.
    ///
    /// # Errors
    /// [`BadSignature::Malformed`] or [`BadSignature::Forged`].
    pub fn unsign<'a>(&self, signed: &'a str) -> Result<&'a str, BadSignature> {
        let (value, theirs) = signed.rsplit_once(':').ok_or(BadSignature::Malformed)?;
        let is_ours = |key| {
            constant_time_eq(
                signature(key, &self.salt, value).as_bytes(),
                theirs.as_bytes(),
            )
        };
        if self.ring.keys().any(is_ours) {
            Ok(value)
        } else {
            Err(BadSignature::Forged)
        }
    }

    /// `value:time:signature`; `now` in seconds since 1970.
    pub fn sign_at(&self, value: &str, now: u64) -> String {
        self.sign(&format!("{value}:{}", base62(now)))
    }

    /// The value and the time it was signed at, in seconds since 1970.
    ///
    /// # Errors
    /// As [`Signer::unsign`].
    pub fn unsign_timed<'a>(&self, signed: &'a str) -> Result<(&'a str, u64), BadSignature> {
        let (value, time) = self
            .unsign(signed)?
            .rsplit_once(':')
            .ok_or(BadSignature::Malformed)?;
        Ok((value, from_base62(time).ok_or(BadSignature::Malformed)?))
    }

    /// The value, if it was signed at most `max_age_secs` before `now`.
    ///
    /// # Errors
    /// As [`Signer::unsign`], and [`BadSignature::Expired`].
    pub fn unsign_within<'a>(
        &self,
        signed: &'a str,
        now: u64,
        max_age_secs: u64,
    ) -> Result<&'a str, BadSignature> {
        let (value, signed_at) = self.unsign_timed(signed)?;
        if now.saturating_sub(signed_at) > max_age_secs {
            Err(BadSignature::Expired)
        } else {
            Ok(value)
        }
    }

    /// Django's `signing.dumps`: compact JSON, compressed where that is shorter, signed with the time.
    pub fn dumps(&self, object: &Value, now: u64, compress: Compress) -> String {
        let json = ascii_json(object);
        let packed = match compress {
            Compress::IfShorter => {
                Some(deflate(json.as_bytes())).filter(|packed| packed.len() < json.len() - 1)
            }
            Compress::Never => None,
        };
        let text = match packed {
            Some(packed) => format!(".{}", base64url(&packed)),
            None => base64url(json.as_bytes()),
        };
        self.sign_at(&text, now)
    }

    /// What [`Signer::dumps`] or Django signed, and when, in seconds since 1970.
    ///
    /// # Errors
    /// As [`Signer::unsign`], and [`BadSignature::Content`] for anything that is not JSON of at most 1 MiB.
    pub fn loads(&self, signed: &str) -> Result<(Value, u64), BadSignature> {
        let (text, signed_at) = self.unsign_timed(signed)?;
        let json = match text.strip_prefix('.') {
            Some(packed) => from_base64url(packed).and_then(|packed| inflate(&packed)),
            None => from_base64url(text),
        };
        let json = json.ok_or(BadSignature::Content)?;
        let object = serde_json::from_slice(&json).map_err(|_| BadSignature::Content)?;
        Ok((object, signed_at))
    }
}

/// Whether [`Signer::dumps`] may compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// Compress if the result is shorter.
    IfShorter,
    /// Leave the JSON as it is.
    Never,
}

/// Signs the value of the cookie `name` as Django's `set_signed_cookie` does since CVE-2026-6873: use the timed methods.
///
/// # Security
/// The purpose is prefixed by its length, so that the value of one cookie is refused under every
/// other name (D26). The older form, in which name `a` with salt `bc` and name `ab` with salt `c`
/// verified each other, is not accepted.
pub fn cookie(ring: &KeyRing, name: &str, purpose: &str) -> Signer {
    let salt = format!(
        "django.http.cookies.v2:{}:{purpose}{name}",
        purpose.chars().count()
    );
    Signer::new(&ring.with_prefix("django.http.cookies"), salt)
}

/// Signs Django's own cookies, by `purpose` and not by name: `signing.get_cookie_signer(salt=…)`,
/// as the messages framework does.
pub fn cookie_value(ring: &KeyRing, purpose: &str) -> Signer {
    Signer::new(&ring.with_prefix("django.http.cookies"), purpose)
}

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the value is not in the form of a signed value",
            Self::Forged => "no key of the ring made this signature for this purpose",
            Self::Expired => "the signature is too old",
            Self::Content => "the signed content is invalid",
        })
    }
}

impl std::error::Error for BadSignature {}

fn signature(key: &str, salt: &str, value: &str) -> String {
    base64url(&salted_hmac(
        &format!("{salt}signer"),
        value.as_bytes(),
        key,
    ))
}

/// JSON as Python's `json.dumps(…, separators=(",", ":"))` writes it: everything outside ASCII as `\uXXXX`.
fn ascii_json(object: &Value) -> String {
    let mut ascii = String::new();
    for character in object.to_string().chars() {
        if character.is_ascii() && character != '\u{7f}' {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            ascii.push_str(&format!("\\u{unit:04x}"));
        }
    }
    ascii
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

/// Decompresses at most 1 MiB (decompression bomb).
fn inflate(packed: &[u8]) -> Option<Vec<u8>> {
    const MAX_BYTES: u64 = 1 << 20;
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    (bytes.len() as u64 <= MAX_BYTES).then_some(bytes)
}
