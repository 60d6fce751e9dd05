//! The extractor of the endpoints of social login.

use super::Provider;
use super::discovery::Discovery;
use super::flow::ProviderClient;
use crate::auth::{Accounts, Notice, Visitor};
use crate::db::Tx;
use crate::http::client::Client;
use crate::sessions::MessageLevel;
use crate::views::{Error, Page, Result};
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

/// A request to an endpoint of social login.
pub(crate) struct SocialRequest {
    pub(super) page: Page,
    pub(super) visitor: Visitor,
    pub(super) headers: HeaderMap,
    client: Client,
}

impl<S: Sync> FromRequestParts<S> for SocialRequest {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        Ok(Self {
            page: Page::from_request_parts(parts, state).await?,
            visitor: Visitor::from_request_parts(parts, state).await?,
            headers: parts.headers.clone(),
            client: Client::from_request_parts(parts, state).await?,
        })
    }
}

impl SocialRequest {
    pub(super) fn accounts(&self) -> &Accounts {
        self.visitor.accounts()
    }

    /// Base URL of links and callbacks.
    pub(super) fn base(&self) -> String {
        self.accounts().email.links.base(&self.headers)
    }

    /// Shows a message on the next page.
    pub(super) async fn message(&self, level: MessageLevel, text: &str) -> Result<()> {
        self.visitor.session().message(level, text).await
    }

    /// Notifies a user of a change in the same transaction.
    pub(super) async fn notify(&self, tx: &Tx, user_id: i32, text: &str) -> Result<()> {
        let base = &self.base();
        let email = &self.accounts().email;
        email.notify_id(tx, user_id, Notice { text, base }).await
    }

    /// Calls a provider.
    pub(super) fn client<'a>(
        &'a self,
        provider: &'a Provider,
        discovery: &'a Discovery,
    ) -> ProviderClient<'a> {
        ProviderClient {
            provider,
            discovery,
            client: &self.client,
            now: self.accounts().now(),
        }
    }
}
