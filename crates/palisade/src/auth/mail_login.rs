//! A login by the mailbox that an account has.

use super::Accounts;
use super::codes::{Coded, MailedCode};
use super::notices::Letterhead;
use super::tokens::Purpose;
use super::user::entity::{Entity, Model};
use crate::sessions::Session;
use crate::views::Result;
use palisade_crypto::user_tokens;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

/// A login that waits for its code.
#[derive(Serialize, Deserialize)]
pub(super) struct MailLogin {
    /// Nobody, where no account has the address.
    user: Option<(i32, String)>,
    code: String,
    pub(super) next: Option<String>,
}

impl Purpose for MailLogin {
    const NAME: &'static str = "login by mail";
    const LIFETIME_SECS: i64 = 600;
}

impl Coded for MailLogin {
    fn code(&self) -> &str {
        &self.code
    }
}

impl Accounts {
    /// Sends a code to an address. The work is the same whether or not an account has it.
    pub(super) async fn send_login_code(&self, session: &Session, address: &str, next: Option<String>, base: &str) -> Result<()> {
        let (code, user) = (MailedCode::new(), self.by_address(address).await?);
        let letters = Letterhead { base };
        let mail = match &user {
            Some(user) => letters.login_code(&user.email, &user.username, &code),
            None => letters.no_login(address),
        };
        let user = user.map(|user| (user.id, user.session_hash(self.ring())));
        self.begin_by_mail(session, &MailLogin { user, code: code.hash(), next }, &mail).await
    }

    /// Whose login it is; nobody's, if the account was closed or its password changed meanwhile.
    pub(super) async fn of_mail_login(&self, begun: &MailLogin) -> Result<Option<Model>> {
        let Some((id, hash)) = &begun.user else { return Ok(None) };
        let row = Entity::find_by_id(*id).one(&self.database.handle()).await?.filter(|row| row.is_active);
        Ok(row.filter(|row| user_tokens::is_session_auth_hash(self.ring(), &row.password, hash)))
    }
}
