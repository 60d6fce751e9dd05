//! The database at one moment, as a file.

use super::scratch::Scratch;
use crate::backups::{BackupError, Engine};
use crate::db::{Database, DatabaseUrl, Snapshot};
use std::fs::File;
use std::path::PathBuf;

/// The table whose rows are in a file of their own.
pub(super) const USER_KEYS: &str = "palisade_user_key";

/// A dump, and the snapshot that it was written from.
pub(super) struct Dump {
    pub(super) file: PathBuf,
    pub(super) bytes: u64,
    pub(super) engine: Engine,
    pub(super) snapshot: Snapshot,
}

pub(super) async fn dump(
    database: &Database,
    url: &DatabaseUrl,
    scratch: &Scratch,
) -> Result<Dump, BackupError> {
    let file = scratch.path().join("dump");
    let snapshot = database.snapshot(&file, Some(USER_KEYS)).await?;
    let engine = match url {
        DatabaseUrl::Sqlite(_) => Engine::Sqlite,
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(url) => {
            let tool = dump_of_server(url, (&snapshot, &file));
            super::opened::run_tool("pg_dump", tool).await?;
            Engine::Postgres
        }
        #[cfg(not(feature = "postgres"))]
        DatabaseUrl::Postgres(_) => Engine::Postgres,
    };
    let bytes = File::open(&file)?.metadata()?.len();
    Ok(Dump {
        file,
        bytes,
        engine,
        snapshot,
    })
}

#[cfg(feature = "postgres")]
fn dump_of_server(
    url: &crate::db::PostgresUrl,
    (snapshot, file): (&Snapshot, &std::path::Path),
) -> std::process::Command {
    let mut tool = crate::db::postgres_tool("pg_dump", url);
    tool.args(["--format=custom", "--no-owner", "--no-privileges"]);
    tool.arg(format!("--exclude-table-data=*.{USER_KEYS}"));
    if let Some(id) = snapshot.id() {
        tool.arg(format!("--snapshot={id}"));
    }
    tool.arg("--file").arg(file);
    tool
}
