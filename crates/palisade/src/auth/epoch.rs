//! "Sign out everywhere". Each user has a number, the epoch, which every session carries from its
//! login on, across all key rotations. Incrementing it ends all sessions of the user with one
//! statement, on every instance and in every store.

use super::user::entity::{Column as UserColumn, Entity as Users, Model as Account};
use super::{Accounts, User};
use crate::db::Tx;
use crate::sessions::{EPOCH, OwnSession, Session};
use crate::views::Result;
use palisade_session_epoch::{ActiveModel, Column, Entity, Model};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, JoinType, QueryFilter, QuerySelect, Set,
};

pub(super) mod palisade_session_epoch {
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

async fn epoch_of(db: &impl ConnectionTrait, user_id: i32) -> Result<i64, DbErr> {
    Ok(number(Entity::find_by_id(user_id).one(db).await?))
}

/// Ends all sessions of a user as part of a transaction, and returns the epoch of new sessions.
pub(super) async fn raise(tx: &Tx, user_id: i32) -> Result<i64, DbErr> {
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

impl Accounts {
    /// The account of a session's user with the epoch, in one query.
    pub(super) async fn account_with_epoch(
        &self,
        id: i32,
    ) -> Result<Option<(Account, i64)>, DbErr> {
        let of_user = Users::belongs_to(Entity)
            .from(UserColumn::Id)
            .to(Column::UserId)
            .into();
        let found = Users::find_by_id(id)
            .join(JoinType::LeftJoin, of_user)
            .select_also(Entity);
        Ok(found
            .one(&self.database.handle())
            .await?
            .map(|(account, epoch)| (account, number(epoch))))
    }

    /// Whether a session belongs to the user's current epoch. A session of Django's has none, and
    /// joins the epoch at its first use here.
    pub(super) async fn is_of_epoch(&self, session: &Session, epoch: i64) -> Result<bool> {
        match session.value::<i64>(EPOCH).await? {
            Some(known) => Ok(known == epoch),
            None if session.is_shared() => session.note(EPOCH, epoch).await.map(|()| true),
            None => Ok(epoch == 0),
        }
    }

    /// Writes the user's epoch into the session of a login.
    pub(super) async fn join_epoch(&self, session: &Session, user_id: i32) -> Result<()> {
        session
            .insert(EPOCH, epoch_of(&self.database.handle(), user_id).await?)
            .await
    }

    /// Commits a transaction, ends all other sessions of the user with it, and returns their
    /// number.
    pub(crate) async fn commit_and_end_others(
        &self,
        tx: Tx,
        session: &Session,
        user_id: i32,
    ) -> Result<usize> {
        let epoch = raise(&tx, user_id).await?;
        tx.commit().await?;
        self.mail.wake();
        session.insert(EPOCH, epoch).await?;
        // a concurrent earlier request of this session would write its old epoch back: its row is
        // gone
        session.rotate().await?;
        session.end_siblings(user_id).await
    }

    /// Commits a transaction and ends all sessions of the user with it. Their rows are left for
    /// [`Sessions::end_all`](crate::sessions::Sessions::end_all).
    pub(crate) async fn commit_and_end_all(&self, tx: Tx, user_id: i32) -> Result<()> {
        raise(&tx, user_id).await?;
        tx.commit().await?;
        self.mail.wake();
        Ok(())
    }

    /// Ends all sessions of a user except this one.
    pub(crate) async fn end_others(&self, session: &Session, user_id: i32) -> Result<usize> {
        self.commit_and_end_others(self.database.begin().await?, session, user_id)
            .await
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// When the database does not answer; no session has ended then.
    pub async fn end_all_sessions(&self, user_id: i32) -> Result<()> {
        self.commit_and_end_all(self.database.begin().await?, user_id)
            .await
    }

    /// The open sessions of a user.
    pub(super) async fn open_sessions(
        &self,
        session: &Session,
        user: &User,
    ) -> Result<Vec<OwnSession>> {
        let epoch = epoch_of(&self.database.handle(), user.id).await?;
        let mut all = session.siblings(user.id).await?;
        all.retain(|one| {
            one.is_this
                || one
                    .epoch
                    .map_or(epoch == 0 || session.is_shared(), |known| known == epoch)
        });
        Ok(all)
    }

    /// Deletes the epoch of an account that is removed.
    pub(super) async fn forget_epoch(&self, tx: &Tx, user_id: i32) -> Result<(), DbErr> {
        Entity::delete_many()
            .filter(Column::UserId.eq(user_id))
            .exec(tx)
            .await
            .map(drop)
    }
}
