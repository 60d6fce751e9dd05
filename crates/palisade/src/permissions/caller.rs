use crate::views::{Error, Result};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

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

impl Caller {
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
