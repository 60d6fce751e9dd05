//! Login codes sent to an account's email address, and re-authentication by such codes.

use crate::auth::email::codes::{Coded, MailedCode};
use crate::auth::email::messages::Letterhead;
use crate::auth::email::tokens::Purpose;
use crate::auth::login::lockout::Source;
use crate::auth::user::entity::{Entity, Model};
use crate::auth::{Accounts, User};
use crate::mail::MailKind;
use crate::sessions::Session;
use crate::views::Result;
use palisade_crypto::user_tokens;
use palisade_password::is_usable;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A pending login by code.
#[derive(Serialize, Deserialize)]
pub(in crate::auth) struct MailLogin {
    /// `None`, where no account has the address.
    user: Option<Owner>,
    code: String,
    pub(in crate::auth) next: Option<String>,
}

/// The account, valid while neither password nor address change.
#[derive(Serialize, Deserialize)]
struct Owner {
    id: i32,
    hash: String,
    email: String,
}

/// A pending re-authentication of a user without a password.
#[derive(Serialize, Deserialize)]
pub(in crate::auth) struct MailAgain {
    pub(in crate::auth) user_id: i32,
    code: String,
    pub(in crate::auth) next: Option<String>,
}

impl Purpose for MailLogin {
    const NAME: &'static str = "login by mail";
    const LIFETIME_SECS: i64 = 600;
}

impl Purpose for MailAgain {
    const NAME: &'static str = "again by mail";
    const LIFETIME_SECS: i64 = 600;
}

impl Coded for MailLogin {
    fn code(&self) -> &str {
        &self.code
    }
}

impl Coded for MailAgain {
    fn code(&self) -> &str {
        &self.code
    }
}

impl Accounts {
    /// Sends a code to an address, or returns the time until the next one is allowed. The work is
    /// the same whether or not an account has it (user enumeration).
    pub(in crate::auth) async fn send_login_code(
        &self,
        session: &Session,
        from: Source<'_>,
        address: &str,
        next: Option<String>,
        base: &str,
    ) -> Result<Option<Duration>> {
        if let Some(wait) = self.ask_mail(from, address).await? {
            return Ok(Some(wait));
        }
        let (code, user) = (MailedCode::new(), self.by_address(address).await?);
        let letters = Letterhead { base };
        let (kind, mail) = match &user {
            Some(user) => (
                MailKind::Account,
                letters.login_code(&user.email, &user.username, &code),
            ),
            None => (MailKind::Unknown, letters.no_login(address)),
        };
        let user = user.map(|user| Owner {
            id: user.id,
            hash: user.session_hash(self.ring()),
            email: user.email,
        });
        self.begin_by_mail(
            session,
            &MailLogin {
                user,
                code: code.hash(),
                next,
            },
            kind,
            &mail,
        )
        .await
        .map(|()| None)
    }

    /// The account of a pending login; `None` if it was closed, or its password or address changed
    /// meanwhile.
    pub(in crate::auth) async fn of_mail_login(&self, begun: &MailLogin) -> Result<Option<Model>> {
        let Some(owner) = &begun.user else {
            return Ok(None);
        };
        let row = Entity::find_by_id(owner.id)
            .one(&self.database.handle())
            .await?;
        let row = row.filter(|row| row.is_active && row.email == owner.email);
        Ok(row.filter(|row| {
            user_tokens::is_session_auth_hash(self.ring(), &row.password, &owner.hash)
        }))
    }

    /// Whether a user has a password.
    pub(crate) async fn has_password(&self, id: i32) -> Result<bool> {
        Ok(Entity::find_by_id(id)
            .one(&self.database.handle())
            .await?
            .is_some_and(|row| is_usable(&row.password)))
    }

    /// Whether a user can log in by password or mail, independent of factors and social logins that
    /// pages can remove.
    #[cfg(any(feature = "passkeys", feature = "social"))]
    pub(crate) async fn has_way_in(&self, user: &User) -> Result<bool> {
        let is_mailed = async || {
            Ok::<_, crate::views::Error>(
                self.by_address(&user.email)
                    .await?
                    .is_some_and(|row| row.id == user.id),
            )
        };
        Ok(self.has_password(user.id).await?
            || (self.ways.mail && !user.email.is_empty() && is_mailed().await?))
    }

    /// Sends a code for re-authentication to a user without a password.
    pub(in crate::auth) async fn send_again_code(
        &self,
        session: &Session,
        user: &User,
        next: Option<String>,
        base: &str,
    ) -> Result<()> {
        let code = MailedCode::new();
        let mail = Letterhead { base }.again_code(&user.email, &user.username, &code);
        self.begin_by_mail(
            session,
            &MailAgain {
                user_id: user.id,
                code: code.hash(),
                next,
            },
            MailKind::Account,
            &mail,
        )
        .await
    }
}
