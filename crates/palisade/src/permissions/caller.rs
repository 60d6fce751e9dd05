use crate::views::{Error, Result};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

/// A program that brought an access token, which was believed.
///
/// Who it speaks for is said by issuer **and** subject: what one issuer calls a subject is somebody else to another (ASVS 10.3.3). Two callers are equal if
/// both are.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose word it is: the URL of this site or of one of `api.issuers`.
    pub issuer: String,
    /// What the issuer calls the one whom the program speaks for.
    pub subject: String,
    /// What the issuer calls the program, where it says so.
    pub client_id: Option<String>,
    /// What the program may do, as the issuer says.
    pub scopes: Vec<String>,
    /// Of a token of this site's: what ties it to the password that its user had.
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

/// On a route that others use as well, take `Option<Caller>`; this one is 403 for them.
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
