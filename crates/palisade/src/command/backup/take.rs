//! `backup`: from a snapshot to an encrypted archive in a folder or a bucket.

use super::conclude;
use super::dump::{Dump, USER_KEYS, dump};
use super::place::Place;
use super::scratch::Scratch;
use super::user_keys;
use crate::app::{Prepared, storage_of_files};
use crate::audit_log::{AuditLog, Entry, Event, record_now};
use crate::backups::{
    ArchiveWriter, BackupError, BackupName, Content, DATABASE, FILES, FORMAT, Manifest, Part,
    Recorded, SETTINGS, expired, record, table_states,
};
use crate::clock::{Clock, SystemClock};
use crate::command::{Failed, Outcome, erasures, print};
use crate::db::{Database, Tx};
use crate::sql;
use crate::storage::{ByteStream, ObjectName, Storage, StorageError, StorageKey};
use age::x25519::Recipient;
use bytes::Bytes;
use chrono::TimeDelta;
use clap::ArgMatches;
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::io::{StreamReader, SyncIoBridge};

/// Bytes of a piece on its way into the storage.
const PIECE: usize = 256 * 1024;
/// Pieces that wait for the storage.
const WAITING: usize = 16;

/// A backup in the making.
struct Making<'a> {
    prepared: &'a Prepared,
    database: Database,
    audit: AuditLog,
    place: Place,
    recipients: Vec<Recipient>,
    name: BackupName,
}

pub(super) async fn run(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    let settings = prepared.settings();
    if let Some(file) = settings.database.file(settings.data())
        && !file.exists()
    {
        return Err(Failed(
            format!("there is no database {}", file.display()),
            1,
        ));
    }
    let begun = std::time::Instant::now();
    let clock = Arc::new(SystemClock);
    let making = Making {
        prepared,
        place: Place::of(settings, matches, "to")?,
        recipients: recipients(prepared)?,
        name: BackupName::new(clock.now()),
        audit: prepared.audit_log(clock)?,
        database: prepared.database().await?,
    };
    let (manifest, bytes) = making.write().await?;
    let noted = making.note(bytes).await;
    let (deleted, kept_all) = match making.delete_expired().await {
        Ok(deleted) => (deleted, None),
        Err(error) => (0, Some(error.to_string())),
    };
    let rows: u64 = manifest.tables.values().map(|table| table.rows).sum();
    let value = json!({
        "name": manifest.name, "place": making.place.shown, "bytes": bytes, "rows": rows,
        "tables": manifest.tables.len(), "files": manifest.files.len(), "missing": manifest.missing,
        "deleted": deleted, "seconds": begun.elapsed().as_secs(),
        "warnings": noted.iter().chain(&kept_all).collect::<Vec<_>>(),
    });
    let mut text = format!(
        "{} is in {}: {bytes} bytes, with {rows} row(s) of {} table(s) and {} file(s). {deleted} expired \
            backup(s) were deleted.\n",
        manifest.name,
        making.place.shown,
        manifest.tables.len(),
        manifest.files.len()
    );
    for warning in noted.iter().chain(&kept_all) {
        text.push_str(&format!("warning: {warning}\n"));
    }
    if manifest.missing.is_empty() {
        return conclude(matches, (value, text));
    }
    print::out(&conclude(matches, (value, text))?);
    let missing = manifest.missing.join(", ");
    Err(Failed(
        format!(
            "{} file(s) have a row and no bytes: {missing}",
            manifest.missing.len()
        ),
        1,
    ))
}

/// The keys that the backup is encrypted to.
fn recipients(prepared: &Prepared) -> Result<Vec<Recipient>, Failed> {
    let all = &prepared.settings().backup.recipients;
    if all.is_empty() {
        let said = "there is no recipient\n  fix: run `age-keygen` on another machine, and set backup.recipients to its public key (age1…)";
        return Err(Failed(said.into(), 1));
    }
    let keys = all.iter().map(|recipient| recipient.key());
    let keys: Result<_, _> = keys.collect();
    keys.map_err(|error| Failed(format!("backup.recipients: {error}"), 1))
}

impl Making<'_> {
    async fn write(&self) -> Result<(Manifest, u64), Failed> {
        let settings = self.prepared.settings();
        let scratch = Scratch::new(settings.data())?;
        let dump = dump(&self.database, &settings.database.url, &scratch).await?;
        let manifest = self.describe(&dump).await?;
        let keys = files_of(&dump, &manifest).await?;
        // a backup is there when its archive is: these two come before
        self.put(
            Part::UserKeys,
            user_keys::sealed(&self.database, &self.recipients).await?,
        )
        .await?;
        self.put(Part::Erasures, self.erasures().await?).await?;
        let bar = bar(dump.bytes);
        let archive = Archive {
            recipients: self.recipients.clone(),
            settings: print::settings(&settings.effective),
            dump: File::open(&dump.file).map_err(BackupError::from)?,
            dump_bytes: dump.bytes,
            manifest,
            keys,
            files: storage_of_files(settings).map_err(BackupError::from)?,
            database: self.database.clone(),
            audit: self.audit.clone(),
            runtime: Handle::current(),
            bar: bar.clone(),
        };
        let (content, described) = archive.start();
        let name = self.part(Part::Data)?;
        let put = self.place.storage.put_new(&name, content, None).await;
        bar.finish_and_clear();
        if let Err(error) = put {
            for part in [Part::UserKeys, Part::Erasures] {
                let _ = self.place.storage.delete(&self.part(part)?).await;
            }
            return Err(BackupError::from(error).into());
        }
        let manifest = described
            .await
            .map_err(|_| BackupError::new("the archive was not written"))?;
        let bytes = self.place.storage.length(&name).await;
        Ok((manifest, bytes.map_err(BackupError::from)?))
    }

    fn part(&self, part: Part) -> Result<ObjectName, BackupError> {
        let name = self.name.part(part);
        name.ok_or_else(|| BackupError::new("the name of the backup is no name of a file"))
    }

    async fn put(&self, part: Part, content: Bytes) -> Result<(), BackupError> {
        let length = content.len() as u64;
        let content = stream::once(async { Ok(content) }).boxed();
        let name = self.part(part)?;
        Ok(self
            .place
            .storage
            .put_new(&name, content, Some(length))
            .await?)
    }

    /// The signed list of deleted accounts, which names no one.
    async fn erasures(&self) -> Result<Bytes, BackupError> {
        let listed = erasures::list(&self.database, None).await?;
        Ok(self.audit.sign(&format!("{}\n{listed}", self.name)).into())
    }

    /// The manifest, still without files.
    async fn describe(&self, dump: &Dump) -> Result<Manifest, BackupError> {
        let bar = ProgressBar::new_spinner();
        let tables = table_states(&dump.snapshot, Some(USER_KEYS), |table| {
            bar.set_message(format!("hashing {table}"));
            bar.tick();
        });
        let tables = tables.await?;
        bar.finish_and_clear();
        let executed = "SELECT version FROM palisade_migrations ORDER BY version";
        let executed = dump.snapshot.rows(executed).await?;
        let migrations = executed.iter().map(|row| row.try_get_by_index(0));
        Ok(Manifest {
            palisade_backup: FORMAT,
            name: self.name.to_string(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            engine: dump.engine,
            migrations: migrations.collect::<Result<_, _>>()?,
            database: Content {
                bytes: 0,
                sha256: String::new(),
            },
            tables,
            files: BTreeMap::new(),
            missing: Vec::new(),
            deleted: Vec::new(),
        })
    }

    /// Records the backup. A database of an older release has no table for it yet.
    async fn note(&self, bytes: u64) -> Option<String> {
        let name = self.name.to_string();
        let note = Recorded {
            name: &name,
            place: &self.place.shown,
            bytes,
            written: self.name.at.timestamp(),
        };
        let noted = self
            .database
            .write_always(async |tx: &Tx| record(tx, &note).await);
        let noted = noted.await;
        let entry = Entry::new(Event::BackupTaken).detail(format!("{name}, {bytes} bytes"));
        let recorded = record_now(&self.database, entry).await;
        let failed = noted.err().or(recorded.err())?;
        Some(format!(
            "the backup was not recorded in the database: {failed}"
        ))
    }

    /// Deletes expired backups, and the remains of interrupted ones. Returns the number of backups.
    async fn delete_expired(&self) -> Result<usize, BackupError> {
        let settings = &self.prepared.settings().backup;
        let all = self.place.backups().await?;
        let with_data: Vec<BackupName> = all
            .iter()
            .filter(|(_, part)| *part == Part::Data)
            .map(|(name, _)| name.clone())
            .collect();
        let gone = expired(&with_data, settings);
        let days = i64::try_from(settings.keep_daily).unwrap_or(i64::MAX);
        let oldest_key = self.name.at - TimeDelta::try_days(days).unwrap_or(TimeDelta::MAX);
        let yesterday = self.name.at - TimeDelta::days(1);
        for (name, part) in &all {
            // one that is being written has no archive yet
            let is_left = !with_data.contains(name) && name.at < yesterday;
            let is_old_key = *part == Part::UserKeys && name.at < oldest_key && *name != self.name;
            if (gone.contains(name) || is_left || is_old_key)
                && let Some(object) = name.part(*part)
            {
                self.place.storage.delete(&object).await?;
            }
        }
        Ok(gone.len())
    }
}

/// The keys of the files of a snapshot whose bytes are complete.
async fn files_of(dump: &Dump, manifest: &Manifest) -> Result<Vec<StorageKey>, BackupError> {
    let is_file = |table: &&String| table.trim_matches('"').ends_with("palisade_file");
    let Some(table) = manifest.tables.keys().find(is_file) else {
        return Ok(Vec::new());
    };
    let query =
        format!("SELECT key FROM {table} WHERE state NOT IN ('arriving', 'gone') ORDER BY key");
    let rows = dump.snapshot.rows(query).await?;
    let key = |row: &sea_orm::QueryResult| row.try_get_by_index::<String>(0);
    let keys = rows.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
}

fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style = "{msg} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message("backup");
    bar
}

/// The work of the thread that writes an archive.
struct Archive {
    recipients: Vec<Recipient>,
    settings: String,
    dump: File,
    dump_bytes: u64,
    manifest: Manifest,
    keys: Vec<StorageKey>,
    files: Arc<dyn Storage>,
    database: Database,
    audit: AuditLog,
    runtime: Handle,
    bar: ProgressBar,
}

impl Archive {
    /// The bytes of the archive, which fail where its writer does; and then its manifest.
    fn start(self) -> (ByteStream, oneshot::Receiver<Manifest>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (done, described) = oneshot::channel();
        let work = tokio::task::spawn_blocking(move || {
            let sink = io::BufWriter::with_capacity(PIECE, Pieces(sender));
            let manifest = self.write(sink)?;
            let _ = done.send(manifest);
            Ok::<_, io::Error>(())
        });
        let next = |(mut receiver, work): (
            mpsc::Receiver<Bytes>,
            Option<tokio::task::JoinHandle<io::Result<()>>>,
        )| async move {
            if let Some(piece) = receiver.recv().await {
                return Ok(Some((piece, (receiver, work))));
            }
            // the channel closes after a failure, too
            match work {
                Some(work) => work.await.map_err(io::Error::other)?.map(|()| None),
                None => Ok(None),
            }
        };
        (
            stream::try_unfold((receiver, Some(work)), next).boxed(),
            described,
        )
    }

    fn write(mut self, sink: impl Write) -> io::Result<Manifest> {
        let mut archive = ArchiveWriter::new(&self.recipients, sink)?;
        archive.add(
            SETTINGS,
            self.settings.len() as u64,
            self.settings.as_bytes(),
        )?;
        let dump = self.bar.wrap_read(&self.dump);
        self.manifest.database = archive.add(DATABASE, self.dump_bytes, dump)?;
        for key in std::mem::take(&mut self.keys) {
            self.add_file(&mut archive, &key)?;
        }
        let text = serde_json::to_string_pretty(&self.manifest)?;
        archive.finish(&self.audit.sign(&format!("{text}\n")))?;
        Ok(self.manifest)
    }

    fn add_file(
        &mut self,
        archive: &mut ArchiveWriter<impl Write>,
        key: &StorageKey,
    ) -> io::Result<()> {
        let Some((bytes, content)) = self.file(key)? else {
            let is_there = self.runtime.block_on(is_stored(&self.database, key));
            match is_there? {
                true => self.manifest.missing.push(key.to_string()),
                false => self.manifest.deleted.push(key.to_string()),
            }
            return Ok(());
        };
        self.bar.inc_length(bytes);
        let content = archive.add(&format!("{FILES}{key}"), bytes, self.bar.wrap_read(content))?;
        self.manifest.files.insert(key.to_string(), content);
        Ok(())
    }

    /// Length and bytes of a file; `None` if there are none.
    fn file(&self, key: &StorageKey) -> io::Result<Option<(u64, impl Read + use<>)>> {
        let name = ObjectName::from(key);
        let found = self.runtime.block_on(async {
            let bytes = self.files.length(&name).await?;
            Ok((bytes, self.files.read(&name, 0..bytes).await?))
        });
        match found {
            Ok((bytes, content)) => {
                let content =
                    SyncIoBridge::new_with_handle(StreamReader::new(content), self.runtime.clone());
                Ok(Some((bytes, content)))
            }
            Err(StorageError::Missing) => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// Whether a file still has a row, after the snapshot.
async fn is_stored(database: &Database, key: &StorageKey) -> io::Result<bool> {
    let query = sql!(
        "SELECT id FROM palisade_file WHERE key = ? AND state <> 'gone'",
        key.as_str()
    );
    let row: Result<Option<(i64,)>, _> = database.handle().fetch_one(query).await;
    Ok(row.map_err(io::Error::other)?.is_some())
}

/// Sends bytes to the task that stores them.
struct Pieces(mpsc::Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
