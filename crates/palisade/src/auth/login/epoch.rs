//! "Sign out everywhere". Each user has a number, the epoch, which every session carries from its
//! login on, across all key rotations. Incrementing it ends all sessions of the user with one
//! statement, on every instance and in every store.

use crate::auth::user::entity::{Column as UserColumn, Entity as Users, Model as Account};
use crate::db::{Db, Tx};
use crate::sessions::{EPOCH, Session};
use crate::views::Result;
use palisade_session_epoch::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, JoinType, QueryFilter, QuerySelect, Set,
};

pub(in crate::auth) mod palisade_session_epoch {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_session_epoch")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: i32,
        pub epoch: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn number(row: Option<Model>) -> i64 {
    row.map_or(0, |row| row.epoch)
}

pub(in crate::auth) async fn epoch_of(
    db: &impl ConnectionTrait,
    user_id: i32,
) -> Result<i64, DbErr> {
    Ok(number(Entity::find_by_id(user_id).one(db).await?))
}

/// Ends all sessions of a user as part of a transaction, and returns the epoch of new sessions.
pub(in crate::auth) async fn raise(tx: &Tx, user_id: i32) -> Result<i64, DbErr> {
    let row = ActiveModel {
        user_id: Set(user_id),
        epoch: Set(1),
    };
    let next = Expr::col((Entity, Column::Epoch)).add(1);
    let again = OnConflict::column(Column::UserId)
        .value(Column::Epoch, next)
        .to_owned();
    Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(tx)
        .await?;
    epoch_of(tx, user_id).await
}

/// Ends the sessions of all users as part of a transaction, and returns the number of users.
pub(in crate::auth) async fn raise_all(tx: &Tx) -> Result<u64, DbErr> {
    let users = Query::select()
        .column(UserColumn::Id)
        .expr(Expr::val(1_i64))
        .from(Users)
        // for SQLite's parser: ON CONFLICT after a table would be a join
        .and_where(Expr::val(1).eq(1))
        .to_owned();
    let next = Expr::col((Entity, Column::Epoch)).add(1);
    let mut raise = Query::insert();
    raise
        .into_table(Entity)
        .columns([Column::UserId, Column::Epoch])
        .on_conflict(
            OnConflict::column(Column::UserId)
                .value(Column::Epoch, next)
                .to_owned(),
        );
    let selected = raise.select_from(users);
    selected.map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(tx.execute(&raise).await?.rows_affected())
}

/// The account of a session's user with the epoch, in one query.
pub(in crate::auth) async fn account_with_epoch(
    db: &Db,
    id: i32,
) -> Result<Option<(Account, i64)>, DbErr> {
    let of_user = Users::belongs_to(Entity)
        .from(UserColumn::Id)
        .to(Column::UserId)
        .into();
    let found = Users::find_by_id(id)
        .join(JoinType::LeftJoin, of_user)
        .select_also(Entity);
    let found = found.one(db).await?;
    Ok(found.map(|(account, epoch)| (account, number(epoch))))
}

/// Whether a session belongs to the user's current epoch. A session of Django's has none, and joins
/// the epoch at its first use here.
pub(super) async fn is_current(session: &Session, epoch: i64) -> Result<bool> {
    match session.value::<i64>(EPOCH).await? {
        Some(known) => Ok(known == epoch),
        None if session.is_shared() => session.note(EPOCH, epoch).await.map(|()| true),
        None => Ok(epoch == 0),
    }
}

/// Deletes the epoch of an account that is removed.
pub(in crate::auth) async fn forget(tx: &Tx, user_id: i32) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user_id))
        .exec(tx)
        .await
        .map(drop)
}
