//! Sign-up: an account is created when the owner of the address opens the mailed link and types the
//! password.
//!
//! Before that no account exists: an unverified address has no effect (D12), usernames are not
//! reserved, and responses do not depend on existing accounts (D29). The password prevents accounts
//! for users who open every link they get.

use crate::auth::account::names::same_name;
use crate::auth::account::profile::Typed;
use crate::auth::email::email_tokens::EmailTokens;
use crate::auth::email::messages::Letterhead;
use crate::auth::tokens::{Purpose, SignUp, Token};
use crate::auth::user::entity::{Entity, Model};
use crate::auth::user::same_address;
use crate::auth::users::{self, NewRow};
use crate::auth::{Accounts, NewUser, Rank, SignUpError};
use crate::db::{self, DbFailure, Tx};
use crate::mail::MailKind;
use crate::sql;
use crate::views::Result;
use chrono_tz::Tz;
use palisade_password::Verdict;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

/// A pending sign-up.
#[derive(Serialize, Deserialize)]
struct PendingSignUp {
    username: String,
    email: String,
    /// Its hash.
    password: String,
    /// The site's own fields, as they were typed.
    #[serde(default)]
    profile: Typed,
}

/// Result of a confirmation.
pub(in crate::auth) enum Confirmed {
    Welcome(Model),
    WrongPassword,
    /// The name or the address was taken meanwhile.
    Taken,
    /// The sign-up does not exist or has expired.
    Expired,
}

impl Accounts {
    /// Starts a sign-up. The work is the same for free and registered names: one hash, two queries,
    /// one token, one mail (user enumeration).
    pub(in crate::auth) async fn register(
        &self,
        new: NewUser<'_>,
        profile: Typed,
        base: &str,
    ) -> Result<(), SignUpError> {
        let password = self.new_hash(new).await?;
        let pending = PendingSignUp {
            username: new.username.into(),
            email: new.email.into(),
            password,
            profile,
        };
        let invited = self.email.invite(pending, base).await;
        invited.map_err(|error| SignUpError::Failed(error.into()))
    }

    /// Confirms a sign-up: creates the account.
    pub(in crate::auth) async fn confirm(
        &self,
        hash: &str,
        password: &str,
        zone: Tz,
    ) -> Result<Confirmed> {
        let tokens = &self.email.tokens;
        let Some(found) = tokens.find::<SignUp, PendingSignUp>(hash).await? else {
            return Ok(Confirmed::Expired);
        };
        let pending = found.payload;
        let encoded = Some(pending.password.clone());
        if self.passwords.verify(password, encoded).await? == Verdict::NoMatch {
            return Ok(Confirmed::WrongPassword);
        }
        let tx = self.database.begin().await?;
        lock_new(&tx, &pending.username, &pending.email).await?;
        let (by_name, by_address) = find_taken(&tx, &pending.username, &pending.email).await?;
        if by_name.is_some() || by_address.is_some() {
            return Ok(Confirmed::Taken);
        }
        if !tokens.redeem::<SignUp>(&tx, hash).await? {
            return Ok(Confirmed::Expired);
        }
        let row = self.users.new_row(NewRow {
            username: &pending.username,
            email: &pending.email,
            encoded: pending.password,
            rank: Rank::Plain,
        });
        let row = match users::insert(&tx, row).await {
            Ok(row) => row,
            Err(error) if matches!(db::failure(&error), DbFailure::Duplicate) => {
                return Ok(Confirmed::Taken);
            }
            Err(error) => return Err(error.into()),
        };
        self.complete(&tx, &row, (pending.profile, zone)).await?;
        tx.commit().await?;
        Ok(Confirmed::Welcome(row))
    }

    /// Stores the site's own fields of a new account, and runs its hooks.
    async fn complete(&self, tx: &Tx, row: &Model, profile: (Typed, Tz)) -> Result<()> {
        let user = row.public();
        if let Some(form) = &self.profile {
            form.save(profile, tx, &user).await?;
        }
        self.run_signed_up(tx, &user).await
    }
}

impl EmailTokens {
    async fn invite(&self, pending: PendingSignUp, base: &str) -> Result<(), DbErr> {
        let (username, email) = (&pending.username, &pending.email);
        let (by_name, by_address) = find_taken(&self.database.handle(), username, email).await?;
        let token = Token::<SignUp>::new();
        let letters = Letterhead { base };
        let mail = match (by_address, by_name) {
            (Some(user), _) if !user.is_active => letters.account_closed(email, &user.username),
            (Some(user), _) => letters.has_account(email, &user.username),
            (None, Some(_)) => letters.name_taken(email, username),
            (None, None) => letters.confirm_sign_up(email, &token),
        };
        let keep = async |tx: &Tx| {
            self.tokens.keep(tx, &token, None, &pending).await?;
            self.send(tx, MailKind::SignUp, &mail, SignUp::LIFETIME_SECS)
                .await
        };
        self.database.write_always(keep).await
    }

    /// The username of a pending sign-up.
    pub(in crate::auth) async fn pending_sign_up(&self, hash: &str) -> Result<Option<String>> {
        let found = self.tokens.find::<SignUp, PendingSignUp>(hash).await?;
        Ok(found.map(|found| found.payload.username))
    }
}

/// The accounts with a name, in any case, and with an address.
async fn find_taken(
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
