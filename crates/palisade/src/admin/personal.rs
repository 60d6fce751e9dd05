//! Personal data in the tables of the admin.

use super::store::{changes, proposals, views};
use super::{bin, history, proposal};
use crate::auth::{Kept, PersonalData, User};
use crate::db::{Db, Tx};
use crate::views::Result;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

/// The history of changes and the bin: the values of a user's rows go with the account.
pub(crate) struct OwnHistory;

/// Days that the history is kept.
const KEPT_DAYS: u32 = 730;

fn oldest(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::days(KEPT_DAYS.into())
}

#[async_trait]
impl PersonalData for OwnHistory {
    fn name(&self) -> &'static str {
        "changes"
    }

    fn kept(&self) -> Kept {
        Kept::Days(KEPT_DAYS)
    }

    async fn expired(&self, db: &Db, now: DateTime<Utc>) -> Result<u64> {
        let old = changes::Entity::find().filter(history::older(oldest(now)));
        let gone = super::store::bin::Entity::find().filter(bin::ended(now));
        let decided = proposals::Entity::find().filter(proposal::ended(now));
        Ok(old.count(db).await? + gone.count(db).await? + decided.count(db).await?)
    }

    async fn expire(&self, tx: &Tx, now: DateTime<Utc>) -> Result<u64> {
        let old = changes::Entity::delete_many().filter(history::older(oldest(now)));
        let gone = super::store::bin::Entity::delete_many().filter(bin::ended(now));
        let decided = proposals::Entity::delete_many().filter(proposal::ended(now));
        let mut count = old.exec(tx).await?.rows_affected;
        count += gone.exec(tx).await?.rows_affected;
        Ok(count + decided.exec(tx).await?.rows_affected)
    }

    async fn export(&self, db: &Db, user: &User) -> Result<Value> {
        let own = changes::Entity::find().filter(changes::Column::UserId.eq(user.id));
        let own = own.all(db).await?;
        let shown = own.iter().map(|change| {
            json!({"at": change.at, "resource": change.resource, "row": change.object_id, "verb": change.verb, "why": change.why})
        });
        Ok(shown.collect())
    }

    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        history::erase(tx, user.id).await?;
        bin::erase(tx, user.id).await?;
        let own = views::Entity::delete_many().filter(views::Column::UserId.eq(user.id));
        own.exec(tx).await?;
        Ok(())
    }
}
