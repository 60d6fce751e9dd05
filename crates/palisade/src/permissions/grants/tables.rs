//! The tables of grants, for migrations of a site.

use super::table_of_grants;
use crate::permissions::rows::single_key;
use async_trait::async_trait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IdenStatic};
use sea_orm_migration::prelude::{
    ColumnDef, ForeignKey, ForeignKeyAction, ForeignKeyCreateStatement, SchemaManager, Table,
};
use sea_orm_migration::{MigrationName, MigrationTrait};
use std::marker::PhantomData;

/// Creates the table of an entity's grants, for a migration of the site. It follows the migration
/// that creates the table of the entity.
///
/// ```
/// # use palisade::prelude::*;
/// # use palisade::sea_orm::{DbErr, EntityTrait};
/// # use sea_orm_migration::SchemaManager;
/// async fn up<E: EntityTrait>(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
///     palisade::permissions::create_grants::<E>(manager).await
/// }
/// ```
///
/// # Errors
/// Errors of the database.
pub async fn create_grants<E: EntityTrait>(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = table_of_grants::<E>();
    let key = single_key::<E>();
    let key =
        key.ok_or_else(|| DbErr::Migration(format!("{table}: grants need a key of one column")))?;
    let key_type = key.def().get_column_type().clone();
    let object = reference(
        &table,
        "object_id",
        (E::default().table_name(), key.as_str()),
    );
    let is_one = |first: &'static str, second: &'static str| {
        let only = |one: &'static str, other: &'static str| {
            Expr::col(one).is_not_null().and(Expr::col(other).is_null())
        };
        only(first, second).or(only(second, first))
    };
    let mut create = Table::create();
    create
        .table(Alias::new(&table))
        .if_not_exists()
        .col(
            ColumnDef::new("id")
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(ColumnDef::new_with_type("object_id", key_type).not_null())
        .col(ColumnDef::new("user_id").integer())
        .col(ColumnDef::new("group_id").integer())
        .col(ColumnDef::new("permission_id").integer())
        .col(ColumnDef::new("role_id").integer())
        .col(ColumnDef::new("until").big_integer())
        .col(ColumnDef::new("given_by").integer())
        .col(ColumnDef::new("given_at").big_integer().not_null())
        .col(ColumnDef::new("reason").string_len(200).not_null())
        .check(is_one("user_id", "group_id"))
        .check(is_one("permission_id", "role_id"))
        .foreign_key(&mut { object })
        .foreign_key(&mut reference(&table, "group_id", ("auth_group", "id")))
        .foreign_key(&mut reference(
            &table,
            "permission_id",
            ("auth_permission", "id"),
        ))
        .foreign_key(&mut reference(&table, "role_id", ("auth_group", "id")));
    // with a custom user model, the users of these tables are in another table
    if manager.has_table("auth_user").await? {
        create.foreign_key(&mut reference(&table, "user_id", ("auth_user", "id")));
    }
    manager.create_table(create).await?;
    create_indexes(manager, &table).await
}

fn reference(
    table: &str,
    column: &'static str,
    (target, key): (&str, &str),
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(Alias::new(table), column)
        .to(Alias::new(target), Alias::new(key))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// One grant per object, recipient and content; lookups by recipient.
async fn create_indexes(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    // the name of a table is from the entity's code, and not from input
    let unique = format!(
        "CREATE UNIQUE INDEX IF NOT EXISTS \"{table}_once\" ON \"{table}\" (object_id, \
         coalesce(user_id, 0), coalesce(group_id, 0), coalesce(permission_id, 0), coalesce(role_id, 0))"
    );
    let connection = manager.get_connection();
    connection.execute_unprepared(&unique).await?;
    for recipient in ["user", "group"] {
        let lookup = format!(
            "CREATE INDEX IF NOT EXISTS \"{table}_{recipient}\" ON \"{table}\" ({recipient}_id, object_id)"
        );
        connection.execute_unprepared(&lookup).await?;
    }
    Ok(())
}

/// The table of an entity's grants, as a change of a migration: `Migration::new("desk_0002_grants").change(GrantsTable::<ticket::Entity>::new())`.
pub struct GrantsTable<E>(PhantomData<fn() -> E>);

impl<E> GrantsTable<E> {
    /// The change that creates the table; its reverse drops it.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E> Default for GrantsTable<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> MigrationName for GrantsTable<E> {
    fn name(&self) -> &str {
        ""
    }
}

#[async_trait]
impl<E: EntityTrait> MigrationTrait for GrantsTable<E> {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_grants::<E>(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_grants::<E>(manager).await
    }
}

/// Drops the table of an entity's grants.
///
/// # Errors
/// Errors of the database.
pub async fn drop_grants<E: EntityTrait>(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let drop = Table::drop()
        .table(Alias::new(table_of_grants::<E>()))
        .if_exists()
        .to_owned();
    manager.drop_table(drop).await
}
