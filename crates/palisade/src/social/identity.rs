//! External identities, and the tokens that come with them.

use super::Provider;
use serde::{Deserialize, Serialize};

/// An external identity, as the provider reports it. Holds tokens, so it is never printed.
#[derive(Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) email: Option<String>,
    /// Whether the provider has verified the address.
    pub(super) is_verified: bool,
    pub(super) name: String,
    /// Tokens for later requests to the provider.
    pub(super) tokens: Option<String>,
}

/// Never printed either.
#[derive(Deserialize, Serialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) token_type: String,
    pub(super) refresh_token: Option<String>,
    pub(super) expires_in: Option<i64>,
    #[serde(skip_serializing)]
    pub(super) id_token: Option<String>,
}

impl Tokens {
    pub(super) fn tokens_to_store(&self, provider: &Provider) -> Option<String> {
        provider
            .settings
            .keeps_tokens
            .then(|| serde_json::to_string(self).ok())
            .flatten()
    }
}

/// Scopes of the access token.
pub(super) struct Opened {
    pub(super) access_token: String,
    whole: Tokens,
}

impl From<Tokens> for Opened {
    fn from(whole: Tokens) -> Self {
        Self {
            access_token: whole.access_token.clone(),
            whole,
        }
    }
}

impl Opened {
    pub(super) fn tokens_to_store(&self, provider: &Provider) -> Option<String> {
        self.whole.tokens_to_store(provider)
    }
}
