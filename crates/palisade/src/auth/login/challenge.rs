//! A challenge of the site's own, such as a CAPTCHA or a proof of work, after some failed logins: a
//! softer step before a lockout.

use crate::auth::Accounts;
use crate::http::ClientAddress;
use crate::views::Result;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use std::sync::Arc;

/// Decides by the headers of a login: a page with a challenge, or `None` if it is solved.
pub(crate) type LoginChallenge =
    Arc<dyn Fn(HeaderMap) -> BoxFuture<'static, Result<Option<Response>>> + Send + Sync>;

impl Accounts {
    /// Returns the site's challenge, if it has one and there were too many attempts. The password
    /// is not verified then.
    pub(in crate::auth) async fn challenge(
        &self,
        username: &str,
        client: ClientAddress,
        headers: &HeaderMap,
    ) -> Result<Option<Response>> {
        let Some(challenge) = &self.challenge else {
            return Ok(None);
        };
        if !self.lockout.is_challenged(username, client).await {
            return Ok(None);
        }
        challenge(headers.clone()).await
    }

    /// Resets the count after a login.
    pub(in crate::auth) async fn is_let_in(&self, username: &str, client: ClientAddress) {
        if self.challenge.is_some() {
            self.lockout.unchallenged(username, client).await;
        }
    }
}
