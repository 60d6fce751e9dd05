use crate::db::belongs_to;
use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{SchemaManager, Table};
use sea_orm_migration::schema::{integer, string_len, text, timestamp_with_time_zone};
use sea_orm_migration::{MigrationName, MigrationTrait};

const USER_KEYS: &str = "palisade_user_key";

/// The tables of the keys: those of users, and the ids of those that values may need.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "encrypted_fields_0001_palisade_user_key"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut of_users = Table::create()
            .table(USER_KEYS)
            .col(integer("user_id").primary_key())
            .col(text("sealed"))
            .col(timestamp_with_time_zone("made_at"))
            .take();
        // a deletion by another program is one, too; the tables of custom user models have others
        if manager.has_table("auth_user").await? {
            of_users.foreign_key(&mut belongs_to(USER_KEYS, "user_id", "auth_user"));
        }
        manager.create_table(of_users).await?;
        let in_use = Table::create()
            .table("palisade_data_key")
            .col(string_len("id", 8).primary_key())
            .col(timestamp_with_time_zone("noted_at"))
            .take();
        manager.create_table(in_use).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["palisade_data_key", USER_KEYS] {
            let dropped = Table::drop().table(table).take();
            manager.drop_table(dropped).await?;
        }
        Ok(())
    }
}
