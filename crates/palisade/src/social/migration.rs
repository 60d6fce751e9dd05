use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{ColumnDef, Index, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The table of linked identities.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "social_0001_palisade_identity"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_identity")
            .if_not_exists()
            .col(
                ColumnDef::new("hash")
                    .string_len(40)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("user_id").integer().not_null())
            .col(ColumnDef::new("provider").string_len(30).not_null())
            .col(ColumnDef::new("label").string_len(254).not_null())
            .col(ColumnDef::new("tokens").text().null())
            .col(ColumnDef::new("added").big_integer().not_null())
            .col(ColumnDef::new("used").big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        let of_user = Index::create()
            .name("palisade_identity_user")
            .table("palisade_identity")
            .col("user_id")
            .if_not_exists()
            .to_owned();
        manager.create_index(of_user).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_identity").to_owned())
            .await
    }
}
