//! A backup that was decrypted, unpacked and compared with its manifest, in a scratch folder.

use super::place::Place;
use super::scratch::Scratch;
use super::user_keys;
use crate::app::{Prepared, SiteSettings};
use crate::audit_log::AuditLog;
use crate::backups::{
    BackupError, BackupName, DATABASE, Engine, Hashed, Manifest, Part, TableState, table_states,
    unpack,
};
use crate::clock::SystemClock;
use crate::command::Failed;
use crate::command::erasures::{self, Erasure};
use crate::command::subject::argument;
use crate::db::{Database, DatabaseUrl, Snapshot};
use crate::encrypted_fields::StoredUserKey;
use age::x25519::Identity;
use clap::ArgMatches;
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A backup, and the files beside it.
pub(super) struct Opened {
    pub(super) scratch: Scratch,
    pub(super) manifest: Manifest,
    pub(super) name: BackupName,
    pub(super) user_keys: Vec<StoredUserKey>,
    pub(super) erasures: Vec<Erasure>,
    /// The backup with the newest list of erasures.
    pub(super) erasures_of: Option<BackupName>,
}

impl Opened {
    /// Fetches and opens the backup of the arguments.
    pub(super) async fn fetch(prepared: &Prepared, matches: &ArgMatches) -> Result<Self, Failed> {
        let settings = prepared.settings();
        let identities = identities(matches)?;
        let (place, name) = Place::find(settings, matches).await?;
        let audit = prepared.audit_log(Arc::new(SystemClock))?;
        let scratch = Scratch::new(settings.data())?;
        let manifest = unpacked((&place, &name), &identities, &scratch, &audit).await?;
        require_known(&manifest, (prepared, &name))?;
        let user_keys = newest_user_keys(&place, identities).await?;
        let (erasures, erasures_of) = newest_erasures(&place, &audit).await?;
        Ok(Self {
            scratch,
            manifest,
            name,
            user_keys,
            erasures,
            erasures_of,
        })
    }

    pub(super) fn database_file(&self) -> PathBuf {
        self.scratch.path().join(DATABASE)
    }

    /// The folder of the files, as a storage.
    pub(super) fn files(&self) -> PathBuf {
        self.scratch.path().join("files")
    }

    /// The tables that differ from the manifest.
    pub(super) async fn differences(
        &self,
        restored: &Snapshot,
    ) -> Result<Vec<String>, BackupError> {
        let bar = ProgressBar::new_spinner();
        let states = table_states(restored, None, |table| {
            bar.set_message(format!("comparing {table}"));
            bar.tick();
        });
        let states: BTreeMap<String, TableState> = states.await?;
        bar.finish_and_clear();
        Ok(self.manifest.differences(&states))
    }
}

/// The private keys of a file, as `age-keygen` writes it.
fn identities(matches: &ArgMatches) -> Result<Vec<Identity>, Failed> {
    let file = argument(matches, "identity");
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().read_to_string(&mut text),
        file => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| Failed(format!("{file}: {error}"), 2))?;
    let lines = text.lines().map(str::trim);
    let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<Identity>, _> = keys.map(str::parse).collect();
    match keys {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        _ => {
            let said = "write the file of `age-keygen`, with a line AGE-SECRET-KEY-1…";
            Err(Failed(
                format!("{file} is no private key of age: {said}"),
                2,
            ))
        }
    }
}

async fn unpacked(
    (place, name): (&Place, &BackupName),
    identities: &[Identity],
    scratch: &Scratch,
    audit: &AuditLog,
) -> Result<Manifest, Failed> {
    let object = name.part(Part::Data);
    let object = object.ok_or_else(|| BackupError::new("this is no name of a backup"))?;
    let (bytes, source) = place.read(&object).await?;
    let bar = ProgressBar::new(bytes).with_message("opening");
    let (identities, folder) = (identities.to_vec(), scratch.path().to_owned());
    let (audit, shown) = (audit.clone(), format!("{}: {name}", place.shown));
    let source = bar.wrap_read(source);
    let work = tokio::task::spawn_blocking(move || {
        unpack(source, &identities, &folder, |note| audit.opened(note))
    });
    let unpacked = work
        .await
        .map_err(|error| BackupError::new(error.to_string()))?;
    bar.finish_and_clear();
    unpacked.map_err(|error| Failed(format!("{shown} cannot be used: {error}"), 1))
}

/// Refuses a backup of another name, engine or release.
fn require_known(
    manifest: &Manifest,
    (prepared, name): (&Prepared, &BackupName),
) -> Result<(), Failed> {
    let refuse = |said: String| Err(Failed(format!("{name}: {said}"), 1));
    if manifest.name != name.to_string() {
        return refuse(format!("its content is that of {}", manifest.name));
    }
    let engine = engine_of(prepared.settings());
    if manifest.engine != engine {
        let (one, other) = (word(manifest.engine), word(engine));
        return refuse(format!("it is of {one}, and database.url names {other}"));
    }
    let mut known = prepared.migrations().all();
    known.sort();
    let unknown: Vec<&String> = manifest
        .migrations
        .iter()
        .filter(|one| !known.contains(one))
        .collect();
    if let Some(first) = unknown.first() {
        return refuse(format!(
            "it was written by a newer release, with the migration {first}: use that release"
        ));
    }
    let pending: Vec<&String> = known
        .iter()
        .filter(|one| !manifest.migrations.contains(one))
        .collect();
    match pending.first() {
        Some(first) => refuse(format!(
            "it was written by an older release, without the migration {first}: use palisade {} and \
                the site of that time, and run `migrate` afterwards",
            manifest.program
        )),
        None => Ok(()),
    }
}

pub(super) fn engine_of(settings: &SiteSettings) -> Engine {
    match settings.database.url {
        DatabaseUrl::Sqlite(_) => Engine::Sqlite,
        DatabaseUrl::Postgres(_) => Engine::Postgres,
    }
}

fn word(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    }
}

/// The newest keys of users in the place: older ones could be those of deleted users.
async fn newest_user_keys(
    place: &Place,
    identities: Vec<Identity>,
) -> Result<Vec<StoredUserKey>, BackupError> {
    let Some(object) = place
        .newest(Part::UserKeys)
        .await?
        .and_then(|name| name.part(Part::UserKeys))
    else {
        return Ok(Vec::new());
    };
    let (_, source) = place.read(&object).await?;
    let work = tokio::task::spawn_blocking(move || user_keys::opened(source, &identities));
    work.await
        .map_err(|error| BackupError::new(error.to_string()))?
}

/// The newest list of deleted accounts.
async fn newest_erasures(
    place: &Place,
    audit: &AuditLog,
) -> Result<(Vec<Erasure>, Option<BackupName>), Failed> {
    let Some(name) = place.newest(Part::Erasures).await? else {
        return Ok((Vec::new(), None));
    };
    let object = name.part(Part::Erasures);
    let object = object.ok_or_else(|| BackupError::new("this is no name of a backup"))?;
    let (_, source) = place.read(&object).await?;
    let note = tokio::task::spawn_blocking(move || std::io::read_to_string(Hashed::new(source)));
    let note = note
        .await
        .map_err(|error| BackupError::new(error.to_string()))?;
    let note = note.map_err(BackupError::from)?;
    let text = audit.opened(&note).unwrap_or_default();
    // a renamed list could hide later erasures
    let Some(lines) = text.strip_prefix(&format!("{name}\n")) else {
        let said = "is not signed by a key of this site, or has another name";
        return Err(Failed(format!("{object} {said}"), 1));
    };
    Ok((erasures::parse(object.as_str(), lines)?, Some(name)))
}

/// Runs a program of PostgreSQL to its end.
pub(super) async fn run_tool(name: &str, mut command: Command) -> Result<(), BackupError> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let bar = ProgressBar::new_spinner().with_message(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output().await;
    bar.finish_and_clear();
    let output = output.map_err(|error| {
        BackupError::new(format!(
            "{name}: {error}\n  fix: install the client programs of PostgreSQL"
        ))
    })?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(BackupError::new(format!("{name}: {}", said.trim())))
        }
    }
}

/// A file of SQLite that is whole, by its own judgement.
pub(super) async fn judge_file(snapshot: &Snapshot) -> Result<Vec<String>, BackupError> {
    let mut found = Vec::new();
    for row in snapshot.rows("PRAGMA integrity_check").await? {
        let said: String = row.try_get_by_index(0)?;
        if said != "ok" {
            found.push(said);
        }
    }
    for row in snapshot.rows("PRAGMA foreign_key_check").await? {
        let (table, parent): (String, String) =
            (row.try_get_by_index(0)?, row.try_get_by_index(2)?);
        found.push(format!(
            "a row of {table} refers to a row of {parent} that is not there"
        ));
    }
    Ok(found)
}

/// Puts a database of a server in place, in one transaction.
#[cfg(feature = "postgres")]
pub(super) async fn load(url: &DatabaseUrl, opened: &Opened) -> Result<(), BackupError> {
    let DatabaseUrl::Postgres(url) = url else {
        return Ok(());
    };
    let mut tool = crate::db::postgres_tool("pg_restore", url);
    tool.args([
        "--single-transaction",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
    ]);
    tool.args(["--clean", "--if-exists"])
        .arg(opened.database_file());
    run_tool("pg_restore", tool).await
}

#[cfg(not(feature = "postgres"))]
pub(super) async fn load(_: &DatabaseUrl, _: &Opened) -> Result<(), BackupError> {
    Err(BackupError::new(
        "this program was built without the feature postgres",
    ))
}

/// The snapshot of a database that is restored.
pub(super) async fn look(database: &Database, opened: &Opened) -> Result<Snapshot, BackupError> {
    match opened.manifest.engine {
        Engine::Sqlite => Ok(Snapshot::of_file(&opened.database_file()).await?),
        Engine::Postgres => Ok(database.snapshot(&opened.database_file(), None).await?),
    }
}
