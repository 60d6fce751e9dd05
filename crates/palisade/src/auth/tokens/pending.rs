//! Pending actions that start and end in the same browser, once and within minutes: the challenge
//! of a passkey, a code sent by mail, the redirect to an identity provider.
//!
//! The session holds an id, and the database the encrypted state. Of several concurrent completions
//! one succeeds, across all instances.

use super::{Purpose, Token, Tokens};
use crate::db::Tx;
use crate::sessions::Session;
use crate::views::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A pending action.
pub(crate) trait PendingAction: Purpose + Serialize + DeserializeOwned {}

impl<C: Purpose + Serialize + DeserializeOwned> PendingAction for C {}

/// Session entry of the id.
fn entry<C: Purpose>() -> String {
    format!("_palisade_{}", C::NAME.replace(' ', "_"))
}

impl Tokens {
    /// Starts an action in this session. An earlier one of the same kind is cancelled.
    #[cfg(any(feature = "passkeys", feature = "social"))]
    pub(crate) async fn begin<C: PendingAction>(
        &self,
        session: &Session,
        action: &C,
    ) -> Result<()> {
        let token = self
            .database
            .write_always(async |tx| self.begin_in(tx, session, action).await)
            .await?;
        self.remember::<C>(session, token).await
    }

    /// The same as part of a transaction; [`Tokens::remember`] follows after the commit.
    pub(in crate::auth) async fn begin_in<C: PendingAction>(
        &self,
        tx: &Tx,
        session: &Session,
        action: &C,
    ) -> Result<String> {
        let token = Token::<C>::new();
        if let Some(old) = session.value::<String>(&entry::<C>()).await? {
            self.redeem::<C>(tx, &old).await?;
        }
        self.keep(tx, &token, None, action).await?;
        Ok(token.hash())
    }

    /// Stores the id of a pending action in the session.
    pub(in crate::auth) async fn remember<C: PendingAction>(
        &self,
        session: &Session,
        token: String,
    ) -> Result<()> {
        session.insert(&entry::<C>(), token).await
    }

    /// The pending action of this session.
    pub(crate) async fn pending<C: PendingAction>(&self, session: &Session) -> Result<Option<C>> {
        let Some(hash) = session.value::<String>(&entry::<C>()).await? else {
            return Ok(None);
        };
        let found = self.find::<C, C>(&hash).await?;
        Ok(found.map(|found| found.payload))
    }

    /// Completes the pending action of this session, at most once.
    pub(crate) async fn complete<C: PendingAction>(&self, session: &Session) -> Result<Option<C>> {
        let Some(action) = self.pending::<C>(session).await? else {
            return Ok(None);
        };
        let hash = session.value::<String>(&entry::<C>()).await?;
        session.remove(&entry::<C>()).await?;
        let hash = hash.unwrap_or_default();
        let redeem = async |tx: &Tx| self.redeem::<C>(tx, &hash).await;
        let is_ours = self.database.write_always(redeem).await?;
        Ok(is_ours.then_some(action))
    }
}
