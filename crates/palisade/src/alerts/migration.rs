use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{SchemaManager, Table};
use sea_orm_migration::schema::{big_integer, integer, string_len, text};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The table of sent alerts.
pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "alerts_0001_palisade_alert"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_alert")
            .col(string_len("fingerprint", 64).primary_key())
            .col(big_integer("next_at"))
            .col(integer("step"))
            .col(big_integer("suppressed"))
            .col(text("last"))
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dropped = Table::drop().table("palisade_alert").take();
        manager.drop_table(dropped).await
    }
}
