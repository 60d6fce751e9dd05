use crate::settings::{Setting, section};
use palisade_crypto::Secret;

section! {
    /// Webhooks of other sites.
    WebhookSettings("webhooks") {
        /// Secrets of the sources: `NAME SECRET`, where a source may have several while one is
        /// replaced
        secrets: Vec<WebhookSecret> = |_| Vec::new();
    }
}

/// A secret of a source.
#[derive(Debug, Clone)]
pub struct WebhookSecret {
    /// The source, as in [`signed_by`](crate::permissions::signed_by).
    pub source: String,
    /// The secret, as the sender shows it.
    pub secret: Secret<String>,
}

impl Setting for WebhookSecret {
    const SHAPE: &'static str = "NAME SECRET, such as `pay whsec_…`";
    const IS_SECRET: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        let mut words = text.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(source), Some(secret), None) if secret.len() >= LEAST => Ok(Self {
                source: source.to_owned(),
                secret: Secret::new(secret.to_owned()),
            }),
            (Some(_), Some(_), None) => {
                Err(format!("has a secret of less than {LEAST} characters"))
            }
            _ => Err("is not NAME SECRET".into()),
        }
    }

    fn show(&self) -> String {
        format!("{} (secret)", self.source)
    }
}

/// Fewest characters of a secret: 12 bytes of base64.
const LEAST: usize = 16;
