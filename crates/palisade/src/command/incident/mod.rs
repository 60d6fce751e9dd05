//! `incident`: measures on every running instance, accounts, evidence, runbooks and drills.

mod accounts;
mod drill;
mod evidence;
mod measures;
mod plan;
mod rotation;

use super::arguments::{flag, named, username};
use super::subject::argument;
use super::{Failed, Outcome};
use crate::app::Site;
use crate::incident::{Kind, Paused};
use crate::views::Error;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgGroup, ArgMatches, Command};
pub(super) use drill::{is_asked as is_drill, run as drill};
pub(super) use rotation::rotate_keys;
use sea_orm::DbErr;

fn reason() -> Arg {
    named("reason", "TEXT", "Why, for the audit log").required(true)
}

fn until() -> Arg {
    named(
        "until",
        "TIME",
        "The end: a date, such as 2027-01-31, or a time with an offset",
    )
}

/// `incident`.
pub(super) fn command() -> Command {
    acts(measures_command())
}

/// Adds the commands besides measures.
fn acts(command: Command) -> Command {
    command
        .subcommand(
            Command::new("freeze")
                .about("Close an account with all its sessions, tokens and links; `user open` reopens it")
                .arg(username())
                .arg(reason()),
        )
        .subcommand(revoke())
        .subcommand(
            Command::new("rotate-keys")
                .about("Add a key that signs from the next restart on. This alone ends nothing: values of older keys hold until `keys retire`")
                .arg(flag("end-sessions", "End all sessions, access tokens, trusted browsers and mailed links too"))
                .arg(reason()),
        )
        .subcommand(
            Command::new("canary")
                .about("Watch a login name or a path that no user has a reason to use: its use is an alert")
                .arg(Arg::new("value").value_name("NAME|PATH").required(true).help("Such as backup-admin or /old/admin.php"))
                .arg(reason()),
        )
        .subcommand(evidence::command())
        .subcommand(Command::new("plan").about("Print INCIDENT.md for this site: who is told, by when, and the runbooks"))
        .subcommand(drill::command())
}

fn measures_command() -> Command {
    let switch = Arg::new("state")
        .required(true)
        .value_parser(PossibleValuesParser::new(["on", "off"]));
    Command::new("incident")
        .about("Stop changes, pause parts of the site, block requests, and freeze accounts, on every running instance")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("open")
                .about("Open an incident: its name is in the audit log")
                .arg(Arg::new("name").value_name("NAME").required(true))
                .arg(reason()),
        )
        .subcommand(Command::new("status").about("List the measures that hold, and the running instances"))
        .subcommand(
            Command::new("read-only")
                .about("Refuse every change: on returns when no instance commits one any more. Login and logout work")
                .arg(switch)
                .arg(reason())
                .arg(until()),
        )
        .subcommand(
            Command::new("pause")
                .about("Refuse sign-ups, logins, access tokens or uploads; `incident end` lifts it")
                .arg(Arg::new("part").required(true).value_parser(PossibleValuesParser::new(Paused::WORDS)))
                .arg(reason())
                .arg(until()),
        )
        .subcommand(block())
        .subcommand(
            Command::new("end")
                .about("End a measure")
                .arg(Arg::new("id").value_name("ID").required(true).help("As `incident status` lists it")),
        )
        .subcommand(
            Command::new("close")
                .about("Close the incident; refused while measures hold")
                .arg(flag("end-measures", "End them")),
        )
}

fn revoke() -> Command {
    Command::new("revoke")
        .about("End sessions, access tokens, trusted browsers and mailed links. Passwords stay")
        .arg(flag("all", "Of all users"))
        .arg(named("user", "NAME", "Of one user"))
        .arg(named(
            "since",
            "TIME",
            "Of users with a login since a date or time",
        ))
        .arg(named(
            "network",
            "NETWORK",
            "Of users with a login from an address or a network",
        ))
        .group(
            ArgGroup::new("whose")
                .args(["all", "user", "since", "network"])
                .required(true),
        )
        .arg(reason())
}

fn block() -> Command {
    Command::new("block")
        .about("Refuse requests with all of these, until a date: a virtual patch")
        .arg(named("method", "METHOD", "The method"))
        .arg(named(
            "path",
            "PATH",
            "The path, or a template such as /files/{name}",
        ))
        .arg(named("parameter", "NAME", "A parameter of the query"))
        .arg(named("header", "NAME", "A header"))
        .arg(named("address", "NETWORK", "An address or a network"))
        .group(
            ArgGroup::new("which")
                .args(["method", "path", "parameter", "header", "address"])
                .required(true)
                .multiple(true),
        )
        .arg(reason())
        .arg(until().required(true))
}

pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("open", open)) => {
            let name = argument(open, "name");
            let id = measures::store(site, open, (Kind::Incident, name)).await?;
            Ok(format!("the incident {name} is open ({id})\n"))
        }
        Some(("status", _)) => measures::status(site).await,
        Some(("read-only", switch)) => match argument(switch, "state") {
            "on" => {
                measures::store(site, switch, (Kind::ReadOnly, "")).await?;
                let count = measures::wait_for_all(site).await?;
                Ok(format!(
                    "the site is read-only, on {count} running instance(s)\n"
                ))
            }
            _ => measures::end_all(site, |measure| measure.kind == Kind::ReadOnly).await,
        },
        Some(("pause", pause)) => {
            let part = argument(pause, "part");
            let id = measures::store(site, pause, (Kind::Pause, part)).await?;
            let count = measures::wait_for_all(site).await?;
            Ok(format!(
                "{part} is paused on {count} running instance(s); `incident end {id}` lifts it\n"
            ))
        }
        Some(("block", block)) => {
            let rule = measures::rule_of(block)?;
            let value = serde_json::to_string(&rule).map_err(Error::from)?;
            let id = measures::store(site, block, (Kind::Block, &value)).await?;
            let count = measures::wait_for_all(site).await?;
            Ok(format!(
                "blocked on {count} running instance(s); `incident end {id}` lifts it\n"
            ))
        }
        Some(("freeze", freeze)) => accounts::freeze(site, freeze).await,
        Some(("revoke", revoke)) => accounts::revoke(site, revoke).await,
        Some(("canary", canary)) => {
            let value = argument(canary, "value").trim();
            if value.is_empty() {
                return Err(Failed("name a login name or a path".into(), 2));
            }
            let id = measures::store(site, canary, (Kind::Canary, value)).await?;
            let count = measures::wait_for_all(site).await?;
            Ok(format!(
                "{value} is watched on {count} running instance(s); `incident end {id}` ends it\n"
            ))
        }
        Some(("evidence", evidence)) => evidence::run(site, evidence).await,
        Some(("plan", _)) => Ok(plan::text(site.settings())),
        Some(("end", end)) => {
            let id = argument(end, "id");
            measures::end_all(site, |measure| measure.id == id).await
        }
        Some(("close", close)) => measures::close_incident(site, close).await,
        _ => Err(Failed("`incident --help` lists the commands".into(), 2)),
    }
}

fn failed(error: DbErr) -> Failed {
    Failed(format!("the database: {error}"), 1)
}
