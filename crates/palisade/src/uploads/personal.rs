use super::row::{Column, Entity, State};
use super::sweep::mark;
use crate::auth::{PersonalData, User};
use crate::db::{Db, Tx};
use crate::views::Result;
use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

/// The files that a user has sent: they go with the account.
pub(crate) struct OwnFiles;

#[async_trait]
impl PersonalData for OwnFiles {
    fn name(&self) -> &'static str {
        "files"
    }

    async fn export(&self, db: &Db, user: &User) -> Result<Value> {
        let own = Entity::find()
            .filter(Column::UserId.eq(user.id))
            .filter(Column::State.ne(State::Gone.word()));
        let own = own.all(db).await?;
        let shown = own.iter().map(|file| {
            json!({
                "name": file.name, "media_type": file.media_type, "bytes": file.bytes, "sha256": file.sha256,
                "sent": file.created, "url": format!("/uploaded/{}", file.key),
            })
        });
        Ok(shown.collect())
    }

    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        // name and hash are personal too, and are not needed to delete the bytes
        mark(tx, Column::UserId.eq(user.id)).await?;
        let clear = Entity::update_many()
            .col_expr(Column::Name, "".into())
            .col_expr(Column::Sha256, "".into())
            .col_expr(Column::Sealed, "".into())
            .col_expr(Column::UserId, Option::<i32>::None.into())
            .filter(Column::UserId.eq(user.id));
        clear.exec(tx).await?;
        Ok(())
    }
}
