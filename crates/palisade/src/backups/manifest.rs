use crate::crypto::hex;
use crate::db::{Snapshot, TableDigest};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The description of a backup, signed by the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// [`FORMAT`].
    pub(crate) palisade_backup: u32,
    pub(crate) name: String,
    /// Version of the program.
    pub(crate) program: String,
    pub(crate) engine: Engine,
    /// All migrations of the database, in order.
    pub(crate) migrations: Vec<String>,
    pub(crate) database: Content,
    pub(crate) tables: BTreeMap<String, TableState>,
    /// The files of users by their key, as they are stored.
    pub(crate) files: BTreeMap<String, Content>,
    /// Keys of files with a row and without bytes.
    pub(crate) missing: Vec<String>,
    /// Keys of files that were deleted while the backup was written.
    pub(crate) deleted: Vec<String>,
}

/// Version of the layout.
pub(crate) const FORMAT: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Length and hash of an entry of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Number and hash of the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableState {
    pub(crate) rows: u64,
    pub(crate) sha256: String,
}

impl From<TableDigest> for TableState {
    fn from(digest: TableDigest) -> Self {
        Self {
            rows: digest.rows,
            sha256: hex(&digest.hash),
        }
    }
}

/// The state of all tables. Rows of `without` are not counted.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn table_states(
    snapshot: &Snapshot,
    without: Option<&str>,
    mut progress: impl FnMut(&str),
) -> Result<BTreeMap<String, TableState>, DbErr> {
    let mut states = BTreeMap::new();
    for table in snapshot.tables().await? {
        progress(&table);
        let name = table.rsplit('.').next().unwrap_or_default();
        let is_left_out = without == Some(name.trim_matches('"'));
        let digest = match is_left_out {
            true => TableDigest::empty(),
            false => snapshot.digest(&table).await?,
        };
        states.insert(table, digest.into());
    }
    Ok(states)
}

impl Manifest {
    /// The tables that differ from those of a restored database, each with a sentence.
    pub(crate) fn differences(&self, restored: &BTreeMap<String, TableState>) -> Vec<String> {
        let mut found = Vec::new();
        for (table, expected) in &self.tables {
            match restored.get(table) {
                None => found.push(format!("the table {table} is missing")),
                Some(state) if state.rows != expected.rows => found.push(format!(
                    "the table {table} has {} row(s), not {}",
                    state.rows, expected.rows
                )),
                Some(state) if state != expected => {
                    found.push(format!("the rows of the table {table} differ"));
                }
                Some(_) => {}
            }
        }
        let others = restored
            .keys()
            .filter(|table| !self.tables.contains_key(*table));
        found.extend(others.map(|table| format!("the table {table} is not in the backup")));
        found
    }
}
