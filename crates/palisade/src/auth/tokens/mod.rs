//! Single-use tokens: random, stored as a hash, valid once, for one purpose and a short time. Read
//! access to the database is not enough to use one. They are mailed, or kept in a session as the id
//! of a pending action.

mod action_links;
mod pending;

pub use action_links::{Action, ActionLinks};
pub(crate) use pending::PendingAction;

use crate::auth::user::entity::{Entity as Users, Model};
use crate::clock::Clock;
use crate::db::{Database, KeyColumn, SealedColumn, Tx};
use palisade_crypto::seal::Sealer;
use palisade_crypto::{KeyRing, Secret, constant_time_eq, random};
use palisade_token::{ActiveModel, Column, Entity};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Set};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

mod palisade_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_token")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        pub purpose: String,
        pub user_id: Option<i32>,
        pub bound_to: String,
        #[sea_orm(column_type = "Text")]
        pub payload: String,
        pub expires: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Purpose of a token.
pub(crate) trait Purpose {
    const NAME: &'static str;
    const LIFETIME_SECS: i64;

    /// The name in the table.
    fn name() -> Cow<'static, str> {
        Self::NAME.into()
    }
}

/// Confirms a sign-up.
pub(in crate::auth) struct SignUp;
/// Sets a new password.
pub(in crate::auth) struct PasswordReset;
/// Confirms one of the two addresses of a change.
pub(in crate::auth) struct EmailChange;

impl Purpose for SignUp {
    const NAME: &'static str = "sign-up";
    const LIFETIME_SECS: i64 = 24 * 3600;
}

impl Purpose for PasswordReset {
    const NAME: &'static str = "password reset";
    const LIFETIME_SECS: i64 = 15 * 60;
}

impl Purpose for EmailChange {
    const NAME: &'static str = "e-mail change";
    const LIFETIME_SECS: i64 = 3600;
}

/// A token for one purpose in plaintext, for the mail only.
pub(in crate::auth) struct Token<P> {
    text: Secret<String>,
    purpose: PhantomData<P>,
}

impl<P: Purpose> Token<P> {
    pub(in crate::auth) fn new() -> Self {
        Self {
            text: random::token(),
            purpose: PhantomData,
        }
    }

    pub(in crate::auth) fn expose(&self) -> &str {
        self.text.expose()
    }

    /// The stored hash.
    pub(in crate::auth) fn hash(&self) -> String {
        random::stored_hash(self.expose())
    }
}

/// A valid token.
pub(in crate::auth) struct Found<T> {
    /// Its user; `None` for a sign-up.
    pub(in crate::auth) user: Option<Model>,
    pub(in crate::auth) payload: T,
}

/// The tokens of a site.
pub(crate) struct Tokens {
    database: Database,
    clock: Arc<dyn Clock>,
    ring: KeyRing,
}

impl Tokens {
    pub(in crate::auth) fn new(database: Database, clock: Arc<dyn Clock>, ring: KeyRing) -> Self {
        Self {
            database,
            clock,
            ring,
        }
    }

    /// Stores the hash of a token, bound to the account's password, address and state: a change of
    /// one of them revokes it.
    pub(in crate::auth) async fn keep<P: Purpose>(
        &self,
        tx: &Tx,
        token: &Token<P>,
        user: Option<&Model>,
        payload: &impl Serialize,
    ) -> Result<(), DbErr> {
        let hash = token.hash();
        let row = ActiveModel {
            purpose: Set(P::name().into_owned()),
            user_id: Set(user.map(|user| user.id)),
            bound_to: Set(user.map(state).unwrap_or_default()),
            payload: Set(self.seal(&hash, payload)?),
            expires: Set(self.clock.now().timestamp() + P::LIFETIME_SECS),
            hash: Set(hash),
        };
        Entity::insert(row)
            .exec_without_returning(tx)
            .await
            .map(drop)
    }

    /// Looks up a token without using it.
    pub(in crate::auth) async fn find<P: Purpose, T: DeserializeOwned>(
        &self,
        hash: &str,
    ) -> Result<Option<Found<T>>, DbErr> {
        let db = self.database.handle();
        let row = Entity::find_by_id(hash)
            .filter(Column::Purpose.eq(&*P::name()))
            .one(&db)
            .await?;
        let Some(row) = row.filter(|row| row.expires > self.clock.now().timestamp()) else {
            return Ok(None);
        };
        let user = match row.user_id {
            Some(id) => Users::find_by_id(id).one(&db).await?,
            None => None,
        };
        let bound_to = user.as_ref().map(state).unwrap_or_default();
        let is_good = constant_time_eq(bound_to.as_bytes(), row.bound_to.as_bytes())
            && user.is_some() == row.user_id.is_some();
        Ok(self
            .unseal(hash, &row.payload)
            .filter(|_| is_good)
            .map(|payload| Found { user, payload }))
    }

    /// Uses a token. `false` if a concurrent request was faster.
    pub(in crate::auth) async fn redeem<P: Purpose>(
        &self,
        tx: &Tx,
        hash: &str,
    ) -> Result<bool, DbErr> {
        let now = self.clock.now().timestamp();
        let good = Entity::delete_by_id(hash)
            .filter(Column::Purpose.eq(&*P::name()))
            .filter(Column::Expires.gt(now));
        Ok(good.exec(tx).await?.rows_affected == 1)
    }

    /// Updates the payload of a valid token.
    pub(in crate::auth) async fn rewrite<P: Purpose>(
        &self,
        tx: &Tx,
        hash: &str,
        payload: &impl Serialize,
    ) -> Result<bool, DbErr> {
        let now = self.clock.now().timestamp();
        let change = ActiveModel {
            payload: Set(self.seal(hash, payload)?),
            ..Default::default()
        };
        let good = Entity::update_many()
            .set(change)
            .filter(Column::Hash.eq(hash))
            .filter(Column::Purpose.eq(&*P::name()));
        Ok(good
            .filter(Column::Expires.gt(now))
            .exec(tx)
            .await?
            .rows_affected
            == 1)
    }

    /// Deletes the tokens of a user: all, or those of one purpose.
    pub(in crate::auth) async fn forget(
        &self,
        tx: &Tx,
        user_id: i32,
        purpose: Option<&str>,
    ) -> Result<(), DbErr> {
        let of_user = Entity::delete_many().filter(Column::UserId.eq(user_id));
        let named = purpose.map(|purpose| Column::Purpose.eq(purpose));
        named
            .into_iter()
            .fold(of_user, |query, named| query.filter(named))
            .exec(tx)
            .await
            .map(drop)
    }

    /// The purposes of a user's valid tokens, with their ends in seconds since 1970.
    pub(in crate::auth) async fn of_user(&self, user_id: i32) -> Result<Vec<(String, i64)>, DbErr> {
        let valid = Entity::find()
            .filter(Column::UserId.eq(user_id))
            .filter(Column::Expires.gt(self.clock.now().timestamp()))
            .order_by_asc(Column::Expires);
        let all = valid.all(&self.database.handle()).await?;
        let shown = |row: palisade_token::Model| (row.purpose, row.expires);
        Ok(all.into_iter().map(shown).collect())
    }

    /// Deletes the tokens of all accounts.
    pub(in crate::auth) async fn forget_all(&self, tx: &Tx) -> Result<(), DbErr> {
        Entity::delete_many().exec(tx).await.map(drop)
    }

    /// Deletes expired tokens.
    pub(in crate::auth) async fn sweep(&self) -> Result<(), DbErr> {
        Entity::delete_many()
            .filter(Column::Expires.lte(self.clock.now().timestamp()))
            .exec(&self.database.single())
            .await?;
        Ok(())
    }

    /// A payload may hold an address or a password hash: it is encrypted, and bound to its token.
    fn seal(&self, hash: &str, payload: &impl Serialize) -> Result<String, DbErr> {
        let text = serde_json::to_vec(payload).map_err(|error| DbErr::Custom(error.to_string()))?;
        Ok(Sealer::new(&self.ring, PURPOSE).seal(&text, hash))
    }

    fn unseal<T: DeserializeOwned>(&self, hash: &str, payload: &str) -> Option<T> {
        let text = Sealer::new(&self.ring, PURPOSE).open(payload, hash).ok()?;
        serde_json::from_slice(text.expose()).ok()
    }
}

const PURPOSE: &str = "token payload";

/// Encrypted payloads of tokens.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_token",
    key: KeyColumn::Text("hash"),
    column: "payload",
    purpose: PURPOSE,
    owner: None,
    place: |row| row.key.clone(),
};

/// The bound state, as a hash.
fn state(user: &Model) -> String {
    random::stored_hash(&format!(
        "{} {} {} {}",
        user.id, user.password, user.is_active, user.email
    ))
}
