use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{
    ColumnDef, ForeignKey, ForeignKeyAction, Index, SchemaManager, Table,
};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The tables of authorization.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreateMemberships), Box::new(CreateUses)]
}

/// Memberships that end. Those without an end are Django's.
struct CreateMemberships;

impl MigrationName for CreateMemberships {
    fn name(&self) -> &str {
        "permissions_0001_palisade_membership"
    }
}

#[async_trait]
impl MigrationTrait for CreateMemberships {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let reference = |column: &'static str, table: &'static str| {
            ForeignKey::create()
                .from("palisade_membership", column)
                .to(table, "id")
                .on_delete(ForeignKeyAction::Cascade)
                .to_owned()
        };
        let mut memberships = Table::create()
            .table("palisade_membership")
            .if_not_exists()
            .col(ColumnDef::new("user_id").integer().not_null())
            .col(ColumnDef::new("group_id").integer().not_null())
            .col(ColumnDef::new("until").big_integer().not_null())
            .col(ColumnDef::new("given_by").integer())
            .col(ColumnDef::new("given_at").big_integer().not_null())
            .col(ColumnDef::new("reason").string_len(200).not_null())
            .primary_key(Index::create().col("user_id").col("group_id"))
            .foreign_key(&mut reference("group_id", "auth_group"))
            .to_owned();
        // with a custom user model, the users of these tables are in another table
        if manager.has_table("auth_user").await? {
            memberships.foreign_key(&mut reference("user_id", "auth_user"));
        }
        manager.create_table(memberships).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::drop()
            .table("palisade_membership")
            .if_exists()
            .to_owned();
        manager.drop_table(drop).await
    }
}

/// Uses of permissions by day, and reports of the past.
struct CreateUses;

impl MigrationName for CreateUses {
    fn name(&self) -> &str {
        "permissions_0002_palisade_permission_use"
    }
}

#[async_trait]
impl MigrationTrait for CreateUses {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let uses = Table::create()
            .table("palisade_permission_use")
            .if_not_exists()
            .col(ColumnDef::new("user_id").integer().not_null())
            .col(ColumnDef::new("permission").string_len(201).not_null())
            .col(ColumnDef::new("day").integer().not_null())
            .primary_key(Index::create().col("user_id").col("permission").col("day"))
            .to_owned();
        manager.create_table(uses).await?;
        let reports = Table::create()
            .table("palisade_access_report")
            .if_not_exists()
            .col(
                ColumnDef::new("taken_at")
                    .big_integer()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("content").text().not_null())
            .to_owned();
        manager.create_table(reports).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["palisade_permission_use", "palisade_access_report"] {
            let drop = Table::drop().table(table).if_exists().to_owned();
            manager.drop_table(drop).await?;
        }
        Ok(())
    }
}
