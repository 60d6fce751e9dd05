//! `backup verify`: a backup that restores.

use super::conclude;
use super::opened::{Opened, judge_file, load, look};
use crate::app::{Prepared, Site};
use crate::audit_log::{Entry, Event, Expected, record_now, verify};
use crate::backups::{BackupError, Engine, record_verified};
use crate::clock::{Clock, SystemClock};
use crate::command::{Failed, Outcome, print};
use crate::db::{Database, DatabaseUrl, Snapshot, Tx};
use crate::encrypted_fields::UserKeys;
use crate::storage::StorageUrl;
use clap::ArgMatches;
use indicatif::ProgressBar;
use palisade_crypto::random;
use serde_json::json;
use std::sync::Arc;

/// Result of a verification.
#[derive(Default)]
struct Findings {
    /// Sentences about parts that are as they should be.
    good: Vec<String>,
    bad: Vec<String>,
}

impl Findings {
    fn judge(&mut self, faults: Vec<String>, good: String) {
        match faults.is_empty() {
            true => self.good.push(good),
            false => self.bad.extend(faults),
        }
    }
}

pub(super) async fn run(prepared: Prepared, matches: &ArgMatches) -> Outcome {
    let begun = std::time::Instant::now();
    let opened = Opened::fetch(&prepared, matches).await?;
    // the database of the site, to note the result there
    let live = prepared.ready_database().await;
    let target = Target::create(&prepared, &opened).await?;
    let judged = judge(prepared, &opened, &target).await;
    target.remove().await?;
    let findings = judged?;
    let name = opened.name.to_string();
    let noted = match (findings.bad.is_empty(), live) {
        (true, Some(live)) => note(&live, &name).await,
        (true, None) => {
            Some("the result was not recorded: there is no database of the site here".into())
        }
        (false, _) => None,
    };
    let value = json!({
        "name": name, "is_whole": findings.bad.is_empty(), "good": findings.good, "bad": findings.bad,
        "warnings": noted.iter().collect::<Vec<_>>(), "seconds": begun.elapsed().as_secs(),
    });
    let text = report(&name, &findings, noted.as_deref());
    if findings.bad.is_empty() {
        return conclude(matches, (value, text));
    }
    print::out(&conclude(matches, (value, text))?);
    Err(Failed(format!("{name} does not restore completely"), 1))
}

fn report(name: &str, findings: &Findings, warning: Option<&str>) -> String {
    let good = findings.good.iter().map(|said| format!("ok: {said}\n"));
    let bad = findings.bad.iter().map(|said| format!("BAD: {said}\n"));
    let warning = warning.map(|said| format!("warning: {said}\n"));
    let end = findings
        .bad
        .is_empty()
        .then(|| format!("{name} restores completely.\n"));
    good.chain(bad).chain(warning).chain(end).collect()
}

async fn note(live: &Database, name: &str) -> Option<String> {
    let now = SystemClock.now().timestamp();
    let noted = live.write_always(async |tx: &Tx| record_verified(tx, name, now).await);
    let noted = noted.await;
    let entry = Entry::new(Event::BackupVerified).detail(name.to_owned());
    let recorded = record_now(live, entry).await;
    let failed = noted.err().or(recorded.err())?;
    Some(format!(
        "the result was not recorded in the database: {failed}"
    ))
}

/// The database that a backup is restored into for a while.
enum Target {
    File(DatabaseUrl),
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "a program without PostgreSQL verifies files only")
    )]
    Server {
        url: DatabaseUrl,
        name: String,
        server: Database,
    },
}

impl Target {
    async fn create(prepared: &Prepared, opened: &Opened) -> Result<Self, Failed> {
        if opened.manifest.engine == Engine::Sqlite {
            return Ok(Self::File(DatabaseUrl::Sqlite(opened.database_file())));
        }
        Self::create_on_server(prepared).await
    }

    #[cfg(feature = "postgres")]
    async fn create_on_server(prepared: &Prepared) -> Result<Self, Failed> {
        let server = prepared.database().await?;
        let name = format!(
            "palisade_verify_{}",
            palisade_crypto::hex(&random::bytes::<8>())
        );
        let created = server
            .execute_alone(format!("CREATE DATABASE {name}"))
            .await;
        created.map_err(|error| {
            let fix = "run it on another machine, or as a role that may create databases: ALTER ROLE … CREATEDB";
            Failed(format!("a backup is verified in a database of its own: {error}\n  fix: {fix}"), 1)
        })?;
        let url = prepared.settings().database.url.with_database(&name);
        let url = url.ok_or_else(|| BackupError::new("database.url names no server"))?;
        Ok(Self::Server { url, name, server })
    }

    #[cfg(not(feature = "postgres"))]
    async fn create_on_server(_: &Prepared) -> Result<Self, Failed> {
        let _ = random::bytes::<8>;
        Err(BackupError::new("this program was built without the feature postgres").into())
    }

    fn url(&self) -> &DatabaseUrl {
        match self {
            Self::File(url) | Self::Server { url, .. } => url,
        }
    }

    async fn remove(self) -> Result<(), BackupError> {
        match self {
            Self::File(_) => Ok(()),
            Self::Server { name, server, .. } => Ok(server
                .execute_alone(format!("DROP DATABASE {name} WITH (FORCE)"))
                .await?),
        }
    }
}

/// Restores the backup, and looks at all of it.
async fn judge(prepared: Prepared, opened: &Opened, target: &Target) -> Result<Findings, Failed> {
    let mut findings = Findings::default();
    let files = opened.manifest.files.len();
    findings.good.push(format!(
        "the archive is signed by this site, and its database and {files} file(s) are as the manifest says"
    ));
    load_if_server(target, opened).await?;
    let storage = StorageUrl::Folder(opened.files());
    let prepared = prepared.restoring(target.url().clone(), storage);
    judge_rows(&prepared, opened, &mut findings).await?;
    let site = prepared.boot(Arc::new(SystemClock)).await?;
    judge_site(&site, opened, &mut findings).await?;
    let closed = site.database().close().await;
    closed.map_err(BackupError::from)?;
    Ok(findings)
}

async fn load_if_server(target: &Target, opened: &Opened) -> Result<(), BackupError> {
    match target {
        Target::File(_) => Ok(()),
        Target::Server { url, .. } => load(url, opened).await,
    }
}

async fn judge_rows(
    prepared: &Prepared,
    opened: &Opened,
    findings: &mut Findings,
) -> Result<(), Failed> {
    let database = prepared.database().await?;
    let snapshot: Snapshot = look(&database, opened).await?;
    let tables = opened.manifest.tables.len();
    let rows: u64 = opened
        .manifest
        .tables
        .values()
        .map(|table| table.rows)
        .sum();
    let differences = opened.differences(&snapshot).await?;
    findings.judge(
        differences,
        format!("{rows} row(s) of {tables} table(s) are equal"),
    );
    if opened.manifest.engine == Engine::Sqlite {
        findings.judge(
            judge_file(&snapshot).await?,
            "SQLite finds the file whole".into(),
        );
    }
    drop(snapshot);
    let closed = database.close().await;
    Ok(closed.map_err(BackupError::from)?)
}

async fn judge_site(site: &Site, opened: &Opened, findings: &mut Findings) -> Result<(), Failed> {
    let database = site.database();
    let keys = UserKeys::put_back(database, &opened.user_keys).await;
    let keys = keys.map_err(BackupError::from)?;
    findings
        .good
        .push(format!("{keys} key(s) of users were put back"));
    let expected = Expected {
        checkpoints: Vec::new(),
        known_damage: 0,
    };
    let log = verify(&site.audit, database, &expected).await;
    let log = log.map_err(BackupError::from)?;
    let tampering = log
        .tampering
        .iter()
        .map(|found| format!("the audit log: {found}"));
    findings.judge(
        tampering.collect(),
        format!("the audit log verifies up to entry {}", log.to),
    );
    let columns = site.opened_columns().await;
    let columns = columns.map_err(BackupError::from)?;
    let closed = columns.iter().filter(|(_, is_open)| !is_open);
    let closed = closed.map(|(column, _)| format!("a value of {column} cannot be decrypted"));
    findings.judge(
        closed.collect(),
        format!(
            "values of {} encrypted column(s) were decrypted",
            columns.len()
        ),
    );
    judge_files(site, opened, findings).await
}

async fn judge_files(site: &Site, opened: &Opened, findings: &mut Findings) -> Result<(), Failed> {
    let Some(uploads) = site.uploads() else {
        return Ok(());
    };
    let bar = ProgressBar::new(opened.manifest.files.len() as u64).with_message("files");
    let found = uploads.inspect(|count| bar.set_position(count)).await?;
    bar.finish_and_clear();
    let is_known = |key: &String| opened.manifest.deleted.contains(key);
    let mut faults: Vec<String> = found
        .damaged
        .iter()
        .filter(|(key, _)| !is_known(key))
        .map(|(key, why)| format!("the file {key}: {why}"))
        .collect();
    faults.extend(
        found
            .unknown
            .iter()
            .map(|key| format!("the file {key} has no row")),
    );
    findings.judge(
        faults,
        format!(
            "{} file(s) were decrypted, with the hashes of their rows",
            found.whole
        ),
    );
    Ok(())
}
