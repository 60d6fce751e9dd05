//! Groups and permissions that a member of staff gives.

use super::account::{AccessChange, Account};
use crate::admin::group;
use crate::admin::site::MANAGE_RIGHTS;
use crate::db::Tx;
use crate::forms::{Form, FormView, Line, Moment};
use crate::permissions::{Membership, Pick, Verb};
use crate::views::{ErrorKind, Result};
use axum::response::Response;
use http::StatusCode;
use palisade_macros::Form;
use palisade_template::context;

#[derive(Form)]
pub(crate) struct Join {
    group: Pick<group::Entity>,
    #[form(
        label = "Until",
        help = "Without an end, it lasts until it is removed."
    )]
    until: Option<Moment>,
    #[form(label = "Reason")]
    why: Option<Line<200>>,
}

/// Title, button and path of the page.
const JOIN: (&str, &str, &str) = ("Add to a group", "Add", "join");

/// `GET /access/{user}/join`
pub(crate) async fn ask_group(account: Account, form: FormView<Join>) -> Result<Response> {
    account.desk.require(MANAGE_RIGHTS)?;
    let values = context! { form => form.blank(), ..account.question(JOIN) };
    account.desk.render("admin/ask.html", values).await
}

/// `POST /access/{user}/join`
pub(crate) async fn join(account: Account, form: Form<Join>) -> Result<Response> {
    let desk = &account.desk;
    desk.require(MANAGE_RIGHTS)?;
    let page = desk.with_menu(account.question(JOIN));
    let (join, invalid) = form.into_parts();
    let Some(join) = join else {
        return Err(invalid.show_with("admin/ask.html", page).await);
    };
    let until = join.until.map(|until| until.to_utc());
    if until.is_some_and(|until| until <= desk.site.now()) {
        let invalid = invalid.error("until", "This end is in the past.");
        return Err(invalid.show_with("admin/ask.html", page).await);
    }
    let group = desk.actor.row::<group::Entity>(*join.group.key());
    let group = group.read(Verb::View, &desk.db).await?;
    let why = join.why.as_deref().unwrap_or_default();
    let membership = Membership::new(&group.name, account.user.id).because(why);
    let membership = match until {
        Some(until) => membership.until(until),
        None => membership,
    };
    let add = async |tx: &Tx| -> Result<()> {
        desk.actor.add_member(tx, &membership).await?;
        let change = AccessChange {
            verb: "join",
            field: "groups",
            name: &group.name,
            why,
        };
        account.write(tx, change).await
    };
    match desk.db.write(add).await {
        Err(error) if error.kind() == ErrorKind::Forbidden => {
            let invalid = invalid.error("group", REFUSED);
            Err(invalid
                .show_as(StatusCode::FORBIDDEN, "admin/ask.html", page)
                .await)
        }
        Err(error) => Err(error),
        Ok(()) => {
            let said = format!("{} is a member of {}.", account.user.username, group.name);
            desk.say(said, &account.url()).await
        }
    }
}

/// The error of an escalation of privileges.
const REFUSED: &str = "You may not give this right to this user.";

#[derive(Form)]
pub(crate) struct Grant {
    #[form(help = "Such as helpdesk.view_ticket. You can grant what you hold.")]
    permission: Line<200>,
}

/// Title, button and path of the page.
const GRANT: (&str, &str, &str) = ("Grant a permission", "Grant", "grant");

/// `GET /access/{user}/grant`
pub(crate) async fn ask_permission(account: Account) -> Result<Response> {
    account.desk.require(MANAGE_RIGHTS)?;
    let values = context! { form => Form::<Grant>::blank(), ..account.question(GRANT) };
    account.desk.render("admin/ask.html", values).await
}

/// `POST /access/{user}/grant`
pub(crate) async fn grant(account: Account, form: Form<Grant>) -> Result<Response> {
    let desk = &account.desk;
    desk.require(MANAGE_RIGHTS)?;
    let page = desk.with_menu(account.question(GRANT));
    let (grant, invalid) = form.into_parts();
    let Some(grant) = grant else {
        return Err(invalid.show_with("admin/ask.html", page).await);
    };
    let name = &*grant.permission;
    if account.has_permission(name).await? {
        let invalid = invalid.error("permission", "The user has it already.");
        return Err(invalid.show_with("admin/ask.html", page).await);
    }
    let give = async |tx: &Tx| -> Result<()> {
        desk.actor.give_named(tx, account.user.id, name).await?;
        let change = AccessChange {
            verb: "grant",
            field: "permissions",
            name,
            why: "",
        };
        account.write(tx, change).await
    };
    match desk.db.write(give).await {
        Err(error) if error.kind() == ErrorKind::BadRequest => {
            let invalid = invalid.error("permission", "There is no such permission.");
            Err(invalid.show_with("admin/ask.html", page).await)
        }
        Err(error) if error.kind() == ErrorKind::Forbidden => {
            let invalid = invalid.error("permission", REFUSED);
            Err(invalid
                .show_as(StatusCode::FORBIDDEN, "admin/ask.html", page)
                .await)
        }
        Err(error) => Err(error),
        Ok(()) => {
            let said = format!("{} has the permission {name}.", account.user.username);
            desk.say(said, &account.url()).await
        }
    }
}
