//! `adopt`: for teams that migrate from Django path by path. Reads the project's database and
//! settings, and changes neither.

mod check;
mod compare;
mod database;
mod entities;
mod rules;
mod settings;
mod verdict;

use super::{Failed, Outcome};
use crate::db::{Database, DatabaseUrl};
use clap::{Arg, ArgMatches, Command};
use sea_orm::DatabaseConnection;
use std::path::PathBuf;

/// The command's arguments.
pub(super) fn command() -> Command {
    let url = || {
        let help =
            "The Django project's database: sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME";
        Arg::new("url")
            .value_name("DATABASE_URL")
            .required(true)
            .help(help)
    };
    let path = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .value_parser(clap::value_parser!(PathBuf))
            .help(help)
    };
    let check = Command::new("check")
        .about(
            "Say what this site would use of a Django project, what differs, and which \
            settings to start with; reads only",
        )
        .arg(url())
        .arg(path(
            "django-settings",
            "FILE",
            "Its settings.py, which is read and not run",
        ));
    let entities = Command::new("entities")
        .about("Write SeaORM entities for the project's own tables, with their foreign keys")
        .arg(url())
        .arg(path("output", "DIR", "Folder to write them to").default_value("src/entity"))
        .arg(
            Arg::new("force")
                .long("force")
                .action(clap::ArgAction::SetTrue)
                .help("Write over files that are there"),
        );
    Command::new("adopt")
        .about("Look at a Django project that is to share its database with this site")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(check)
        .subcommand(entities)
}

/// Runs it. Works without settings of a site.
pub(super) async fn run(matches: &ArgMatches) -> Outcome {
    let Some((name, matches)) = matches.subcommand() else {
        return Err(Failed("name a subcommand: check or entities".into(), 2));
    };
    let text = matches.get_one::<String>("url").map_or("", String::as_str);
    let url: DatabaseUrl = text
        .parse()
        .map_err(|why| Failed(format!("the database's URL is not understood: {why}"), 2))?;
    let connection = Database::look_at(&url).await.map_err(|error| {
        Failed(
            format!(
                "{url} cannot be read: {}",
                error.to_string().trim_start_matches("Custom Error: ")
            ),
            1,
        )
    })?;
    match name {
        "check" => {
            check::run(
                &connection,
                &url,
                matches.get_one::<PathBuf>("django-settings"),
            )
            .await
        }
        _ => {
            let folder = matches
                .get_one::<PathBuf>("output")
                .cloned()
                .unwrap_or_default();
            let existing = match matches.get_flag("force") {
                true => entities::Existing::Replace,
                false => entities::Existing::Keep,
            };
            entities::run(&connection, &folder, existing).await
        }
    }
}

/// An error while a database is read.
fn unread(error: impl std::fmt::Display) -> Failed {
    Failed(format!("the database cannot be read: {error}"), 1)
}

/// Whether a table is Django's own, or this site's.
fn is_of_a_framework(table: &str) -> bool {
    ["django_", "auth_", "palisade_", "sqlite_"]
        .iter()
        .any(|prefix| table.starts_with(prefix))
}

type Connection = DatabaseConnection;
