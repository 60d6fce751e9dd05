//! The encodings of Django's signed values: base62 numbers, url-safe base64 without padding, lower-case hexadecimal.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Bytes in lower-case hexadecimal digits.
///
/// ```
/// assert_eq!(palisade_crypto::hex(&[0, 10, 255]), "000aff");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| BASE36[usize::from(digit)] as char)
        .collect()
}

pub(crate) fn base62(number: u64) -> String {
    in_base(number, BASE62)
}

pub(crate) fn from_base62(text: &str) -> Option<u64> {
    from_base(text, BASE62)
}

pub(crate) fn base36(number: u64) -> String {
    in_base(number, BASE36)
}

pub(crate) fn from_base36(text: &str) -> Option<u64> {
    from_base(text, BASE36)
}

fn in_base(mut number: u64, digits: &[u8]) -> String {
    let base = digits.len() as u64;
    let mut reversed = Vec::new();
    loop {
        reversed.push(digits[(number % base) as usize]);
        number /= base;
        if number == 0 {
            break;
        }
    }
    reversed.into_iter().rev().map(char::from).collect()
}

fn from_base(text: &str, digits: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u64, |number, byte| {
        let digit = digits.iter().position(|known| *known == byte)? as u64;
        number.checked_mul(digits.len() as u64)?.checked_add(digit)
    })
}
