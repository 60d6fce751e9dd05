use super::subject::{argument, end_sessions, reachable, unknown};
use super::{Failed, Outcome};
use crate::app::Site;
use crate::audit_log::{self, Event};
use crate::auth::{Flag, RightChange, set_flag};
use crate::forms::{Email, Field};
use crate::permissions;
use crate::views::Error;
use clap::ArgMatches;
use std::io::IsTerminal;

/// `user open`.
pub(super) async fn open(site: &Site, username: &str) -> Outcome {
    if !site.accounts().open_account(username).await? {
        return Err(unknown(username));
    }
    audit_log::record(
        Event::AccountOpened,
        None,
        "",
        &format!("{username}, by command"),
    );
    Ok(format!(
        "{username} can log in again and is notified by mail\n"
    ))
}

/// `user close`.
pub(super) async fn close(site: &Site, username: &str) -> Outcome {
    reachable(site)?;
    let Some(id) = site.accounts().close_account(username).await? else {
        return Err(unknown(username));
    };
    audit_log::record(
        Event::AccountClosed,
        None,
        "",
        &format!("{username}, by command"),
    );
    let ended = end_sessions(site, id).await?;
    Ok(format!(
        "{username} is closed until `user open {username}`; {ended} session(s) ended, and the \
            owner is notified by mail\n"
    ))
}

/// `user email`.
pub(super) async fn email(site: &Site, matches: &ArgMatches) -> Outcome {
    reachable(site)?;
    let username = argument(matches, "username");
    let address = Email::parse(Some(argument(matches, "address")))
        .map_err(|error| Failed(format!("the address: {error}"), 1))?;
    let Some(id) = site
        .accounts()
        .change_address(username, &address)
        .await
        .map_err(report_conflict)?
    else {
        return Err(unknown(username));
    };
    audit_log::record(
        Event::EmailChanged,
        None,
        "",
        &format!("{username}, by command"),
    );
    let ended = end_sessions(site, id).await?;
    Ok(format!(
        "mail of {username} goes to {}; {ended} session(s) ended, and both addresses are \
            notified\n",
        &*address
    ))
}

/// Validates an operator's input as a visitor's.
fn report_conflict(error: Error) -> Failed {
    match error.kind() {
        crate::views::ErrorKind::Conflict => Failed(error.public_message().to_owned(), 1),
        _ => error.into(),
    }
}

/// `user delete`.
pub(super) async fn delete(site: &Site, matches: &ArgMatches) -> Outcome {
    reachable(site)?;
    let username = argument(matches, "username");
    if !matches.get_flag("yes") {
        confirm_by_name(username)?;
    }
    let Some(id) = site.accounts().delete_account(username).await? else {
        return Err(unknown(username));
    };
    audit_log::record(
        Event::AccountDeleted,
        None,
        "",
        &format!("{username}, by command"),
    );
    end_sessions(site, id).await?;
    Ok(format!(
        "{username} is deleted with all its data, and the owner is notified by mail\n"
    ))
}

/// Irreversible commands are confirmed by typing the name.
fn confirm_by_name(username: &str) -> Result<(), Failed> {
    if !std::io::stdin().is_terminal() {
        return Err(Failed(
            "this cannot be undone: add --yes to confirm without a prompt".into(),
            2,
        ));
    }
    eprintln!("This deletes the account {username} with all its data. Type the name to confirm:");
    let mut typed = String::new();
    std::io::stdin()
        .read_line(&mut typed)
        .map_err(|error| Failed(error.to_string(), 1))?;
    if typed.trim() == username {
        Ok(())
    } else {
        Err(Failed("nothing was changed".into(), 1))
    }
}

/// `user grant` and `user revoke`.
pub(super) async fn change_rights(
    site: &Site,
    matches: &ArgMatches,
    change: RightChange,
) -> Outcome {
    let username = argument(matches, "username");
    let rights = Rights::parse(matches)?;
    let (verb, event) = match change {
        RightChange::Grant => ("was given", Event::RightGranted),
        RightChange::Revoke => ("lost", Event::RightRevoked),
    };
    let told = format!("By the operators of this site the account {verb}: {rights}");
    let Some((tx, id)) = site.accounts().begin_by_name(username, &told).await? else {
        return Err(unknown(username));
    };
    for flag in &rights.flags {
        set_flag(&tx, id, *flag, change).await?;
    }
    if let Some(permission) = rights.permission {
        let is_known = match change {
            RightChange::Grant => permissions::grant(&site.database, &tx, id, permission).await,
            RightChange::Revoke => permissions::revoke(&site.database, &tx, id, permission).await,
        };
        require_known(is_known, "permission", permission)?;
    }
    if let Some(group) = rights.group {
        require_known(
            permissions::set_member(&site.database, &tx, id, (group, change)).await,
            "group",
            group,
        )?;
    }
    tx.commit().await.map_err(Error::from)?;
    audit_log::record(
        event,
        None,
        "",
        &format!("{username}: {rights}, by command"),
    );
    Ok(format!(
        "{username} {verb}: {rights}; the owner is notified by mail\n"
    ))
}

fn require_known(
    found: Result<bool, sea_orm::DbErr>,
    what: &str,
    name: &str,
) -> Result<(), Failed> {
    match found.map_err(Error::from)? {
        true => Ok(()),
        false => Err(Failed(
            format!("there is no {what} {name}; nothing was changed"),
            1,
        )),
    }
}

/// The rights that a command names.
struct Rights<'a> {
    flags: Vec<Flag>,
    group: Option<&'a str>,
    permission: Option<&'a str>,
}

impl<'a> Rights<'a> {
    fn parse(matches: &'a ArgMatches) -> Result<Self, Failed> {
        let flag = |name: &str, flag| matches.get_flag(name).then_some(flag);
        let flags = [
            flag("staff", Flag::Staff),
            flag("superuser", Flag::Superuser),
        ]
        .into_iter()
        .flatten()
        .collect();
        let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
        let rights = Self {
            flags,
            group: text("group"),
            permission: text("permission"),
        };
        let is_empty =
            rights.flags.is_empty() && rights.group.is_none() && rights.permission.is_none();
        if is_empty {
            Err(Failed(
                "name a permission such as helpdesk.work_queue, or --group, --staff or --superuser"
                    .into(),
                2,
            ))
        } else {
            Ok(rights)
        }
    }
}

impl std::fmt::Display for Rights<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let flags = self.flags.iter().map(|flag| {
            if *flag == Flag::Staff {
                "staff"
            } else {
                "superuser"
            }
            .to_owned()
        });
        let named = self
            .group
            .map(|group| format!("the group {group}"))
            .into_iter()
            .chain(self.permission.map(str::to_owned));
        f.write_str(&flags.chain(named).collect::<Vec<_>>().join(", "))
    }
}
