use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{SchemaManager, Table};
use sea_orm_migration::schema::{big_integer, integer, string_len, string_len_null, text_null};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The tables of answers that are given once, and of quotas.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "flows_0001_palisade_once"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let once = Table::create()
            .table("palisade_once")
            .col(string_len("id", 43).primary_key())
            .col(string_len("fingerprint", 43))
            .col(integer("status").default(0))
            .col(string_len_null("content_type", 200))
            .col(text_null("sealed"))
            .col(big_integer("expires"))
            .take();
        manager.create_table(once).await?;
        let quota = Table::create()
            .table("palisade_quota")
            .col(string_len("id", 43).primary_key())
            .col(integer("taken"))
            .col(big_integer("expires"))
            .take();
        manager.create_table(quota).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["palisade_quota", "palisade_once"] {
            let dropped = Table::drop().table(table).take();
            manager.drop_table(dropped).await?;
        }
        Ok(())
    }
}
