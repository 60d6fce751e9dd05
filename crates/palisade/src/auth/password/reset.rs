//! Password reset and change of email address, by mail.

use crate::auth::email::messages::Letterhead;
use crate::auth::email::tokens::{EmailChange, PasswordReset, Purpose, Token};
use crate::auth::password::django_reset_links::DjangoLink;
use crate::auth::user::entity::{ActiveModel, Column, Entity, Model};
use crate::auth::{Accounts, same_address};
use crate::db::Tx;
use crate::mail::{Letter, MailKind};
use crate::views::Result;
use palisade_password::is_usable;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, Set};
use serde::{Deserialize, Serialize};

/// Most accounts with one address that each get a mail.
const MOST_ACCOUNTS: u64 = 5;

/// Result of using a link.
pub(in crate::auth) enum Used {
    /// Done.
    Done(Model),
    /// One address is confirmed; the other is pending.
    Half,
    /// The password breaks rules: a sentence for each.
    Refused(Vec<String>),
    /// The link is invalid or expired.
    Dead,
}

/// One side of a change of address.
#[derive(Serialize, Deserialize, Clone)]
struct Change {
    new: String,
    /// Hash of the other side's token, until that is used.
    waits_for: Option<String>,
}

impl Accounts {
    /// Sends a reset link to each account with this address, or a mail without a link.
    pub(in crate::auth) async fn request_reset(&self, address: &str, base: &str) -> Result<()> {
        let found = Entity::find()
            .filter(same_address(address))
            .limit(MOST_ACCOUNTS);
        let found = found.all(&self.database.handle()).await?;
        let mut users: Vec<Option<&Model>> = found.iter().map(Some).collect();
        if users.is_empty() {
            users.push(None); // the same work without an account
        }
        let tx = self.database.begin().await?;
        for user in users {
            self.send_reset(&tx, user, address, base, false).await?;
        }
        tx.commit().await?;
        self.mail.wake();
        Ok(())
    }

    async fn send_reset(
        &self,
        tx: &Tx,
        user: Option<&Model>,
        address: &str,
        base: &str,
        is_asked_by_owner: bool,
    ) -> Result<(), DbErr> {
        let (token, letters) = (Token::<PasswordReset>::new(), Letterhead { base });
        // older links stay valid until they expire: an attacker who requests another one must not
        // revoke them
        self.tokens.keep(tx, &token, user, &()).await?;
        let mail = match user {
            Some(user) if !user.is_active => letters.closed(&user.email, &user.username),
            // to the stored address, not to the typed one: they may differ by more than case
            Some(user) if is_usable(&user.password) || is_asked_by_owner => {
                let link = self
                    .django_link(base, user)
                    .filter(|_| is_usable(&user.password))
                    .unwrap_or_else(|| letters.reset_link(&token));
                letters.reset(&user.email, &user.username, &link)
            }
            // passwords are managed elsewhere, or the account uses social login: access to the
            // mailbox alone must not change that
            Some(user) => letters.no_password(&user.email, &user.username),
            None => letters.no_account(address),
        };
        match user {
            Some(_) => {
                self.mail
                    .put_letter(tx, MailKind::Account, &mail, PasswordReset::LIFETIME_SECS)
                    .await
            }
            None => {
                self.put_unknown(tx, &mail, PasswordReset::LIFETIME_SECS)
                    .await
            }
        }
    }

    /// Queues a mail to an address without an account. Beyond the site's limit the work is the
    /// same, and nothing is sent.
    pub(in crate::auth) async fn put_unknown(
        &self,
        tx: &Tx,
        mail: &Letter,
        for_secs: i64,
    ) -> Result<(), DbErr> {
        let is_sent = self.lockout.admits_unknown().await;
        self.mail
            .put_letter(
                tx,
                MailKind::Unknown,
                mail,
                if is_sent { for_secs } else { 0 },
            )
            .await
    }

    /// The account of a reset link.
    pub(in crate::auth) async fn reset_of(&self, hash: &str) -> Result<Option<Model>> {
        if let Some(link) =
            DjangoLink::remembered(self.ring(), hash).filter(|_| self.django_reset.is_some())
        {
            return self.reset_of_django(&link).await;
        }
        Ok(self
            .tokens
            .find::<PasswordReset, ()>(hash)
            .await?
            .and_then(|found| found.user))
    }

    /// Sets a password by a link. All sessions and all other links of the account are revoked.
    pub(in crate::auth) async fn reset_by_link(
        &self,
        hash: &str,
        password: &str,
        base: &str,
    ) -> Result<Used> {
        let Some(user) = self.reset_of(hash).await? else {
            return Ok(Used::Dead);
        };
        if let Err(broken) = self.judge_for(&user, password).await? {
            return Ok(Used::Refused(broken));
        }
        let encoded = self.hashes.hash(password.to_owned()).await?;
        let tx = self.database.begin().await?;
        // a Django link is bound to the password that it replaces
        let is_redeemed = DjangoLink::remembered(self.ring(), hash).is_some()
            || self.tokens.redeem::<PasswordReset>(&tx, hash).await?;
        let is_done = is_redeemed && self.put_password(&tx, &user, &encoded).await?;
        if !is_done {
            return Ok(Used::Dead);
        }
        self.tokens.forget(&tx, user.id, None).await?;
        self.tell(
            &tx,
            &user,
            &user.email,
            "A new password was set by a link that was sent to this address. All sessions have \
                ended.",
            base,
        )
        .await?;
        tx.commit().await?;
        self.mail.wake();
        Ok(Used::Done(Model {
            password: encoded,
            ..user
        }))
    }

    /// Sends both addresses of a user, whose password was verified, a link to confirm the change to
    /// `new`.
    pub(in crate::auth) async fn request_email(
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
        let tx = self.database.begin().await?;
        self.tokens
            .forget(&tx, user.id, Some(EmailChange::NAME))
            .await?;
        if has_old {
            let change = Change {
                new: new.into(),
                waits_for: Some(new_side.hash()),
            };
            self.tokens
                .keep(&tx, &old_side, Some(user), &change)
                .await?;
            let mail = letters.approve_change(&user.email, &user.username, new, &old_side);
            self.mail
                .put_letter(&tx, MailKind::Account, &mail, EmailChange::LIFETIME_SECS)
                .await?;
        }
        let change = Change {
            new: new.into(),
            waits_for: has_old.then(|| old_side.hash()),
        };
        self.tokens
            .keep(&tx, &new_side, Some(user), &change)
            .await?;
        let mail = match &other {
            Some(other) => letters.has_account(new, &other.username),
            None => letters.confirm_address(new, &user.username, &new_side),
        };
        self.mail
            .put_letter(&tx, MailKind::Account, &mail, EmailChange::LIFETIME_SECS)
            .await?;
        tx.commit().await?;
        self.mail.wake();
        Ok(())
    }

    /// Sends a signed-in user a link to set a password, whether or not there is one yet.
    #[cfg(feature = "social")]
    pub(crate) async fn mail_reset(&self, id: i32, base: &str) -> Result<()> {
        let Some(user) = Entity::find_by_id(id).one(&self.database.handle()).await? else {
            return Ok(());
        };
        let tx = self.database.begin().await?;
        self.send_reset(&tx, Some(&user), &user.email, base, true)
            .await?;
        tx.commit().await?;
        self.mail.wake();
        Ok(())
    }

    /// The new address of a confirmation link.
    pub(in crate::auth) async fn email_of(&self, hash: &str) -> Result<Option<String>> {
        Ok(self
            .tokens
            .find::<EmailChange, Change>(hash)
            .await?
            .map(|found| found.payload.new))
    }

    /// Confirms one side of a change of address; the second one applies it.
    pub(in crate::auth) async fn confirm_email(&self, hash: &str, base: &str) -> Result<Used> {
        let Some(found) = self.tokens.find::<EmailChange, Change>(hash).await? else {
            return Ok(Used::Dead);
        };
        let (Some(user), change) = (found.user, found.payload) else {
            return Ok(Used::Dead);
        };
        let tx = self.database.begin().await?;
        if !self.tokens.redeem::<EmailChange>(&tx, hash).await? {
            return Ok(Used::Dead);
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
                return Ok(Used::Dead);
            }
            tx.commit().await?;
            return Ok(Used::Half);
        }
        let is_free = Entity::find()
            .filter(same_address(&change.new))
            .filter(Column::Id.ne(user.id))
            .one(&tx)
            .await?
            .is_none();
        if !is_free || !put_email(&tx, &user, &change.new).await? {
            return Ok(Used::Dead);
        }
        self.tokens.forget(&tx, user.id, None).await?;
        for address in [&user.email, &change.new]
            .into_iter()
            .filter(|address| !address.is_empty())
        {
            self.tell(
                &tx,
                &user,
                address,
                "Mail now goes to another address.",
                base,
            )
            .await?;
        }
        tx.commit().await?;
        self.mail.wake();
        Ok(Used::Done(user))
    }

    /// Starts a change by an operator: the owner is notified, and no browser stays trusted. `None`
    /// if there is no such user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn begin_by_name(
        &self,
        username: &str,
        what: &str,
    ) -> Result<Option<(Tx, i32)>> {
        let Some(user) = self.by_name(username).await? else {
            return Ok(None);
        };
        let base = self.links.main_base();
        let tx = self.database.begin().await?;
        self.devices.distrust(&tx, user.id).await?;
        self.tell(&tx, &user, &user.email, what, &base).await?;
        Ok(Some((tx, user.id)))
    }

    /// Notifies a user of a change.
    #[cfg(feature = "passkeys")]
    pub(crate) async fn tell_by_id(&self, id: i32, what: &str, base: &str) -> Result<()> {
        let tx = self.database.begin().await?;
        self.tell_in(&tx, id, what, base).await?;
        tx.commit().await?;
        self.mail.wake();
        Ok(())
    }

    /// The same as part of a transaction.
    pub(crate) async fn tell_in(&self, tx: &Tx, id: i32, what: &str, base: &str) -> Result<()> {
        let Some(user) = Entity::find_by_id(id).one(tx).await? else {
            return Ok(());
        };
        Ok(self.tell(tx, &user, &user.email, what, base).await?)
    }

    /// Notifies the owner of an account of a change.
    pub(in crate::auth) async fn tell(
        &self,
        tx: &Tx,
        user: &Model,
        address: &str,
        what: &str,
        base: &str,
    ) -> Result<(), DbErr> {
        if address.is_empty() {
            return Ok(());
        }
        let mail = Letterhead { base }.changed(address, &user.username, what);
        self.mail
            .put_letter(tx, MailKind::Notice, &mail, NOTICE_SECS)
            .await
    }
}

/// How long a notice is kept in the queue.
const NOTICE_SECS: i64 = 7 * 24 * 3600;

async fn put_email(tx: &Tx, user: &Model, new: &str) -> Result<bool, DbErr> {
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
