//! `group`: groups, and their permissions.

use super::subject::argument;
use super::{Failed, Outcome};
use crate::app::Site;
use crate::audit_log::{self, Event};
use crate::db::Tx;
use crate::permissions::{create_group, delete_group, grant_group, list_groups, revoke_group};
use crate::views::Error;
use clap::ArgMatches;
use clap::{Arg, Command};
use std::fmt::Write;

/// Its command line.
pub(super) fn command() -> Command {
    let name = || {
        Arg::new("group")
            .value_name("GROUP")
            .required(true)
            .help("Name of the group")
    };
    let permission = || {
        Arg::new("permission")
            .value_name("PERMISSION")
            .required(true)
            .help("A permission, such as helpdesk.work_queue")
    };
    Command::new("group")
        .about("List and change groups: their permissions are those of their members")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("list").about("List groups with their permissions and members"))
        .subcommand(
            Command::new("create")
                .about("Create a group without permissions")
                .arg(name()),
        )
        .subcommand(
            Command::new("delete")
                .about("Delete a group with its memberships and grants")
                .arg(name()),
        )
        .subcommand(
            Command::new("grant")
                .about("Grant a group a permission")
                .arg(name())
                .arg(permission()),
        )
        .subcommand(
            Command::new("revoke")
                .about("Revoke a permission of a group")
                .arg(name())
                .arg(permission()),
        )
}

pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("list", _)) => list(site).await,
        Some(("create", create)) => make(site, argument(create, "group")).await,
        Some(("delete", delete)) => remove(site, argument(delete, "group")).await,
        Some(("grant", grant)) => {
            let names = (argument(grant, "group"), argument(grant, "permission"));
            let change = async |tx: &Tx| grant_group(tx, names.0, names.1).await;
            report(
                site,
                names,
                (site.database().write(change).await, Event::RightGranted),
            )
        }
        Some(("revoke", revoke)) => {
            let names = (argument(revoke, "group"), argument(revoke, "permission"));
            let change = async |tx: &Tx| revoke_group(tx, names.0, names.1).await;
            report(
                site,
                names,
                (site.database().write(change).await, Event::RightRevoked),
            )
        }
        _ => Err(Failed("`group --help` lists the commands".into(), 2)),
    }
}

async fn list(site: &Site) -> Outcome {
    let groups = list_groups(&site.database().handle())
        .await
        .map_err(Error::from)?;
    let mut text = String::new();
    for group in groups {
        let _ = writeln!(text, "{} ({} members)", group.name, group.members);
        for permission in group.permissions {
            let _ = writeln!(text, "  {permission}");
        }
    }
    match text.is_empty() {
        true => Ok("there are no groups\n".into()),
        false => Ok(text),
    }
}

async fn make(site: &Site, group: &str) -> Outcome {
    if group.trim().is_empty() || group.chars().count() > MOST_CHARS {
        let said = format!("a group has a name of 1 to {MOST_CHARS} characters");
        return Err(Failed(said, 2));
    }
    let create = async |tx: &Tx| create_group(tx, group).await;
    match site.database().write(create).await.map_err(Error::from)? {
        true => Ok(format!("created the group {group}\n")),
        false => Err(Failed(format!("there is a group {group} already"), 1)),
    }
}

/// Width of Django's column.
const MOST_CHARS: usize = 150;

async fn remove(site: &Site, group: &str) -> Outcome {
    let delete = async |tx: &Tx| delete_group(tx, group).await;
    match site.database().write(delete).await.map_err(Error::from)? {
        true => {
            let detail = format!("all rights of the group {group}, by command");
            audit_log::record(Event::RightRevoked, None, "", &detail);
            Ok(format!("deleted the group {group}\n"))
        }
        false => Err(Failed(format!("there is no group {group}"), 1)),
    }
}

fn report(
    site: &Site,
    (group, permission): (&str, &str),
    (changed, event): (Result<Option<()>, sea_orm::DbErr>, Event),
) -> Outcome {
    if changed.map_err(Error::from)?.is_none() {
        let said = format!(
            "there is no group {group}, or no permission {permission}; nothing was changed"
        );
        return Err(Failed(said, 1));
    }
    let detail = format!("{permission} of the group {group}, by command");
    audit_log::record(event, None, "", &detail);
    let is_role = site.roles().has(group);
    let hint = match is_role {
        true => "; the group is a declared role: `permissions sync --write` will undo this",
        false => "",
    };
    let verb = match event {
        Event::RightGranted => "was given",
        _ => "lost",
    };
    Ok(format!("the group {group} {verb} {permission}{hint}\n"))
}
