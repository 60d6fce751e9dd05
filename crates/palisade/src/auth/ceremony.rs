//! What is begun in a browser and ended in the same one, once and within minutes: the challenge of a passkey, a code sent by mail, the way to another site
//! and back.
//!
//! The session holds a name for it, and the database the rest, sealed: of several ends at once, one is let through, on all instances.

use super::Accounts;
use super::tokens::{Purpose, Token};
use crate::db::Tx;
use crate::sessions::Session;
use crate::views::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is begun and ended.
pub(crate) trait Ceremony: Purpose + Serialize + DeserializeOwned {}

impl<C: Purpose + Serialize + DeserializeOwned> Ceremony for C {}

/// Where the session keeps the name.
fn entry<C: Purpose>() -> String {
    format!("_palisade_{}", C::NAME.replace(' ', "_"))
}

impl Accounts {
    /// Begins something in this session. What was begun before it in the same session is dead.
    #[cfg(any(feature = "passkeys", feature = "social"))]
    pub(crate) async fn begin<C: Ceremony>(&self, session: &Session, what: &C) -> Result<()> {
        let tx = self.database.begin().await?;
        let token = self.begin_in(&tx, session, what).await?;
        tx.commit().await?;
        self.has_begun::<C>(session, token).await
    }

    /// The same as part of a transaction; [`Accounts::has_begun`] follows when it is committed.
    pub(super) async fn begin_in<C: Ceremony>(
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

    /// The session keeps the name of what was begun.
    pub(super) async fn has_begun<C: Ceremony>(
        &self,
        session: &Session,
        token: String,
    ) -> Result<()> {
        session.insert(&entry::<C>(), token).await
    }

    /// What was begun in this session and has not ended.
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

    /// Ends what was begun in this session: nobody else can end it any more.
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
