use crate::crypto::seal::Sealer;
use crate::crypto::{KeyRing, Secret};
use crate::db::Database;
use palisade_acme::{ActiveModel, Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, Set};

mod palisade_acme {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_acme")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(200))")]
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub value: String,
        pub until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What all instances know: the account, the certificate, open challenges, and whose turn it is. Sealed, because the database is read by more people than
/// should have a private key.
pub(super) struct Store {
    database: Database,
    ring: KeyRing,
}

/// Name of the row that says whose turn it is.
const LEASE: &str = "lease";
const CHALLENGE: &str = "challenge ";
const PURPOSE: &str = "acme";

impl Store {
    pub(super) fn new(database: Database, ring: KeyRing) -> Self {
        Self { database, ring }
    }

    /// A value; none if it is not there, or was sealed by a key that is no longer on the ring.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Secret<Vec<u8>>>, DbErr> {
        let row = Entity::find_by_id(name).one(&self.database.handle()).await?;
        Ok(row.and_then(|row| self.opened(&row)))
    }

    fn opened(&self, row: &palisade_acme::Model) -> Option<Secret<Vec<u8>>> {
        let opened = Sealer::new(&self.ring, PURPOSE).open(&row.value, &row.name);
        if opened.is_err() {
            tracing::warn!(target: "palisade", name = row.name, "what is kept for certificates does not open with the site's keys: it is made anew");
        }
        opened.ok()
    }

    /// Keeps a value.
    pub(super) async fn put(&self, name: &str, value: &[u8], until: i64) -> Result<(), DbErr> {
        let row = ActiveModel {
            name: Set(name.into()),
            value: Set(Sealer::new(&self.ring, PURPOSE).seal(value, name)),
            until: Set(until),
        };
        let tx = self.database.begin().await?;
        let replace = OnConflict::column(Column::Name).update_columns([Column::Value, Column::Until]).to_owned();
        Entity::insert(row).on_conflict(replace).exec_without_returning(&tx).await?;
        tx.commit().await
    }

    /// Forgets the account at an authority that does not know it any more.
    pub(super) async fn forget_account(&self, directory: &str) -> Result<(), DbErr> {
        let tx = self.database.begin().await?;
        Entity::delete_by_id(format!("account {directory}")).exec(&tx).await?;
        tx.commit().await
    }

    /// Keeps an open challenge, for an hour at the most.
    pub(super) async fn put_challenge(&self, token: &str, value: &[u8], now: i64) -> Result<(), DbErr> {
        self.put(&format!("{CHALLENGE}{token}"), value, now + 3600).await
    }

    /// The open challenges.
    pub(super) async fn challenges(&self, now: i64) -> Result<Vec<Secret<Vec<u8>>>, DbErr> {
        let open = Entity::find().filter(Column::Name.starts_with(CHALLENGE)).filter(Column::Until.gt(now));
        Ok(open.all(&self.database.handle()).await?.iter().filter_map(|row| self.opened(row)).collect())
    }

    /// Forgets all challenges.
    pub(super) async fn close_challenges(&self) -> Result<(), DbErr> {
        let tx = self.database.begin().await?;
        Entity::delete_many().filter(Column::Name.starts_with(CHALLENGE)).exec(&tx).await?;
        tx.commit().await
    }

    /// Whether it is our turn to order, until `until`: the database lets one instance through. While it is not, somebody is at work, or the last order failed
    /// not long ago. Says how many failed in a row.
    pub(super) async fn take_turn(&self, now: i64, until: i64) -> Result<Option<u32>, DbErr> {
        let tx = self.database.begin().await?;
        let row = ActiveModel { name: Set(LEASE.into()), value: Set("0".into()), until: Set(0) };
        let keep = OnConflict::column(Column::Name).do_nothing().to_owned();
        Entity::insert(row).on_conflict(keep).exec_without_returning(&tx).await?;
        let taken = ActiveModel { until: Set(until), ..Default::default() };
        let taken =
            Entity::update_many().set(taken).filter(Column::Name.eq(LEASE)).filter(Column::Until.lte(now)).exec(&tx).await?;
        let row = Entity::find_by_id(LEASE).one(&tx).await?;
        tx.commit().await?;
        Ok(row.filter(|_| taken.rows_affected == 1).map(|row| row.value.parse().unwrap_or(0)))
    }

    /// The order came to an end: `failed` in a row, and nobody tries again before `until`.
    pub(super) async fn end_turn(&self, failed: u32, until: i64) -> Result<(), DbErr> {
        let tx = self.database.begin().await?;
        let ended = ActiveModel { value: Set(failed.to_string()), until: Set(until), ..Default::default() };
        Entity::update_many().set(ended).filter(Column::Name.eq(LEASE)).exec(&tx).await?;
        tx.commit().await
    }
}
