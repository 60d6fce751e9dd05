use super::CurrentActor;
use crate::views::{Error, Result};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An authenticated API client, as an extractor.
///
/// Its identity is issuer **and** subject, because subjects are scoped to their issuer (ASVS
/// 10.3.3). Two callers are equal if both are.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The issuer: the URL of this site or of one of `api.issuers`.
    pub issuer: String,
    /// The subject, on whose behalf the client calls.
    pub subject: String,
    /// The client id, if the token has one.
    pub client_id: Option<String>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// The id of a personal access token.
    pub(crate) token_id: Option<i32>,
    /// For a token of this site, the value that ties it to its user's password.
    #[cfg_attr(
        not(feature = "social"),
        expect(dead_code, reason = "without the feature there are no tokens")
    )]
    pub(crate) bound_to: Option<String>,
}

impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.subject == other.subject
    }
}

impl Eq for Caller {}

/// The user on whose behalf a token was sent, in the extensions of its request.
#[derive(Clone)]
pub(crate) struct OnBehalf {
    pub(crate) actor: CurrentActor,
    /// Whether a rule has allowed the request for this user.
    is_granted: Arc<AtomicBool>,
}

/// The source whose signature of a request was verified, in its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignedBy(pub(crate) &'static str);

impl OnBehalf {
    pub(crate) fn new(actor: CurrentActor) -> Self {
        let is_granted = Arc::default();
        Self { actor, is_granted }
    }

    pub(super) fn grant(&self) {
        self.is_granted.store(true, Ordering::Relaxed);
    }

    /// Takes a grant back: another alternative of the rule decides.
    pub(super) fn withdraw(&self) {
        self.is_granted.store(false, Ordering::Relaxed);
    }

    /// Whether the handler acts for the user.
    pub(crate) fn is_granted(&self) -> bool {
        self.is_granted.load(Ordering::Relaxed)
    }
}

impl Caller {
    /// The token, for rate limits.
    pub(crate) fn token_key(&self) -> String {
        match self.token_id {
            Some(id) => format!("token {id}"),
            None => format!("caller {} {}", self.issuer, self.subject),
        }
    }

    /// Whether the token has this scope.
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|one| one == scope)
    }
}

/// On a route that also allows others, take `Option<Caller>`; this extractor refuses them with 403.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(Error::forbidden)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
