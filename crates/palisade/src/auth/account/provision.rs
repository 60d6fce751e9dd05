//! Provisioning of accounts for social logins.

use crate::auth::account::names::{is_confusable, is_foreign_address, same_name};
use crate::auth::account::sign_up::lock_new;
use crate::auth::email::codes::MailedCode;
use crate::auth::email::email_tokens::EmailTokens;
use crate::auth::email::messages::Letterhead;
use crate::auth::user::entity::{Entity, Model};
use crate::auth::user::same_address;
use crate::auth::users::{self, NewRow};
use crate::auth::{Accounts, Rank};
use crate::db::Tx;
use crate::mail::Letter;
use crate::views::Result;
use palisade_crypto::random;
use palisade_password::unusable;
use sea_orm::{EntityTrait, QueryFilter};
use unicode_normalization::UnicodeNormalization;

impl Accounts {
    /// Creates an account without a password, for a verified address. `None` if an account has it.
    pub(crate) async fn provision(
        &self,
        tx: &Tx,
        wanted: &str,
        email: &str,
    ) -> Result<Option<Model>> {
        let name = name_from(wanted, email);
        lock_new(tx, &name, email).await?;
        if Entity::find()
            .filter(same_address(email))
            .one(tx)
            .await?
            .is_some()
        {
            return Ok(None);
        }
        let is_taken = Entity::find()
            .filter(same_name(&name))
            .one(tx)
            .await?
            .is_some();
        let name = if is_taken {
            format!("{name}-{}", random::alphanumeric(6).expose().to_lowercase())
        } else {
            name
        };
        let row = self.users.new_row(NewRow {
            username: &name,
            email,
            encoded: unusable(),
            rank: Rank::Plain,
        });
        let row = users::insert(tx, row).await?;
        self.run_signed_up(tx, &row.public()).await?;
        Ok(Some(row))
    }
}

impl EmailTokens {
    /// The mail to an unverified address.
    pub(crate) async fn address_code(
        &self,
        address: &str,
        code: &MailedCode,
        base: &str,
    ) -> Result<Letter> {
        let letters = Letterhead { base };
        let taken = Entity::find().filter(same_address(address));
        let taken = taken.one(&self.database.handle()).await?;
        Ok(match taken {
            Some(user) => letters.has_account(address, &user.username),
            None => letters.address_code(address, code),
        })
    }
}

/// A valid username, derived from the name at the identity provider.
fn name_from(wanted: &str, email: &str) -> String {
    let clean = |text: &str| -> String {
        text.nfkc()
            .filter(|c| c.is_alphanumeric() || "@.+-_".contains(*c))
            .take(100)
            .collect()
    };
    let names = [
        clean(wanted),
        clean(email.split('@').next().unwrap_or_default()),
    ];
    let is_fine = |name: &String| {
        !name.is_empty() && !is_confusable(name) && !is_foreign_address(name, email)
    };
    names
        .into_iter()
        .find(is_fine)
        .unwrap_or_else(|| "user".into())
}

#[cfg(test)]
mod tests {
    use super::name_from;

    // a provider's names are untrusted input
    #[test]
    fn a_name_from_a_provider_is_no_address_of_another_user() {
        for (wanted, name) in [
            ("bob@example.org", "eve"),
            ("eve@example.com", "eve@example.com"),
            ("Eve Adams", "EveAdams"),
            ("\u{430}nn", "eve"),
            ("", "eve"),
        ] {
            assert_eq!(name_from(wanted, "eve@example.com"), name, "{wanted}");
        }
    }
}
