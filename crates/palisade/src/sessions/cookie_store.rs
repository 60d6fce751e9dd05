//! Cookie-based sessions, encrypted. The server stores which have ended, and the users of
//! authenticated ones: a logout revokes stolen copies of the cookie too, and users can list and end
//! their sessions.

use super::{DatabaseStore, NewSession, Replaced, SessionStore};
use crate::db::{Database, Tx};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use palisade_crypto::KeyRing;
use palisade_crypto::seal::Sealer;
use palisade_ended::{ActiveModel, Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, Set};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

mod palisade_ended {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_ended")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub session_key: String,
        pub until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The session of one request's cookie, as a store.
pub struct CookieStore {
    database: DatabaseStore,
    /// Longest lifetime of a session: for that long its revoked id is stored.
    absolute: TimeDelta,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    sessions: BTreeMap<String, (String, DateTime<Utc>)>,
    owned: BTreeSet<String>,
    /// Id of the session to write into the cookie.
    changed: Option<String>,
}

/// Browsers store 4,096 bytes per cookie, with its name and attributes
/// ([RFC 6265 section 6.1](https://www.rfc-editor.org/rfc/rfc6265#section-6.1)).
const MOST_BYTES: usize = 3_800;
const PURPOSE: &str = "session cookies";

impl CookieStore {
    /// An empty store.
    pub fn new(database: Database, absolute: TimeDelta) -> Self {
        Self {
            database: DatabaseStore(database),
            absolute,
            held: Mutex::default(),
        }
    }

    /// Loads the session from a request's cookie. A cookie encrypted for another session id is
    /// ignored.
    pub(super) fn with(&self, ring: &KeyRing, id: &str, sealed: &str) -> Self {
        let opened = Sealer::new(ring, PURPOSE).open(sealed, id).ok();
        let text = opened.and_then(|text| String::from_utf8(text.expose().clone()).ok());
        let session = text.and_then(|text| {
            let (ends, data) = text.split_once(' ')?;
            Some((
                data.to_owned(),
                DateTime::from_timestamp_millis(ends.parse().ok()?)?,
            ))
        });
        let store = Self::new(self.database.0.clone(), self.absolute);
        store
            .lock()
            .sessions
            .extend(session.map(|session| (id.to_owned(), session)));
        store
    }

    /// The new value of the cookie, if it has changed.
    pub(super) fn new_value(&self, ring: &KeyRing) -> Result<Option<String>, DbErr> {
        let held = self.lock();
        let Some((id, (data, ends))) = held
            .changed
            .as_ref()
            .and_then(|id| held.sessions.get_key_value(id))
        else {
            return Ok(None);
        };
        let sealed = Sealer::new(ring, PURPOSE)
            .seal(format!("{} {data}", ends.timestamp_millis()).as_bytes(), id);
        if sealed.len() <= MOST_BYTES {
            return Ok(Some(sealed));
        }
        let said = format!(
            "a session of {} bytes does not fit into a cookie: store less in it, or set \
                sessions.store = \"database\"",
            sealed.len()
        );
        Err(DbErr::Custom(said))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Revokes a session in a transaction, and returns whether it was open.
    async fn end_in(&self, tx: &Tx, id: &str) -> Result<bool, DbErr> {
        let was_held = self.lock().sessions.contains_key(id);
        let was_listed = DatabaseStore::delete_in(tx, id).await?;
        if !was_held && !was_listed {
            return Ok(false);
        }
        let until = Set((Utc::now() + self.absolute).timestamp());
        let row = ActiveModel {
            session_key: Set(id.into()),
            until,
        };
        let once = OnConflict::column(Column::SessionKey)
            .do_nothing()
            .to_owned();
        Ok(Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(tx)
            .await?
            == 1)
    }

    async fn has_ended(&self, id: &str) -> Result<bool, DbErr> {
        Ok(Entity::find_by_id(id)
            .one(&self.database.0.handle())
            .await?
            .is_some())
    }
}

#[async_trait]
impl SessionStore for CookieStore {
    async fn load(&self, id: &str, now: DateTime<Utc>) -> Result<Option<String>, DbErr> {
        let found = self
            .lock()
            .sessions
            .get(id)
            .filter(|(_, ends)| *ends > now)
            .map(|(data, _)| data.clone());
        if found.is_some() && self.has_ended(id).await? {
            Ok(None)
        } else {
            Ok(found)
        }
    }

    async fn create(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        let is_owned = self.lock().owned.contains(id);
        if is_owned {
            // for its user to list and end
            self.database.create(id, data, expires).await?;
        }
        let mut held = self.lock();
        held.sessions
            .entry(id.to_owned())
            .or_insert_with(|| (data.to_owned(), expires));
        held.changed = Some(id.to_owned());
        Ok(())
    }

    async fn update(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        if let Some(session) = self.lock().sessions.get_mut(id) {
            *session = (data.to_owned(), expires);
        } else {
            return Ok(());
        }
        self.lock().changed = Some(id.to_owned());
        // listed sessions only: their user sees the time of the last use
        self.database.update(id, data, expires).await
    }

    async fn delete(&self, id: &str) -> Result<bool, DbErr> {
        let has_ended = self
            .database
            .0
            .write_always(async |tx| self.end_in(tx, id).await)
            .await?;
        self.lock().sessions.remove(id);
        Ok(has_ended)
    }

    async fn replace(&self, old: Option<Replaced<'_>>, new: NewSession<'_>) -> Result<bool, DbErr> {
        if old.is_some() || new.owner.is_some() {
            let tx = self.database.0.begin().await?;
            if let Some(old) = old
                && !self.end_in(&tx, old.id).await?
                && old.must_exist
            {
                return Ok(false);
            }
            // for its user to list and end
            if new.owner.is_some() {
                DatabaseStore::insert_in(&tx, new).await?;
            }
            tx.commit().await?;
        }
        let mut held = self.lock();
        if let Some(old) = old {
            held.sessions.remove(old.id);
        }
        held.owned.extend(new.owner.map(|_| new.id.to_owned()));
        held.sessions
            .entry(new.id.to_owned())
            .or_insert_with(|| (new.data.to_owned(), new.expires));
        held.changed = Some(new.id.to_owned());
        Ok(true)
    }

    async fn own(&self, id: &str, owner: i32) -> Result<(), DbErr> {
        self.lock().owned.insert(id.to_owned());
        self.database.own(id, owner).await
    }

    async fn owned_by(
        &self,
        owner: i32,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>, DbErr> {
        self.database.owned_by(owner, now).await
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, DbErr> {
        let before = self.lock().sessions.len();
        self.lock().sessions.retain(|_, (_, ends)| *ends > now);
        let after = self.lock().sessions.len();
        Entity::delete_many()
            .filter(Column::Until.lte(now.timestamp()))
            .exec(&self.database.0.single())
            .await?;
        Ok((before - after) as u64 + self.database.delete_expired(now).await?)
    }
}
