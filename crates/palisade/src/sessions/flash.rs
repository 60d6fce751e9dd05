use super::{MessageLevel, Session};
use crate::views::{Error, Result};
use axum::extract::FromRequestParts;
use http::request::Parts;

/// Messages that the next page of this visitor shows, once.
///
/// ```
/// use palisade::prelude::*;
/// async fn create(flash: Flash) -> Result<Response> {
///     flash.success("The note was saved.").await?;
///     Ok(redirect_to("/notes"))
/// }
/// let routes: Routes = Routes::new().route("/notes", signed_in().post(create));
/// ```
#[derive(Clone)]
pub struct Flash(Session);

impl Flash {
    /// A success.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn success(&self, text: impl Into<String>) -> Result<()> {
        self.0.message(MessageLevel::Success, text).await
    }

    /// A warning.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn warning(&self, text: impl Into<String>) -> Result<()> {
        self.0.message(MessageLevel::Warning, text).await
    }

    /// An error.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn error(&self, text: impl Into<String>) -> Result<()> {
        self.0.message(MessageLevel::Error, text).await
    }
}

impl<S: Sync> FromRequestParts<S> for Flash {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        Session::from_request_parts(parts, state).await.map(Self)
    }
}
