//! Locks after failed logins.

use crate::admin::desk::Desk;
use crate::admin::site::MANAGE_SESSIONS;
use crate::audit_log::{Entry, Event, record};
use crate::auth::{Lock, LockFilter, Visitor};
use crate::forms::{Form, Token};
use crate::views::Result;
use axum::response::Response;
use palisade_macros::Form;
use palisade_template::{Value, context};

/// `GET /locks`: the active ones.
pub(crate) async fn list(desk: Desk, visitor: Visitor) -> Result<Response> {
    desk.require(MANAGE_SESSIONS)?;
    let locks = visitor.accounts().locks("").await?;
    let shown = |lock: &Lock| {
        context! {
            id => lock.id.clone(), kind => lock.kind.clone(), username => lock.username.clone(), address => lock.address.clone(),
            agent => crate::auth::describe(&lock.agent), until => desk.time(lock.until),
        }
    };
    let locks: Vec<Value> = locks.iter().map(shown).collect();
    desk.render("admin/locks.html", context! { title => "Locks", locks })
        .await
}

#[derive(Form)]
pub(crate) struct Chosen {
    id: Token<40>,
}

/// `POST /locks`: lifts one.
pub(crate) async fn lift(desk: Desk, visitor: Visitor, form: Form<Chosen>) -> Result<Response> {
    desk.require(MANAGE_SESSIONS)?;
    let id = form.valid()?.id;
    let count = visitor.accounts().lift(LockFilter::Id(&id)).await?;
    let said = match count {
        0 => "This lock was lifted or has ended.",
        _ => {
            record(Entry::new(Event::LockLifted).detail(id.to_string()));
            "The lock is lifted."
        }
    };
    desk.say(said.to_owned(), &format!("{}/locks", desk.site.path))
        .await
}
