//! Sign-up: an account is created when the owner of the address opens the mailed link and types the
//! password.
//!
//! Before that no account exists: an unverified address has no effect (D12), usernames are not
//! reserved, and responses do not depend on existing accounts (D29). The password prevents accounts
//! for users who open every link they get.

use crate::auth::account::names::same_name;
use crate::auth::accounts::put;
use crate::auth::email::messages::Letterhead;
use crate::auth::email::tokens::{SignUp, Token};
use crate::auth::user::entity::{ActiveModel, Entity, Model};
use crate::auth::{Accounts, NewUser, Rank, SignUpError, same_address};
use crate::db::{self, DbFailure, Tx};
use crate::mail::MailKind;
use crate::sql;
use crate::views::Result;
use palisade_password::Verdict;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, Set};
use serde::{Deserialize, Serialize};

/// A pending sign-up.
#[derive(Serialize, Deserialize)]
struct Pending {
    username: String,
    email: String,
    /// Its hash.
    password: String,
}

/// Result of a confirmation.
pub(in crate::auth) enum Confirmed {
    Welcome(Model),
    WrongPassword,
    /// The name or the address was taken meanwhile.
    Taken,
    /// The sign-up does not exist or has expired.
    Dead,
}

impl Accounts {
    /// Starts a sign-up. The work is the same for free and registered names: one hash, two queries, one token,
    /// one mail (user enumeration).
    pub(in crate::auth) async fn register(
        &self,
        new: NewUser<'_>,
        base: &str,
    ) -> Result<(), SignUpError> {
        self.judge(new.password, new.username, new.email)
            .await
            .map_err(SignUpError::Password)?;
        let password = self
            .hashes
            .hash(new.password.to_owned())
            .await
            .map_err(|busy| SignUpError::Failed(busy.into()))?;
        self.invite(new, password, base)
            .await
            .map_err(|error| SignUpError::Failed(error.into()))
    }

    async fn invite(&self, new: NewUser<'_>, password: String, base: &str) -> Result<(), DbErr> {
        let (by_name, by_address) = taken(&self.database.handle(), new.username, new.email).await?;
        let token = Token::<SignUp>::new();
        let pending = Pending {
            username: new.username.into(),
            email: new.email.into(),
            password,
        };
        let letters = Letterhead { base };
        let mail = match (by_address, by_name) {
            (Some(user), _) if !user.is_active => letters.closed(new.email, &user.username),
            (Some(user), _) => letters.has_account(new.email, &user.username),
            (None, Some(_)) => letters.name_taken(new.email, new.username),
            (None, None) => letters.confirm_sign_up(new.email, &token),
        };
        let tx = self.database.begin().await?;
        self.tokens.keep(&tx, &token, None, &pending).await?;
        self.mail
            .put_letter(&tx, MailKind::SignUp, &mail, 24 * 3600)
            .await?;
        tx.commit().await?;
        self.mail.wake();
        Ok(())
    }

    /// The username of a pending sign-up.
    pub(in crate::auth) async fn pending(&self, hash: &str) -> Result<Option<String>> {
        Ok(self
            .tokens
            .find::<SignUp, Pending>(hash)
            .await?
            .map(|found| found.payload.username))
    }

    /// Confirms a sign-up: creates the account.
    pub(in crate::auth) async fn confirm(&self, hash: &str, password: &str) -> Result<Confirmed> {
        let Some(found) = self.tokens.find::<SignUp, Pending>(hash).await? else {
            return Ok(Confirmed::Dead);
        };
        let pending = found.payload;
        let verdict = self
            .hashes
            .verify(password.to_owned(), Some(pending.password.clone()))
            .await?;
        if verdict == Verdict::NoMatch {
            return Ok(Confirmed::WrongPassword);
        }
        let tx = self.database.begin().await?;
        lock_new(&tx, &pending.username, &pending.email).await?;
        let (by_name, by_address) = taken(&tx, &pending.username, &pending.email).await?;
        if by_name.is_some() || by_address.is_some() {
            return Ok(Confirmed::Taken);
        }
        if !self.tokens.redeem::<SignUp>(&tx, hash).await? {
            return Ok(Confirmed::Dead);
        }
        match put(
            &tx,
            self.row(
                &pending.username,
                &pending.email,
                pending.password,
                Rank::Plain,
            ),
        )
        .await
        {
            Ok(row) => {
                tx.commit().await?;
                Ok(Confirmed::Welcome(row))
            }
            Err(error) if matches!(db::failure(&error), DbFailure::Duplicate) => {
                Ok(Confirmed::Taken)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The row of a new account.
    pub(in crate::auth) fn row(
        &self,
        username: &str,
        email: &str,
        password: String,
        rank: Rank,
    ) -> ActiveModel {
        ActiveModel {
            username: Set(username.into()),
            email: Set(email.into()),
            password: Set(password),
            first_name: Set(String::new()),
            last_name: Set(String::new()),
            is_active: Set(true),
            is_staff: Set(rank != Rank::Plain),
            is_superuser: Set(rank == Rank::Superuser),
            last_login: Set(None),
            date_joined: Set(self.clock.now()),
            ..Default::default()
        }
    }
}

/// The accounts with a name, in any case, and with an address.
async fn taken(
    db: &impl ConnectionTrait,
    username: &str,
    email: &str,
) -> Result<(Option<Model>, Option<Model>), DbErr> {
    let by_name = Entity::find().filter(same_name(username)).one(db).await?;
    let by_address = Entity::find().filter(same_address(email)).one(db).await?;
    Ok((by_name, by_address))
}

/// Serialises transactions that create an account with this name or address, so that the second one
/// sees the first. SQLite has one writer anyway.
pub(in crate::auth) async fn lock_new(tx: &Tx, username: &str, email: &str) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        // always names before addresses, to avoid deadlocks
        for key in [
            format!("name {}", username.to_lowercase()),
            format!("address {}", email.to_lowercase()),
        ] {
            tx.execute_sql(sql!(
                "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))",
                key
            ))
            .await?;
        }
    }
    Ok(())
}
