//! The columns of a table, for code that is generated from it.

use super::Database;
use super::column_type::{Family, family_of_table};
use crate::sql;
use sea_orm::{DbBackend, DbErr};

/// A column of a table.
#[derive(Debug, Clone)]
pub(crate) struct DescribedColumn {
    pub(crate) name: String,
    pub(crate) family: Option<Family>,
    /// Most characters, or digits of a decimal number.
    pub(crate) length: Option<u32>,
    pub(crate) is_nullable: bool,
    pub(crate) is_key: bool,
    /// The table of a foreign key.
    pub(crate) target: Option<String>,
}

impl Database {
    /// The columns of a table, in order; none if it does not exist.
    pub(crate) async fn described(&self, table: &str) -> Result<Vec<DescribedColumn>, DbErr> {
        let name = table.to_owned();
        let query = match self.backend() {
            DbBackend::Postgres => sql!(
                "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
                 EXISTS (SELECT 1 FROM pg_constraint k WHERE k.contype = 'p' AND k.conrelid = a.attrelid AND a.attnum = ANY (k.conkey)) \
                 FROM pg_attribute a WHERE a.attrelid = to_regclass(quote_ident(?)) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
                name
            ),
            _ => sql!(
                "SELECT name, lower(type), \"notnull\" = 0 AND pk = 0, pk > 0 FROM pragma_table_xinfo(?) ORDER BY cid",
                name
            ),
        };
        let rows: Vec<(String, String, bool, bool)> = self.handle().fetch_all(query).await?;
        let targets = self.targets_of(table).await?;
        let column = |(name, kind, is_nullable, is_key): (String, String, bool, bool)| {
            let target = targets.iter().find(|(column, _)| *column == name);
            DescribedColumn {
                family: family_of_table(&kind),
                length: length_of(&kind),
                target: target.map(|(_, table)| table.clone()),
                name,
                is_nullable,
                is_key,
            }
        };
        Ok(rows.into_iter().map(column).collect())
    }

    /// The foreign keys of a table: column, and the table that it refers to.
    async fn targets_of(&self, table: &str) -> Result<Vec<(String, String)>, DbErr> {
        let name = table.to_owned();
        let query = match self.backend() {
            DbBackend::Postgres => sql!(
                "SELECT a.attname::text, c.confrelid::regclass::text FROM pg_constraint c \
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
                 WHERE c.contype = 'f' AND c.conrelid = to_regclass(quote_ident(?))",
                name
            ),
            _ => sql!(
                "SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?)",
                name
            ),
        };
        self.handle().fetch_all(query).await
    }
}

/// The number in `varchar(120)` and `numeric(8,2)`.
fn length_of(kind: &str) -> Option<u32> {
    let digits = kind.split_once('(')?.1;
    digits.split([',', ')']).next()?.trim().parse().ok()
}
