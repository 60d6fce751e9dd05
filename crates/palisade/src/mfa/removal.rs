//! Lost factors: removed after a day, unless one of them is used.

use super::Factors;
use crate::db::Tx;
use crate::views::Result;
use chrono::{DateTime, Utc};
use palisade_factor_removal::{ActiveModel, Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, Set};

mod palisade_factor_removal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_factor_removal")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: i32,
        pub due: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Factors {
    /// Schedules the removal of a user's factors, unless one is used before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_at(&self, user_id: i32, due: DateTime<Utc>) -> Result<()> {
        self.database
            .write_always(async |tx| {
                self.schedule_removal(tx, user_id, due).await?;
                Ok(())
            })
            .await
    }

    /// The same as part of a transaction.
    pub(crate) async fn schedule_removal(
        &self,
        tx: &Tx,
        user_id: i32,
        due: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        let row = ActiveModel {
            user_id: Set(user_id),
            due: Set(due.timestamp()),
        };
        let again = OnConflict::column(Column::UserId)
            .update_column(Column::Due)
            .to_owned();
        Entity::insert(row)
            .on_conflict(again)
            .exec_without_returning(tx)
            .await
            .map(drop)
    }

    /// Cancels a scheduled removal after a factor was used. Returns whether there was one.
    pub(crate) async fn keep(&self, user_id: i32) -> Result<bool> {
        if Entity::find_by_id(user_id)
            .one(&self.database.handle())
            .await?
            .is_none()
        {
            return Ok(false);
        }
        let kept = self
            .database
            .write_always(async |tx| self.forget_removal(tx, user_id).await)
            .await?;
        Ok(kept)
    }

    /// Users whose factors are due for removal.
    pub(crate) async fn due(&self) -> Result<Vec<i32>> {
        let due = Entity::find().filter(Column::Due.lte(self.clock.now().timestamp()));
        Ok(due
            .all(&self.database.handle())
            .await?
            .into_iter()
            .map(|row| row.user_id)
            .collect())
    }

    /// Removes the factors. `false` if another instance was faster, or the removal was cancelled.
    pub(crate) async fn remove_lost(&self, tx: &Tx, user_id: i32) -> Result<bool> {
        let due =
            Entity::delete_by_id(user_id).filter(Column::Due.lte(self.clock.now().timestamp()));
        let is_due = due.exec(tx).await?.rows_affected == 1;
        if is_due {
            crate::auth::SecondStep::forget(self, tx, user_id).await?;
        }
        Ok(is_due)
    }

    /// Cancels a scheduled removal after a factor was used.
    pub(super) async fn forget_removal(&self, tx: &Tx, user_id: i32) -> Result<bool, DbErr> {
        Ok(Entity::delete_by_id(user_id).exec(tx).await?.rows_affected == 1)
    }
}
