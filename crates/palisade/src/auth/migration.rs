use crate::db::migrate::DjangoTables;
use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{ColumnDef, Index, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// Users, groups, permissions, content types and their links, exactly as Django makes them; and tokens that go out by mail.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let django = DjangoTables {
        name: "auth_0001_django_auth",
        sqlite: include_str!("migrations/django_auth.sqlite.sql"),
        postgres: include_str!("migrations/django_auth.postgres.sql"),
    };
    vec![Box::new(django), Box::new(CreateTokens)]
}

struct CreateTokens;

impl MigrationName for CreateTokens {
    fn name(&self) -> &str {
        "auth_0002_palisade_token"
    }
}

#[async_trait]
impl MigrationTrait for CreateTokens {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_token")
            .if_not_exists()
            .col(ColumnDef::new("hash").string_len(40).not_null().primary_key())
            .col(ColumnDef::new("purpose").string_len(30).not_null())
            .col(ColumnDef::new("user_id").integer().null())
            .col(ColumnDef::new("bound_to").string_len(40).not_null())
            .col(ColumnDef::new("payload").text().not_null())
            .col(ColumnDef::new("expires").big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        for (name, column) in [("palisade_token_user", "user_id"), ("palisade_token_expires", "expires")] {
            let index = Index::create().name(name).table("palisade_token").col(column).if_not_exists().to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("palisade_token").to_owned()).await
    }
}
