//! Locks in the database, for staff to see and to lift, and so that a restart opens none.

use super::source::Source;
use super::user_agent::agent;
use crate::clock::Clock;
use crate::db::{Database, Tx};
use crate::http::network;
use palisade_lock::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
};
use std::sync::Arc;
use std::time::Duration;

pub(crate) mod palisade_lock {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_lock")]
    /// A lock, as displayed to staff.
    pub struct Model {
        /// Hash of the counter's key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// Kind of counter: `name and address`, `address`, `name` or `browser`.
        pub kind: String,
        /// Username, if the account exists.
        pub username: String,
        /// IP address, or its /64.
        pub address: String,
        /// User agent of the last guess.
        pub agent: String,
        /// Start, in seconds since 1970.
        pub since: i64,
        /// End, in seconds since 1970.
        pub until: i64,
        /// Whether it was lifted.
        pub is_lifted: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub use palisade_lock::Model as Lock;

/// Selects locks to lift.
#[derive(Debug, Clone, Copy)]
pub enum LockFilter<'a> {
    /// All active ones.
    All,
    /// One, by id.
    Id(&'a str),
    /// Those of a username.
    User(&'a str),
    /// Those of an IP address, or of its /64.
    Address(&'a str),
}

/// The locks of a site.
pub(in crate::auth) struct Locks {
    database: Database,
    clock: Arc<dyn Clock>,
}

/// A lock that starts.
pub(super) struct NewLock<'a> {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) length: Duration,
    /// Username, if the account exists. Unknown usernames are not stored: users type passwords into
    /// the wrong field.
    pub(super) username: &'a str,
}

/// The kind of the lock of an address.
pub(super) const NETWORK: &str = "address";

/// Most locks on one page.
const MOST_SHOWN: u64 = 200;

impl Locks {
    pub(in crate::auth) fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    /// The active locks whose name or address contains `text`.
    pub(in crate::auth) async fn list(&self, text: &str) -> Result<Vec<Lock>, DbErr> {
        let either = Condition::any()
            .add(Column::Username.contains(text))
            .add(Column::Address.contains(text));
        let matching = Entity::find()
            .filter(self.is_active())
            .filter(either)
            .order_by_desc(Column::Since)
            .limit(MOST_SHOWN);
        matching.all(&self.database.handle()).await
    }

    /// The active locks, with the rest of their time.
    pub(super) async fn active(&self) -> Result<Vec<(Lock, Duration)>, DbErr> {
        let now = self.clock.now().timestamp();
        let rows = Entity::find().filter(self.is_active());
        let rows = rows.all(&self.database.handle()).await?;
        let with_rest = |row: Lock| {
            let rest = Duration::from_secs((row.until - now).unsigned_abs());
            (row, rest)
        };
        Ok(rows.into_iter().map(with_rest).collect())
    }

    fn is_active(&self) -> Condition {
        Condition::all()
            .add(Column::Until.gt(self.clock.now().timestamp()))
            .add(Column::IsLifted.eq(false))
    }

    /// Lifts active locks, and returns their number.
    pub(in crate::auth) async fn lift(&self, which: LockFilter<'_>) -> Result<u64, DbErr> {
        let lifted = ActiveModel {
            is_lifted: Set(true),
            ..Default::default()
        };
        let open = Entity::update_many().set(lifted).filter(self.is_active());
        let open = match which {
            LockFilter::All => open,
            LockFilter::Id(id) => open.filter(Column::Id.eq(id)),
            LockFilter::User(name) => open.filter(Column::Username.eq(name)),
            LockFilter::Address(address) => open.filter(Column::Address.eq(address)),
        };
        let count = open.exec(&self.database.single()).await?.rows_affected;
        Ok(count)
    }

    /// Whether a lock was lifted by another instance; reported once.
    pub(super) async fn was_lifted(&self, id: &str) -> Result<bool, DbErr> {
        let lifted = Entity::find_by_id(id).filter(Column::IsLifted.eq(true));
        if lifted.one(&self.database.handle()).await?.is_none() {
            return Ok(false);
        }
        let gone = Entity::delete_by_id(id)
            .filter(Column::IsLifted.eq(true))
            .exec(&self.database.single())
            .await?;
        Ok(gone.rows_affected == 1)
    }

    /// Stores a lock.
    pub(super) async fn write(&self, lock: NewLock<'_>, from: Source<'_>) -> Result<(), DbErr> {
        let now = self.clock.now().timestamp();
        let row = ActiveModel {
            id: Set(lock.id),
            kind: Set(lock.kind.into()),
            username: Set(lock.username.into()),
            address: Set(network(from.client.0).to_string()),
            agent: Set(agent(from.headers)),
            since: Set(now),
            until: Set(now + i64::try_from(lock.length.as_secs()).unwrap_or(i64::MAX)),
            is_lifted: Set(false),
        };
        let again = OnConflict::column(Column::Id)
            .update_columns([
                Column::Address,
                Column::Agent,
                Column::Since,
                Column::Until,
                Column::IsLifted,
            ])
            .to_owned();
        Entity::insert(row)
            .on_conflict(again)
            .exec_without_returning(&self.database.single())
            .await?;
        Ok(())
    }

    /// Deletes locks that a correct guess had started.
    pub(super) async fn delete(&self, ids: Vec<String>) -> Result<(), DbErr> {
        if ids.is_empty() {
            return Ok(());
        }
        Entity::delete_many()
            .filter(Column::Id.is_in(ids))
            .exec(&self.database.single())
            .await?;
        Ok(())
    }

    /// Removes a user from the locks, with their account. The lock of an address stays, without the
    /// name: another account may have been the target.
    pub(in crate::auth) async fn forget(&self, tx: &Tx, username: &str) -> Result<(), DbErr> {
        let theirs = Column::Username.eq(username);
        let of_name = theirs.clone().and(Column::Kind.ne(NETWORK));
        Entity::delete_many().filter(of_name).exec(tx).await?;
        let unnamed = ActiveModel {
            username: Set(String::new()),
            agent: Set(String::new()),
            ..Default::default()
        };
        Entity::update_many()
            .set(unnamed)
            .filter(theirs)
            .exec(tx)
            .await
            .map(drop)
    }

    /// Deletes expired locks.
    pub(in crate::auth) async fn sweep(&self) -> Result<(), DbErr> {
        Entity::delete_many()
            .filter(Column::Until.lte(self.clock.now().timestamp()))
            .exec(&self.database.single())
            .await?;
        Ok(())
    }
}
