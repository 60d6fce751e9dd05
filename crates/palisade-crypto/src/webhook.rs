//! Signatures of webhooks: [Standard Webhooks](https://www.standardwebhooks.com), Stripe and GitHub.

use crate::{Secret, constant_time_eq, hex, hmac_sha256};
use base64::Engine;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde_json::Value;

/// How a sender signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature`: HMAC-SHA-256 of id, timestamp and
    /// body. The key is base64, after `whsec_`.
    Standard,
    /// `Stripe-Signature`: HMAC-SHA-256 of timestamp and body.
    Stripe,
    /// `X-Hub-Signature-256`: HMAC-SHA-256 of the body, without a timestamp.
    GitHub,
}

/// A delivery as it was received.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The value of a header by its name in lower case; `None` without it, or where it occurs twice.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// Milliseconds since 1970.
    pub now: i64,
    /// Milliseconds that its timestamp may be away, such as [`TOLERANCE`].
    pub tolerance: i64,
}

/// Why a delivery is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookError {
    /// A header is missing, occurs twice, or has another format.
    Header,
    /// The body is empty or, where it is signed as text, not UTF-8.
    Body,
    /// The timestamp is further away than the tolerance.
    Time,
    /// No signature is that of the secret.
    Signature,
    /// The secret is not base64, or empty.
    Secret,
}

/// Five minutes, as in the packages of the senders.
pub const TOLERANCE: i64 = 300_000;
const PREFIX: &str = "whsec_";
/// Secrets are shown without padding by some senders.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Scheme {
    /// Verifies a delivery, and returns the text that names it: the same for each attempt of its
    /// sender, and signed.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub fn verify(
        self,
        secret: &Secret<String>,
        delivery: Delivery<'_>,
    ) -> Result<String, WebhookError> {
        match self {
            Self::Standard => standard(secret, delivery),
            Self::Stripe => stripe(secret, delivery),
            Self::GitHub => github(secret, delivery),
        }
    }
}

/// The value of `webhook-signature` for an id, a timestamp in seconds and a body.
///
/// # Errors
/// When the secret is not base64, or empty.
pub fn sign_webhook(
    secret: &Secret<String>,
    (id, timestamp): (&str, i64),
    body: &[u8],
) -> Result<String, WebhookError> {
    let mac = standard_mac(secret, (id, &timestamp.to_string()), body)?;
    Ok(format!("v1,{}", STANDARD.encode(mac)))
}

fn standard_mac(
    secret: &Secret<String>,
    (id, timestamp): (&str, &str),
    body: &[u8],
) -> Result<[u8; 32], WebhookError> {
    let text = secret.expose();
    let key = LENIENT.decode(text.strip_prefix(PREFIX).unwrap_or(text));
    let key = key.ok().filter(|key| !key.is_empty());
    let key = Secret::new(key.ok_or(WebhookError::Secret)?);
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    Ok(hmac_sha256(key.expose(), &signed))
}

fn standard(secret: &Secret<String>, delivery: Delivery<'_>) -> Result<String, WebhookError> {
    let header = |name: &str| (delivery.header)(name).ok_or(WebhookError::Header);
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    // a dot would move the border between id and timestamp
    if id.trim().is_empty() || id.contains('.') {
        return Err(WebhookError::Header);
    }
    check_time(timestamp, delivery)?;
    require_text(delivery.body)?;
    let expected = standard_mac(secret, (id, timestamp), delivery.body)?;
    let mut is_signed = false;
    for entry in header("webhook-signature")?.split(' ') {
        let (version, signature) = entry.split_once(',').ok_or(WebhookError::Header)?;
        let signature = STANDARD.decode(signature).unwrap_or_default();
        is_signed |= version == "v1" && constant_time_eq(&signature, &expected);
    }
    match is_signed {
        true => Ok(id.to_owned()),
        false => Err(WebhookError::Signature),
    }
}

fn stripe(secret: &Secret<String>, delivery: Delivery<'_>) -> Result<String, WebhookError> {
    let header = (delivery.header)("stripe-signature").ok_or(WebhookError::Header)?;
    let (mut timestamp, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        match part.split_once('=') {
            Some(("t", _)) if timestamp.is_some() => return Err(WebhookError::Header),
            Some(("t", value)) => timestamp = Some(value),
            Some(("v1", value)) => signatures.push(value),
            _ => {}
        }
    }
    let timestamp = timestamp.ok_or(WebhookError::Header)?;
    check_time(timestamp, delivery)?;
    require_text(delivery.body)?;
    let key = not_empty(secret)?;
    let signed = [timestamp.as_bytes(), b".", delivery.body].concat();
    let expected = hex(&hmac_sha256(key, &signed));
    check_hex(&signatures, &expected)?;
    // another attempt has another timestamp, and the same event
    let event: Option<Value> = serde_json::from_slice(delivery.body).ok();
    let id = event.as_ref().and_then(|event| event["id"].as_str());
    match id.filter(|id| !id.is_empty()) {
        Some(id) => Ok(id.to_owned()),
        None => body_name(delivery.body),
    }
}

fn github(secret: &Secret<String>, delivery: Delivery<'_>) -> Result<String, WebhookError> {
    let header = (delivery.header)("x-hub-signature-256").ok_or(WebhookError::Header)?;
    let signature = header.strip_prefix("sha256=").ok_or(WebhookError::Header)?;
    let expected = hex(&hmac_sha256(not_empty(secret)?, delivery.body));
    check_hex(&[signature], &expected)?;
    // the id of the delivery is a header that is not signed
    body_name(delivery.body).map(|_| expected)
}

fn not_empty(secret: &Secret<String>) -> Result<&[u8], WebhookError> {
    let text = secret.expose().trim();
    match text.strip_prefix(PREFIX).unwrap_or(text) {
        "" => Err(WebhookError::Secret),
        _ => Ok(secret.expose().as_bytes()),
    }
}

fn body_name(body: &[u8]) -> Result<String, WebhookError> {
    match body.is_empty() {
        true => Err(WebhookError::Body),
        false => Ok(hex(&hmac_sha256(b"the name of a delivery", body))),
    }
}

fn check_hex(signatures: &[&str], expected: &str) -> Result<(), WebhookError> {
    let is_it = |signature: &&str| constant_time_eq(signature.as_bytes(), expected.as_bytes());
    let count = signatures
        .iter()
        .filter(|signature| is_it(signature))
        .count();
    match count {
        0 => Err(WebhookError::Signature),
        _ => Ok(()),
    }
}

fn require_text(body: &[u8]) -> Result<(), WebhookError> {
    match std::str::from_utf8(body) {
        Ok(_) => Ok(()),
        Err(_) => Err(WebhookError::Body),
    }
}

fn check_time(text: &str, delivery: Delivery<'_>) -> Result<(), WebhookError> {
    let is_number = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let time: i64 = text
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or(WebhookError::Header)?;
    match (delivery.now - time * 1000).abs() > delivery.tolerance {
        true => Err(WebhookError::Time),
        false => Ok(()),
    }
}
