//! Personal access tokens as personal data.

use super::rows;
use super::rows::palisade_access_token::{Column, Entity};
use crate::auth::{PersonalData, User};
use crate::db::{Db, Tx};
use crate::views::Result;
use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

/// The tokens of a user.
pub(crate) struct OwnAccessTokens;

#[async_trait]
impl PersonalData for OwnAccessTokens {
    fn name(&self) -> &'static str {
        "access_tokens"
    }

    async fn export(&self, db: &Db, user: &User) -> Result<Value> {
        let rows = rows::of_user(db, user.id).await?;
        let shown = rows.iter().map(|token| {
            json!({
                "name": token.name, "scopes": token.scopes, "networks": token.networks, "created": token.created,
                "expires": token.expires, "used": token.used, "used_from": token.used_from, "ended": token.ended,
            })
        });
        Ok(shown.collect())
    }

    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        let own = Entity::delete_many().filter(Column::UserId.eq(user.id));
        own.exec(tx).await?;
        Ok(())
    }
}
