//! Arguments that several commands take.

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
