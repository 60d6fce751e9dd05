//! Password reset by mail.

use super::django_reset_links::DjangoLink;
use crate::audit_log::{self, Entry, Event, record_in};
use crate::auth::Accounts;
use crate::auth::email::email_tokens::{EmailTokens, LinkOutcome};
use crate::auth::email::messages::Letterhead;
use crate::auth::email::notices::Notice;
use crate::auth::tokens::{PasswordReset, Purpose, Token};
use crate::auth::user::entity::{Entity, Model};
use crate::auth::user::same_address;
use crate::auth::users;
use crate::db::Tx;
use crate::mail::{Letter, MailKind};
use crate::views::Result;
use palisade_password::is_usable;
use sea_orm::{DbErr, EntityTrait, QueryFilter, QuerySelect};

/// Most accounts with one address that each get a mail.
const MOST_ACCOUNTS: u64 = 5;

impl EmailTokens {
    /// Sends a reset link to each account with this address, or a mail without a link.
    pub(in crate::auth) async fn request_reset(&self, address: &str, base: &str) -> Result<()> {
        let found = Entity::find()
            .filter(same_address(address))
            .limit(MOST_ACCOUNTS);
        let found = found.all(&self.database.handle()).await?;
        let letters = Letterhead { base };
        self.database
            .write_always(async |tx| {
                for user in &found {
                    let token = self.reset_token(tx, Some(user)).await?;
                    let letter = match user {
                        user if !user.is_active => {
                            letters.account_closed(&user.email, &user.username)
                        }
                        // passwords are managed elsewhere, or the account uses social login: access to the
                        // mailbox alone must not change that
                        user if !is_usable(&user.password) => {
                            letters.no_password(&user.email, &user.username)
                        }
                        user => self.reset_letter(letters, user, &token),
                    };
                    self.send_reset(tx, MailKind::Account, &letter).await?;
                }
                if found.is_empty() {
                    // the same work without an account
                    self.reset_token(tx, None).await?;
                    let letter = letters.no_account(address);
                    self.send_reset(tx, MailKind::Unknown, &letter).await?;
                }
                Ok(())
            })
            .await
            .inspect(|()| {
                let users = found.iter().map(|user| user.entry(Event::ResetRequested));
                let none = || Entry::new(Event::ResetRequested);
                let unknown = found.is_empty().then(none);
                let entries = users.chain(unknown).map(|entry| entry.typed(address));
                entries.for_each(audit_log::record);
            })
    }

    /// Sends an authenticated user a link to set a password, whether or not there is one yet.
    #[cfg(feature = "social")]
    pub(crate) async fn send_reset_link(&self, id: i32, base: &str) -> Result<()> {
        let user = Entity::find_by_id(id).one(&self.database.handle()).await?;
        let Some(user) = user else {
            return Ok(());
        };
        let letters = Letterhead { base };
        self.database
            .write_always(async |tx| {
                let token = self.reset_token(tx, Some(&user)).await?;
                let letter = match user.is_active {
                    true => self.reset_letter(letters, &user, &token),
                    false => letters.account_closed(&user.email, &user.username),
                };
                self.send_reset(tx, MailKind::Account, &letter).await?;
                Ok(())
            })
            .await
    }

    /// A new link. Older ones stay valid until they expire: an attacker who requests another one
    /// must not revoke them.
    async fn reset_token(
        &self,
        tx: &Tx,
        user: Option<&Model>,
    ) -> Result<Token<PasswordReset>, DbErr> {
        let token = Token::<PasswordReset>::new();
        self.tokens.keep(tx, &token, user, &()).await?;
        Ok(token)
    }

    /// To the stored address, not to the typed one: they may differ by more than case.
    fn reset_letter(
        &self,
        letters: Letterhead<'_>,
        user: &Model,
        token: &Token<PasswordReset>,
    ) -> Letter {
        let django = || self.django_links.link(letters.base, user);
        let link = is_usable(&user.password).then(django).flatten();
        let link = link.unwrap_or_else(|| letters.reset_link(token));
        letters.reset(&user.email, &user.username, &link)
    }

    async fn send_reset(&self, tx: &Tx, kind: MailKind, letter: &Letter) -> Result<(), DbErr> {
        self.send(tx, kind, letter, PasswordReset::LIFETIME_SECS)
            .await
    }

    /// The account of a reset link.
    pub(in crate::auth) async fn reset_account(&self, hash: &str) -> Result<Option<Model>> {
        if let Some(link) = self.django_links.recall(hash) {
            return self.reset_account_of_django(&link).await;
        }
        let found = self.tokens.find::<PasswordReset, ()>(hash).await?;
        Ok(found.and_then(|found| found.user))
    }

    /// The account of a Django link.
    pub(in crate::auth) async fn reset_account_of_django(
        &self,
        link: &DjangoLink,
    ) -> Result<Option<Model>> {
        let Some(id) = link.user_id() else {
            return Ok(None);
        };
        let row = Entity::find_by_id(id).one(&self.database.handle()).await?;
        Ok(row.filter(|row| self.django_links.is_of(link, row)))
    }
}

impl Accounts {
    /// Sets a password by a link. All sessions and all other links of the account are revoked.
    pub(in crate::auth) async fn reset_by_link(
        &self,
        hash: &str,
        password: &str,
        base: &str,
    ) -> Result<LinkOutcome> {
        let Some(user) = self.email.reset_account(hash).await? else {
            return Ok(LinkOutcome::Invalid);
        };
        if let Err(broken) = self.validate_password(&user, password).await? {
            return Ok(LinkOutcome::Refused(broken));
        }
        let encoded = self.passwords.hash(password).await?;
        let (tx, tokens) = (self.database.begin().await?, &self.email.tokens);
        // a Django link is bound to the password that it replaces
        let is_redeemed = self.email.django_links.recall(hash).is_some()
            || tokens.redeem::<PasswordReset>(&tx, hash).await?;
        if !is_redeemed || !users::put_hash(&tx, &user, &encoded).await? {
            return Ok(LinkOutcome::Invalid);
        }
        tokens.forget(&tx, user.id, None).await?;
        let text = "A new password was set by a link that was sent to this address. All sessions \
                    have ended.";
        self.email.notify(&tx, &user, Notice { text, base }).await?;
        record_in(&tx, user.entry(Event::PasswordReset)).await?;
        tx.commit().await?;
        Ok(LinkOutcome::Done(Model {
            password: encoded,
            ..user
        }))
    }
}
