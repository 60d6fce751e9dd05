//! `backup` and `restore`: the database and the files of users.

mod copy;
#[cfg(feature = "backup")]
mod dump;
#[cfg(feature = "backup")]
mod list;
#[cfg(feature = "backup")]
mod opened;
#[cfg(feature = "backup")]
mod place;
#[cfg(feature = "backup")]
mod restore;
#[cfg(feature = "backup")]
mod scratch;
#[cfg(feature = "backup")]
mod take;
#[cfg(feature = "backup")]
mod user_keys;
#[cfg(feature = "backup")]
mod verify;

use super::arguments::{flag, named};
use super::{Failed, Outcome};
use crate::app::Prepared;
use clap::{Arg, ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("backup")
        .about("Write an encrypted backup of the database and of all files, while the site runs or not")
        .args_conflicts_with_subcommands(true)
        .arg(named(
            "to",
            "PLACE",
            "file:FOLDER or s3://BUCKET/PREFIX?region=REGION, instead of backup.to",
        ))
        .arg(json())
        .subcommand(
            Command::new("list")
                .about("List the backups in a place, with their age, and when each was verified")
                .arg(named("in", "PLACE", "Instead of backup.to"))
                .arg(json()),
        )
        .subcommand(
            with_source(Command::new("verify").about(
                "Restore a backup in a scratch place, compare it row by row and file by file, open encrypted \
                    values, and verify the audit log",
            ))
            .arg(json()),
        )
        .subcommand(
            Command::new("copy")
                .about("Write a copy of an SQLite database, without files and not encrypted")
                .arg(
                    Arg::new("file")
                        .value_name("FILE")
                        .required(true)
                        .help("A file that does not exist yet"),
                )
                .arg(flag(
                    "with-user-keys",
                    "With the keys of users, which decrypt their values: for a copy that is kept for days, \
                        and not for years",
                )),
        )
}

pub(super) fn restore_command() -> Command {
    with_source(Command::new("restore").about(
        "Restore a backup into an empty place: all of it, or nothing. Deleted accounts are deleted again, \
            and all sessions end",
    ))
    .arg(json())
}

fn json() -> Arg {
    flag("json", "Print JSON, for a scheduled job")
}

fn with_source(command: Command) -> Command {
    command
        .arg(
            Arg::new("backup")
                .value_name("BACKUP")
                .required(true)
                .help("A file, or the name of a backup in backup.to; `newest` is the newest there"),
        )
        .arg(
            named(
                "identity",
                "FILE",
                "The private key of age, as `age-keygen` wrote it; - reads standard input",
            )
            .required(true),
        )
        .arg(named(
            "in",
            "PLACE",
            "The place of the backup, instead of backup.to",
        ))
}

#[cfg(not(feature = "backup"))]
pub(super) async fn run(prepared: Prepared, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("copy", arguments)) => copy::run(&prepared, arguments).await,
        _ => restore(prepared, matches).await,
    }
}

#[cfg(not(feature = "backup"))]
pub(super) async fn restore(_: Prepared, _: &ArgMatches) -> Outcome {
    let said = "this program was built without the feature backup\n  fix: build with it";
    Err(Failed(said.into(), 1))
}

#[cfg(feature = "backup")]
pub(super) async fn run(prepared: Prepared, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("copy", arguments)) => copy::run(&prepared, arguments).await,
        Some(("list", arguments)) => list::run(&prepared, arguments).await,
        Some(("verify", arguments)) => verify::run(prepared, arguments).await,
        _ => take::run(&prepared, matches).await,
    }
}

#[cfg(feature = "backup")]
pub(super) use restore::run as restore;

/// Prints a result as JSON or as text.
#[cfg(feature = "backup")]
fn conclude(matches: &ArgMatches, (value, text): (serde_json::Value, String)) -> Outcome {
    Ok(match matches.get_flag("json") {
        true => format!("{value}\n"),
        false => text,
    })
}

#[cfg(feature = "backup")]
impl From<crate::backups::BackupError> for Failed {
    fn from(error: crate::backups::BackupError) -> Self {
        Self(error.to_string(), 1)
    }
}
