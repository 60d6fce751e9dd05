//! Change of email address: links to both addresses confirm it.

use super::email_tokens::{EmailTokens, LinkOutcome};
use super::messages::Letterhead;
use super::notices::Notice;
use crate::audit_log::{Event, record_in};
use crate::auth::tokens::{EmailChange, Purpose, Token};
use crate::auth::user::entity::{ActiveModel, Column, Entity, Model};
use crate::auth::user::same_address;
use crate::db::Tx;
use crate::mail::MailKind;
use crate::views::Result;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, Set};
use serde::{Deserialize, Serialize};

/// One side of a change of address.
#[derive(Serialize, Deserialize, Clone)]
struct Change {
    new: String,
    /// Hash of the other side's token, until that is used.
    waits_for: Option<String>,
}

impl EmailTokens {
    /// Sends both addresses of a user, whose password was verified, a link to confirm the change to
    /// `new`.
    pub(in crate::auth) async fn request_change(
        &self,
        user: &Model,
        new: &str,
        base: &str,
    ) -> Result<()> {
        let other = Entity::find()
            .filter(same_address(new))
            .one(&self.database.handle())
            .await?;
        let (old_side, new_side) = (Token::<EmailChange>::new(), Token::<EmailChange>::new());
        let letters = Letterhead { base };
        let has_old = !user.email.is_empty();
        self.database
            .write_always(async |tx| {
                let earlier = Some(EmailChange::NAME);
                self.tokens.forget(tx, user.id, earlier).await?;
                if has_old {
                    let change = Change {
                        new: new.into(),
                        waits_for: Some(new_side.hash()),
                    };
                    let mail = letters.approve_change(&user.email, &user.username, new, &old_side);
                    self.tokens.keep(tx, &old_side, Some(user), &change).await?;
                    self.send(tx, MailKind::Account, &mail, EmailChange::LIFETIME_SECS)
                        .await?;
                }
                let change = Change {
                    new: new.into(),
                    waits_for: has_old.then(|| old_side.hash()),
                };
                let mail = match &other {
                    Some(other) => letters.has_account(new, &other.username),
                    None => letters.confirm_address(new, &user.username, &new_side),
                };
                self.tokens.keep(tx, &new_side, Some(user), &change).await?;
                self.send(tx, MailKind::Account, &mail, EmailChange::LIFETIME_SECS)
                    .await?;
                Ok(())
            })
            .await
    }

    /// The new address of a confirmation link.
    pub(in crate::auth) async fn new_address(&self, hash: &str) -> Result<Option<String>> {
        let found = self.tokens.find::<EmailChange, Change>(hash).await?;
        Ok(found.map(|found| found.payload.new))
    }

    /// Confirms one side of a change of address; the second one applies it.
    pub(in crate::auth) async fn confirm_change(
        &self,
        hash: &str,
        base: &str,
    ) -> Result<LinkOutcome> {
        let Some(found) = self.tokens.find::<EmailChange, Change>(hash).await? else {
            return Ok(LinkOutcome::Invalid);
        };
        let (Some(user), change) = (found.user, found.payload) else {
            return Ok(LinkOutcome::Invalid);
        };
        let tx = self.database.begin().await?;
        if !self.tokens.redeem::<EmailChange>(&tx, hash).await? {
            return Ok(LinkOutcome::Invalid);
        }
        if let Some(other) = &change.waits_for {
            let alone = Change {
                waits_for: None,
                ..change.clone()
            };
            if !self
                .tokens
                .rewrite::<EmailChange>(&tx, other, &alone)
                .await?
            {
                return Ok(LinkOutcome::Invalid);
            }
            tx.commit().await?;
            return Ok(LinkOutcome::Half);
        }
        if !put_email(&tx, &user, &change.new).await? {
            return Ok(LinkOutcome::Invalid);
        }
        self.tokens.forget(&tx, user.id, None).await?;
        let text = "Mail now goes to another address.";
        for address in [&user.email, &change.new] {
            self.notify_at(&tx, address, &user.username, Notice { text, base })
                .await?;
        }
        record_in(&tx, user.entry(Event::EmailChanged)).await?;
        tx.commit().await?;
        Ok(LinkOutcome::Done(user))
    }
}

/// Changes the address of a user, unless another account has it or it has changed meanwhile.
async fn put_email(tx: &Tx, user: &Model, new: &str) -> Result<bool, DbErr> {
    let taken = Entity::find()
        .filter(same_address(new))
        .filter(Column::Id.ne(user.id));
    if taken.one(tx).await?.is_some() {
        return Ok(false);
    }
    let change = ActiveModel {
        email: Set(new.into()),
        ..Default::default()
    };
    let same = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(user.id))
        .filter(Column::Email.eq(user.email.as_str()));
    Ok(same.exec(tx).await?.rows_affected == 1)
}
