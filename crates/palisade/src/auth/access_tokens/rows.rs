//! The table of personal access tokens.

use crate::auth::login::epoch::account_with_epoch;
use crate::auth::user::entity as users;
use crate::db::{Db, Tx};
use crate::http::Networks;
use palisade_access_token::{Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

pub(crate) mod palisade_access_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_access_token")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub user_id: i32,
        pub name: String,
        /// The first characters of the token.
        pub shown: String,
        pub hash: String,
        /// Separated by spaces.
        #[sea_orm(column_type = "Text")]
        pub scopes: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub networks: Option<String>,
        /// Ties it to the user's password and to the epoch of the sessions.
        pub bound_to: String,
        /// Whether the session that made it had a second factor.
        pub has_factor: bool,
        pub created: i64,
        pub expires: i64,
        pub used: Option<i64>,
        pub used_from: Option<String>,
        /// When the owner was told of another network.
        pub moved: Option<i64>,
        /// When the owner was told that it ends soon.
        pub warned: Option<i64>,
        pub ended: Option<i64>,
        pub why: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Seconds.
pub(super) const DAY: i64 = 24 * 3600;

/// A token, its account and the epoch of the account's sessions.
pub(super) async fn find(db: &Db, hash: &str) -> Result<Option<(Model, users::Model, i64)>, DbErr> {
    let token = Entity::find().filter(Column::Hash.eq(hash));
    let Some(token) = token.one(db).await? else {
        return Ok(None);
    };
    let found = account_with_epoch(db, token.user_id).await?;
    Ok(found.map(|(account, epoch)| (token, account, epoch)))
}

/// The tokens of a user, newest first.
pub(super) async fn of_user(db: &impl ConnectionTrait, user_id: i32) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::UserId.eq(user_id))
        .order_by_desc(Column::Id)
        .all(db)
        .await
}

/// Ends one token of a user, or all, and returns the names of those that were valid until now.
pub(super) async fn end(
    tx: &Tx,
    (user_id, id): (i32, Option<i32>),
    (now, why): (i64, &str),
) -> Result<Vec<String>, DbErr> {
    let mut valid = Entity::find()
        .filter(Column::UserId.eq(user_id))
        .filter(Column::Ended.is_null())
        .filter(Column::Expires.gt(now));
    if let Some(id) = id {
        valid = valid.filter(Column::Id.eq(id));
    }
    let valid = valid.all(tx).await?;
    let ids = valid.iter().map(|token| token.id);
    Entity::update_many()
        .col_expr(Column::Ended, Expr::value(now))
        .col_expr(Column::Why, Expr::value(why))
        .filter(Column::Id.is_in(ids))
        .exec(tx)
        .await?;
    Ok(valid.into_iter().map(|token| token.name).collect())
}

impl Model {
    /// Whether it has neither ended nor expired.
    pub(crate) fn is_valid(&self, now: i64) -> bool {
        self.ended.is_none() && self.expires > now
    }

    pub(super) fn networks(&self) -> Option<Networks> {
        Networks::read(self.networks.as_deref()?).ok()
    }
}
