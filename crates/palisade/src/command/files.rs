//! `files`: the files of users, and where they are stored.

use super::{Failed, Outcome};
use crate::app::Site;
use crate::db::Resealed;
use crate::uploads::{Inspection, Uploads};
use clap::{ArgMatches, Command};
use indicatif::ProgressBar;
use std::fmt::Write;

pub(super) fn command() -> Command {
    Command::new("files")
        .about("Inspect, scan and re-encrypt the files of users")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("check").about(
            "Decrypt every file, compare it with its row, look for bytes without a row, and test the virus scanner",
        ))
        .subcommand(Command::new("scan").about("Scan the files that wait for the virus scanner"))
        .subcommand(Command::new("sweep").about(
            "Delete files whose time is over, and files of deleted rows and users, as the server does every ten minutes",
        ))
        .subcommand(Command::new("reencrypt").about(
            "Encrypt the keys of all files with the newest key of the site",
        ))
}

pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    let Some(uploads) = site.uploads() else {
        return Err(Failed("this site stores no files".into(), 1));
    };
    match matches.subcommand_name() {
        Some("check") => check(uploads).await,
        Some("scan") => Ok(format!(
            "{} file(s) were scanned.\n",
            uploads.scan_waiting().await?
        )),
        Some("sweep") => Ok(format!(
            "{} file(s) were deleted.\n",
            uploads.sweep().await?
        )),
        _ => {
            let Resealed { done, unopened } = site.reencrypt_files().await.map_err(failed)?;
            let said = format!("The keys of {done} file(s) were encrypted with the newest key.\n");
            match unopened {
                0 => Ok(said),
                _ => Err(Failed(
                    format!(
                        "{said}{unopened} cannot be decrypted: restore the key that encrypted them"
                    ),
                    1,
                )),
            }
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Failed {
    Failed(format!("the database does not answer: {error}"), 1)
}

async fn check(uploads: &Uploads) -> Outcome {
    let bar = ProgressBar::new_spinner().with_message("files");
    let found = uploads.inspect(|count| bar.set_position(count)).await?;
    bar.finish_and_clear();
    let scanner = uploads.scanner_state().await;
    let is_scanner_away = matches!(scanner, Some(Err(_)));
    let said = report(&found, scanner);
    match found.damaged.is_empty() && found.unknown.is_empty() && !is_scanner_away {
        true => Ok(said),
        false => Err(Failed(said, 1)),
    }
}

fn report(found: &Inspection, scanner: Option<Result<String, String>>) -> String {
    let mut said = format!(
        "{} file(s) with {} byte(s) are whole; {} wait for the virus scanner, {} are in quarantine.\n",
        found.whole, found.bytes, found.checking, found.quarantined
    );
    for (key, why) in &found.damaged {
        let _ = writeln!(said, "{key} is damaged: {why}");
    }
    for key in &found.unknown {
        let _ = writeln!(
            said,
            "{key} has no row: delete it after a look at when it was written"
        );
    }
    match scanner {
        None => said.push_str("There is no virus scanner: uploads.clamd is not set.\n"),
        Some(Ok(version)) => {
            let _ = writeln!(said, "{version} has found the test virus.");
        }
        Some(Err(why)) => {
            let _ = writeln!(said, "No file is scanned: {why}");
        }
    }
    said
}
