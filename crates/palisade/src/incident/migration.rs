use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{SchemaManager, Table};
use sea_orm_migration::schema::{big_integer, string_len, text};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The tables of the posture and of the running instances.
pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "incident_0001_palisade_posture"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let posture = Table::create()
            .table("palisade_posture")
            .col(string_len("id", 32).primary_key())
            .col(string_len("kind", 16))
            .col(text("value"))
            .col(text("reason"))
            .col(big_integer("since"))
            // seconds since 1970; 0 until it is ended
            .col(big_integer("until"))
            .col(big_integer("hits"))
            .take();
        manager.create_table(posture).await?;
        let instances = Table::create()
            .table("palisade_instance")
            .col(string_len("id", 32).primary_key())
            .col(string_len("posture", 64))
            .col(big_integer("seen"))
            .take();
        manager.create_table(instances).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["palisade_instance", "palisade_posture"] {
            manager
                .drop_table(Table::drop().table(table).take())
                .await?;
        }
        Ok(())
    }
}
