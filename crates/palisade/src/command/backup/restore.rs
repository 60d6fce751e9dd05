//! `restore`: a backup in an empty place. The database comes last, so that an interrupted restore leaves
//! no site that starts.

use super::conclude;
use super::opened::{Opened, judge_file, load, look};
use crate::app::{Prepared, Site, SiteSettings, storage_of_files};
use crate::audit_log::{Entry, Event, during, record_now};
use crate::backups::{BackupError, Content, Hashed};
use crate::clock::SystemClock;
use crate::command::erasures::{self, Repeated};
use crate::command::{Failed, Outcome};
use crate::db::{Database, DatabaseUrl, RESTORING, Tx};
use crate::encrypted_fields::UserKeys;
use crate::sql;
use crate::storage::{Disk, ObjectName, Storage, StorageError, StorageKey};
use clap::ArgMatches;
use indicatif::ProgressBar;
use serde_json::json;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// Steps after the rows are there.
struct Finished {
    user_keys: u64,
    erased: Repeated,
    sessions_of: u64,
}

pub(in crate::command) async fn run(prepared: Prepared, matches: &ArgMatches) -> Outcome {
    let begun = std::time::Instant::now();
    let files = storage_of_files(prepared.settings()).map_err(BackupError::from)?;
    let target = Target::of(&prepared).await?;
    let opened = Opened::fetch(&prepared, matches).await?;
    require_no_other_files(&*files, &opened).await?;
    let finished = target.restore(prepared, &opened, &*files).await?;
    let (name, rows) = (&opened.manifest.name, opened.manifest.tables.values());
    let rows: u64 = rows.map(|table| table.rows).sum();
    let value = json!({
        "name": name, "rows": rows, "files": opened.manifest.files.len(), "user_keys": finished.user_keys,
        "erased_again": finished.erased.erased, "seconds": begun.elapsed().as_secs(),
        "erasures_until": opened.erasures_of.as_ref().map(|name| name.at.to_rfc3339()),
    });
    let until = match &opened.erasures_of {
        Some(name) => format!(
            "the list of {} was repeated",
            name.at.format("%Y-%m-%d %H:%M UTC")
        ),
        None => "there is no list of deleted accounts beside it".into(),
    };
    let text = format!(
        "{name} is restored: {rows} row(s) and {} file(s). {} account(s) were deleted again ({until}); the \
            sessions of {} account(s) have ended. Accounts that were deleted later: `privacy erase-again`.\n",
        opened.manifest.files.len(),
        finished.erased.erased,
        finished.sessions_of,
    );
    conclude(matches, (value, text))
}

/// The empty database.
enum Target {
    File(PathBuf),
    Server(Database),
}

impl Target {
    async fn of(prepared: &Prepared) -> Result<Self, Failed> {
        let settings = prepared.settings();
        if let Some(file) = settings.database.file(settings.data()) {
            return match file.exists() {
                true => Err(Failed(
                    format!(
                        "{} exists: a backup is restored into an empty place only\n  fix: move it away, with its -wal file",
                        file.display()
                    ),
                    1,
                )),
                false => Ok(Self::File(file)),
            };
        }
        let database = prepared.database().await?;
        let is_empty = database.has_no_tables().await.map_err(BackupError::from)?;
        let is_restoring = database.is_restoring().await.map_err(BackupError::from)?;
        match is_empty || is_restoring {
            true => Ok(Self::Server(database)),
            false => Err(Failed(
                format!(
                    "{} has tables: a backup is restored into an empty database only\n  fix: create another one",
                    settings.database.url
                ),
                1,
            )),
        }
    }

    async fn restore(
        self,
        prepared: Prepared,
        opened: &Opened,
        files: &dyn Storage,
    ) -> Result<Finished, Failed> {
        match self {
            Self::File(target) => restore_file((prepared, &target), opened, files).await,
            Self::Server(database) => restore_server((prepared, &database), opened, files).await,
        }
    }
}

/// Finishes the restore beside the target, and then puts the file in its place.
async fn restore_file(
    (prepared, target): (Prepared, &Path),
    opened: &Opened,
    files: &dyn Storage,
) -> Result<Finished, Failed> {
    let file = opened.database_file();
    let database = prepared.database_at_rest(&file).await?;
    let snapshot = look(&database, opened).await?;
    let mut faults = opened.differences(&snapshot).await?;
    faults.extend(judge_file(&snapshot).await?);
    drop((snapshot, database));
    refuse(faults)?;
    put_files(opened, files).await?;
    let url = DatabaseUrl::Sqlite(file.clone());
    let finished = finish(prepared, url, opened).await?;
    put_in_place(&file, target)
        .map_err(|error| Failed(format!("{}: {error}", target.display()), 1))?;
    Ok(finished)
}

/// Marks the database, which does not start until the mark is gone.
async fn restore_server(
    (prepared, database): (Prepared, &Database),
    opened: &Opened,
    files: &dyn Storage,
) -> Result<Finished, Failed> {
    let url = prepared.settings().database.url.clone();
    let mark = format!("CREATE TABLE IF NOT EXISTS {RESTORING} (since timestamptz DEFAULT now())");
    database
        .execute_alone(mark)
        .await
        .map_err(BackupError::from)?;
    let unmark = format!("DROP TABLE {RESTORING}");
    if let Err(error) = load(&url, opened).await {
        // one transaction: the database is empty, or as an earlier attempt has left it
        if database.has_no_tables().await.unwrap_or(false) {
            let _ = database.execute_alone(unmark).await;
        }
        return Err(error.into());
    }
    refuse(opened.differences(&look(database, opened).await?).await?)?;
    put_files(opened, files).await?;
    let finished = finish(prepared, url, opened).await?;
    database
        .execute_alone(unmark)
        .await
        .map_err(BackupError::from)?;
    Ok(finished)
}

fn refuse(faults: Vec<String>) -> Result<(), BackupError> {
    match faults.is_empty() {
        true => Ok(()),
        false => Err(BackupError::new(format!(
            "nothing was restored: {}",
            faults.join("; ")
        ))),
    }
}

/// Files of another site would be mixed with those of the backup.
async fn require_no_other_files(files: &dyn Storage, opened: &Opened) -> Result<(), BackupError> {
    let others = files.names().await?;
    let is_other = |name: &&ObjectName| !opened.manifest.files.contains_key(name.last());
    let count = others.iter().filter(is_other).count();
    match count {
        0 => Ok(()),
        _ => Err(BackupError::new(format!(
            "the storage has {count} other file(s): a backup is restored into an empty place only"
        ))),
    }
}

/// Stores the files. One that an interrupted restore has stored is compared.
async fn put_files(opened: &Opened, files: &dyn Storage) -> Result<(), BackupError> {
    let unpacked = Disk::new(opened.files());
    let bar = ProgressBar::new(opened.manifest.files.len() as u64).with_message("files");
    for (key, content) in bar.wrap_iter(opened.manifest.files.iter()) {
        let key: StorageKey = key
            .parse()
            .map_err(|()| BackupError::new("this is no key of a file"))?;
        let name = ObjectName::from(&key);
        let source = unpacked.read(&name, 0..content.bytes).await?;
        match files.put_new(&name, source, Some(content.bytes)).await {
            Ok(()) => {}
            Err(StorageError::Exists) if is_equal(files, &name, content).await? => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn is_equal(
    files: &dyn Storage,
    name: &ObjectName,
    expected: &Content,
) -> Result<bool, BackupError> {
    let length = files.length(name).await?;
    let stored = files.read(name, 0..length).await?;
    let mut hashed = Hashed::new(SyncIoBridge::new(StreamReader::new(stored)));
    let work = tokio::task::spawn_blocking(move || {
        io::copy(&mut hashed, &mut io::sink())?;
        Ok::<_, io::Error>(hashed.content())
    });
    let found = work
        .await
        .map_err(|error| BackupError::new(error.to_string()))??;
    Ok(found == *expected)
}

/// Starts the site on the restored rows, and ends access that has ended since.
async fn finish(prepared: Prepared, url: DatabaseUrl, opened: &Opened) -> Result<Finished, Failed> {
    let storage = prepared.settings().storage.url.clone();
    let prepared = prepared.restoring(url, storage);
    let site = Arc::new(prepared.boot(Arc::new(SystemClock)).await?);
    let audit = site.audit.clone();
    let finished = during((Some(audit.clone()), "command"), end_access(&site, opened)).await?;
    let entry = Entry::new(Event::BackupRestored).detail(opened.name.to_string());
    let database = site.database();
    record_now(database, entry)
        .await
        .map_err(BackupError::from)?;
    audit.flush(database).await.map_err(BackupError::from)?;
    site.alerts.close(database).await;
    database.close().await.map_err(BackupError::from)?;
    Ok(finished)
}

async fn end_access(site: &Site, opened: &Opened) -> Result<Finished, Failed> {
    let database = site.database();
    let user_keys = UserKeys::put_back(database, &opened.user_keys).await;
    let erased = erasures::repeat(site, &opened.erasures).await?;
    forget_files(database, &opened.manifest.deleted).await?;
    let sessions_of = site.accounts().revoke_all("a backup was restored").await?;
    site.sessions.clear_shared().await?;
    Ok(Finished {
        user_keys: user_keys.map_err(BackupError::from)?,
        erased,
        sessions_of,
    })
}

/// Marks the rows of files that were deleted while the backup was written.
async fn forget_files(database: &Database, keys: &[String]) -> Result<(), BackupError> {
    for key in keys {
        let mark = sql!(
            "UPDATE palisade_file SET state = 'gone' WHERE key = ?",
            key.as_str()
        );
        let marked = database.write_always(async |tx: &Tx| tx.execute_sql(mark).await);
        marked.await?;
    }
    Ok(())
}

/// Moves a file to its final place, which must be free.
fn put_in_place(file: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let beside = folder.join(format!(".restored-{}", palisade_crypto::random::nonce()));
    // the work folder may be on another disk
    if fs::rename(file, &beside).is_err() {
        fs::copy(file, &beside)?;
    }
    fs::File::open(&beside)?.sync_all()?;
    // a link, unlike a rename, replaces nothing
    let linked = fs::hard_link(&beside, target);
    fs::remove_file(&beside)?;
    linked?;
    fs::File::open(folder)?.sync_all()
}

impl Prepared {
    /// No connection is needed to look at a file.
    async fn database_at_rest(&self, file: &Path) -> Result<Database, Failed> {
        let mut settings = SiteSettings::clone(self.settings()).database;
        settings.url = DatabaseUrl::Sqlite(file.to_owned());
        let opened = Database::connect(&settings, self.settings().data()).await;
        Ok(opened.map_err(BackupError::from)?)
    }
}
