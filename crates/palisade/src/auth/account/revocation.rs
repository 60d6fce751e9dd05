//! Revocation during an incident: sessions, access tokens, trusted browsers and mailed links.

use crate::audit_log::{Entry, Event, record_in};
use crate::auth::Accounts;
use crate::auth::login::epoch;
use crate::views::Result;

impl Accounts {
    /// Ends the sessions, access tokens, trusted browsers, mailed links and codes of a user. The
    /// password stays. Rows of sessions are left for
    /// [`Sessions::end_all`](crate::sessions::Sessions::end_all).
    ///
    /// # Errors
    /// When the database does not answer; nothing is revoked then.
    pub(crate) async fn revoke(&self, user_id: i32, reason: &str) -> Result<()> {
        let tx = self.database.begin().await?;
        epoch::raise(&tx, user_id).await?;
        self.email.tokens.forget(&tx, user_id, None).await?;
        self.guard.devices.distrust(&tx, user_id).await?;
        let entry = Entry::new(Event::AccessRevoked).about(user_id);
        record_in(&tx, entry.detail(reason)).await?;
        Ok(tx.commit().await?)
    }

    /// The same for all users in one transaction. Returns the number of accounts.
    ///
    /// # Errors
    /// When the database does not answer; nothing is revoked then.
    pub(crate) async fn revoke_all(&self, reason: &str) -> Result<u64> {
        let tx = self.database.begin().await?;
        let accounts = epoch::raise_all(&tx).await?;
        self.email.tokens.forget_all(&tx).await?;
        self.guard.devices.distrust_all(&tx).await?;
        let entry = Entry::new(Event::AccessRevoked).detail(format!("all users: {reason}"));
        record_in(&tx, entry).await?;
        tx.commit().await?;
        Ok(accounts)
    }
}
