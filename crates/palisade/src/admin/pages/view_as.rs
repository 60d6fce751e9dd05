//! The site as another user sees it: fifteen minutes, read-only, with a reason.

use crate::admin::desk::Desk;
use crate::admin::site::VIEW_AS;
use crate::admin::user;
use crate::audit_log::{Entry, Event, record_in};
use crate::auth::{Notice, Visitor};
use crate::db::Tx;
use crate::forms::{Form, Line};
use crate::http::redirect_to;
use crate::permissions::Verb;
use crate::views::{Path, Result};
use axum::response::Response;
use palisade_macros::Form;
use palisade_template::{Value, context};

#[derive(Form)]
pub(crate) struct Reason {
    #[form(label = "Reason", help = "It is recorded, and the user is told.")]
    why: Line<200>,
}

/// `GET /view-as/{user}`
pub(crate) async fn ask(desk: Desk, Path(id): Path<i32>) -> Result<Response> {
    desk.require(VIEW_AS)?;
    let user = desk
        .actor
        .row::<user::Entity>(id)
        .read(Verb::View, &desk.db)
        .await?;
    let values = context! { form => Form::<Reason>::blank(), ..question(&desk, &user) };
    desk.render("admin/ask.html", values).await
}

fn question(desk: &Desk, user: &user::Model) -> Value {
    let base = &desk.site.path;
    context! {
        title => format!("View the site as {}", user.username), action => format!("{base}/view-as/{}", user.id), button => "View",
        back => format!("{base}/users/row/{}", user.id), list_title => "Users",
        note => "You see the pages of this user for fifteen minutes, and can change nothing. Account pages stay closed.",
    }
}

/// `POST /view-as/{user}`: never of a user with a rank, or with more rights.
pub(crate) async fn begin(
    desk: Desk,
    visitor: Visitor,
    Path(id): Path<i32>,
    form: Form<Reason>,
) -> Result<Response> {
    desk.require(VIEW_AS)?;
    let user = desk
        .actor
        .row::<user::Entity>(id)
        .read(Verb::View, &desk.db)
        .await?;
    let shown = desk.with_menu(question(&desk, &user));
    let why = form.valid_or_show_with("admin/ask.html", shown).await?.why;
    if user.is_staff || user.is_superuser || !user.is_active {
        return Err(desk.denied("view as staff", crate::admin::policy::Verdict::Forbid));
    }
    let base = visitor.accounts().email.links.main_base();
    desk.db
        .write(async |tx: &Tx| -> Result<()> {
            desk.actor.require_account_authority(tx, id).await?;
            let viewed = Entry::new(Event::ViewedAs).about(id).name(&user.username);
            record_in(tx, viewed.detail(why.to_string())).await?;
            if desk.site.settings.tell_viewed {
                let text = "A member of our staff looks at the site as you see it, for at most fifteen minutes. Nothing can be changed.";
                let notice = Notice { text, base: &base };
                visitor.accounts().email.notify_id(tx, id, notice).await?;
            }
            Ok(())
        })
        .await?;
    visitor
        .accounts()
        .sessions
        .begin_viewing(visitor.session(), id)
        .await?;
    Ok(redirect_to("/"))
}
