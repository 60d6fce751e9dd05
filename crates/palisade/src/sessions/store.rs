use crate::db::Database;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, Set};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Where sessions are kept. `id` is the hash of a key, 40 characters; `data` is signed text.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// The data, unless the session has ended.
    ///
    /// # Errors
    /// When nobody can say.
    async fn load(&self, id: &str, now: DateTime<Utc>) -> Result<Option<String>, DbErr>;

    /// Keeps a new session.
    ///
    /// # Errors
    /// When it could not be kept.
    async fn create(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr>;

    /// Changes a session that exists. One that was ended meanwhile stays ended.
    ///
    /// # Errors
    /// When it could not be kept.
    async fn update(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr>;

    /// Ends a session, and says whether it was there.
    ///
    /// # Errors
    /// When it could not be ended.
    async fn delete(&self, id: &str) -> Result<bool, DbErr>;

    /// Forgets sessions that have ended, and says how many.
    ///
    /// # Errors
    /// When it could not be done.
    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, DbErr>;
}

mod django_session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "django_session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(40))")]
        pub session_key: String,
        #[sea_orm(column_type = "Text")]
        pub session_data: String,
        pub expire_date: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use django_session::{ActiveModel, Column, Entity};

/// Sessions in Django's table `django_session`.
pub struct DatabaseStore(pub Database);

#[async_trait]
impl SessionStore for DatabaseStore {
    async fn load(&self, id: &str, now: DateTime<Utc>) -> Result<Option<String>, DbErr> {
        let row = Entity::find_by_id(id).one(&self.0.handle()).await?;
        Ok(row.filter(|row| row.expire_date > now).map(|row| row.session_data))
    }

    async fn create(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        let tx = self.0.begin().await?;
        let row = ActiveModel { session_key: Set(id.into()), session_data: Set(data.into()), expire_date: Set(expires) };
        Entity::insert(row).on_conflict(OnConflict::new().do_nothing().to_owned()).exec_without_returning(&tx).await?;
        tx.commit().await
    }

    async fn update(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        let tx = self.0.begin().await?;
        let row = ActiveModel { session_data: Set(data.into()), expire_date: Set(expires), ..Default::default() };
        Entity::update_many().set(row).filter(Column::SessionKey.eq(id)).exec(&tx).await?;
        tx.commit().await
    }

    async fn delete(&self, id: &str) -> Result<bool, DbErr> {
        let tx = self.0.begin().await?;
        let deleted = Entity::delete_many().filter(Column::SessionKey.eq(id)).exec(&tx).await?;
        tx.commit().await?;
        Ok(deleted.rows_affected > 0)
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, DbErr> {
        let tx = self.0.begin().await?;
        let deleted = Entity::delete_many().filter(Column::ExpireDate.lte(now)).exec(&tx).await?;
        tx.commit().await?;
        Ok(deleted.rows_affected)
    }
}

/// Sessions in this process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<HashMap<String, (String, DateTime<Utc>)>>);

/// Most sessions in memory; a new one beyond it pushes out those that end first.
const MAX_SESSIONS: usize = 100_000;

impl MemoryStore {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<String, (String, DateTime<Utc>)>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn load(&self, id: &str, now: DateTime<Utc>) -> Result<Option<String>, DbErr> {
        Ok(self.with(|all| all.get(id).filter(|(_, expires)| *expires > now).map(|(data, _)| data.clone())))
    }

    async fn create(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        self.with(|all| {
            if all.len() >= MAX_SESSIONS
                && let Some(first) = all.iter().min_by_key(|(_, (_, expires))| *expires).map(|(id, _)| id.clone())
            {
                all.remove(&first);
            }
            all.entry(id.to_owned()).or_insert((data.to_owned(), expires));
        });
        Ok(())
    }

    async fn update(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        self.with(|all| {
            if let Some(session) = all.get_mut(id) {
                *session = (data.to_owned(), expires);
            }
        });
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<bool, DbErr> {
        Ok(self.with(|all| all.remove(id).is_some()))
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, DbErr> {
        Ok(self.with(|all| {
            let before = all.len();
            all.retain(|_, (_, expires)| *expires > now);
            (before - all.len()) as u64
        }))
    }
}
