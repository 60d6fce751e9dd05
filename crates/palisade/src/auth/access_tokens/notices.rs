//! Mail about tokens that end soon, and the end of their rows.

use super::rows::DAY;
use super::rows::palisade_access_token::Model as AccessToken;
use super::rows::palisade_access_token::{Column, Entity};
use crate::auth::accounts::Accounts;
use crate::db::Tx;
use crate::views::Result;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// Days before the end of a token at which its owner is told.
const WARNED_DAYS: i64 = 7;
/// Days that an ended token is shown to its owner.
const KEPT_DAYS: i64 = 90;
/// Most mails of one run.
const MOST: u64 = 500;

pub(super) fn moved(name: &str) -> String {
    format!(
        "The access token \"{name}\" was used from another network than before. If it was not you, end it."
    )
}

impl Accounts {
    /// Tells the owners of tokens that end within a week, and deletes the rows of old ones.
    pub(in crate::auth) async fn sweep_access_tokens(&self) -> Result<()> {
        let now = self.now().timestamp();
        let due = Entity::find()
            .filter(Column::Ended.is_null())
            .filter(Column::Warned.is_null())
            .filter(Column::Expires.gt(now))
            .filter(Column::Expires.lte(now + WARNED_DAYS * DAY))
            // one that lives for a few days only is about to end from the start
            .filter(
                Expr::col(Column::Expires)
                    .sub(Expr::col(Column::Created))
                    .gt(2 * WARNED_DAYS * DAY),
            )
            .order_by_asc(Column::Expires)
            .limit(MOST);
        let due = due.all(&self.database.handle()).await?;
        for token in &due {
            self.warn(token, now).await?;
        }
        let old = Entity::delete_many().filter(Column::Expires.lt(now - KEPT_DAYS * DAY));
        self.database
            .write_always(async |tx| old.clone().exec(tx).await.map(drop))
            .await?;
        Ok(())
    }

    async fn warn(&self, token: &AccessToken, now: i64) -> Result<()> {
        let once = Entity::update_many()
            .col_expr(Column::Warned, Expr::value(now))
            .filter(Column::Id.eq(token.id))
            .filter(Column::Warned.is_null());
        let days = (token.expires - now + DAY - 1) / DAY;
        let text = format!(
            "The access token \"{}\" ends in {days} day(s). Make a new one for the program that uses it.",
            token.name
        );
        let warn = async |tx: &Tx| -> Result<()> {
            // another instance may have told
            match once.clone().exec(tx).await?.rows_affected {
                0 => Ok(()),
                _ => self.notify_of_tokens(tx, token.user_id, &text).await,
            }
        };
        self.database.write_always(warn).await
    }
}
