//! Accounts for external identities: lookup, linking and sign-up.

use super::Provider;
use super::identities::{Identities, Kept, NewIdentity, hash_of};
use super::identity::Identity;
use crate::auth::{Accounts, Coded, MailedCode, Purpose};
use crate::db::{DbFailure, Tx, failure};
use crate::forms::{Email, Field};
use crate::mail::MailKind;
use crate::sessions::Session;
use crate::views::Result;
use palisade_macros::Form;
use serde::{Deserialize, Serialize};

/// The form that asks for the email address of a new account.
#[derive(Form)]
pub(crate) struct Address {
    #[form(
        label = "E-mail address",
        help = "A code is sent to it, and later mail from this site."
    )]
    pub(super) email: Email,
}

/// An unlinked identity whose address is unverified.
#[derive(Serialize, Deserialize)]
pub(super) struct UnlinkedIdentity {
    pub(super) provider: String,
    pub(super) identity: Identity,
    pub(super) next: Option<String>,
    /// The address of the code, and its hash.
    pub(super) sent: Option<(String, String)>,
}

impl Purpose for UnlinkedIdentity {
    const NAME: &'static str = "social sign-up";
    const LIFETIME_SECS: i64 = 600;
}

impl Coded for UnlinkedIdentity {
    fn code(&self) -> &str {
        self.sent.as_ref().map_or("", |(_, code)| code)
    }
}

/// Result of linking an identity.
pub(super) enum Added {
    Yes,
    /// It is linked already.
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

    /// The address, if it is trusted: the provider has verified it, and the site trusts the
    /// provider (D34).
    pub(super) fn trusted_email(&self, provider: &Provider) -> Option<Email> {
        let is_trusted = self.is_verified && provider.settings.trusts_email;
        Email::parse(self.email.as_deref().filter(|_| is_trusted)).ok()
    }

    /// The account of an identity. Records the login.
    pub(super) async fn linked_account(&self, accounts: &Accounts) -> Result<Option<Kept>> {
        let hash = self.hash();
        let Some(kept) = Identities::find(&accounts.database().handle(), &hash).await? else {
            return Ok(None);
        };
        let tokens = self.tokens.as_deref();
        let record = async |tx: &Tx| Identities::record_login(tx, accounts, &hash, tokens).await;
        accounts.database().write_always(record).await?;
        Ok(Some(kept))
    }

    /// Links an identity to an account.
    pub(super) async fn add_to(
        &self,
        tx: &Tx,
        accounts: &Accounts,
        provider: &str,
        user_id: i32,
    ) -> Result<Added> {
        match Identities::add(tx, accounts, user_id, self.new_row(provider)).await {
            Ok(()) => Ok(Added::Yes),
            Err(error) if matches!(failure(&error), DbFailure::Duplicate) => Ok(Added::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates an account for a verified address. `None` if the address has an account, or the
    /// identity is linked.
    pub(super) async fn create_account(
        &self,
        accounts: &Accounts,
        provider: &str,
        email: &str,
    ) -> Result<Option<i32>> {
        let tx = accounts.database().begin_of_site().await?;
        let Some(row) = accounts.provision(&tx, &self.name, email).await? else {
            return Ok(None);
        };
        match Identities::add(&tx, accounts, row.id, self.new_row(provider)).await {
            Ok(()) => tx.commit().await.map(|()| Some(row.id)).map_err(Into::into),
            Err(error) if matches!(failure(&error), DbFailure::Duplicate) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl UnlinkedIdentity {
    /// Sends a code to an address. The work is the same whether or not an account has it (user
    /// enumeration).
    pub(super) async fn send(
        self,
        accounts: &Accounts,
        session: &Session,
        address: &str,
        base: &str,
    ) -> Result<()> {
        let code = MailedCode::new();
        let mail = accounts.email.address_code(address, &code, base).await?;
        let waiting = Self {
            sent: Some((address.to_owned(), code.hash())),
            ..self
        };
        accounts
            .email
            .begin_by_mail(session, &waiting, MailKind::SignUp, &mail)
            .await
    }
}
