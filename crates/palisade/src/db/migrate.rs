//! Migrations of the framework and of the site, in one list and one table, `palisade_migrations`.
//!
//! Existing tables of Django's are adopted as they are; none of them is ever dropped or rewritten.

use super::{Database, Migration, RawSql};
use crate::sql;
use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DynIden};
use sea_orm_migration::prelude::Table;
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, MigratorTraitSelf, SchemaManager,
};
use std::sync::Arc;

/// The migrations of the framework's areas and of the site, in execution order.
#[derive(Clone, Default)]
pub struct Migrations(Vec<Arc<Source>>);

type Source = dyn Fn() -> Vec<Box<dyn MigrationTrait>> + Send + Sync;

impl Migrations {
    /// Appends migrations.
    pub fn add(
        &mut self,
        migrations: impl Fn() -> Vec<Box<dyn MigrationTrait>> + Send + Sync + 'static,
    ) {
        self.0.push(Arc::new(migrations));
    }

    /// Appends the migrations of a site.
    pub fn add_list(&mut self, migrations: fn() -> Vec<Migration>) {
        self.add(move || {
            let boxed = |migration| Box::new(migration) as Box<dyn MigrationTrait>;
            migrations().into_iter().map(boxed).collect()
        });
    }

    /// Appends the migrations of a SeaORM migrator.
    pub fn add_migrator<M: MigratorTrait + 'static>(&mut self) {
        self.add(|| M::migrations());
    }

    /// Names of all migrations, in order.
    pub fn all(&self) -> Vec<String> {
        self.migrations()
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect()
    }

    /// Names of the pending migrations.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pending(&self, database: &Database) -> Result<Vec<String>, DbErr> {
        let executed = executed(database).await?;
        let mut all = self.all();
        all.retain(|name| !executed.contains(name));
        Ok(all)
    }

    /// Names of executed migrations that this program does not know: those of a newer release.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn unknown(&self, database: &Database) -> Result<Vec<String>, DbErr> {
        let (mut executed, all) = (executed(database).await?, self.all());
        executed.retain(|name| !all.contains(name));
        Ok(executed)
    }

    /// Runs pending migrations, each in a transaction where the database supports that.
    ///
    /// # Errors
    /// Errors of the database; later migrations have not run then.
    pub async fn run(&self, database: &Database) -> Result<(), DbErr> {
        // a program that was rolled back to has nothing to run
        if self.pending(database).await?.is_empty() {
            return Ok(());
        }
        self.up(&database.writer().connect().await?, None).await
    }

    /// The migrations that run, and those that are reverted, the newest first, until this one is the
    /// last that was executed. `None` if there is no migration of this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn steps_to(
        &self,
        database: &Database,
        name: &str,
    ) -> Result<Option<Steps>, DbErr> {
        let (all, executed) = (self.all(), executed(database).await?);
        let Some(at) = all.iter().position(|known| known == name) else {
            return Ok(None);
        };
        let (earlier, later) = all.split_at(at + 1);
        let is_executed = |name: &&String| executed.contains(name);
        Ok(Some(Steps {
            up: earlier
                .iter()
                .filter(|name| !is_executed(name))
                .cloned()
                .collect(),
            down: later.iter().rev().filter(is_executed).cloned().collect(),
        }))
    }

    /// Takes these steps.
    ///
    /// # Errors
    /// Errors of the database, and a migration that cannot be reverted.
    pub(crate) async fn take(&self, database: &Database, steps: &Steps) -> Result<(), DbErr> {
        let writer = database.writer().connect().await?;
        let count = |names: &[String]| u32::try_from(names.len()).unwrap_or(u32::MAX);
        if !steps.down.is_empty() {
            self.down(&writer, Some(count(&steps.down))).await?;
        }
        match steps.up.is_empty() {
            true => Ok(()),
            false => self.up(&writer, Some(count(&steps.up))).await,
        }
    }

    /// Reverts all migrations, the newest first, with all data. Django's tables stay.
    ///
    /// # Errors
    /// Errors of the database; earlier migrations are still applied then.
    pub async fn undo(&self, database: &Database) -> Result<(), DbErr> {
        let writer = database.writer().connect().await?;
        self.down(&writer, None).await?;
        let table = Table::drop()
            .table(self.migration_table_name())
            .if_exists()
            .to_owned();
        writer.execute(&table).await.map(drop)
    }
}

/// Migrations to run and to revert.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) up: Vec<String>,
    /// The newest first.
    pub(crate) down: Vec<String>,
}

/// Names of the executed migrations.
async fn executed(database: &Database) -> Result<Vec<String>, DbErr> {
    if !database.has_table("palisade_migrations").await? {
        return Ok(Vec::new());
    }
    let versions = sql!("SELECT version FROM palisade_migrations ORDER BY version");
    let rows: Vec<(String,)> = database.handle().fetch_all(versions).await?;
    Ok(rows.into_iter().map(|(version,)| version).collect())
}

/// The table that a single-column foreign key references.
pub(crate) fn foreign_table(backend: DbBackend, table: &str, column: &str) -> RawSql {
    match backend {
        DbBackend::Postgres => sql!(
            "SELECT target.relname::text FROM pg_constraint link \
             JOIN pg_class target ON target.oid = link.confrelid \
             JOIN pg_attribute named ON named.attrelid = link.conrelid AND named.attnum = ANY (link.conkey) \
             WHERE link.contype = 'f' AND link.conrelid = to_regclass(?) AND named.attname = ?",
            table,
            column
        ),
        _ => sql!(
            "SELECT \"table\" FROM pragma_foreign_key_list(?) WHERE \"from\" = ?",
            table,
            column
        ),
    }
}

impl Database {
    /// An index on a lower-case column of the user table, under any name.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn create_lower_index(
        &self,
        name: &'static str,
        column: &'static str,
    ) -> Result<(), DbErr> {
        // table names are identifiers (`TableName`), and the others are literals of this program
        let statement = format!(
            "CREATE INDEX IF NOT EXISTS {name} ON \"{}\" (lower(\"{column}\"))",
            self.users().users
        );
        self.writer()
            .connect()
            .await?
            .execute_unprepared(&statement)
            .await
            .map(drop)
    }

    /// Whether a table exists.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn has_table(&self, table: &str) -> Result<bool, DbErr> {
        let connection = self.reader().connect().await?;
        SchemaManager::new(&connection).has_table(table).await
    }

    /// Rights of the connection beyond reading and writing rows: a superuser, or an owner of tables.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn excess_privileges(&self) -> Result<Vec<&'static str>, DbErr> {
        if self.backend() != DbBackend::Postgres {
            return Ok(Vec::new());
        }
        let query = sql!(
            "SELECT rolsuper, EXISTS (SELECT 1 FROM pg_class WHERE relowner = role.oid AND relkind = 'r') \
             FROM pg_roles role WHERE rolname = current_user"
        );
        Ok(
            match self.handle().fetch_one::<(bool, bool)>(query).await? {
                Some((true, _)) => vec!["a superuser"],
                Some((false, true)) => vec!["the owner of its tables"],
                _ => Vec::new(),
            },
        )
    }

    /// Drops an index of this program.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn drop_index(&self, name: &'static str) -> Result<(), DbErr> {
        self.writer()
            .connect()
            .await?
            .execute_unprepared(&format!("DROP INDEX IF EXISTS {name}"))
            .await
            .map(drop)
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

/// Tables exactly as in Django, per database. They are adopted where they exist, and never dropped.
pub(crate) struct DjangoTables {
    pub(crate) name: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
    /// Tables that a Django project must have created, and the app that does.
    pub(crate) needs: &'static [(&'static str, &'static str)],
}

impl MigrationName for DjangoTables {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
impl MigrationTrait for DjangoTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_table("django_migrations").await? {
            return self.check_adopted(manager).await;
        }
        let statements = if manager.get_database_backend() == DbBackend::Postgres {
            self.postgres
        } else {
            self.sqlite
        };
        manager
            .get_connection()
            .execute_unprepared(statements)
            .await
            .map(drop)
    }

    /// They stay: Django may use them.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}

impl DjangoTables {
    /// In a Django database, only Django's migrations create Django's tables.
    async fn check_adopted(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        for (table, app) in self.needs {
            if !manager.has_table(table).await? {
                let why = format!(
                    "this is the database of a Django project, and it has no table {table}: add \
                        {app} to INSTALLED_APPS and run its migrate"
                );
                return Err(DbErr::Migration(why));
            }
        }
        Ok(())
    }
}
