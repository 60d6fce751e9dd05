//! Arguments that several commands take.

use super::Failed;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Arg, ArgAction};

pub(super) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

pub(super) fn username() -> Arg {
    Arg::new("username")
        .value_name("NAME")
        .required(true)
        .help("Login name")
}

pub(super) fn named(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// The user on behalf of whom an operator acts.
pub(super) fn acting() -> Arg {
    named(
        "as",
        "NAME",
        "The user who does it: refused where the user lacks the rights",
    )
}

/// The first second of a date, or a time with an offset.
pub(super) fn parse_time(option: &str, text: &str) -> Result<DateTime<Utc>, Failed> {
    let day = || {
        Some(
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()?
                .and_time(NaiveTime::MIN)
                .and_utc(),
        )
    };
    let time = || Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc());
    day().or_else(time).ok_or_else(|| {
        let said = format!("--{option} {text}: write 2027-01-31, or 2027-01-31T12:00:00Z");
        Failed(said, 2)
    })
}

/// The object of a grant.
pub(super) fn on_object() -> Arg {
    Arg::new("on")
        .long("on")
        .num_args(2)
        .value_names(["ENTITY", "ID"])
        .help("Only on one object, such as --on ticket 7")
}

/// The end of a membership or grant.
pub(super) fn until() -> Arg {
    named(
        "until",
        "TIME",
        "End of the membership or grant, such as 2027-01-31 or 2027-01-31T12:00:00Z",
    )
}

/// The reason of a membership or grant.
pub(super) fn reason() -> Arg {
    named(
        "reason",
        "TEXT",
        "Reason of the membership or grant, for the report",
    )
}

/// The role of a grant on an object.
pub(super) fn role() -> Arg {
    named("role", "NAME", "A role on the object of --on").requires("on")
}

pub(super) fn data() -> Arg {
    Arg::new("data")
        .long("data")
        .value_name("DIR")
        .global(true)
        .help("Folder of the database, the key and files")
}

pub(super) fn address() -> Arg {
    Arg::new("address")
        .long("address")
        .value_name("IP:PORT")
        .help("Address to listen on, such as 127.0.0.1:8000")
}

/// The name of this program, for messages.
pub(super) fn program_name() -> String {
    let path = std::env::args().next().unwrap_or_default();
    std::path::Path::new(&path)
        .file_stem()
        .map_or_else(|| "site".into(), |name| name.to_string_lossy().into_owned())
}

/// The words of a command line, where quotes keep spaces: for commands of documents.
pub(super) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
