//! Mail that notifies the owner of an account of a change.

use super::email_tokens::EmailTokens;
use super::messages::Letterhead;
use crate::auth::user::entity::{Entity, Model};
use crate::db::Tx;
use crate::mail::MailKind;
use crate::views::Result;
use sea_orm::{DbErr, EntityTrait};

/// Text of a notice about a change, and the base URL of its links.
#[derive(Clone, Copy)]
pub(crate) struct Notice<'a> {
    pub(crate) text: &'a str,
    pub(crate) base: &'a str,
}

/// How long a notice is kept in the queue.
const KEPT_SECS: i64 = 7 * 24 * 3600;

impl EmailTokens {
    /// Notifies the owner of an account.
    pub(in crate::auth) async fn notify(
        &self,
        tx: &Tx,
        user: &Model,
        notice: Notice<'_>,
    ) -> Result<(), DbErr> {
        self.notify_at(tx, &user.email, &user.username, notice)
            .await
    }

    /// The same at another address.
    pub(in crate::auth) async fn notify_at(
        &self,
        tx: &Tx,
        address: &str,
        username: &str,
        notice: Notice<'_>,
    ) -> Result<(), DbErr> {
        if address.is_empty() {
            return Ok(());
        }
        let letters = Letterhead { base: notice.base };
        let letter = letters.change_notice(address, username, notice.text);
        self.send(tx, MailKind::Notice, &letter, KEPT_SECS).await
    }

    /// The same by id.
    pub(crate) async fn notify_id(&self, tx: &Tx, id: i32, notice: Notice<'_>) -> Result<()> {
        match Entity::find_by_id(id).one(tx).await? {
            Some(user) => Ok(self.notify(tx, &user, notice).await?),
            None => Ok(()),
        }
    }
}
