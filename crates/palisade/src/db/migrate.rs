//! Migrations of the framework and of the site, in one list and one table, `palisade_migrations`.
//!
//! Tables that Django has made already are adopted as they are; none of them is ever dropped or rewritten.

use super::Database;
use sea_orm::{DbErr, DynIden};
use sea_orm_migration::{MigrationTrait, MigratorTrait, MigratorTraitSelf};

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
