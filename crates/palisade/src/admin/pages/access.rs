//! The access of a user: groups, permissions, sessions, and mailed links.

use super::account::{AccessChange, Account};
use crate::admin::Operation;
use crate::admin::site::{MANAGE_RIGHTS, MANAGE_SESSIONS};
use crate::audit_log::{Entry, Event, record_in};
use crate::auth::describe;
use crate::db::Tx;
use crate::forms::{Form, Line};
use crate::incident::{Kind, measures};
use crate::permissions::Membership;
use crate::permissions::report::of_user::{memberships_of, permissions_of};
use crate::sessions::UserSession;
use crate::views::{Error, Result};
use axum::response::Response;
use chrono::{DateTime, Utc};
use palisade_macros::{Choice, Form};
use palisade_template::{Value, context};

/// `GET /access/{user}`
pub(crate) async fn show(account: Account) -> Result<Response> {
    let desk = &account.desk;
    let (manages, may_close) = (desk.holds(MANAGE_RIGHTS), desk.may_close());
    if !manages && !may_close {
        desk.require(MANAGE_SESSIONS)?;
    }
    let rights = match manages {
        true => Some(account.rights().await?),
        false => None,
    };
    let sessions = match desk.holds(MANAGE_SESSIONS) {
        true => Some(account.sessions().await?),
        false => None,
    };
    let values = context! {
        title => format!("Access of {}", account.user.username), base => account.url(), list_title => "Users",
        user_url => account.user_url(), rights, sessions, is_active => account.user.is_active, may_close,
    };
    desk.render("admin/access.html", values).await
}

#[derive(Choice, Clone, Copy, PartialEq)]
enum Change {
    Close,
    Open,
    Leave,
    Revoke,
    EndSession,
    EndSessions,
    EndLinks,
}

#[derive(Form)]
pub(crate) struct Ended {
    change: Change,
    /// The group, permission or session.
    name: Option<Line<200>>,
}

/// `POST /access/{user}`: ends a right, a session, or links; closes the account, or opens it again.
pub(crate) async fn end(account: Account, form: Form<Ended>) -> Result<Response> {
    let ended = form.valid()?;
    let name = ended.name.as_deref().unwrap_or_default();
    let said = match ended.change {
        Change::Close => account.close().await?,
        Change::Open => account.open().await?,
        Change::Leave => account.leave(name).await?,
        Change::Revoke => account.revoke(name).await?,
        Change::EndSession => account.end_session(name).await?,
        Change::EndSessions => account.end_sessions().await?,
        Change::EndLinks => account.end_links().await?,
    };
    account.desk.say(said, &account.url()).await
}

impl Account {
    async fn rights(&self) -> Result<Value> {
        let (desk, id) = (&self.desk, self.user.id);
        let memberships = memberships_of(&desk.db, id, desk.site.now()).await?;
        let groups: Vec<Value> = memberships
            .into_iter()
            .map(|one| {
                let until = one.until.map(|until| desk.time(until.timestamp()));
                context! { name => one.group, until, reason => one.reason }
            })
            .collect();
        let permissions = permissions_of(&desk.db, id).await?;
        Ok(context! { groups, permissions })
    }

    async fn sessions(&self) -> Result<Value> {
        let (desk, id) = (&self.desk, self.user.id);
        let sessions = &self.accounts().sessions;
        let open = sessions.open_sessions(self.visitor.session(), id).await?;
        let time = |at: Option<DateTime<Utc>>| at.map(|at| desk.time(at.timestamp()));
        let session = |one: UserSession| {
            context! { id => one.id, agent => describe(&one.agent), address => one.address, began => time(one.began), seen => time(one.seen), is_this => one.is_this }
        };
        let links = self.accounts().links_of(id).await?.into_iter();
        let link = |(purpose, until)| context! { purpose, until => desk.time(until) };
        let (open, links): (Vec<Value>, Vec<Value>) = (
            open.into_iter().map(session).collect(),
            links.map(link).collect(),
        );
        Ok(context! { open, links })
    }

    /// Whether the user has a permission that no group gives.
    pub(super) async fn has_permission(&self, name: &str) -> Result<bool> {
        let all = permissions_of(&self.desk.db, self.user.id).await?;
        Ok(all.iter().any(|one| one == name))
    }

    /// Closes the account, with its sessions and links.
    async fn close(&self) -> Result<String> {
        self.require_change()?;
        let close = async |tx: &Tx| -> Result<()> {
            self.require_authority(tx).await?;
            if !self.accounts().close_in(tx, self.user.id).await? {
                return Err(Error::conflict("The account is closed already."));
            }
            self.write(tx, status("close")).await
        };
        self.desk.db.write(close).await?;
        self.visitor.session().end_siblings(self.user.id).await?;
        Ok("The account is closed.".to_owned())
    }

    /// Opens the account again; not one that operators have frozen.
    async fn open(&self) -> Result<String> {
        self.require_change()?;
        let database = &self.desk.site.database;
        let held = measures(database, self.desk.site.now().timestamp()).await?;
        let id = self.user.id.to_string();
        if held
            .iter()
            .any(|one| one.kind == Kind::Freeze && one.value == id)
        {
            return Err(Error::conflict(
                "Operators have frozen the account: the command `user open` opens it.",
            ));
        }
        let open = async |tx: &Tx| -> Result<()> {
            self.require_authority(tx).await?;
            if !self.accounts().open_in(tx, self.user.id).await? {
                return Err(Error::conflict("The account is open already."));
            }
            self.write(tx, status("open")).await
        };
        self.desk.db.write(open).await?;
        Ok("The account is open again.".to_owned())
    }

    fn require_change(&self) -> Result<()> {
        let users = self.desk.site.entry(super::account::USERS);
        let users = users.ok_or_else(Error::not_found)?;
        self.desk.clear(users, Operation::Change)
    }

    async fn leave(&self, group: &str) -> Result<String> {
        self.desk.require(MANAGE_RIGHTS)?;
        let (desk, id) = (&self.desk, self.user.id);
        let held = memberships_of(&desk.db, id, desk.site.now()).await?;
        if held.iter().all(|one| one.group != group) {
            return Err(Error::conflict("The user is not in this group."));
        }
        let membership = Membership::new(group, id);
        let remove = async |tx: &Tx| -> Result<()> {
            desk.actor.remove_member(tx, &membership).await?;
            let change = AccessChange {
                verb: "leave",
                field: "groups",
                name: group,
                why: "",
            };
            self.write(tx, change).await
        };
        desk.db.write(remove).await?;
        let name = &self.user.username;
        Ok(format!("{name} is no member of {group} any more."))
    }

    async fn revoke(&self, permission: &str) -> Result<String> {
        self.desk.require(MANAGE_RIGHTS)?;
        if !self.has_permission(permission).await? {
            return Err(Error::conflict("The user does not have this permission."));
        }
        let take = async |tx: &Tx| -> Result<()> {
            let (actor, id) = (&self.desk.actor, self.user.id);
            actor.take_named(tx, id, permission).await?;
            let change = AccessChange {
                verb: "revoke",
                field: "permissions",
                name: permission,
                why: "",
            };
            self.write(tx, change).await
        };
        self.desk.db.write(take).await?;
        let name = &self.user.username;
        Ok(format!("{name} has lost the own permission {permission}."))
    }

    async fn end_session(&self, id: &str) -> Result<String> {
        self.desk.require(MANAGE_SESSIONS)?;
        let (session, user) = (self.visitor.session(), self.user.id);
        let sessions = &self.accounts().sessions;
        let open = sessions.open_sessions(session, user).await?;
        let gone = || Error::conflict("There is no such session any more.");
        let write = async |tx: &Tx| -> Result<()> {
            self.write_end(tx, ("end a session", "sessions")).await?;
            let is_open = open.iter().any(|one| one.id == id);
            is_open.then_some(()).ok_or_else(gone)
        };
        self.desk.db.write(write).await?;
        if !session.end_sibling(user, id).await? {
            return Err(gone());
        }
        Ok("The session is ended.".to_owned())
    }

    async fn end_sessions(&self) -> Result<String> {
        self.desk.require(MANAGE_SESSIONS)?;
        let (accounts, id) = (self.accounts(), self.user.id);
        let end = async |tx: &Tx| -> Result<()> {
            self.write_end(tx, ("end sessions", "sessions")).await?;
            accounts.sessions.end_all_in(tx, id).await
        };
        self.desk.db.write(end).await?;
        self.visitor.session().end_siblings(id).await?;
        Ok("All sessions are ended.".to_owned())
    }

    async fn end_links(&self) -> Result<String> {
        self.desk.require(MANAGE_SESSIONS)?;
        let (accounts, id) = (self.accounts(), self.user.id);
        let end = async |tx: &Tx| -> Result<()> {
            self.write_end(tx, ("end links", "links")).await?;
            accounts.end_links(tx, id).await
        };
        self.desk.db.write(end).await?;
        Ok("The links and codes are ended.".to_owned())
    }

    /// Judges and records an end of sessions or links.
    async fn write_end(&self, tx: &Tx, (verb, field): (&'static str, &'static str)) -> Result<()> {
        self.require_authority(tx).await?;
        let ended = Entry::new(Event::SessionsEnded).about(self.user.id);
        record_in(tx, ended.name(&self.user.username).detail(field)).await?;
        let change = AccessChange {
            verb,
            field,
            name: "",
            why: "",
        };
        self.write(tx, change).await
    }
}

fn status(verb: &'static str) -> AccessChange<'static> {
    AccessChange {
        verb,
        field: "is_active",
        name: "",
        why: "",
    }
}
