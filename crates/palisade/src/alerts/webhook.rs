//! Signatures of [Standard Webhooks](https://www.standardwebhooks.com).

use crate::crypto::{Secret, hmac_sha256};
use crate::settings::setting_from_str;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;
use url::Url;

/// The URL of a webhook. Its path may be a secret, and is not printed.
#[derive(Debug, Clone)]
pub struct HookUrl(Secret<String>, String);

setting_from_str!(HookUrl, "an https:// URL without a password");

impl FromStr for HookUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(|_| ())?;
        let has_login = !url.username().is_empty() || url.password().is_some();
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host() && !has_login;
        let shown = format!("{}/***", url.origin().ascii_serialization());
        is_web
            .then(|| Self(Secret::new(url.into()), shown))
            .ok_or(())
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl HookUrl {
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The secret of a webhook.
#[derive(Debug, Clone)]
pub struct WebhookKey(Secret<Vec<u8>>);

setting_from_str!(WebhookKey, "whsec_ and 24 to 64 random bytes as Base64");

impl FromStr for WebhookKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.strip_prefix("whsec_").ok_or(())?;
        let bytes = STANDARD.decode(text).map_err(|_| ())?;
        match bytes.len() {
            24..=64 => Ok(Self(Secret::new(bytes))),
            _ => Err(()),
        }
    }
}

impl fmt::Display for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_***")
    }
}

impl WebhookKey {
    /// The header `webhook-signature` of a message.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mac = hmac_sha256(self.0.expose(), format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    // the example of the specification's reference libraries
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let key: WebhookKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signed = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(format!("{key} {key:?}").find("MfKQ").is_none());
        assert!("whsec_AAAA".parse::<WebhookKey>().is_err());
    }
}
