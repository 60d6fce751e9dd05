//! Foreign keys to a table.

use super::{Database, Db};
use crate::sql;
use sea_orm::{DbBackend, DbErr};

/// A foreign key to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The table with the key.
    pub(crate) table: String,
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

impl Database {
    /// The foreign keys of other tables to this one.
    pub(crate) async fn references_to(&self, table: &str) -> Result<Vec<Reference>, DbErr> {
        let rows = self.rows(&self.handle(), table).await?;
        let reference = |(table, action): (String, String)| Reference {
            table,
            on_delete: match action.as_str() {
                "CASCADE" | "SET NULL" | "SET DEFAULT" | "c" | "n" | "d" => OnDelete::Follow,
                _ => OnDelete::Refuse,
            },
        };
        Ok(rows.into_iter().map(reference).collect())
    }

    async fn rows(&self, db: &Db, table: &str) -> Result<Vec<(String, String)>, DbErr> {
        let table = table.to_owned();
        db.fetch_all(match self.backend() {
            DbBackend::Postgres => sql!(
                "SELECT conrelid::regclass::text, confdeltype::text FROM pg_constraint \
                 WHERE contype = 'f' AND confrelid = to_regclass(?) ORDER BY 1",
                table
            ),
            _ => sql!(
                "SELECT m.name, k.on_delete FROM sqlite_master m, pragma_foreign_key_list(m.name) k \
                 WHERE m.type = 'table' AND k.\"table\" = ? ORDER BY 1",
                table
            ),
        })
        .await
    }
}
