//! Migrations of the framework and of the site, in one list and one table, `palisade_migrations`.
//!
//! Tables that Django has made already are adopted as they are; none of them is ever dropped or rewritten.

use super::Database;
use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DynIden};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, MigratorTraitSelf, SchemaManager};

/// The migrations of the framework's areas and of the site, in the order in which they run.
#[derive(Clone, Default)]
pub struct Migrations(Vec<fn() -> Vec<Box<dyn MigrationTrait>>>);

impl Migrations {
    /// Adds migrations after those that are there.
    pub fn add(&mut self, migrations: fn() -> Vec<Box<dyn MigrationTrait>>) {
        self.0.push(migrations);
    }

    /// Adds the migrations of a SeaORM migrator.
    pub fn add_migrator<M: MigratorTrait>(&mut self) {
        self.add(M::migrations);
    }

    /// Names of all migrations, in order.
    pub fn all(&self) -> Vec<String> {
        self.migrations().iter().map(|migration| migration.name().to_owned()).collect()
    }

    /// Names of the migrations that have not run.
    ///
    /// # Errors
    /// When the database cannot be asked, or holds migrations that this program does not know.
    pub async fn pending(&self, database: &Database) -> Result<Vec<String>, DbErr> {
        let pending = self.get_pending_migrations_read_only(database.reader()).await?;
        Ok(pending.iter().map(|migration| migration.name().to_owned()).collect())
    }

    /// Runs what has not run. Each migration is all or nothing where the database can do that.
    ///
    /// # Errors
    /// As the database says; later migrations have not run then.
    pub async fn run(&self, database: &Database) -> Result<(), DbErr> {
        self.up(database.writer(), None).await
    }
}

impl MigratorTraitSelf for Migrations {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        self.0.iter().flat_map(|migrations| migrations()).collect()
    }

    fn migration_table_name(&self) -> DynIden {
        DynIden::from("palisade_migrations")
    }
}

/// Tables as Django makes them, in the words of each database. They are adopted where they exist, and never dropped.
pub(crate) struct DjangoTables {
    pub(crate) name: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl MigrationName for DjangoTables {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
impl MigrationTrait for DjangoTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = if manager.get_database_backend() == DbBackend::Postgres { self.postgres } else { self.sqlite };
        manager.get_connection().execute_unprepared(statements).await.map(drop)
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("a table that Django may use is never dropped".into()))
    }
}
