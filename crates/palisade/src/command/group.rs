//! `group`: groups, and their permissions.

use super::arguments::{on_object, reason, role, until};
use super::object_grants::ObjectRight;
use super::subject::argument;
use super::{Failed, Outcome};
use crate::app::Site;
use crate::audit_log::{Entry, Event, record_in};
use crate::auth::RightChange;
use crate::db::Tx;
use crate::permissions::{
    Recipient, create_group, delete_group, grant_group, list_groups, revoke_group,
};
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
    let right = |command: Command| {
        let permission = Arg::new("permission")
            .value_name("PERMISSION")
            .required_unless_present("role")
            .help("A permission, such as helpdesk.work_queue");
        command
            .arg(name())
            .arg(permission)
            .arg(on_object())
            .arg(role().conflicts_with("permission"))
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
            right(Command::new("grant").about("Grant a group a permission"))
                .arg(until().requires("on"))
                .arg(reason().requires("on")),
        )
        .subcommand(right(
            Command::new("revoke").about("Revoke a permission of a group"),
        ))
}

pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("list", _)) => list(site).await,
        Some(("create", create)) => make(site, argument(create, "group")).await,
        Some(("delete", delete)) => remove(site, argument(delete, "group")).await,
        Some(("grant", grant)) => change(site, grant, RightChange::Grant).await,
        Some(("revoke", revoke)) => change(site, revoke, RightChange::Revoke).await,
        _ => Err(Failed("`group --help` lists the commands".into(), 2)),
    }
}

async fn change(site: &Site, matches: &ArgMatches, change: RightChange) -> Outcome {
    let group = argument(matches, "group");
    let event = match change {
        RightChange::Grant => Event::RightGranted,
        RightChange::Revoke => Event::RightRevoked,
    };
    if let Some(right) = ObjectRight::parse(site, matches)? {
        let tx = site.database().begin().await.map_err(Error::from)?;
        let recipient = (Recipient::Group(group.into()), None);
        right.change(&tx, (site, change), recipient).await?;
        tx.commit().await.map_err(Error::from)?;
        return Ok(format!("the group {group} {} {right}\n", verb_of(event)));
    }
    let permission = argument(matches, "permission");
    let run = async |tx: &Tx| {
        let changed = match change {
            RightChange::Grant => grant_group(tx, group, permission).await?,
            RightChange::Revoke => revoke_group(tx, group, permission).await?,
        };
        if changed.is_some() {
            let detail = format!("{permission} of the group {group}");
            record_in(tx, Entry::new(event).detail(detail)).await?;
        }
        Ok::<_, sea_orm::DbErr>(changed)
    };
    let changed = site.database().write_always(run).await;
    report(site, (group, permission), (changed, event))
}

fn verb_of(event: Event) -> &'static str {
    match event {
        Event::RightGranted => "was given",
        _ => "lost",
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
    match site
        .database()
        .write_always(create)
        .await
        .map_err(Error::from)?
    {
        true => Ok(format!("created the group {group}\n")),
        false => Err(Failed(format!("there is a group {group} already"), 1)),
    }
}

/// Width of Django's column.
const MOST_CHARS: usize = 150;

async fn remove(site: &Site, group: &str) -> Outcome {
    let delete = async |tx: &Tx| {
        let is_gone = delete_group(tx, group).await?;
        if is_gone {
            let detail = format!("all rights of the group {group}");
            record_in(tx, Entry::new(Event::RightRevoked).detail(detail)).await?;
        }
        Ok::<_, sea_orm::DbErr>(is_gone)
    };
    match site
        .database()
        .write_always(delete)
        .await
        .map_err(Error::from)?
    {
        true => Ok(format!("deleted the group {group}\n")),
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
    let is_role = site.roles().has(group);
    let hint = match is_role {
        true => "; the group is a declared role: `permissions sync --write` will undo this",
        false => "",
    };
    let verb = verb_of(event);
    Ok(format!("the group {group} {verb} {permission}{hint}\n"))
}
