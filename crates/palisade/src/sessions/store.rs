use crate::db::{Database, Tx};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A new session.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// Hash of its key, 40 characters.
    pub id: &'a str,
    /// Its user; `None` before a login.
    pub owner: Option<i32>,
    /// Signed text.
    pub data: &'a str,
    /// Expiry.
    pub expires: DateTime<Utc>,
}

/// A session that is replaced.
#[derive(Debug, Clone, Copy)]
pub struct Replaced<'a> {
    /// Hash of its key.
    pub id: &'a str,
    /// Whether it must exist: of several concurrent rotations of one session, the first succeeds.
    pub must_exist: bool,
}

/// A session store. `id` is the hash of a key, 40 characters; `data` is signed text.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Loads the data, unless the session has ended.
    ///
    /// # Errors
    /// When it is unknown.
    async fn load(&self, id: &str, now: DateTime<Utc>) -> Result<Option<String>, DbErr>;

    /// Inserts a new session.
    ///
    /// # Errors
    /// When it could not be stored.
    async fn create(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr>;

    /// Updates an existing session. One that was ended meanwhile stays ended.
    ///
    /// # Errors
    /// When it could not be stored.
    async fn update(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr>;

    /// The same for a shared session, whose expiry stays as it is. If `old` is given and differs
    /// from the stored data, nothing changes.
    ///
    /// # Errors
    /// When it could not be stored, or the store shares no sessions.
    async fn rewrite(&self, id: &str, old: Option<&str>, data: &str) -> Result<(), DbErr> {
        let _ = (id, old, data);
        Err(DbErr::Custom("this store shares no sessions".into()))
    }

    /// A batch of open sessions, of all origins, in the order of their ids: the first ones after
    /// `after`.
    ///
    /// # Errors
    /// When it is unknown.
    async fn some(&self, after: &str, now: DateTime<Utc>) -> Result<Vec<(String, String)>, DbErr> {
        let _ = (after, now);
        Ok(Vec::new())
    }

    /// Replaces a session by a new one with its user, atomically. Returns `false`, without a
    /// change, if the old one must exist and does not.
    ///
    /// # Errors
    /// When it could not be stored; the old one stays then.
    async fn replace(&self, old: Option<Replaced<'_>>, new: NewSession<'_>) -> Result<bool, DbErr>;

    /// Ends a session, and returns whether it existed.
    ///
    /// # Errors
    /// When it could not be ended.
    async fn delete(&self, id: &str) -> Result<bool, DbErr>;

    /// Waits until pending revocations have reached every instance, before the program ends.
    async fn settle(&self) {}

    /// Lists a session that is about to be created, so that its user can see and end it.
    ///
    /// # Errors
    /// When it could not be stored.
    async fn own(&self, id: &str, owner: i32) -> Result<(), DbErr>;

    /// The open sessions of a user: id and data.
    ///
    /// # Errors
    /// When it is unknown.
    async fn owned_by(
        &self,
        owner: i32,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>, DbErr>;

    /// Deletes expired sessions, and returns their number.
    ///
    /// # Errors
    /// Errors of the store.
    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, DbErr>;
}

mod django_session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "django_session")]
    pub struct Model {
        #[sea_orm(
            primary_key,
            auto_increment = false,
            column_type = "String(StringLen::N(40))"
        )]
        pub session_key: String,
        #[sea_orm(column_type = "Text")]
        pub session_data: String,
        pub expire_date: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod palisade_session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub session_key: String,
        pub user_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use django_session::{ActiveModel, Column, Entity};
use palisade_session::{ActiveModel as Owned, Column as OwnedColumn, Entity as OwnedEntity};

/// Sessions in Django's table `django_session`.
pub struct DatabaseStore(pub Database);

impl DatabaseStore {
    pub(super) async fn delete_in(tx: &Tx, id: &str) -> Result<bool, DbErr> {
        let deleted = Entity::delete_many()
            .filter(Column::SessionKey.eq(id))
            .exec(tx)
            .await?;
        OwnedEntity::delete_by_id(id).exec(tx).await?;
        Ok(deleted.rows_affected > 0)
    }

    pub(super) async fn insert_in(tx: &Tx, new: NewSession<'_>) -> Result<(), DbErr> {
        let nothing = || OnConflict::new().do_nothing().to_owned();
        let NewSession {
            id,
            owner,
            data,
            expires,
        } = new;
        let row = ActiveModel {
            session_key: Set(id.into()),
            session_data: Set(data.into()),
            expire_date: Set(expires),
        };
        Entity::insert(row)
            .on_conflict(nothing())
            .exec_without_returning(tx)
            .await?;
        let Some(owner) = owner else { return Ok(()) };
        let row = Owned {
            session_key: Set(id.into()),
            user_id: Set(owner),
        };
        OwnedEntity::insert(row)
            .on_conflict(nothing())
            .exec_without_returning(tx)
            .await
            .map(drop)
    }

    /// Data and expiry.
    pub(super) async fn load_with_end(
        &self,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<(String, DateTime<Utc>)>, DbErr> {
        let row = Entity::find_by_id(id).one(&self.0.handle()).await?;
        Ok(row
            .filter(|row| row.expire_date > now)
            .map(|row| (row.session_data, row.expire_date)))
    }
}

#[async_trait]
impl SessionStore for DatabaseStore {
    async fn load(&self, id: &str, now: DateTime<Utc>) -> Result<Option<String>, DbErr> {
        Ok(self.load_with_end(id, now).await?.map(|(data, _)| data))
    }

    async fn create(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        let row = ActiveModel {
            session_key: Set(id.into()),
            session_data: Set(data.into()),
            expire_date: Set(expires),
        };
        let insert = Entity::insert(row).on_conflict(OnConflict::new().do_nothing().to_owned());
        insert
            .exec_without_returning(&self.0.single())
            .await
            .map(drop)
    }

    async fn update(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        let row = ActiveModel {
            session_data: Set(data.into()),
            expire_date: Set(expires),
            ..Default::default()
        };
        Entity::update_many()
            .set(row)
            .filter(Column::SessionKey.eq(id))
            .exec(&self.0.single())
            .await
            .map(drop)
    }

    async fn rewrite(&self, id: &str, old: Option<&str>, data: &str) -> Result<(), DbErr> {
        let row = ActiveModel {
            session_data: Set(data.into()),
            ..Default::default()
        };
        let mut same = Entity::update_many()
            .set(row)
            .filter(Column::SessionKey.eq(id));
        if let Some(old) = old {
            same = same.filter(Column::SessionData.eq(old));
        }
        same.exec(&self.0.single()).await.map(drop)
    }

    async fn some(&self, after: &str, now: DateTime<Utc>) -> Result<Vec<(String, String)>, DbErr> {
        let open = Entity::find()
            .filter(Column::ExpireDate.gt(now))
            .filter(Column::SessionKey.gt(after));
        let rows = open
            .order_by_asc(Column::SessionKey)
            .limit(500)
            .all(&self.0.handle())
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.session_key, row.session_data))
            .collect())
    }

    async fn delete(&self, id: &str) -> Result<bool, DbErr> {
        let was_there = self
            .0
            .write_always(async |tx| Self::delete_in(tx, id).await)
            .await?;
        Ok(was_there)
    }

    async fn replace(&self, old: Option<Replaced<'_>>, new: NewSession<'_>) -> Result<bool, DbErr> {
        if old.is_none() && new.owner.is_none() {
            return self
                .create(new.id, new.data, new.expires)
                .await
                .map(|()| true);
        }
        let tx = self.0.begin().await?;
        if let Some(old) = old
            && !Self::delete_in(&tx, old.id).await?
            && old.must_exist
        {
            return Ok(false);
        }
        Self::insert_in(&tx, new).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn own(&self, id: &str, owner: i32) -> Result<(), DbErr> {
        let row = Owned {
            session_key: Set(id.into()),
            user_id: Set(owner),
        };
        let insert =
            OwnedEntity::insert(row).on_conflict(OnConflict::new().do_nothing().to_owned());
        insert
            .exec_without_returning(&self.0.single())
            .await
            .map(drop)
    }

    async fn owned_by(
        &self,
        owner: i32,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>, DbErr> {
        let db = self.0.handle();
        let rows = OwnedEntity::find()
            .filter(OwnedColumn::UserId.eq(owner))
            .all(&db)
            .await?;
        let keys = rows.into_iter().map(|row| row.session_key);
        let rows = Entity::find()
            .filter(Column::SessionKey.is_in(keys))
            .filter(Column::ExpireDate.gt(now))
            .all(&db)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.session_key, row.session_data))
            .collect())
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, DbErr> {
        // before the sessions, which the query needs; lists of sessions that are being created stay
        let ended = Query::select()
            .column(Column::SessionKey)
            .from(Entity)
            .and_where(Column::ExpireDate.lte(now))
            .to_owned();
        let lists = OwnedEntity::delete_many().filter(OwnedColumn::SessionKey.in_subquery(ended));
        let sessions = Entity::delete_many().filter(Column::ExpireDate.lte(now));
        let delete = async |tx: &Tx| {
            lists.exec(tx).await?;
            sessions.exec(tx).await
        };
        Ok(self.0.write(delete).await?.rows_affected)
    }
}

/// Sessions in the memory of this process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    all: Mutex<HashMap<String, (String, DateTime<Utc>)>>,
    owners: Mutex<HashMap<String, i32>>,
}

/// Most sessions in memory; beyond it, those that expire first are dropped.
const MAX_SESSIONS: usize = 100_000;

impl MemoryStore {
    /// Makes room for a new session. `false` if the old one must exist and does not.
    fn takes_the_place(&self, old: Option<Replaced<'_>>, new: NewSession<'_>) -> bool {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = old {
            owners.remove(old.id);
            if !self.with(|all| all.remove(old.id).is_some()) && old.must_exist {
                return false;
            }
        }
        owners.extend(new.owner.map(|owner| (new.id.to_owned(), owner)));
        true
    }

    fn with<T>(
        &self,
        change: impl FnOnce(&mut HashMap<String, (String, DateTime<Utc>)>) -> T,
    ) -> T {
        change(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn load(&self, id: &str, now: DateTime<Utc>) -> Result<Option<String>, DbErr> {
        Ok(self.with(|all| {
            all.get(id)
                .filter(|(_, expires)| *expires > now)
                .map(|(data, _)| data.clone())
        }))
    }

    async fn create(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        self.with(|all| {
            if all.len() >= MAX_SESSIONS
                && let Some(first) = all
                    .iter()
                    .min_by_key(|(_, (_, expires))| *expires)
                    .map(|(id, _)| id.clone())
            {
                all.remove(&first);
            }
            all.entry(id.to_owned())
                .or_insert((data.to_owned(), expires));
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
        self.owners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        Ok(self.with(|all| all.remove(id).is_some()))
    }

    async fn replace(&self, old: Option<Replaced<'_>>, new: NewSession<'_>) -> Result<bool, DbErr> {
        if !self.takes_the_place(old, new) {
            return Ok(false);
        }
        self.create(new.id, new.data, new.expires)
            .await
            .map(|()| true)
    }

    async fn own(&self, id: &str, owner: i32) -> Result<(), DbErr> {
        self.owners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), owner);
        Ok(())
    }

    async fn owned_by(
        &self,
        owner: i32,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>, DbErr> {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = |id: &String| owners.get(id) == Some(&owner);
        Ok(self.with(|all| {
            let open = all
                .iter()
                .filter(|(id, (_, expires))| theirs(id) && *expires > now);
            open.map(|(id, (data, _))| (id.clone(), data.clone()))
                .collect()
        }))
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, DbErr> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.with(|all| {
            let before = all.len();
            all.retain(|_, (_, expires)| *expires > now);
            owners.retain(|id, _| all.contains_key(id));
            (before - all.len()) as u64
        }))
    }
}
