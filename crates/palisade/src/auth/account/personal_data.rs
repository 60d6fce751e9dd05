//! Personal data: export and erasure.

use crate::auth::user::entity::{ActiveModel, Column, Entity, Model};
use crate::auth::{Accounts, User};
use crate::db::{Db, Tx};
use crate::sessions::OwnSession;
use crate::views::Result;
use async_trait::async_trait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
};
use serde_json::{Map, Value, json};

/// Personal data in a part of the site. Registered by
/// [`App::personal_data`](crate::app::App::personal_data).
#[async_trait]
pub trait PersonalData: Send + Sync {
    /// Its key in the data export.
    fn name(&self) -> &'static str;

    /// All data about a user, for the user.
    ///
    /// # Errors
    /// When the database does not answer.
    async fn export(&self, db: &Db, user: &User) -> Result<Value>;

    /// Deletes or anonymises the data, in the transaction that deletes the account.
    ///
    /// # Errors
    /// When the database does not answer; the account stays then.
    async fn erase(&self, tx: &Tx, user: &User) -> Result<()>;
}

impl Accounts {
    /// The data export of a user, with the sessions.
    pub(in crate::auth) async fn export(
        &self,
        row: &Model,
        sessions: &[OwnSession],
    ) -> Result<Value> {
        let (db, user) = (self.database.handle(), row.public());
        let mut all = Map::new();
        all.insert(
            "account".into(),
            json!({ "user": user, "joined": row.date_joined, "last_login": row.last_login }),
        );
        let session = |one: &OwnSession| json!({ "agent": one.agent, "address": one.address, "began": one.began, "seen": one.seen });
        all.insert("sessions".into(), sessions.iter().map(session).collect());
        all.insert("browsers".into(), self.devices.export(row.id).await?);
        for part in &self.personal_data {
            all.insert(part.name().into(), part.export(&db, &user).await?);
        }
        Ok(Value::Object(all))
    }

    /// Closes an account until staff reopen it. All its sessions end.
    pub(in crate::auth) async fn deactivate(&self, row: &Model, base: &str) -> Result<()> {
        let tx = self.database.begin().await?;
        let change = ActiveModel {
            is_active: Set(false),
            ..Default::default()
        };
        Entity::update_many()
            .set(change)
            .filter(Column::Id.eq(row.id))
            .exec(&tx)
            .await?;
        self.tokens.forget(&tx, row.id, None).await?;
        self.devices.forget(&tx, row.id).await?;
        self.tell(
            &tx,
            row,
            &row.email,
            "The account was closed. The staff of this site can reopen it.",
            base,
        )
        .await?;
        self.commit_and_end_all(tx, row.id).await
    }

    /// Deletes an account and its personal data.
    pub(in crate::auth) async fn erase(&self, row: &Model, base: &str) -> Result<()> {
        let (tx, user) = (self.database.begin().await?, row.public());
        for part in &self.personal_data {
            part.erase(&tx, &user).await?;
        }
        unlink(&tx, row.id).await?;
        self.tokens.forget(&tx, row.id, None).await?;
        self.devices.forget(&tx, row.id).await?;
        self.forget_epoch(&tx, row.id).await?;
        self.second_step.forget(&tx, row.id).await?;
        Entity::delete_by_id(row.id).exec(&tx).await?;
        self.tell(
            &tx,
            row,
            &row.email,
            "The account was deleted, with all its data.",
            base,
        )
        .await?;
        tx.commit().await?;
        self.mail.wake();
        Ok(())
    }
}

impl Accounts {
    /// Wraps every bare MD5 or SHA-1 hash in a strong one, and returns their number. Concurrent
    /// logins are not affected.
    ///
    /// # Errors
    /// When the database does not answer; hashes wrapped by then stay so.
    pub async fn wrap_hashes(&self, progress: impl Fn(usize)) -> Result<usize> {
        let (mut wrapped, mut last) = (0, 0);
        loop {
            let batch = Entity::find()
                .filter(Column::Id.gt(last))
                .order_by_asc(Column::Id)
                .limit(500);
            let batch = batch.all(&self.database.handle()).await?;
            let Some(newest) = batch.last() else {
                return Ok(wrapped);
            };
            last = newest.id;
            for row in &batch {
                let Some(encoded) = self.hashes.wrap(row.password.clone()).await? else {
                    continue;
                };
                let tx = self.database.begin().await?;
                wrapped += usize::from(self.put_password(&tx, row, &encoded).await?);
                tx.commit().await?;
                progress(wrapped);
            }
        }
    }
}

/// Deletes the rows of an account in Django's related tables.
async fn unlink(tx: &Tx, user_id: i32) -> Result<(), DbErr> {
    let tables = tx.users();
    for table in [&tables.groups, &tables.permissions] {
        let of_user = Expr::col(Alias::new(&tables.column)).eq(user_id);
        let query = Query::delete()
            .from_table(Alias::new(table))
            .and_where(of_user)
            .to_owned();
        tx.execute(&query).await?;
    }
    Ok(())
}
