//! Storage of passkeys: credential, user and name.

use super::Factors;
use crate::auth::{PersonalData, User};
use crate::db::{Db, KeyColumn, SealedColumn, Tx};
use crate::views::{Error, ErrorKind, Result};
use async_trait::async_trait;
use chrono::DateTime;
use palisade_crypto::random;
use palisade_crypto::seal::Sealer;
use palisade_passkey::{ActiveModel, Column, Entity};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, Set};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(super) mod palisade_passkey {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_passkey")]
    pub struct Model {
        /// Hash of the credential's id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        pub user_id: i32,
        /// User handle: random, without personal data.
        pub handle: String,
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub sealed: String,
        pub is_synchronised: bool,
        pub added: i64,
        pub used: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use palisade_passkey::Model as KeptKey;

/// A passkey, as displayed to its owner.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ShownKey {
    id: String,
    name: String,
    is_synchronised: bool,
    added: String,
    used: String,
}

/// A new passkey.
pub(super) struct NewKey<'a, T> {
    pub(super) credential_id: &'a [u8],
    pub(super) handle: String,
    pub(super) name: &'a str,
    pub(super) credential: &'a T,
    pub(super) is_synchronised: bool,
}

/// Most passkeys per user.
pub(super) const MOST_KEYS: usize = 20;
const PURPOSE: &str = "passkeys";

/// The passkey is the user's only login method.
pub(super) fn only_method() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "This is the only login method of your account that is independent of other sites. Set a \
            password first.",
    )
}

/// The encrypted passkeys.
pub(super) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_passkey",
    key: KeyColumn::Text("hash"),
    column: "sealed",
    purpose: PURPOSE,
    owner: Some("user_id"),
    place: |row| place(&row.key, row.owner),
};

fn place(hash: &str, user_id: i32) -> String {
    format!("palisade_passkey {hash} {user_id}")
}

/// Lookup key of a credential id, which may have 1,023 bytes.
pub(super) fn hash_of(credential_id: &[u8]) -> String {
    use base64::Engine;
    random::stored_hash(&format!(
        "passkey {}",
        base64::engine::general_purpose::STANDARD.encode(credential_id)
    ))
}

/// Passkeys in the data export. The factors themselves are deleted with the account.
pub(crate) struct OwnKeys;

#[async_trait]
impl PersonalData for OwnKeys {
    fn name(&self) -> &'static str {
        "passkeys"
    }

    async fn export(&self, db: &Db, user: &User) -> Result<Value> {
        let theirs = Entity::find()
            .filter(Column::UserId.eq(user.id))
            .order_by_asc(Column::Added);
        let shown = |row: &KeptKey| json!({ "name": row.name, "added": DateTime::from_timestamp(row.added, 0) });
        Ok(theirs.all(db).await?.iter().map(shown).collect())
    }

    async fn erase(&self, _: &Tx, _: &User) -> Result<()> {
        Ok(())
    }
}

/// A login method besides passkeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherMethod {
    Exists,
    Missing,
}

impl Factors {
    /// The passkeys of a user, the oldest first.
    pub(super) async fn keys(&self, user_id: i32) -> Result<Vec<KeptKey>> {
        let theirs = Entity::find()
            .filter(Column::UserId.eq(user_id))
            .order_by_asc(Column::Added);
        Ok(theirs.all(&self.database.handle()).await?)
    }

    /// The same, for the page that lists them.
    pub(super) async fn shown_keys(&self, user: &User) -> Result<Vec<ShownKey>> {
        let day = |at: i64| {
            DateTime::from_timestamp(at, 0)
                .map(|at| at.format("%Y-%m-%d").to_string())
                .unwrap_or_default()
        };
        let shown = |row: KeptKey| ShownKey {
            id: row.hash,
            name: row.name,
            is_synchronised: row.is_synchronised,
            added: day(row.added),
            used: day(row.used),
        };
        Ok(self.keys(user.id).await?.into_iter().map(shown).collect())
    }

    pub(super) async fn has_key(&self, user_id: i32) -> Result<bool> {
        Ok(Entity::find()
            .filter(Column::UserId.eq(user_id))
            .count(&self.database.handle())
            .await?
            > 0)
    }

    /// The passkey with this credential.
    pub(super) async fn key(&self, hash: &str) -> Result<Option<KeptKey>> {
        Ok(Entity::find_by_id(hash)
            .one(&self.database.handle())
            .await?)
    }

    /// Stores a passkey. `None` if the credential is registered already; with recovery codes, if it
    /// is the first factor.
    pub(super) async fn add_key<T: Serialize>(
        &self,
        tx: &Tx,
        user: &User,
        new: NewKey<'_, T>,
    ) -> Result<Option<Vec<String>>> {
        let (hash, now) = (hash_of(new.credential_id), self.clock.now().timestamp());
        let is_first = !crate::auth::SecondStep::is_enrolled(self, user.id).await?;
        let row = ActiveModel {
            user_id: Set(user.id),
            handle: Set(new.handle),
            name: Set(new.name.into()),
            sealed: Set(self.sealed_key(&hash, user.id, new.credential)?),
            is_synchronised: Set(new.is_synchronised),
            added: Set(now),
            used: Set(now),
            hash: Set(hash),
        };
        self.forget_unproven_app(tx, user.id).await?;
        self.forget_removal(tx, user.id).await?;
        if let Err(error) = Entity::insert(row).exec_without_returning(tx).await {
            let is_known = matches!(crate::db::failure(&error), crate::db::DbFailure::Duplicate);
            return if is_known {
                Ok(None)
            } else {
                Err(error.into())
            };
        }
        Ok(Some(if is_first {
            self.put_codes(tx, user.id).await?
        } else {
            Vec::new()
        }))
    }

    /// Decrypts a passkey. `None` if that fails: a passkey that cannot be verified, and no error
    /// for the others.
    pub(super) fn opened_key<T: DeserializeOwned>(&self, row: &KeptKey) -> Result<Option<T>> {
        let Ok(text) =
            Sealer::new(&self.ring, PURPOSE).open(&row.sealed, &place(&row.hash, row.user_id))
        else {
            tracing::error!(target: "palisade", user_id = row.user_id, "a passkey cannot be decrypted: its key is not on the ring any more");
            return Ok(None);
        };
        Ok(Some(serde_json::from_slice(text.expose())?))
    }

    fn sealed_key<T: Serialize>(&self, hash: &str, user_id: i32, credential: &T) -> Result<String> {
        Ok(Sealer::new(&self.ring, PURPOSE)
            .seal(&serde_json::to_vec(credential)?, &place(hash, user_id)))
    }

    /// Updates a passkey after its use, such as its counter. `false` if it changed meanwhile: of
    /// two uses of one counter value, one is valid.
    pub(super) async fn used_key<T: Serialize>(
        &self,
        row: &KeptKey,
        changed: Option<(&T, bool)>,
    ) -> Result<bool> {
        let mut change = ActiveModel {
            used: Set(self.clock.now().timestamp()),
            ..Default::default()
        };
        if let Some((credential, is_synchronised)) = changed {
            change.sealed = Set(self.sealed_key(&row.hash, row.user_id, credential)?);
            change.is_synchronised = Set(is_synchronised);
        }
        let same = Entity::update_many()
            .set(change)
            .filter(Column::Hash.eq(&row.hash))
            .filter(Column::Sealed.eq(&row.sealed));
        let updated = same.exec(&self.database.single()).await?.rows_affected;
        Ok(updated == 1)
    }

    /// Deletes a passkey of a user, and the recovery codes with the last factor. `None` if it is
    /// not the user's; otherwise whether a factor is left. The last passkey stays if it is the only
    /// login method.
    pub(super) async fn remove_key(
        &self,
        tx: &Tx,
        user: &User,
        hash: &str,
        other: OtherMethod,
    ) -> Result<Option<bool>> {
        self.lock_keys(tx, user.id).await?;
        let theirs = Entity::delete_by_id(hash).filter(Column::UserId.eq(user.id));
        if theirs.exec(tx).await?.rows_affected == 0 {
            return Ok(None);
        }
        let has_key = Entity::find()
            .filter(Column::UserId.eq(user.id))
            .count(tx)
            .await?
            > 0;
        if !has_key && other == OtherMethod::Missing {
            return Err(only_method());
        }
        let is_left = has_key || self.has_app(tx, user.id).await?;
        if !is_left {
            crate::auth::SecondStep::forget(self, tx, user.id).await?;
        }
        Ok(Some(is_left))
    }

    /// Locks the rows of a user's passkeys until the transaction ends.
    pub(super) async fn lock_keys(&self, tx: &Tx, user_id: i32) -> Result<(), DbErr> {
        let same = ActiveModel {
            user_id: Set(user_id),
            ..Default::default()
        };
        Entity::update_many()
            .set(same)
            .filter(Column::UserId.eq(user_id))
            .exec(tx)
            .await
            .map(drop)
    }

    pub(super) async fn forget_keys(&self, tx: &Tx, user_id: i32) -> Result<(), DbErr> {
        Entity::delete_many()
            .filter(Column::UserId.eq(user_id))
            .exec(tx)
            .await
            .map(drop)
    }
}
