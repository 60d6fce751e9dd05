//! Migrations of a site, as lists of changes that know their reverse.

use super::{Links, RawSql};
use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::prelude::{
    ColumnDef, ForeignKey, ForeignKeyAction, ForeignKeyCreateStatement, Index,
    IndexCreateStatement, IntoColumnDef, Table, TableCreateStatement,
};
use sea_orm_migration::schema::{integer, pk_auto};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// A migration: changes of the schema in order. It is reverted by their reverses, from the last to
/// the first.
///
/// ```
/// use palisade::db::Migration;
/// use palisade::prelude::*;
/// use palisade::sea_orm_migration::schema::*;
///
/// fn migrations() -> Vec<Migration> {
///     let columns = [string_len("title", 120), text("body")];
///     vec![
///         Migration::new("notes_0001_note").create_owned("note", "owner_id", columns),
///         Migration::new("notes_0002_due").add_column("note", date_null("due")),
///     ]
/// }
///
/// let app = App::new().schema(migrations);
/// ```
///
/// A migration that has run somewhere is never edited: a change is another migration.
pub struct Migration {
    name: &'static str,
    changes: Vec<Box<dyn MigrationTrait>>,
}

impl Migration {
    /// A migration without changes. Its name is unique, such as `notes_0001_note`.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            changes: Vec::new(),
        }
    }

    /// Creates a table; the reverse drops it.
    #[must_use]
    pub fn create_table(self, table: TableCreateStatement) -> Self {
        self.change(CreateTable(table))
    }

    /// Creates a table whose rows belong to users: a primary key `id`, an indexed foreign key to the
    /// users' table, and these columns.
    #[must_use]
    pub fn create_owned<const N: usize>(
        self,
        table: &'static str,
        owner: &'static str,
        columns: [impl IntoColumnDef; N],
    ) -> Self {
        let mut owned = Table::create();
        owned.table(table).col(pk_auto("id")).col(integer(owner));
        for column in columns {
            owned.col(column);
        }
        owned.foreign_key(&mut references(table, owner, "auth_user"));
        self.create_table(owned).index(table, [owner])
    }

    /// Creates a table with one row for each user, whose primary key is that of the user, for
    /// [`App::profile_table`](crate::app::App::profile_table).
    #[must_use]
    pub fn create_profile<const N: usize>(
        self,
        table: &'static str,
        user: &'static str,
        columns: [impl IntoColumnDef; N],
    ) -> Self {
        let mut profile = Table::create();
        profile.table(table).col(integer(user).primary_key());
        for column in columns {
            profile.col(column);
        }
        profile.foreign_key(&mut references(table, user, "auth_user"));
        self.create_table(profile)
    }

    /// Creates the table of a many-to-many relation. Its rows are deleted with the rows that they
    /// link.
    #[must_use]
    pub fn create_links(self, links: Links) -> Self {
        self.create_table(links.create())
    }

    /// Adds a column, which is nullable or has a default; the reverse drops it.
    #[must_use]
    pub fn add_column(self, table: &'static str, column: impl IntoColumnDef) -> Self {
        self.change(AddColumn(table, column.into_column_def()))
    }

    /// Creates an index of columns, `note_owner_id_idx`; the reverse drops it.
    #[must_use]
    pub fn index<const N: usize>(self, table: &'static str, columns: [&'static str; N]) -> Self {
        let name = format!("{table}_{}_idx", columns.join("_"));
        let mut index = Index::create().name(name).table(table).take();
        for column in columns {
            index.col(column);
        }
        self.create_index(index)
    }

    /// Creates an index, such as a unique one; the reverse drops it.
    #[must_use]
    pub fn create_index(self, index: IndexCreateStatement) -> Self {
        self.change(CreateIndex(index))
    }

    /// Runs a statement on the rows, and another one as its reverse.
    #[must_use]
    pub fn sql(self, up: RawSql, down: RawSql) -> Self {
        self.change(Sql { up, down })
    }

    /// Any other change.
    #[must_use]
    pub fn change(mut self, change: impl MigrationTrait + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }
}

/// A foreign key to the `id` of another table. A row that is referred to is not deleted.
pub fn references(
    table: &'static str,
    column: &'static str,
    target: &'static str,
) -> ForeignKeyCreateStatement {
    let mut key = ForeignKey::create();
    key.from(table, column).to(target, "id").take()
}

/// The same for rows that are deleted with the row that they refer to.
pub fn belongs_to(
    table: &'static str,
    column: &'static str,
    target: &'static str,
) -> ForeignKeyCreateStatement {
    let mut key = references(table, column, target);
    key.on_delete(ForeignKeyAction::Cascade).take()
}

impl MigrationName for Migration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    /// All of its changes or none, on SQLite too.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for change in &self.changes {
            change.up(manager).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for change in self.changes.iter().rev() {
            change.down(manager).await?;
        }
        Ok(())
    }
}

/// Parts of a migration have no name of their own.
macro_rules! unnamed {
    ($($change:ty),*) => {
        $(impl MigrationName for $change {
            fn name(&self) -> &str {
                ""
            }
        })*
    };
}

unnamed! { CreateTable, AddColumn, CreateIndex, Sql }

struct CreateTable(TableCreateStatement);

#[async_trait]
impl MigrationTrait for CreateTable {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(self.0.clone()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = self.0.get_table_name().cloned();
        let table = table.ok_or_else(|| DbErr::Migration("a table has no name".into()))?;
        manager.drop_table(Table::drop().table(table).take()).await
    }
}

struct AddColumn(&'static str, ColumnDef);

#[async_trait]
impl MigrationTrait for AddColumn {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let added = Table::alter()
            .table(self.0)
            .add_column(self.1.clone())
            .take();
        manager.alter_table(added).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dropped = Table::alter()
            .table(self.0)
            .drop_column(self.1.get_column_name())
            .take();
        manager.alter_table(dropped).await
    }
}

struct CreateIndex(IndexCreateStatement);

#[async_trait]
impl MigrationTrait for CreateIndex {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_index(self.0.clone()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let name = self.0.get_index_spec().get_name();
        let name = name.ok_or_else(|| DbErr::Migration("an index has no name".into()))?;
        manager
            .drop_index(Index::drop().name(name).to_owned())
            .await
    }
}

struct Sql {
    up: RawSql,
    down: RawSql,
}

#[async_trait]
impl MigrationTrait for Sql {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(&self.up, manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(&self.down, manager).await
    }
}

async fn run(sql: &RawSql, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let statement = sql.clone().statement(connection.get_database_backend());
    connection.execute_raw(statement).await.map(drop)
}
