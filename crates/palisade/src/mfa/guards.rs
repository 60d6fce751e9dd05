//! The extractor of the endpoints of second factors, and the conditions that they share.

use super::Factors;
use crate::audit_log::{self, Entry, Event, record_in};
use crate::auth::views::source;
use crate::auth::{Accounts, Guess, Notice, PendingLogin, User, Visitor};
use crate::db::Tx;
use crate::views::{Error, ErrorKind, Result};
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use palisade_macros::Form;
use std::sync::Arc;

#[derive(Form)]
pub(crate) struct Nothing {}

/// A request to an endpoint of second factors.
pub(crate) struct FactorRequest {
    pub(super) factors: Arc<Factors>,
    pub(super) visitor: Visitor,
    pub(super) headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for FactorRequest {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let factors = parts.extensions.get::<Arc<Factors>>().cloned();
        Ok(Self {
            factors: factors.ok_or_else(|| Error::bug("not a page of accounts"))?,
            visitor: Visitor::from_request_parts(parts, state).await?,
            headers: parts.headers.clone(),
        })
    }
}

impl FactorRequest {
    pub(super) fn accounts(&self) -> &Accounts {
        self.visitor.accounts()
    }

    /// Base URL of links in mail.
    pub(super) fn base(&self) -> String {
        self.accounts().email.links.base(&self.headers)
    }

    /// The login whose second factor is pending.
    pub(super) async fn pending_login(&self) -> Result<Option<PendingLogin>> {
        let sessions = &self.accounts().sessions;
        sessions.pending_login(self.visitor.session()).await
    }

    /// Verifies a code of a pending login as a counted guess.
    pub(super) async fn guess(
        &self,
        login: &PendingLogin,
        verification: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let from = source(&self.visitor, &self.headers);
        self.accounts()
            .guess_code(from, &login.account, verification)
            .await
    }

    /// Applies a change of a user's factors, records it, and notifies the owner.
    pub(super) async fn commit_change(
        &self,
        tx: Tx,
        user: &User,
        (entry, text): (Entry, &str),
    ) -> Result<()> {
        let is_staff = user.is_staff || user.is_superuser;
        let entry = if is_staff {
            entry.and("of staff")
        } else {
            entry
        };
        record_in(&tx, entry.name(&user.username)).await?;
        let notice = Notice {
            text,
            base: &self.base(),
        };
        self.accounts()
            .factors_changed(tx, self.visitor.session(), user, notice)
            .await
    }

    /// Cancels the removal of factors that were reported as lost, because one was used.
    pub(super) async fn cancel_removal(&self, user: &User) -> Result<()> {
        if self.factors.keep(user.id).await? {
            audit_log::record(user.entry(Event::FactorKept));
        }
        Ok(())
    }

    /// A trusted browser skips the code at login, but not for changes of the factors: it may be
    /// stolen.
    pub(super) async fn require_factor_for_changes(&self, user: &User) -> Result<()> {
        if self.accounts().factors.is_enrolled(user.id).await? {
            self.require_factor().await
        } else {
            Ok(())
        }
    }

    /// Refuses a session whose second factor was skipped.
    pub(super) async fn require_factor(&self) -> Result<()> {
        let said = "You logged in without a code or a passkey. Revoke the trust in all browsers below, log in with a second factor, and come back.";
        match self.visitor.has_typed_code().await? {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Forbidden, said)),
        }
    }

    #[cfg(feature = "passkeys")]
    /// Refuses a user who would lose their only login method.
    pub(super) async fn require_login_method(&self, user: &User) -> Result<()> {
        let is_only =
            self.factors.has_key(user.id).await? && !self.accounts().has_login_method(user).await?;
        match is_only {
            true => Err(super::keys::only_method()),
            false => Ok(()),
        }
    }
}
