use super::PURPOSE;
use crate::crypto::seal::Sealer;
use crate::crypto::{KeyRing, Secret};
use crate::db::Database;
use palisade_acme::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, Set};

mod palisade_acme {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_acme")]
    pub struct Model {
        #[sea_orm(
            primary_key,
            auto_increment = false,
            column_type = "String(StringLen::N(200))"
        )]
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub value: String,
        pub until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// State shared by all instances: the account, the certificate, open challenges and the lease.
/// Encrypted, because more people can read the database than may have a private key.
pub(super) struct Store {
    database: Database,
    ring: KeyRing,
}

/// Name of the row that holds the lease.
const LEASE: &str = "lease";
const CHALLENGE: &str = "challenge ";

impl Store {
    pub(super) fn new(database: Database, ring: KeyRing) -> Self {
        Self { database, ring }
    }

    /// Reads a value. `None` if it does not exist, or was encrypted with a key that is no longer on
    /// the ring.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Secret<Vec<u8>>>, DbErr> {
        let row = Entity::find_by_id(name)
            .one(&self.database.handle())
            .await?;
        Ok(row.and_then(|row| self.open(&row)))
    }

    fn open(&self, row: &palisade_acme::Model) -> Option<Secret<Vec<u8>>> {
        let opened = Sealer::new(&self.ring, PURPOSE).open(&row.value, &row.name);
        if opened.is_err() {
            tracing::warn!(target: "palisade", name = row.name, "ACME state cannot be decrypted with the site's keys: it is created again");
        }
        opened.ok()
    }

    /// Stores a value.
    pub(super) async fn put(&self, name: &str, value: &[u8], until: i64) -> Result<(), DbErr> {
        let row = ActiveModel {
            name: Set(name.into()),
            value: Set(Sealer::new(&self.ring, PURPOSE).seal(value, name)),
            until: Set(until),
        };
        let replace = OnConflict::column(Column::Name)
            .update_columns([Column::Value, Column::Until])
            .to_owned();
        Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&self.database.single())
            .await?;
        Ok(())
    }

    /// Deletes a value.
    pub(super) async fn forget(&self, name: &str) -> Result<(), DbErr> {
        Entity::delete_by_id(name)
            .exec(&self.database.single())
            .await?;
        Ok(())
    }

    /// Stores an open challenge for at most one hour.
    pub(super) async fn put_challenge(
        &self,
        token: &str,
        value: &[u8],
        now: i64,
    ) -> Result<(), DbErr> {
        self.put(&format!("{CHALLENGE}{token}"), value, now + 3600)
            .await
    }

    /// Reads the open challenges.
    pub(super) async fn challenges(&self, now: i64) -> Result<Vec<Secret<Vec<u8>>>, DbErr> {
        let open = Entity::find()
            .filter(Column::Name.starts_with(CHALLENGE))
            .filter(Column::Until.gt(now));
        Ok(open
            .all(&self.database.handle())
            .await?
            .iter()
            .filter_map(|row| self.open(row))
            .collect())
    }

    /// Deletes all challenges.
    pub(super) async fn close_challenges(&self) -> Result<(), DbErr> {
        Entity::delete_many()
            .filter(Column::Name.starts_with(CHALLENGE))
            .exec(&self.database.single())
            .await?;
        Ok(())
    }

    /// Re-encrypts a value with the newest key, unless it has changed meanwhile, so that old keys
    /// can be retired.
    pub(super) async fn reseal(&self, name: &str) -> Result<(), DbErr> {
        let Some(row) = Entity::find_by_id(name)
            .one(&self.database.handle())
            .await?
        else {
            return Ok(());
        };
        let Some(value) = self.open(&row) else {
            return Ok(());
        };
        let sealed = Sealer::new(&self.ring, PURPOSE).seal(value.expose(), name);
        let again = ActiveModel {
            value: Set(sealed),
            ..Default::default()
        };
        Entity::update_many()
            .set(again)
            .filter(Column::Name.eq(name))
            .filter(Column::Value.eq(row.value))
            .exec(&self.database.single())
            .await?;
        Ok(())
    }

    /// Tries to take the lease until `turn.until`; the database grants it to one instance. It is
    /// refused while another instance works, or during the back-off after the last order. A lease
    /// that ends later than any lease or back-off can was written by an instance with a wrong
    /// clock, and is ignored. Returns the number of consecutive failures.
    pub(super) async fn take_turn(&self, now: i64, turn: Turn) -> Result<Option<u32>, DbErr> {
        let tx = self.database.begin().await?;
        let row = ActiveModel {
            name: Set(LEASE.into()),
            value: Set("0".into()),
            until: Set(0),
        };
        let keep = OnConflict::column(Column::Name).do_nothing().to_owned();
        Entity::insert(row)
            .on_conflict(keep)
            .exec_without_returning(&tx)
            .await?;
        let is_free = Column::Until.lte(now).or(Column::Until.gt(turn.latest));
        let taken = ActiveModel {
            until: Set(turn.until),
            ..Default::default()
        };
        let taken = Entity::update_many()
            .set(taken)
            .filter(Column::Name.eq(LEASE))
            .filter(is_free)
            .exec(&tx)
            .await?;
        let row = Entity::find_by_id(LEASE).one(&tx).await?;
        tx.commit().await?;
        Ok(row
            .filter(|_| taken.rows_affected == 1)
            .map(|row| row.value.parse().unwrap_or(0)))
    }

    /// Records the end of an order: `failed` consecutive failures, and no retry before `until`.
    /// Returns whether the lease was still held.
    pub(super) async fn end_turn(
        &self,
        turn: Turn,
        failed: u32,
        until: i64,
    ) -> Result<bool, DbErr> {
        let ended = ActiveModel {
            value: Set(failed.to_string()),
            until: Set(until),
            ..Default::default()
        };
        let ours = Entity::update_many()
            .set(ended)
            .filter(Column::Name.eq(LEASE))
            .filter(Column::Until.eq(turn.until));
        let ended = ours.exec(&self.database.single()).await?;
        Ok(ended.rows_affected == 1)
    }
}

/// A lease to place an order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Expiry of the lease, if it is not released.
    pub(super) until: i64,
    /// No lease or back-off of an instance with a correct clock ends later than this.
    pub(super) latest: i64,
}
