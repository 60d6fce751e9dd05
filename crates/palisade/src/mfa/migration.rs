use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{ColumnDef, Index, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The tables of second factors.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(Create),
        Box::new(CreatePasskeys),
        Box::new(CreateRemovals),
        Box::new(AddCounters),
    ]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "mfa_0001_palisade_totp"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let apps = Table::create()
            .table("palisade_totp")
            .if_not_exists()
            .col(ColumnDef::new("user_id").integer().not_null().primary_key())
            .col(ColumnDef::new("sealed").text().not_null())
            .col(ColumnDef::new("is_confirmed").boolean().not_null())
            .col(ColumnDef::new("last_step").big_integer().not_null())
            .to_owned();
        manager.create_table(apps).await?;
        let codes = Table::create()
            .table("palisade_recovery_code")
            .if_not_exists()
            .col(
                ColumnDef::new("hash")
                    .string_len(40)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("user_id").integer().not_null())
            .to_owned();
        manager.create_table(codes).await?;
        let of_user = Index::create()
            .name("palisade_recovery_code_user")
            .table("palisade_recovery_code")
            .col("user_id")
            .if_not_exists()
            .to_owned();
        manager.create_index(of_user).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_totp").to_owned())
            .await?;
        manager
            .drop_table(Table::drop().table("palisade_recovery_code").to_owned())
            .await
    }
}

struct CreatePasskeys;

impl MigrationName for CreatePasskeys {
    fn name(&self) -> &str {
        "mfa_0002_palisade_passkey"
    }
}

#[async_trait]
impl MigrationTrait for CreatePasskeys {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let keys = Table::create()
            .table("palisade_passkey")
            .if_not_exists()
            .col(
                ColumnDef::new("hash")
                    .string_len(40)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("user_id").integer().not_null())
            .col(ColumnDef::new("handle").string_len(36).not_null())
            .col(ColumnDef::new("name").string_len(60).not_null())
            .col(ColumnDef::new("sealed").text().not_null())
            .col(ColumnDef::new("is_synchronised").boolean().not_null())
            .col(ColumnDef::new("added").big_integer().not_null())
            .col(ColumnDef::new("used").big_integer().not_null())
            .to_owned();
        manager.create_table(keys).await?;
        let of_user = Index::create()
            .name("palisade_passkey_user")
            .table("palisade_passkey")
            .col("user_id")
            .if_not_exists()
            .to_owned();
        manager.create_index(of_user).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_passkey").to_owned())
            .await
    }
}

struct CreateRemovals;

impl MigrationName for CreateRemovals {
    fn name(&self) -> &str {
        "mfa_0003_palisade_factor_removal"
    }
}

#[async_trait]
impl MigrationTrait for CreateRemovals {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_factor_removal")
            .if_not_exists()
            .col(ColumnDef::new("user_id").integer().not_null().primary_key())
            .col(ColumnDef::new("due").big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_factor_removal").to_owned())
            .await
    }
}

/// Column for counter-based tokens (HOTP).
struct AddCounters;

impl MigrationName for AddCounters {
    fn name(&self) -> &str {
        "mfa_0004_palisade_totp_counts"
    }
}

#[async_trait]
impl MigrationTrait for AddCounters {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = ColumnDef::new("counts")
            .boolean()
            .not_null()
            .default(false)
            .to_owned();
        manager
            .alter_table(
                Table::alter()
                    .table("palisade_totp")
                    .add_column(column)
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table("palisade_totp")
                    .drop_column("counts")
                    .to_owned(),
            )
            .await
    }
}
