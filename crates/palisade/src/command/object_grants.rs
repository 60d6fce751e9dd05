//! `--on ENTITY ID`: permissions and roles on one object, for a user or a group.

use super::Failed;
use super::arguments::parse_time;
use crate::app::Site;
use crate::auth::RightChange;
use crate::db::Tx;
use crate::permissions::{Actor, EntityPolicy, Grant, GrantChange, Recipient, grant_tables};
use crate::views::{Error, ErrorKind};
use chrono::{DateTime, Utc};
use clap::ArgMatches;
use std::fmt;
use std::sync::Arc;

/// A right on one object, as a command names it.
pub(super) struct ObjectRight<'a> {
    policy: &'a Arc<dyn EntityPolicy>,
    key: &'a str,
    name: Name<'a>,
    until: Option<DateTime<Utc>>,
    reason: &'a str,
}

enum Name<'a> {
    Permission(&'a str),
    Role(&'a str),
}

impl<'a> ObjectRight<'a> {
    /// The right that a command with `--on` names; `None` without.
    pub(super) fn parse(site: &'a Site, matches: &'a ArgMatches) -> Result<Option<Self>, Failed> {
        let Some(mut on) = matches.get_many::<String>("on") else {
            return Ok(None);
        };
        let (Some(entity), Some(key)) = (on.next(), on.next()) else {
            return Err(Failed("--on takes an entity and an id".into(), 2));
        };
        let name = match (text(matches, "permission"), text(matches, "role")) {
            (Some(permission), None) => Name::Permission(permission),
            (None, Some(role)) => Name::Role(role),
            _ => return Err(Failed("name a permission or a --role for --on".into(), 2)),
        };
        let until = text(matches, "until")
            .map(|text| parse_time("until", text))
            .transpose()?;
        if until.is_some_and(|end| end <= site.accounts().now()) {
            return Err(Failed("--until is in the past".into(), 2));
        }
        Ok(Some(Self {
            policy: site.policy(entity).map_err(|why| Failed(why, 1))?,
            key,
            name,
            until,
            reason: text(matches, "reason").unwrap_or_default(),
        }))
    }

    fn grant(&self, site: &Site, recipient: Recipient) -> Result<Grant, Failed> {
        let grant = match self.name {
            Name::Role(role) => Grant::role(role, recipient),
            Name::Permission(name) => {
                let known = site.permission(name);
                let known = known.ok_or_else(|| unknown(format!("permission {name}")))?;
                Grant::permission(known, recipient)
            }
        };
        let grant = grant.because(self.reason);
        Ok(match self.until {
            Some(end) => grant.until(end),
            None => grant,
        })
    }

    /// Grants or revokes the right, by a user within the user's own rights, or by an operator.
    pub(super) async fn change(
        &self,
        tx: &Tx,
        (site, change): (&Site, RightChange),
        (recipient, by): (Recipient, Option<&Actor>),
    ) -> Result<(), Failed> {
        let table = self.policy.table();
        let tables = grant_tables(tx).await.map_err(Error::from)?;
        if !tables.contains(&format!("{table}_grant")) {
            let said = format!(
                "{table} has no table of grants: create it with create_grants in a migration"
            );
            return Err(Failed(said, 1));
        }
        let grant = self.grant(site, recipient)?;
        let changed = self
            .policy
            .change_grant(tx, (self.key, change), (grant, by));
        match changed.await.map_err(|error| refused(error, by))? {
            GrantChange::Done => Ok(()),
            GrantChange::NoObject => Err(unknown(format!("{table} {}", self.key))),
            GrantChange::NoGrant => Err(unknown("such grant".into())),
        }
    }
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a str> {
    let given = matches.try_get_one::<String>(name).ok().flatten();
    given.map(String::as_str)
}

fn unknown(what: String) -> Failed {
    Failed(format!("there is no {what}; nothing was changed"), 1)
}

fn refused(error: Error, by: Option<&Actor>) -> Failed {
    let user = by.and_then(Actor::user);
    match (error.kind(), user) {
        (ErrorKind::Forbidden | ErrorKind::NotFound, Some(user)) => {
            let name = &user.username;
            let why = "users give rights that they hold on the object without an end, to others";
            Failed(format!("{name} may not do this: {why}"), 1)
        }
        (ErrorKind::BadRequest, _) => Failed(
            format!("{} Nothing was changed.", error.public_message()),
            1,
        ),
        _ => error.into(),
    }
}

impl fmt::Display for ObjectRight<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Name::Permission(name) => f.write_str(name)?,
            Name::Role(role) => write!(f, "the role {role}")?,
        }
        write!(f, " on {} {}", self.policy.table(), self.key)?;
        match self.until {
            Some(end) => write!(f, " until {}", end.format("%Y-%m-%d %H:%M UTC")),
            None => Ok(()),
        }
    }
}
