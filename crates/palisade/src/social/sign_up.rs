//! From somebody whom a provider knows to an account.

use super::Provider;
use super::flow::Identity;
use super::identities::{Identities, Kept, NewIdentity, hash_of};
use crate::auth::{Accounts, Coded, MailedCode, Purpose};
use crate::db::{DbFailure, Tx, failure};
use crate::forms::{Email, Field};
use crate::mail::MailKind;
use crate::sessions::Session;
use crate::views::Result;
use serde::{Deserialize, Serialize};

/// Somebody whose address is not proven yet.
#[derive(Serialize, Deserialize)]
pub(super) struct Stranger {
    pub(super) provider: String,
    pub(super) identity: Identity,
    pub(super) next: Option<String>,
    /// The address that the code was sent to, and what is known of the code.
    pub(super) sent: Option<(String, String)>,
}

impl Purpose for Stranger {
    const NAME: &'static str = "social sign-up";
    const LIFETIME_SECS: i64 = 600;
}

impl Coded for Stranger {
    fn code(&self) -> &str {
        self.sent.as_ref().map_or("", |(_, code)| code)
    }
}

/// Whether a login was added to an account.
pub(super) enum Added {
    Yes,
    /// It is somebody's already.
    Taken,
}

impl Identity {
    pub(super) fn hash(&self) -> String {
        hash_of(&self.issuer, &self.subject)
    }

    fn new_row<'a>(&'a self, provider: &'a str) -> NewIdentity<'a> {
        let label = self.email.clone().unwrap_or_else(|| self.name.clone());
        NewIdentity {
            hash: self.hash(),
            provider,
            label,
            tokens: self.tokens.as_deref(),
        }
    }

    /// The address, if it is to be believed: the provider has verified it, and the site trusts the provider for that (D34).
    pub(super) fn trusted_email(&self, provider: &Provider) -> Option<Email> {
        let is_trusted = self.is_verified && provider.settings.trusts_email;
        Email::parse(self.email.as_deref().filter(|_| is_trusted)).ok()
    }

    /// The account that this login belongs to. Notes that it was used.
    pub(super) async fn kept(&self, accounts: &Accounts) -> Result<Option<Kept>> {
        let hash = self.hash();
        let Some(kept) = Identities::find(&accounts.database().handle(), &hash).await? else {
            return Ok(None);
        };
        let tx = accounts.database().begin().await?;
        Identities::used(
            &tx,
            accounts.ring(),
            accounts.now().timestamp(),
            &hash,
            self.tokens.as_deref(),
        )
        .await?;
        tx.commit().await?;
        Ok(Some(kept))
    }

    /// Adds this login to an account.
    pub(super) async fn add_to(
        &self,
        tx: &Tx,
        accounts: &Accounts,
        provider: &str,
        user_id: i32,
    ) -> Result<Added> {
        let now = accounts.now().timestamp();
        match Identities::add(tx, accounts.ring(), now, user_id, self.new_row(provider)).await {
            Ok(()) => Ok(Added::Yes),
            Err(error) if matches!(failure(&error), DbFailure::Duplicate) => Ok(Added::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes an account for an address that is proven. `None` if an account has the address, or the login is somebody's.
    pub(super) async fn enrol(
        &self,
        accounts: &Accounts,
        provider: &str,
        email: &str,
    ) -> Result<Option<i32>> {
        let tx = accounts.database().begin().await?;
        let Some(row) = accounts.enrol(&tx, &self.name, email).await? else {
            return Ok(None);
        };
        let now = accounts.now().timestamp();
        match Identities::add(&tx, accounts.ring(), now, row.id, self.new_row(provider)).await {
            Ok(()) => tx.commit().await.map(|()| Some(row.id)).map_err(Into::into),
            Err(error) if matches!(failure(&error), DbFailure::Duplicate) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Stranger {
    /// Sends a code to an address. The work is the same whether or not an account has it.
    pub(super) async fn send(
        self,
        accounts: &Accounts,
        session: &Session,
        address: &str,
        base: &str,
    ) -> Result<()> {
        let code = MailedCode::new();
        let mail = accounts.address_code(address, &code, base).await?;
        let waiting = Self {
            sent: Some((address.to_owned(), code.hash())),
            ..self
        };
        accounts
            .begin_by_mail(session, &waiting, MailKind::SignUp, &mail)
            .await
    }
}
