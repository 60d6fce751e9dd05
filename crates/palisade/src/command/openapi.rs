//! `openapi`: the document of the API, and the changes since a committed one.

use super::{Failed, Outcome};
use crate::api::{ApiChange, Info, Viewer, changes, document};
use crate::app::Prepared;
use clap::{ArgMatches, Command};
use serde_json::Value;

pub(super) fn command() -> Command {
    Command::new("openapi")
        .about("Print the OpenAPI document of all described routes, or compare it with a file")
        .arg(super::arguments::named(
            "check",
            "FILE",
            "Compare with the document in this file: changes that break clients set the exit status",
        ))
}

pub(super) fn run(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    let described = prepared.routes().described();
    let cookie = crate::app::session_cookie(prepared.settings());
    let name = prepared.settings().site.name.as_ref();
    let info = Info {
        title: &name.map_or_else(|| "API".to_owned(), ToString::to_string),
        cookie: &cookie,
    };
    let now = document(&info, described.iter(), Viewer::Operator);
    match matches.get_one::<String>("check") {
        Some(file) => compare(file, &now),
        None => Ok(format!("{now:#}\n")),
    }
}

fn compare(file: &str, now: &Value) -> Outcome {
    let unread = |error: &dyn std::fmt::Display| Failed(format!("{file}: {error}"), 2);
    let text = std::fs::read_to_string(file).map_err(|error| unread(&error))?;
    let before: Value = serde_json::from_str(&text).map_err(|error| unread(&error))?;
    let all = changes(&before, now);
    let lines: Vec<String> = all.iter().map(ToString::to_string).collect();
    let breaks = all
        .iter()
        .any(|change| matches!(change, ApiChange::Breaking(_)));
    match (breaks, lines.is_empty()) {
        (true, _) => Err(Failed(lines.join("\n"), 1)),
        (false, true) => Ok("no changes\n".into()),
        (false, false) => Ok(format!("{}\n", lines.join("\n"))),
    }
}
