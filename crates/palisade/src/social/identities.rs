//! Links external identities (issuer and subject) to local accounts.

#[cfg(feature = "social")]
use crate::auth::Accounts;
use crate::auth::{PersonalData, User};
use crate::db::{Db, KeyColumn, SealedColumn, Tx};
use crate::views::Result;
use async_trait::async_trait;
use chrono::DateTime;
use palisade_crypto::random;
use palisade_crypto::seal::Sealer;
use palisade_crypto::{KeyRing, Secret};
use palisade_identity::{ActiveModel, Column, Entity};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Set};
use serde::Serialize;
use serde_json::{Value, json};

mod palisade_identity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_identity")]
    pub struct Model {
        /// Hash of issuer and subject.
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        pub user_id: i32,
        pub provider: String,
        /// The name at the provider, when the identity was linked.
        pub label: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub tokens: Option<String>,
        pub added: i64,
        pub used: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use palisade_identity::Model as Kept;

/// A new link.
pub(super) struct NewIdentity<'a> {
    pub(super) hash: String,
    pub(super) provider: &'a str,
    pub(super) label: String,
    pub(super) tokens: Option<&'a str>,
}

/// A link, as displayed to its owner.
#[derive(Serialize)]
pub(super) struct Shown {
    id: String,
    provider: String,
    label: String,
    used: String,
}

/// Key of an identity, per provider (ASVS 6.8.1, 10.5.2).
pub(super) fn hash_of(issuer: &str, subject: &str) -> String {
    random::stored_hash(&format!("identity {}", json!([issuer, subject])))
}

const PURPOSE: &str = "provider tokens";

/// The linked identities of users.
#[derive(Debug, Clone, Copy)]
pub struct Identities;

impl Identities {
    pub(super) async fn find(db: &Db, hash: &str) -> Result<Option<Kept>, DbErr> {
        Entity::find_by_id(hash).one(db).await
    }

    /// The user of an identity.
    #[cfg(feature = "social")]
    pub(crate) async fn user_of(
        db: &Db,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<i32>, DbErr> {
        Ok(Self::find(db, &hash_of(issuer, subject))
            .await?
            .map(|row| row.user_id))
    }

    pub(super) async fn of_user(
        db: &impl ConnectionTrait,
        user_id: i32,
    ) -> Result<Vec<Kept>, DbErr> {
        Entity::find()
            .filter(Column::UserId.eq(user_id))
            .order_by_asc(Column::Added)
            .all(db)
            .await
    }

    pub(super) async fn list(db: &Db, user_id: i32) -> Result<Vec<Shown>, DbErr> {
        let day = |at: i64| {
            DateTime::from_timestamp(at, 0)
                .map(|at| at.format("%Y-%m-%d").to_string())
                .unwrap_or_default()
        };
        let shown = |row: Kept| Shown {
            id: row.hash,
            provider: row.provider,
            label: row.label,
            used: day(row.used),
        };
        Ok(Self::of_user(db, user_id)
            .await?
            .into_iter()
            .map(shown)
            .collect())
    }

    #[cfg(feature = "social")]
    /// Links an identity. Fails as a duplicate if it is linked already.
    pub(super) async fn add(
        tx: &Tx,
        accounts: &Accounts,
        user_id: i32,
        new: NewIdentity<'_>,
    ) -> Result<(), DbErr> {
        let (ring, now) = (accounts.ring(), accounts.now().timestamp());
        let row = ActiveModel {
            user_id: Set(user_id),
            provider: Set(new.provider.into()),
            label: Set(new.label.chars().take(254).collect()),
            tokens: Set(new
                .tokens
                .map(|tokens| seal_tokens(ring, &new.hash, tokens))),
            added: Set(now),
            used: Set(now),
            hash: Set(new.hash),
        };
        Entity::insert(row)
            .exec_without_returning(tx)
            .await
            .map(drop)
    }

    #[cfg(feature = "social")]
    /// Records a login.
    pub(super) async fn record_login(
        tx: &Tx,
        accounts: &Accounts,
        hash: &str,
        tokens: Option<&str>,
    ) -> Result<(), DbErr> {
        let (ring, now) = (accounts.ring(), accounts.now().timestamp());
        let mut change = ActiveModel {
            used: Set(now),
            ..Default::default()
        };
        if let Some(tokens) = tokens {
            change.tokens = Set(Some(seal_tokens(ring, hash, tokens)));
        }
        Entity::update_many()
            .set(change)
            .filter(Column::Hash.eq(hash))
            .exec(tx)
            .await
            .map(drop)
    }

    /// Locks a user's links until the transaction ends.
    pub(super) async fn lock(tx: &Tx, user_id: i32) -> Result<(), DbErr> {
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

    /// Removes all links of a user, for operators, and returns their number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn forget(&self, tx: &Tx, user_id: i32) -> Result<u64> {
        Ok(Entity::delete_many()
            .filter(Column::UserId.eq(user_id))
            .exec(tx)
            .await?
            .rows_affected)
    }

    pub(super) async fn remove(tx: &Tx, user_id: i32, hash: &str) -> Result<bool, DbErr> {
        let theirs = Entity::delete_by_id(hash).filter(Column::UserId.eq(user_id));
        Ok(theirs.exec(tx).await?.rows_affected == 1)
    }

    /// The stored tokens of a user at a provider, as the JSON of its response, if `keeps_tokens` is
    /// set.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tokens(
        &self,
        db: &Db,
        ring: &KeyRing,
        user_id: i32,
        provider: &str,
    ) -> Result<Option<Secret<String>>> {
        let theirs = Entity::find()
            .filter(Column::UserId.eq(user_id))
            .filter(Column::Provider.eq(provider));
        let Some(row) = theirs.one(db).await? else {
            return Ok(None);
        };
        let opened = row.tokens.and_then(|sealed| {
            Sealer::new(ring, PURPOSE)
                .open(&sealed, &place(&row.hash))
                .ok()
        });
        Ok(opened
            .and_then(|text| String::from_utf8(text.expose().clone()).ok())
            .map(Secret::new))
    }
}

/// Stored tokens of providers, encrypted.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_identity",
    key: KeyColumn::Text("hash"),
    column: "tokens",
    purpose: PURPOSE,
    owner: None,
    place: |row| place(&row.key),
};

fn place(hash: &str) -> String {
    format!("palisade_identity {hash}")
}

fn seal_tokens(ring: &KeyRing, hash: &str, tokens: &str) -> String {
    Sealer::new(ring, PURPOSE).seal(tokens.as_bytes(), &place(hash))
}

#[async_trait]
impl PersonalData for Identities {
    fn name(&self) -> &'static str {
        "logins"
    }

    async fn export(&self, db: &Db, user: &User) -> Result<Value> {
        let all = Self::of_user(db, user.id).await?;
        Ok(all
            .iter()
            .map(|row| json!({ "provider": row.provider, "label": row.label }))
            .collect())
    }

    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        Entity::delete_many()
            .filter(Column::UserId.eq(user.id))
            .exec(tx)
            .await?;
        Ok(())
    }
}
