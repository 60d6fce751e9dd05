//! Fields of the site's own on sign-up and on the account page.

use crate::auth::User;
use crate::db::{Db, Tx};
use crate::forms::{FieldSpec, FieldValues, Fields, Input};
use crate::views::{Error, Result};
use async_trait::async_trait;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A form of the site's own that belongs to each account, registered by
/// [`App::profile`](crate::app::App::profile): its fields are part of the sign-up page and of
/// `/account/profile`. They are stored in the transaction that creates the account.
///
/// Accounts of social logins and of the command line begin without; `/account/profile` asks for the
/// fields.
///
/// ```
/// use palisade::async_trait::async_trait;
/// use palisade::auth::Profile;
/// use palisade::forms::FieldValues;
/// use palisade::prelude::*;
///
/// #[derive(Form)]
/// struct Company {
///     company: Line<80>,
/// }
///
/// #[async_trait]
/// impl Profile for Company {
///     async fn load(db: &Db, user: &User) -> Result<FieldValues> {
///         let sql = sql!("SELECT company FROM profile WHERE user_id = ?", user.id);
///         let row: Option<(String,)> = db.fetch_one(sql).await?;
///         Ok(row.into_iter().map(|(company,)| ("company", vec![company])).collect())
///     }
///
///     async fn save(self, tx: &Tx, user: &User) -> Result<()> {
///         tx.execute_sql(sql!("DELETE FROM profile WHERE user_id = ?", user.id)).await?;
///         let company = self.company.to_string();
///         let sql = sql!("INSERT INTO profile (user_id, company) VALUES (?, ?)", user.id, company);
///         tx.execute_sql(sql).await?;
///         Ok(())
///     }
/// }
/// App::new().profile::<Company>();
/// ```
#[async_trait]
pub trait Profile: Fields + Sync + 'static {
    /// The stored values, for `/account/profile`; none if the user has no profile yet.
    ///
    /// # Errors
    /// When the database does not answer.
    async fn load(db: &Db, user: &User) -> Result<FieldValues>;

    /// Stores the values, on sign-up and after a change.
    ///
    /// # Errors
    /// When the database does not answer; a sign-up is rolled back then.
    async fn save(self, tx: &Tx, user: &User) -> Result<()>;
}

/// Functions of the site's own at events of accounts, registered by
/// [`App::account_hooks`](crate::app::App::account_hooks). An error undoes the event.
///
/// ```
/// use palisade::async_trait::async_trait;
/// use palisade::auth::AccountHooks;
/// use palisade::prelude::*;
///
/// struct Welcome;
///
/// #[async_trait]
/// impl AccountHooks for Welcome {
///     async fn signed_up(&self, tx: &Tx, user: &User) -> Result<()> {
///         let sql = sql!("INSERT INTO note (owner_id, title) VALUES (?, 'Welcome')", user.id);
///         tx.execute_sql(sql).await?;
///         Ok(())
///     }
/// }
/// App::new().account_hooks(Welcome);
/// ```
#[async_trait]
pub trait AccountHooks: Send + Sync + 'static {
    /// After an account was created, in its transaction: by a sign-up, a social login or a command.
    ///
    /// # Errors
    /// The account is not created then.
    async fn signed_up(&self, _tx: &Tx, _user: &User) -> Result<()> {
        Ok(())
    }

    /// After all factors of a login were verified, before the session begins.
    ///
    /// # Errors
    /// The login fails then.
    async fn logged_in(&self, _tx: &Tx, _user: &User) -> Result<()> {
        Ok(())
    }

    /// After an account was closed, in the same transaction. Deletion is
    /// [`PersonalData::erase`](crate::auth::PersonalData::erase).
    ///
    /// # Errors
    /// The account stays open then.
    async fn closed(&self, _tx: &Tx, _user: &User) -> Result<()> {
        Ok(())
    }
}

/// Values of a profile, as they were typed.
pub(crate) type Typed = BTreeMap<String, Vec<String>>;

/// A [`Profile`] of any type.
#[async_trait]
pub(crate) trait ProfileForm: Send + Sync {
    fn fields(&self) -> &'static [FieldSpec];

    /// Validates the fields of a form, and records their errors.
    fn validate(&self, input: &mut Input) -> Option<()>;

    async fn load(&self, db: &Db, user: &User) -> Result<FieldValues>;

    /// Stores values that were validated.
    async fn save(&self, values: (Typed, Tz), tx: &Tx, user: &User) -> Result<()>;
}

pub(crate) struct ProfileOf<P>(PhantomData<fn() -> P>);

impl<P> ProfileOf<P> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

#[async_trait]
impl<P: Profile> ProfileForm for ProfileOf<P> {
    fn fields(&self) -> &'static [FieldSpec] {
        P::FIELDS
    }

    fn validate(&self, input: &mut Input) -> Option<()> {
        P::read(input).map(drop)
    }

    async fn load(&self, db: &Db, user: &User) -> Result<FieldValues> {
        P::load(db, user).await
    }

    async fn save(&self, typed: (Typed, Tz), tx: &Tx, user: &User) -> Result<()> {
        read::<P>(typed)?.save(tx, user).await
    }
}

/// A form from values that were validated.
pub(super) fn read<P: Fields>((values, zone): (Typed, Tz)) -> Result<P> {
    let profile = P::read(&mut Input::new(values, zone));
    profile.ok_or_else(|| {
        Error::bug("the fields of a pending sign-up are invalid: the form was changed meanwhile")
    })
}
