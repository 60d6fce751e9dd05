//! Whether the database accepts writes: with a full disk, or as a standby, it is read-only.

use super::Database;
use async_trait::async_trait;
use palisade_probe::{ActiveModel, Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{DbErr, EntityTrait, Set};
use sea_orm_migration::prelude::{ColumnDef, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait};

mod palisade_probe {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_probe")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub written: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The table that [`Database::ping_writer`] writes into.
pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

impl Database {
    /// Checks that a write succeeds, in a single constant row.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn ping_writer(&self) -> Result<(), DbErr> {
        let row = ActiveModel {
            id: Set(1),
            written: Set(chrono::Utc::now().timestamp()),
        };
        let again = OnConflict::column(Column::Id)
            .update_column(Column::Written)
            .to_owned();
        Entity::insert(row)
            .on_conflict(again)
            .exec_without_returning(&self.single())
            .await
            .map(drop)
    }
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "db_0001_palisade_probe"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_probe")
            .if_not_exists()
            .col(ColumnDef::new("id").integer().not_null().primary_key())
            .col(ColumnDef::new("written").big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_probe").to_owned())
            .await
    }
}
