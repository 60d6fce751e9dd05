//! Foreign keys to a table.

use super::{Database, Db};
use crate::sql;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, Value};
use sea_orm::{DbBackend, DbErr};
use std::collections::BTreeMap;

/// A foreign key to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The table with the key.
    pub(crate) table: String,
    /// The column.
    pub(crate) column: String,
    /// The rows that go with the referenced row, or stay without it.
    pub(crate) on_delete: OnDelete,
}

/// Handling of the rows of a foreign key when the referenced row is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDelete {
    /// Refuses the deletion.
    Refuse,
    /// Deletes them, or sets the key to a null or a default.
    Follow,
}

impl Reference {
    /// A query of at most so many rows that refer to a key.
    pub(crate) fn rows(&self, key: Value, most: u64) -> SelectStatement {
        let mut rows = Query::select();
        rows.expr(Expr::Constant(1.into()))
            .from(Alias::new(&self.table))
            .and_where(Expr::col(Alias::new(&self.column)).eq(key))
            .limit(most);
        rows
    }
}

impl Database {
    /// The foreign keys of other tables to this one.
    pub(crate) async fn references_to(&self, table: &str) -> Result<Vec<Reference>, DbErr> {
        let rows = self.rows(&self.handle(), table).await?;
        let reference = |(table, column, action): (String, String, String)| Reference {
            table,
            column,
            on_delete: match action.as_str() {
                "CASCADE" | "SET NULL" | "SET DEFAULT" | "c" | "n" | "d" => OnDelete::Follow,
                _ => OnDelete::Refuse,
            },
        };
        Ok(rows.into_iter().map(reference).collect())
    }

    /// The columns with foreign keys to the users' table, by table.
    pub(crate) async fn columns_of_users(&self) -> Result<BTreeMap<String, Vec<String>>, DbErr> {
        let users = self.users().users.clone();
        let query = match self.backend() {
            DbBackend::Postgres => sql!(
                "SELECT c.conrelid::regclass::text, a.attname::text FROM pg_constraint c \
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) \
                 WHERE c.contype = 'f' AND c.confrelid = to_regclass(?) ORDER BY 1, 2",
                users
            ),
            _ => sql!(
                "SELECT m.name, k.\"from\" FROM sqlite_master m, pragma_foreign_key_list(m.name) k \
                 WHERE m.type = 'table' AND k.\"table\" = ? ORDER BY 1, 2",
                users
            ),
        };
        let rows: Vec<(String, String)> = self.handle().fetch_all(query).await?;
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (table, column) in rows {
            all.entry(table).or_default().push(column);
        }
        Ok(all)
    }

    async fn rows(&self, db: &Db, table: &str) -> Result<Vec<(String, String, String)>, DbErr> {
        let table = table.to_owned();
        db.fetch_all(match self.backend() {
            DbBackend::Postgres => sql!(
                "SELECT c.conrelid::regclass::text, a.attname::text, c.confdeltype::text FROM pg_constraint c \
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
                 WHERE c.contype = 'f' AND c.confrelid = to_regclass(?) ORDER BY 1, 2",
                table
            ),
            _ => sql!(
                "SELECT m.name, k.\"from\", k.on_delete FROM sqlite_master m, pragma_foreign_key_list(m.name) k \
                 WHERE m.type = 'table' AND k.\"table\" = ? ORDER BY 1, 2",
                table
            ),
        })
        .await
    }
}
