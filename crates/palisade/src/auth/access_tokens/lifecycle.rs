//! Tokens are made, listed and ended.

use super::rows::palisade_access_token::{ActiveModel, Entity, Model as AccessToken};
use super::rules::{NewAccessToken, TokenEnd};
use super::{format, rows};
use crate::audit_log::{Entry, Event, record_in, record_now};
use crate::auth::accounts::Accounts;
use crate::auth::email::notices::Notice;
use crate::auth::user::User;
use crate::auth::users;
use crate::auth::visitor::Visitor;
use crate::db::Tx;
use crate::views::{Error, Result};
use palisade_crypto::{Secret, random};
use sea_orm::{EntityTrait, Set};

impl Accounts {
    /// Makes a token for the user of a session, and notifies the user. `Err` of the result is a
    /// sentence for the user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn make_access_token(
        &self,
        (visitor, user): (&Visitor, &User),
        new: &NewAccessToken<'_>,
    ) -> Result<Result<Secret<String>, String>> {
        let Some((_, bindings)) = self.token_bindings(user.id).await? else {
            return Err(Error::forbidden());
        };
        let has_factor = visitor.has_factor().await?;
        let (token, now) = (format::generate(), self.now().timestamp());
        let row = ActiveModel {
            user_id: Set(user.id),
            name: Set(new.name.to_owned()),
            shown: Set(token.expose().chars().take(10).collect()),
            hash: Set(random::stored_hash(token.expose())),
            scopes: Set(new.scopes.join(" ")),
            networks: Set(Some(new.networks.to_owned()).filter(|list| !list.is_empty())),
            bound_to: Set(bindings.first().cloned().unwrap_or_default()),
            has_factor: Set(has_factor),
            created: Set(now),
            expires: Set(now + i64::from(new.days) * rows::DAY),
            ..Default::default()
        };
        let tx = self.database.begin().await?;
        // concurrent requests of one user are counted one after the other
        users::lock_user(&tx, user.id).await?;
        let all = rows::of_user(&tx, user.id).await?;
        let is_valid =
            |token: &AccessToken| token.is_valid(now) && bindings.contains(&token.bound_to);
        let valid = all.iter().filter(|token| is_valid(token));
        if valid.count() >= self.access_tokens.most {
            let most = self.access_tokens.most;
            return Ok(Err(format!("You have {most} tokens: end one first.")));
        }
        Entity::insert(row).exec_without_returning(&tx).await?;
        let detail = format!("{}: {}, {} days", new.name, new.scopes.join(" "), new.days);
        record_in(&tx, user.entry(Event::TokenMade).detail(detail)).await?;
        let text = format!("The access token \"{}\" was made. {REVOKE}", new.name);
        self.notify_of_tokens(&tx, user.id, &text).await?;
        tx.commit().await?;
        Ok(Ok(token))
    }

    /// The tokens of a user, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn access_tokens_of(&self, user_id: i32) -> Result<Vec<AccessToken>> {
        Ok(rows::of_user(&self.database.handle(), user_id).await?)
    }

    /// Ends one token of a user, or all, and notifies the user. Returns their number.
    ///
    /// # Errors
    /// When the database does not answer; no token has ended then.
    pub(crate) async fn end_access_tokens(
        &self,
        (user_id, id): (i32, Option<i32>),
        why: TokenEnd,
    ) -> Result<usize> {
        let tx = self.database.begin().await?;
        let now = self.now().timestamp();
        let ended = rows::end(&tx, (user_id, id), (now, why.text())).await?;
        for name in &ended {
            let entry = Entry::new(Event::TokenEnded).about(user_id);
            record_in(&tx, entry.detail(format!("{name}: {}", why.text()))).await?;
            let text = format!("The access token \"{name}\" has ended: {}.", why.text());
            self.notify_of_tokens(&tx, user_id, &text).await?;
        }
        tx.commit().await?;
        Ok(ended.len())
    }

    /// Ends a token that was found or exposed: its text is proof enough.
    ///
    /// # Errors
    /// When the database does not answer; the token is valid then.
    pub(crate) async fn end_exposed_token(&self, token: &str, why: TokenEnd) -> Result<()> {
        if !format::is_well_formed(token) {
            return Ok(());
        }
        let hash = random::stored_hash(token);
        let found = rows::find(&self.database.handle(), &hash).await?;
        let Some((row, _, _)) = found.filter(|(row, ..)| row.ended.is_none()) else {
            return Ok(());
        };
        let entry = Entry::new(Event::TokenFound).about(row.user_id);
        let entry = entry.detail(format!("{}: {}", row.name, why.text()));
        record_now(&self.database, entry).await?;
        self.end_access_tokens((row.user_id, Some(row.id)), why)
            .await
            .map(drop)
    }

    pub(super) async fn notify_of_tokens(&self, tx: &Tx, user_id: i32, text: &str) -> Result<()> {
        let base = &self.email.links.main_base();
        self.email
            .notify_id(tx, user_id, Notice { text, base })
            .await
    }
}

const REVOKE: &str = "If it was not you, change your password: all tokens end with it.";
