//! Login codes sent to an account's email address, and re-authentication by such codes.

use super::source::Source;
use crate::auth::email::codes::{Coded, MailedCode};
use crate::auth::email::email_tokens::EmailTokens;
use crate::auth::email::messages::Letterhead;
use crate::auth::tokens::Purpose;
use crate::auth::user::entity::Model;
use crate::auth::{Accounts, User};
use crate::mail::MailKind;
use crate::sessions::Session;
use crate::views::Result;
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
pub(in crate::auth) struct MailReauthentication {
    pub(in crate::auth) user_id: i32,
    code: String,
    pub(in crate::auth) next: Option<String>,
}

impl Purpose for MailLogin {
    const NAME: &'static str = "login by mail";
    const LIFETIME_SECS: i64 = 600;
}

impl Purpose for MailReauthentication {
    const NAME: &'static str = "again by mail";
    const LIFETIME_SECS: i64 = 600;
}

impl Coded for MailLogin {
    fn code(&self) -> &str {
        &self.code
    }
}

impl Coded for MailReauthentication {
    fn code(&self) -> &str {
        &self.code
    }
}

impl Accounts {
    /// Counts a mail that a client requests, before it is created, or returns the time to wait: the
    /// rate limit of everything that sends mail. The owner's browser is counted separately, so that
    /// other clients cannot use up the owner's limit (D37). The work is the same whether or not an
    /// account has the address.
    pub(crate) async fn count_mail(
        &self,
        from: Source<'_>,
        address: &str,
    ) -> Result<Option<Duration>> {
        let user = self.users.by_address(address).await?;
        let device = self.guard.device(from, user.as_ref()).await?;
        let address = address.to_lowercase();
        let limits = &self.email.limits;
        Ok(limits
            .request(&address, from.client, device.as_deref())
            .await)
    }

    /// Sends a code to an address. The work is the same whether or not an account has it (user
    /// enumeration).
    pub(in crate::auth) async fn send_login_code(
        &self,
        session: &Session,
        address: &str,
        next: Option<String>,
        base: &str,
    ) -> Result<()> {
        let (code, user) = (MailedCode::new(), self.users.by_address(address).await?);
        let letters = Letterhead { base };
        let (kind, letter) = match &user {
            Some(user) => (
                MailKind::Account,
                letters.login_code(&user.email, &user.username, &code),
            ),
            None => (MailKind::Unknown, letters.no_login(address)),
        };
        let user = user.map(|user| Owner {
            id: user.id,
            hash: self.sessions.hash(&user),
            email: user.email,
        });
        let code = code.hash();
        let login = MailLogin { user, code, next };
        self.email
            .begin_by_mail(session, &login, kind, &letter)
            .await
    }

    /// The account of a pending login; `None` if it was closed, or its password or address changed
    /// meanwhile.
    pub(in crate::auth) async fn login_account(&self, login: &MailLogin) -> Result<Option<Model>> {
        let Some(owner) = &login.user else {
            return Ok(None);
        };
        let row = self.users.active(owner.id).await?;
        let is_same =
            |row: &Model| row.email == owner.email && self.sessions.is_hash(row, &owner.hash);
        Ok(row.filter(is_same))
    }

    /// Whether a user can log in by password or mail, independent of factors and social logins that
    /// pages can remove.
    #[cfg(any(feature = "passkeys", feature = "social"))]
    pub(crate) async fn has_login_method(&self, user: &User) -> Result<bool> {
        if self.users.has_password(user.id).await? {
            return Ok(true);
        }
        if !self.methods.mail || user.email.is_empty() {
            return Ok(false);
        }
        let owner = self.users.by_address(&user.email).await?;
        Ok(owner.is_some_and(|row| row.id == user.id))
    }
}

impl EmailTokens {
    /// Sends a code for re-authentication to a user without a password.
    pub(in crate::auth) async fn send_reauthentication_code(
        &self,
        session: &Session,
        user: &User,
        next: Option<String>,
        base: &str,
    ) -> Result<()> {
        let code = MailedCode::new();
        let letter = Letterhead { base }.again_code(&user.email, &user.username, &code);
        let action = MailReauthentication {
            user_id: user.id,
            code: code.hash(),
            next,
        };
        self.begin_by_mail(session, &action, MailKind::Account, &letter)
            .await
    }
}
