//! The table of users, which is Django's.

use super::account::names::reading;
use super::user::entity::{ActiveModel, Column, Entity, Model};
use super::user::{Rank, User, same_address};
use crate::clock::Clock;
use crate::db::{Database, Db, Tx};
use crate::views::Result;
use chrono::{DateTime, Utc};
use palisade_password::is_usable;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Looks up and changes users.
pub(crate) struct Users {
    database: Database,
    clock: Arc<dyn Clock>,
}

/// The row of a new account. Its password is a hash, unlike that of [`NewUser`](super::NewUser).
pub(in crate::auth) struct NewRow<'a> {
    pub(in crate::auth) username: &'a str,
    pub(in crate::auth) email: &'a str,
    /// The hash of the password.
    pub(in crate::auth) encoded: String,
    pub(in crate::auth) rank: Rank,
}

impl Users {
    pub(super) fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    pub(in crate::auth) async fn by_id(&self, id: i32) -> Result<Option<Model>> {
        let db = self.database.handle();
        Ok(Entity::find_by_id(id).one(&db).await?)
    }

    /// The row of an account that is not closed.
    pub(crate) async fn active(&self, id: i32) -> Result<Option<Model>> {
        Ok(self.by_id(id).await?.filter(|row| row.is_active))
    }

    pub(in crate::auth) async fn by_name(&self, username: &str) -> Result<Option<Model>> {
        let named = Entity::find().filter(Column::Username.eq(username));
        Ok(named.one(&self.database.handle()).await?)
    }

    /// The open account of an address; of several, the oldest.
    pub(crate) async fn by_address(&self, address: &str) -> Result<Option<Model>> {
        let found = Entity::find()
            .filter(same_address(address))
            .filter(Column::IsActive.eq(true))
            .order_by_asc(Column::Id);
        Ok(found.one(&self.database.handle()).await?)
    }

    /// The account of a username or of a confirmed email address. A username takes precedence; an
    /// address of several accounts matches none. The queries are the same whether or not an account
    /// has the address (user enumeration).
    pub(in crate::auth) async fn by_name_or_address(&self, typed: &str) -> Result<Option<Model>> {
        let named = self.by_name(typed).await?;
        if !typed.contains('@') {
            return Ok(named);
        }
        let with_address = Entity::find()
            .filter(same_address(typed))
            .filter(Column::IsActive.eq(true))
            .limit(2);
        let mut with_address = with_address.all(&self.database.handle()).await?;
        let only = with_address.pop().filter(|_| with_address.is_empty());
        Ok(named.or(only))
    }

    /// Whether a user has a password.
    pub(crate) async fn has_password(&self, id: i32) -> Result<bool> {
        let row = self.by_id(id).await?;
        Ok(row.is_some_and(|row| is_usable(&row.password)))
    }

    /// All users, with whether they are active and the time of the last login.
    pub(super) async fn list(&self) -> Result<Vec<Value>> {
        let all = Entity::find().order_by_asc(Column::Username);
        let shown = |row: &Model| {
            json!({
                "id": row.id, "username": row.username, "email": row.email, "is_active": row.is_active,
                "is_staff": row.is_staff, "is_superuser": row.is_superuser, "last_login": row.last_login,
            })
        };
        let rows = all.all(&self.database.handle()).await?;
        Ok(rows.iter().map(shown).collect())
    }

    /// All active users, with the time of the last login.
    pub(super) async fn all_active(&self) -> Result<Vec<(User, Option<DateTime<Utc>>)>> {
        let active = Entity::find()
            .filter(Column::IsActive.eq(true))
            .order_by_asc(Column::Username);
        let rows = active.all(&self.database.handle()).await?;
        Ok(rows
            .iter()
            .map(|row| (row.public(), row.last_login))
            .collect())
    }

    /// Groups of accounts whose names differ only by case or confusable letters
    /// ([UTS 39](https://www.unicode.org/reports/tr39/)).
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn name_conflicts(&self) -> Result<Vec<Vec<String>>> {
        let names = Entity::find()
            .select_only()
            .column(Column::Username)
            .order_by_asc(Column::Id)
            .into_tuple::<String>();
        let mut read = BTreeMap::<String, Vec<String>>::new();
        for name in names.all(&self.database.handle()).await? {
            read.entry(reading(&name)).or_default().push(name);
        }
        Ok(read.into_values().filter(|names| names.len() > 1).collect())
    }

    /// The columns of a new account.
    pub(in crate::auth) fn new_row(&self, new: NewRow<'_>) -> ActiveModel {
        ActiveModel {
            username: Set(new.username.into()),
            email: Set(new.email.into()),
            password: Set(new.encoded),
            first_name: Set(String::new()),
            last_name: Set(String::new()),
            is_active: Set(true),
            is_staff: Set(new.rank != Rank::Plain),
            is_superuser: Set(new.rank == Rank::Superuser),
            last_login: Set(None),
            date_joined: Set(self.clock.now()),
            ..Default::default()
        }
    }

    /// Records the time of a login.
    pub(in crate::auth) async fn record_login(&self, id: i32) -> Result<(), DbErr> {
        self.database
            .write_always(async |tx| {
                let change = ActiveModel {
                    last_login: Set(Some(self.clock.now())),
                    ..Default::default()
                };
                update(tx, id, change).await?;
                Ok(())
            })
            .await
    }
}

/// Inserts a row and reads it back, to get the generated id.
pub(in crate::auth) async fn insert(tx: &Tx, row: ActiveModel) -> Result<Model, DbErr> {
    let name = row.username.as_ref().clone();
    Entity::insert(row).exec_without_returning(tx).await?;
    let made = Entity::find().filter(Column::Username.eq(&name));
    made.one(tx).await?.ok_or(DbErr::RecordNotInserted)
}

/// Login names by key.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn names_of_users(
    db: &Db,
    ids: Vec<i32>,
) -> std::result::Result<BTreeMap<i32, String>, DbErr> {
    let names = Entity::find()
        .select_only()
        .column(Column::Id)
        .column(Column::Username)
        .filter(Column::Id.is_in(ids));
    let names: Vec<(i32, String)> = names.into_tuple().all(db).await?;
    Ok(names.into_iter().collect())
}

/// Locks the row of a user until the end of the transaction, so that an authorization holds.
/// SQLite has one writer anyway. `false` if there is no such user.
pub(crate) async fn lock_user(tx: &Tx, id: i32) -> Result<bool, DbErr> {
    let row = Entity::find_by_id(id).select_only().column(Column::Id);
    let row = row.lock_exclusive().into_tuple::<i32>().one(tx).await?;
    Ok(row.is_some())
}

/// Changes columns of a user.
pub(in crate::auth) async fn update(tx: &Tx, id: i32, change: ActiveModel) -> Result<(), DbErr> {
    Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(id))
        .exec(tx)
        .await
        .map(drop)
}

/// Replaces the hash in `row`, unless it has changed meanwhile.
pub(in crate::auth) async fn put_hash(tx: &Tx, row: &Model, encoded: &str) -> Result<bool, DbErr> {
    let change = ActiveModel {
        password: Set(encoded.into()),
        ..Default::default()
    };
    let same = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(row.id))
        .filter(Column::Password.eq(row.password.as_str()));
    Ok(same.exec(tx).await?.rows_affected == 1)
}
