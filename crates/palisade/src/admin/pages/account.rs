//! The account of a page about a user's access, and changes of it: each within the rights of the
//! member of staff, in one transaction with the history of the user and a notice to the owner.

use crate::admin::Operation;
use crate::admin::desk::Desk;
use crate::admin::diff::Diff;
use crate::admin::transaction::{NewChange, Work};
use crate::admin::{history, user};
use crate::auth::{Accounts, Notice, Visitor};
use crate::db::Tx;
use crate::permissions::Verb;
use crate::views::{Error, Path, Result};
use axum::extract::FromRequestParts;
use http::request::Parts;
use palisade_template::{Value, context};

/// The resource of users: changes of access are in its history.
pub(crate) const USERS: &str = "users";

/// The user of the path, whom the member of staff sees.
pub(crate) struct Account {
    pub(crate) desk: Desk,
    pub(crate) visitor: Visitor,
    pub(crate) user: user::Model,
}

/// A change of access, as the history and the owner read it.
pub(crate) struct AccessChange<'a> {
    pub(crate) verb: &'static str,
    /// `groups`, `permissions`, `sessions`, `links` or `is_active`.
    pub(crate) field: &'static str,
    /// The group or permission; empty for others.
    pub(crate) name: &'a str,
    pub(crate) why: &'a str,
}

impl AccessChange<'_> {
    /// The sentence for the owner; none where closing and opening have their own.
    fn notice(&self) -> Option<String> {
        let name = self.name;
        let said = match self.verb {
            "join" | "grant" => format!("the account was given: {name}"),
            "leave" | "revoke" => format!("the account lost: {name}"),
            "end a session" => "one of its sessions was ended".to_owned(),
            "end sessions" => "its sessions were ended".to_owned(),
            "end links" => "the links and codes that were mailed to you were ended".to_owned(),
            _ => return None,
        };
        Some(format!("By the staff of this site {said}."))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Account {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Path(id) = Path::<i32>::from_request_parts(parts, state).await?;
        let desk = Desk::from_request_parts(parts, state).await?;
        let user = desk.actor.row::<user::Entity>(id);
        let user = user.read(Verb::View, &desk.db).await?;
        Ok(Self {
            visitor: Visitor::from_request_parts(parts, state).await?,
            desk,
            user,
        })
    }
}

impl Desk {
    /// Whether the member of staff closes and reopens accounts.
    pub(crate) fn may_close(&self) -> bool {
        let users = self.site.entry(USERS);
        users.is_some_and(|users| self.allows(users, Operation::Change))
    }
}

impl Account {
    pub(crate) fn accounts(&self) -> &Accounts {
        self.visitor.accounts()
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/access/{}", self.desk.site.path, self.user.id)
    }

    /// The page of the user.
    pub(crate) fn user_url(&self) -> String {
        format!("{}/{USERS}/row/{}", self.desk.site.path, self.user.id)
    }

    /// # Errors
    /// 403 for an account that holds more.
    pub(crate) async fn require_authority(&self, tx: &Tx) -> Result<()> {
        let actor = &self.desk.actor;
        actor.require_account_authority(tx, self.user.id).await
    }

    /// The values of a page that asks for a right.
    pub(crate) fn question(&self, (title, button, page): (&str, &str, &str)) -> Value {
        let base = self.url();
        context! {
            title => format!("{title}: {}", self.user.username), action => format!("{base}/{page}"), button, list_title => "Users",
            back => base, note => "You can give rights that you hold, to users who hold no more than you.",
        }
    }

    /// Writes a change into the history, and tells the owner.
    pub(crate) async fn write(&self, tx: &Tx, change: AccessChange<'_>) -> Result<()> {
        if let Some(text) = change.notice() {
            let email = &self.accounts().email;
            let base = &email.links.main_base();
            let notice = Notice { text: &text, base };
            email.notify_id(tx, self.user.id, notice).await?;
        }
        let users = self.desk.site.entry(USERS).ok_or_else(Error::not_found)?;
        let new = NewChange {
            verb: change.verb,
            key: &self.user.id.to_string(),
            label: self.user.username.clone(),
            people: format!(",{},", self.user.id),
            diff: Diff::of_name(change.field, change.name),
        };
        history::write(&Work::of(&self.desk, users, tx, change.why), new).await
    }
}
