use crate::audit_log::{self, Entry, Event};
use crate::auth::{User, Visitor, describe};
use crate::forms::{Form, Line};
use crate::http::redirect_to;
use crate::sessions::{MessageLevel, UserSession};
use crate::views::{Page, Result};
use axum::response::Response;
use chrono::{DateTime, Utc};
use palisade_macros::Form;
use palisade_template::{Value, context};

#[derive(Form)]
pub(crate) struct End {
    /// Id of one session; empty for all others.
    id: Option<Line<40>>,
}

/// `GET /account/sessions`: the user's sessions.
pub(crate) async fn show(page: Page, visitor: Visitor, user: User) -> Result<Response> {
    let sessions: Vec<Value> = visitor
        .accounts()
        .sessions
        .open_sessions(visitor.session(), user.id)
        .await?
        .iter()
        .map(as_context)
        .collect();
    page.render("account/sessions.html", context! { sessions })
        .await
}

/// `POST /account/sessions`: ends one of them, or all others.
pub(crate) async fn end(visitor: Visitor, user: User, form: Form<End>) -> Result<Response> {
    let end = form.valid_or_show("account/sessions.html").await?;
    let count = match &end.id {
        Some(id) => usize::from(visitor.session().end_sibling(user.id, id).await?),
        None => {
            visitor
                .accounts()
                .sessions
                .end_others(visitor.session(), user.id)
                .await?
        }
    };
    if count > 0 {
        let ended = Entry::new(Event::SessionsEnded).name(&user.username);
        audit_log::record(ended.detail(format!("{count} ended")));
    }
    let said = if count == 0 {
        "There was no such session."
    } else {
        "Signed out there."
    };
    visitor
        .session()
        .message(MessageLevel::Success, said)
        .await?;
    Ok(redirect_to("/account/sessions"))
}

/// Path that ends a view as another user.
pub(crate) const END_VIEW: &str = "/account/view/end";

/// `POST /account/view/end`: ends a view as another user.
pub(crate) async fn end_view(visitor: Visitor) -> Result<Response> {
    visitor.user().await?;
    visitor
        .accounts()
        .sessions
        .end_viewing(visitor.session())
        .await?;
    Ok(redirect_to("/"))
}

fn as_context(session: &UserSession) -> Value {
    let time = |time: Option<DateTime<Utc>>| {
        time.map(|time| time.format("%-d %B %Y, %H:%M UTC").to_string())
            .unwrap_or_default()
    };
    let (began, seen) = (time(session.began), time(session.seen));
    context! {
        id => session.id.clone(), agent => describe(&session.agent), address => session.address.clone(), began, seen,
        is_this => session.is_this,
    }
}
