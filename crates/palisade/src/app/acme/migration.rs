use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{ColumnDef, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// Table of ACME state. Created in builds without the feature too, because both kinds of builds can
/// share a database.
pub(in crate::app) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "acme_0001_palisade_acme"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_acme")
            .if_not_exists()
            .col(
                ColumnDef::new("name")
                    .string_len(200)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("value").text().not_null())
            .col(ColumnDef::new("until").big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_acme").to_owned())
            .await
    }
}
