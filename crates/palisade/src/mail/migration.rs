use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{ColumnDef, Index, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The table of the mail queue.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create), Box::new(AddKind)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "mail_0001_palisade_mail"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_mail")
            .if_not_exists()
            .col(
                ColumnDef::new("id")
                    .big_integer()
                    .not_null()
                    .auto_increment()
                    .primary_key(),
            )
            .col(ColumnDef::new("sealed").text().not_null())
            .col(ColumnDef::new("due").big_integer().not_null())
            .col(ColumnDef::new("expires").big_integer().not_null())
            .col(ColumnDef::new("tries").integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        let by_time = Index::create()
            .name("palisade_mail_due")
            .table("palisade_mail")
            .col("due")
            .if_not_exists()
            .to_owned();
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_mail").to_owned())
            .await
    }
}

/// Separates kinds of mail, so that a flood of one does not delay others.
struct AddKind;

impl MigrationName for AddKind {
    fn name(&self) -> &str {
        "mail_0002_palisade_mail_kind"
    }
}

#[async_trait]
impl MigrationTrait for AddKind {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = ColumnDef::new("kind")
            .integer()
            .not_null()
            .default(1)
            .to_owned();
        manager
            .alter_table(
                Table::alter()
                    .table("palisade_mail")
                    .add_column(column)
                    .to_owned(),
            )
            .await?;
        let by_kind = Index::create()
            .name("palisade_mail_kind")
            .table("palisade_mail")
            .col("kind")
            .col("due")
            .to_owned();
        manager.create_index(by_kind).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(
                Index::drop()
                    .name("palisade_mail_kind")
                    .table("palisade_mail")
                    .to_owned(),
            )
            .await?;
        manager
            .alter_table(
                Table::alter()
                    .table("palisade_mail")
                    .drop_column("kind")
                    .to_owned(),
            )
            .await
    }
}
