//! A puzzle of the site's own, such as a captcha or a proof of work, for those who have tried a few passwords: a softer step before a lock.

use super::Accounts;
use crate::http::ClientAddress;
use crate::views::Result;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use std::sync::Arc;

/// Decides by the headers of a login: a page with a puzzle, or nothing for whoever has solved it.
pub(crate) type LoginChallenge =
    Arc<dyn Fn(HeaderMap) -> BoxFuture<'static, Result<Option<Response>>> + Send + Sync>;

impl Accounts {
    /// The site's puzzle, if it has one and this is a try too many. No password is looked at then.
    pub(super) async fn challenge(
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

    /// Somebody has logged in.
    pub(super) async fn is_let_in(&self, username: &str, client: ClientAddress) {
        if self.challenge.is_some() {
            self.lockout.unchallenged(username, client).await;
        }
    }
}
