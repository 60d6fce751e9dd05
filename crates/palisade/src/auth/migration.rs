use super::access_tokens::CreateAccessTokens;
use crate::db::Database;
use crate::db::migrate::DjangoTables;
use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{ColumnDef, Index, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// Users, groups, permissions, content types and their links, exactly as in Django; mailed tokens;
/// known browsers and locks.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let django = DjangoTables {
        name: "auth_0001_django_auth",
        sqlite: include_str!("migrations/django_auth.sqlite.sql"),
        postgres: include_str!("migrations/django_auth.postgres.sql"),
        // users may be in a table of the project's own
        needs: &[
            ("django_content_type", "django.contrib.contenttypes"),
            ("auth_permission", "django.contrib.auth"),
            ("auth_group", "django.contrib.auth"),
        ],
    };
    vec![
        Box::new(django),
        Box::new(CreateTokens),
        Box::new(CreateLocks),
        Box::new(CreateEpochs),
        Box::new(CreateUnsent),
        Box::new(CreateAccessTokens),
    ]
}

/// Indexes to find accounts by email address, and by name in any case, without a table scan:
/// otherwise the response time would grow with the site and reveal which accounts exist (user
/// enumeration). The table is Django's, and may have another name; the indexes are this site's own.
///
/// # Errors
/// Errors of the database.
pub(crate) async fn create_user_indexes(database: &Database) -> Result<(), DbErr> {
    for (index, column) in USER_INDEXES {
        database.create_lower_index(index, column).await?;
    }
    Ok(())
}

/// Drops them.
///
/// # Errors
/// Errors of the database.
pub(crate) async fn drop_user_indexes(database: &Database) -> Result<(), DbErr> {
    for (index, _) in USER_INDEXES {
        database.drop_index(index).await?;
    }
    Ok(())
}

const USER_INDEXES: [(&str, &str); 2] = [
    ("palisade_user_email", "email"),
    ("palisade_user_name", "username"),
];

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
            .col(
                ColumnDef::new("hash")
                    .string_len(40)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("purpose").string_len(30).not_null())
            .col(ColumnDef::new("user_id").integer().null())
            .col(ColumnDef::new("bound_to").string_len(40).not_null())
            .col(ColumnDef::new("payload").text().not_null())
            .col(ColumnDef::new("expires").big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        for (name, column) in [
            ("palisade_token_user", "user_id"),
            ("palisade_token_expires", "expires"),
        ] {
            let index = Index::create()
                .name(name)
                .table("palisade_token")
                .col(column)
                .if_not_exists()
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_token").to_owned())
            .await
    }
}

struct CreateLocks;

impl MigrationName for CreateLocks {
    fn name(&self) -> &str {
        "auth_0003_palisade_lock"
    }
}

#[async_trait]
impl MigrationTrait for CreateLocks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let devices = Table::create()
            .table("palisade_device")
            .if_not_exists()
            .col(
                ColumnDef::new("hash")
                    .string_len(40)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("user_id").integer().not_null())
            .col(ColumnDef::new("bound_to").string_len(40).not_null())
            .col(ColumnDef::new("agent").string_len(150).not_null())
            .col(ColumnDef::new("address").string_len(45).not_null())
            .col(ColumnDef::new("seen").big_integer().not_null())
            .col(
                ColumnDef::new("trusted_until")
                    .big_integer()
                    .not_null()
                    .default(0),
            )
            .to_owned();
        manager.create_table(devices).await?;
        let of_user = Index::create()
            .name("palisade_device_user")
            .table("palisade_device")
            .col("user_id")
            .if_not_exists()
            .to_owned();
        manager.create_index(of_user).await?;
        let locks = Table::create()
            .table("palisade_lock")
            .if_not_exists()
            .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
            .col(ColumnDef::new("kind").string_len(20).not_null())
            .col(ColumnDef::new("username").string_len(254).not_null())
            .col(ColumnDef::new("address").string_len(45).not_null())
            .col(ColumnDef::new("agent").string_len(150).not_null())
            .col(ColumnDef::new("since").big_integer().not_null())
            .col(ColumnDef::new("until").big_integer().not_null())
            .col(ColumnDef::new("is_lifted").boolean().not_null())
            .to_owned();
        manager.create_table(locks).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_device").to_owned())
            .await?;
        manager
            .drop_table(Table::drop().table("palisade_lock").to_owned())
            .await
    }
}

struct CreateEpochs;

impl MigrationName for CreateEpochs {
    fn name(&self) -> &str {
        "auth_0004_palisade_session_epoch"
    }
}

#[async_trait]
impl MigrationTrait for CreateEpochs {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_session_epoch")
            .if_not_exists()
            .col(ColumnDef::new("user_id").integer().not_null().primary_key())
            .col(ColumnDef::new("epoch").big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_session_epoch").to_owned())
            .await
    }
}

struct CreateUnsent;

impl MigrationName for CreateUnsent {
    fn name(&self) -> &str {
        "auth_0005_palisade_unsent"
    }
}

#[async_trait]
impl MigrationTrait for CreateUnsent {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let forms = Table::create()
            .table("palisade_unsent")
            .col(
                ColumnDef::new("hash")
                    .string_len(40)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("user_id").integer().not_null())
            .col(ColumnDef::new("sealed").text().not_null())
            .col(ColumnDef::new("expires").big_integer().not_null())
            .to_owned();
        manager.create_table(forms).await?;
        let of_user = Index::create()
            .name("palisade_unsent_user")
            .table("palisade_unsent")
            .col("user_id")
            .to_owned();
        manager.create_index(of_user).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dropped = Table::drop().table("palisade_unsent").to_owned();
        manager.drop_table(dropped).await
    }
}
