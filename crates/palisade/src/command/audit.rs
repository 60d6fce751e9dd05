//! `audit list`, `audit verify`, `audit checkpoint`, `audit key` and `audit prune`.

use super::arguments::{flag, named, parse_time};
use super::print::table_of;
use super::{Failed, Format, Outcome};
use crate::app::Prepared;
use crate::audit_log::{self, AuditLog, Entry, Event, Expected, Listed, Verified, Wanted};
use crate::clock::SystemClock;
use crate::crypto::signed_note::Verifier;
use crate::db::Database;
use crate::sql;
use clap::{ArgMatches, Command, value_parser};
use sea_orm::DbErr;
use serde_json::json;
use std::io::Read;
use std::sync::Arc;

pub(super) fn command() -> Command {
    Command::new("audit")
        .about("List and verify the audit log, sign checkpoints of it, and remove old entries")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("list")
                .about("List the latest entries")
                .arg(named("since", "TIME", "Only since a date, such as 2027-01-31, or a time with an offset"))
                .arg(named("event", "NAME", "Only one event, such as login_failed"))
                .arg(named("user", "NAME", "Only by, about or under the name of a user"))
                .arg(
                    named("most", "COUNT", "At most so many, of the latest")
                        .value_parser(value_parser!(u64).range(1..=10_000))
                        .default_value("50"),
                )
                .arg(flag("json", "Print JSON lines")),
        )
        .subcommand(
            Command::new("verify")
                .about("Verify that every entry is as the site wrote it; exit status 1 names the first that is not")
                .arg(named("checkpoints", "FILE", "Signed checkpoints that were kept elsewhere: notes, or the site's log; - reads standard input"))
                .arg(
                    named("public-key", "KEY", "A key of the checkpoints, as `audit key` printed it; the site's own by default")
                        .action(clap::ArgAction::Append),
                )
                .arg(
                    named("known-damage", "SEQ", "Damage that entries up to this one note is known")
                        .value_parser(value_parser!(i64))
                        .default_value("0"),
                )
                .arg(flag("json", "Print JSON")),
        )
        .subcommand(Command::new("checkpoint").about("Print a signed checkpoint, to keep where an attacker with the database cannot change it"))
        .subcommand(Command::new("key").about("Print the public keys of checkpoints, newest first"))
        .subcommand(
            Command::new("prune").about("Remove entries and personal parts whose days are over (audit.keep_days, audit.keep_personal_days), as the running site does by itself"),
        )
}

pub(super) async fn run(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    let no_key = |_| {
        Failed(
            "the site's secret key cannot be read: run `keys new`, or set SECRET_KEY".into(),
            1,
        )
    };
    let log = prepared.audit_log(Arc::new(SystemClock)).map_err(no_key)?;
    if let Some(("key", _)) = matches.subcommand() {
        let keys = log.verifiers().into_iter();
        return Ok(keys.map(|key| format!("{key}\n")).collect());
    }
    let database = prepared.ready_database().await;
    let database =
        database.ok_or_else(|| Failed("the database is not ready: run `migrate`".into(), 1))?;
    match matches.subcommand() {
        Some(("list", list)) => print_list(&log, &database, list).await,
        Some(("verify", verify)) => print_verified(&log, &database, verify).await,
        Some(("checkpoint", _)) => print_checkpoint(&log, &database).await,
        Some(("prune", _)) => prune(prepared, &log, &database).await,
        _ => Err(Failed("`audit --help` lists the commands".into(), 2)),
    }
}

fn failed(error: DbErr) -> Failed {
    Failed(format!("the database: {error}"), 1)
}

fn option<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a str> {
    matches.get_one::<String>(name).map(String::as_str)
}

async fn print_list(log: &AuditLog, database: &Database, matches: &ArgMatches) -> Outcome {
    if let Err(error) = log.flush(database).await {
        eprintln!("waiting entries could not be stored: {error}");
    }
    let user = match option(matches, "user") {
        Some(name) => Some((
            id_of(database, name).await.map_err(failed)?,
            name.to_owned(),
        )),
        None => None,
    };
    let wanted = Wanted {
        since: option(matches, "since")
            .map(|text| parse_time("since", text))
            .transpose()?,
        event: option(matches, "event").map(str::to_owned),
        user,
        before: None,
        most: matches.get_one("most").copied().unwrap_or(50),
    };
    let listed = audit_log::entries(database, &wanted)
        .await
        .map_err(failed)?;
    match Format::parse(matches) {
        Format::Json => Ok(listed.iter().filter_map(json_line).collect()),
        Format::Table if listed.is_empty() => Ok("there are no such entries\n".into()),
        Format::Table => Ok(table_of(
            [
                "SEQ", "TIME", "EVENT", "SEVERITY", "BY", "ABOUT", "NAME", "ADDRESS", "DETAIL",
            ],
            listed.into_iter().map(row).collect(),
        )),
    }
}

async fn id_of(database: &Database, name: &str) -> Result<Option<i32>, DbErr> {
    let named = sql!("SELECT id FROM auth_user WHERE username = ?", name);
    let found: Option<(i32,)> = database.handle().fetch_one(named).await?;
    Ok(found.map(|(id,)| id))
}

fn json_line(entry: &Listed) -> Option<String> {
    Some(serde_json::to_string(entry).ok()? + "\n")
}

fn row(entry: Listed) -> [String; 9] {
    let personal = |text: String| match entry.is_erased {
        true => "(erased)".to_owned(),
        false => text,
    };
    [
        entry.seq.to_string(),
        entry.at,
        entry.event,
        entry.severity,
        entry.actor,
        entry.subject,
        personal(entry.name),
        personal(entry.address),
        entry.detail,
    ]
}

async fn print_verified(log: &AuditLog, database: &Database, matches: &ArgMatches) -> Outcome {
    // records of commands that were killed
    if let Err(error) = log.flush(database).await {
        eprintln!("waiting entries could not be stored: {error}");
    }
    let expected = Expected {
        checkpoints: read_checkpoints(log, matches)?,
        known_damage: matches.get_one("known-damage").copied().unwrap_or(0),
    };
    let verified = audit_log::verify(log, database, &expected)
        .await
        .map_err(failed)?;
    let text = match Format::parse(matches) {
        Format::Json => format!("{}\n", as_json(&verified)),
        Format::Table => as_text(&verified),
    };
    match verified.tampering {
        None if verified.compared == 0 && !expected.checkpoints.is_empty() => Err(Failed(
            "every checkpoint is of entries that were removed after their days: nothing was compared".into(),
            1,
        )),
        None => Ok(text),
        Some(_) => {
            super::print::out(&text);
            Err(Failed(String::new(), 1))
        }
    }
}

fn read_checkpoints(
    log: &AuditLog,
    matches: &ArgMatches,
) -> Result<Vec<audit_log::Checkpoint>, Failed> {
    let Some(file) = option(matches, "checkpoints") else {
        return Ok(Vec::new());
    };
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().read_to_string(&mut text),
        file => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| Failed(format!("{file}: {error}"), 2))?;
    let keys = match matches.get_many::<String>("public-key") {
        None => log.verifiers(),
        Some(keys) => keys
            .map(|key| {
                let parsed = Verifier::parse(key);
                parsed.ok_or_else(|| {
                    Failed(
                        format!("--public-key {key}: write a key as `audit key` prints it"),
                        2,
                    )
                })
            })
            .collect::<Result<_, _>>()?,
    };
    let (found, unsigned) = audit_log::checkpoints(&text, &keys);
    if unsigned > 0 || found.is_empty() {
        let said = format!(
            "{file}: {} checkpoints are signed by the key, and {unsigned} are not",
            found.len()
        );
        return Err(Failed(said, 1));
    }
    Ok(found)
}

fn as_text(verified: &Verified) -> String {
    let Verified {
        from,
        to,
        erased,
        compared,
        tampering,
    } = verified;
    if let Some(tampering) = tampering {
        return format!("{tampering}\n");
    }
    if to < from {
        return "there are no entries\n".into();
    }
    let count = to - from + 1;
    format!(
        "{count} entries, {from} to {to}, are as the site wrote them; the personal parts of \
            {erased} were erased; {compared} checkpoints agree\n"
    )
}

fn as_json(verified: &Verified) -> serde_json::Value {
    json!({
        "from": verified.from,
        "to": verified.to,
        "erased": verified.erased,
        "checkpoints": verified.compared,
        "tampering": verified.tampering.as_ref().map(|found| json!({
            "kind": found.kind(),
            "from": found.place(),
            "text": found.to_string(),
        })),
    })
}

async fn print_checkpoint(log: &AuditLog, database: &Database) -> Outcome {
    log.flush(database).await.map_err(failed)?;
    let checkpoint = log.checkpoint(database).await.map_err(failed)?;
    checkpoint.ok_or_else(|| Failed("there are no entries".into(), 1))
}

async fn prune(prepared: &Prepared, log: &AuditLog, database: &Database) -> Outcome {
    let keep = prepared.settings().audit.keep();
    let pruned = log.prune(database, keep).await.map_err(failed)?;
    Ok(format!(
        "removed {} entries, and the personal parts of {} others\n",
        pruned.entries, pruned.people
    ))
}

/// Records that a key of the site was added or removed. The record waits for a running site, which
/// sends the alert. Before the first migration there is no log.
pub(super) async fn record_key_change(prepared: &Prepared, detail: &str) -> Result<(), Failed> {
    let Some(database) = prepared.ready_database().await else {
        return Ok(());
    };
    let entry = Entry::new(Event::KeysChanged).detail(detail);
    audit_log::record_now(&database, entry)
        .await
        .map_err(failed)
}

/// Stores waiting records under the newest key, which seals the entries of the oldest before that is
/// removed.
pub(super) async fn seal_by_newest_key(prepared: &Prepared) -> Result<(), Failed> {
    let Some(database) = prepared.ready_database().await else {
        return Ok(());
    };
    let log = prepared.audit_log(Arc::new(SystemClock))?;
    log.flush(&database).await.map(drop).map_err(failed)
}
