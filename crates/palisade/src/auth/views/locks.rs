use super::audit_detail;
use crate::audit_log::Event;
use crate::auth::{Lock, LockFilter, Visitor};
use crate::forms::{Form, Line, Query};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Page, Result};
use axum::response::Response;
use chrono::DateTime;
use palisade_macros::Form;
use palisade_template::{Value, context};

#[derive(Form)]
pub(crate) struct Filter {
    #[form(label = "Name or address")]
    q: Option<Line<100>>,
}

#[derive(Form)]
pub(crate) struct Lift {
    id: Line<40>,
}

/// `GET /account/locks`: the active locks, for staff.
pub(crate) async fn show(
    page: Page,
    visitor: Visitor,
    Query(filter): Query<Filter>,
) -> Result<Response> {
    let text = filter.q.as_deref().unwrap_or_default();
    let locks: Vec<Value> = visitor
        .accounts()
        .locks(text)
        .await?
        .iter()
        .map(as_context)
        .collect();
    page.render(
        "account/locks.html",
        context! { filter => Form::<Filter>::with_values([("q", text.to_owned())]), locks },
    )
    .await
}

/// `POST /account/locks`: lifts one.
pub(crate) async fn lift(visitor: Visitor, form: Form<Lift>) -> Result<Response> {
    let lift = form.valid_or_show("account/locks.html").await?;
    let count = visitor.accounts().lift(LockFilter::Id(&lift.id)).await?;
    let said = if count == 0 {
        "This lock was lifted or has ended."
    } else {
        "The lock is lifted."
    };
    if count > 0 {
        audit_detail(Event::LockLifted, &*lift.id);
    }
    visitor
        .session()
        .message(MessageLevel::Success, said)
        .await?;
    Ok(redirect_to("/account/locks"))
}

fn as_context(lock: &Lock) -> Value {
    let until = DateTime::from_timestamp(lock.until, 0)
        .unwrap_or_default()
        .format("%-d %B %Y, %H:%M UTC")
        .to_string();
    context! {
        id => lock.id.clone(), kind => lock.kind.clone(), username => lock.username.clone(), address => lock.address.clone(),
        agent => lock.agent.clone(), until,
    }
}
