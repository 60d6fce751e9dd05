//! Pending actions that start and end in the same browser, once and within minutes: the challenge
//! of a passkey, a code sent by mail, the redirect to an identity provider.
//!
//! The session holds an id, and the database the encrypted state. Of several concurrent completions
//! one succeeds, across all instances.

use crate::auth::Accounts;
use crate::auth::email::tokens::{Purpose, Token};
use crate::db::Tx;
use crate::sessions::Session;
use crate::views::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A pending action.
pub(crate) trait Ceremony: Purpose + Serialize + DeserializeOwned {}

impl<C: Purpose + Serialize + DeserializeOwned> Ceremony for C {}

/// Session entry of the id.
fn entry<C: Purpose>() -> String {
    format!("_palisade_{}", C::NAME.replace(' ', "_"))
}

impl Accounts {
    /// Starts an action in this session. An earlier one of the same kind is cancelled.
    #[cfg(any(feature = "passkeys", feature = "social"))]
    pub(crate) async fn begin<C: Ceremony>(&self, session: &Session, what: &C) -> Result<()> {
        let tx = self.database.begin().await?;
        let token = self.begin_in(&tx, session, what).await?;
        tx.commit().await?;
        self.has_begun::<C>(session, token).await
    }

    /// The same as part of a transaction; [`Accounts::has_begun`] follows after the commit.
    pub(in crate::auth) async fn begin_in<C: Ceremony>(
        &self,
        tx: &Tx,
        session: &Session,
        what: &C,
    ) -> Result<String> {
        let token = Token::<C>::new();
        if let Some(old) = session.value::<String>(&entry::<C>()).await? {
            self.tokens.redeem::<C>(tx, &old).await?;
        }
        self.tokens.keep(tx, &token, None, what).await?;
        Ok(token.hash())
    }

    /// Stores the id of a pending action in the session.
    pub(in crate::auth) async fn has_begun<C: Ceremony>(
        &self,
        session: &Session,
        token: String,
    ) -> Result<()> {
        session.insert(&entry::<C>(), token).await
    }

    /// The pending action of this session.
    pub(crate) async fn begun<C: Ceremony>(&self, session: &Session) -> Result<Option<C>> {
        let Some(hash) = session.value::<String>(&entry::<C>()).await? else {
            return Ok(None);
        };
        Ok(self
            .tokens
            .find::<C, C>(&hash)
            .await?
            .map(|found| found.payload))
    }

    /// Completes the pending action of this session, at most once.
    pub(crate) async fn end<C: Ceremony>(&self, session: &Session) -> Result<Option<C>> {
        let Some(begun) = self.begun::<C>(session).await? else {
            return Ok(None);
        };
        let hash = session
            .value::<String>(&entry::<C>())
            .await?
            .unwrap_or_default();
        session.remove(&entry::<C>()).await?;
        let tx = self.database.begin().await?;
        let is_ours = self.tokens.redeem::<C>(&tx, &hash).await?;
        tx.commit().await?;
        Ok(is_ours.then_some(begun))
    }
}
