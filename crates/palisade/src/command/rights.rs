//! `user grant` and `user revoke`: ranks, permissions and groups of accounts.

use super::arguments::parse_time;
use super::object_grants::ObjectRight;
use super::subject::{argument, unknown};
use super::{Failed, Outcome};
use crate::app::Site;
use crate::audit_log::{self, Entry, Event, record_in};
use crate::auth::{Flag, RightChange, set_flag};
use crate::db::Tx;
use crate::permissions::{self, AccountChange, Authority, EndingMembership, Recipient};
use crate::views::Error;
use chrono::{DateTime, Utc};
use clap::ArgMatches;
use std::fmt;

/// Changes the rights that a command names.
pub(super) async fn change(site: &Site, matches: &ArgMatches, change: RightChange) -> Outcome {
    if let Some(right) = ObjectRight::parse(site, matches)? {
        return change_on_object(site, matches, (&right, change)).await;
    }
    let username = argument(matches, "username");
    let rights = Rights::parse(matches, site.accounts().now())?;
    let (verb, event) = match change {
        RightChange::Grant => ("was given", Event::RightGranted),
        RightChange::Revoke => ("lost", Event::RightRevoked),
    };
    let told = format!("By the operators of this site the account {verb}: {rights}");
    let Some((tx, id)) = site.accounts().begin_by_name(username, &told).await? else {
        return Err(unknown(username));
    };
    let decision = Decision {
        site,
        tx: &tx,
        acting: acting(matches),
    };
    decision.judge(id, (&rights, change)).await?;
    rights.apply(&tx, id, change).await?;
    let by = acting(matches);
    let by = by.map_or_else(String::new, |name| format!(", as {name}"));
    let entry = Entry::new(event).about(id).name(username);
    let entry = entry.detail(format!("{rights}{by}"));
    record_in(&tx, entry).await.map_err(Error::from)?;
    tx.commit().await.map_err(Error::from)?;
    Ok(format!(
        "{username} {verb}: {rights}; the owner is notified by mail\n"
    ))
}

/// Changes the rights of a user on one object.
async fn change_on_object(
    site: &Site,
    matches: &ArgMatches,
    (right, change): (&ObjectRight<'_>, RightChange),
) -> Outcome {
    let username = argument(matches, "username");
    let verb = match change {
        RightChange::Grant => "was given",
        RightChange::Revoke => "lost",
    };
    let told = format!("By the operators of this site the account {verb}: {right}");
    let by = match acting(matches) {
        Some(name) => {
            let user = site.accounts().active_user_by_name(name).await?;
            Some(site.actor(&user.ok_or_else(|| unknown(name))?).await?)
        }
        None => None,
    };
    let Some((tx, id)) = site.accounts().begin_by_name(username, &told).await? else {
        return Err(unknown(username));
    };
    let recipient = (Recipient::User(id), by.as_ref());
    right.change(&tx, (site, change), recipient).await?;
    tx.commit().await.map_err(Error::from)?;
    Ok(format!(
        "{username} {verb}: {right}; the owner is notified by mail\n"
    ))
}

/// Refuses a change of an account that holds more than the user of `--as`, before a command.
pub(super) async fn judge_account(site: &Site, matches: &ArgMatches) -> Result<(), Failed> {
    let Some(acting) = acting(matches) else {
        return Ok(());
    };
    let username = argument(matches, "username");
    let user = site.accounts().user_by_name(username).await?;
    let user = user.ok_or_else(|| unknown(username))?;
    let tx = site.database().begin().await.map_err(Error::from)?;
    let decision = Decision {
        site,
        tx: &tx,
        acting: Some(acting),
    };
    let change = std::iter::once(AccountChange::Account);
    decision.judge_as((acting, user.id), change, None).await
}

fn acting(matches: &ArgMatches) -> Option<&str> {
    let given = matches.try_get_one::<String>("as").ok().flatten();
    given.map(String::as_str)
}

/// Authorization of a change, in its transaction.
struct Decision<'a> {
    site: &'a Site,
    tx: &'a Tx,
    /// The user of `--as`.
    acting: Option<&'a str>,
}

impl Decision<'_> {
    fn authority(&self, until: Option<DateTime<Utc>>) -> Authority<'_> {
        let now = self.site.accounts().now();
        Authority {
            tx: self.tx,
            roles: self.site.roles(),
            now,
            until: until.unwrap_or(now),
        }
    }

    /// Refuses roles that exclude each other, and with `--as` an escalation of privileges.
    async fn judge(
        &self,
        target: i32,
        (rights, change): (&Rights<'_>, RightChange),
    ) -> Result<(), Failed> {
        if let (RightChange::Grant, Some(group)) = (change, rights.group) {
            let authority = self.authority(None);
            let holdings = authority.holdings(target, authority.now).await;
            let holdings = holdings.map_err(Error::from)?;
            let excluded = authority.exclusion(&holdings, group).await;
            if let Some((role, other)) = excluded.map_err(Error::from)? {
                let said = format!("the role {role} is never with {other}, which the account has");
                return Err(Failed(said, 1));
            }
        }
        match self.acting {
            Some(acting) => {
                let given = rights.until.unwrap_or(DateTime::<Utc>::MAX_UTC);
                let until = (change == RightChange::Grant).then_some(given);
                let changes = rights.changes(change);
                self.judge_as((acting, target), changes, until).await
            }
            None => Ok(()),
        }
    }

    async fn judge_as(
        &self,
        (name, target): (&str, i32),
        changes: impl Iterator<Item = AccountChange<'_>>,
        until: Option<DateTime<Utc>>,
    ) -> Result<(), Failed> {
        let actor = self.site.accounts().active_user_by_name(name).await?;
        let actor = actor.ok_or_else(|| unknown(name))?;
        let judged = self
            .authority(until)
            .judge((actor.id, target), changes)
            .await;
        match judged.map_err(Error::from)? {
            None => Ok(()),
            Some(why) => {
                let denied = Entry::new(Event::AccessDenied).about(target);
                audit_log::record(denied.name(name).detail(why.to_string()));
                Err(Failed(format!("{name} may not do this: {why}"), 1))
            }
        }
    }
}

/// The rights that a command names.
struct Rights<'a> {
    flags: Vec<Flag>,
    group: Option<&'a str>,
    permission: Option<&'a str>,
    until: Option<DateTime<Utc>>,
    reason: &'a str,
    now: DateTime<Utc>,
}

impl<'a> Rights<'a> {
    fn parse(matches: &'a ArgMatches, now: DateTime<Utc>) -> Result<Self, Failed> {
        let flag = |name: &str, flag| matches.get_flag(name).then_some(flag);
        let flags = [
            flag("staff", Flag::Staff),
            flag("superuser", Flag::Superuser),
        ];
        let text = |name: &str| {
            let given = matches.try_get_one::<String>(name).ok().flatten();
            given.map(String::as_str)
        };
        let rights = Self {
            flags: flags.into_iter().flatten().collect(),
            group: text("group"),
            permission: text("permission"),
            until: text("until")
                .map(|text| parse_time("until", text))
                .transpose()?,
            reason: text("reason").unwrap_or_default(),
            now,
        };
        rights.require_sense()?;
        Ok(rights)
    }

    fn require_sense(&self) -> Result<(), Failed> {
        let said = match (self.group, self.until) {
            (None, None) if self.flags.is_empty() && self.permission.is_none() => {
                "name a permission such as helpdesk.work_queue, or --group, --staff or --superuser"
            }
            (None, Some(_)) => "--until is the end of a membership: name a --group",
            (Some(_), Some(end)) if end <= self.now => "--until is in the past",
            _ => return Ok(()),
        };
        Err(Failed(said.into(), 2))
    }

    async fn apply(&self, tx: &Tx, id: i32, change: RightChange) -> Result<(), Failed> {
        for flag in &self.flags {
            set_flag(tx, id, *flag, change).await?;
        }
        if let Some(permission) = self.permission {
            let is_known = match change {
                RightChange::Grant => permissions::grant(tx, id, permission).await,
                RightChange::Revoke => permissions::revoke(tx, id, permission).await,
            };
            require_known(is_known, "permission", permission)?;
        }
        if let Some(group) = self.group {
            let is_known = match self.until {
                Some(until) => permissions::join_until(tx, id, self.ending(group, until)).await,
                None => permissions::set_member(tx, id, (group, change)).await,
            };
            require_known(is_known, "group", group)?;
        }
        Ok(())
    }

    fn ending(&self, group: &'a str, until: DateTime<Utc>) -> EndingMembership<'a> {
        EndingMembership {
            group,
            until,
            reason: self.reason,
            now: self.now,
        }
    }

    fn changes(&self, change: RightChange) -> impl Iterator<Item = AccountChange<'a>> {
        let flags = self.flags.iter().map(|flag| match flag {
            Flag::Staff => AccountChange::Staff,
            Flag::Superuser => AccountChange::Superuser,
        });
        let group = self.group.map(|group| match change {
            RightChange::Grant => AccountChange::Join(group),
            RightChange::Revoke => AccountChange::Leave(group),
        });
        let permission = self.permission.map(AccountChange::Permission);
        flags.chain(group).chain(permission)
    }
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

impl fmt::Display for Rights<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.flags.iter().map(|flag| match flag {
            Flag::Staff => "staff".to_owned(),
            Flag::Superuser => "superuser".to_owned(),
        });
        let end = self.until.map_or_else(String::new, |end| {
            format!(" until {}", end.format("%Y-%m-%d %H:%M UTC"))
        });
        let group = self.group.map(|group| format!("the group {group}{end}"));
        let named = group.into_iter().chain(self.permission.map(str::to_owned));
        f.write_str(&flags.chain(named).collect::<Vec<_>>().join(", "))
    }
}
