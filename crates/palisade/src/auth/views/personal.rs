use super::{Proof, without_password};
use crate::audit_log::{Event, record_now};
use crate::auth::user::entity::Model;
use crate::auth::{User, Visitor};
use crate::forms::{Form, Password};
use crate::http::redirect_to;
use crate::views::{Page, Result};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use palisade_macros::Form;
use palisade_template::context;

#[derive(Form)]
pub(crate) struct Prove {
    #[form(label = "Current password")]
    current_password: Option<Password>,
}

/// `GET /account`.
pub(crate) async fn overview(page: Page, visitor: Visitor) -> Result<Response> {
    let accounts = visitor.accounts();
    let has_profile = accounts.profile.is_some();
    let has_tokens = !accounts.access_tokens.scopes.is_empty();
    let ways = super::login::ways(&visitor);
    page.render(
        "account/overview.html",
        context! { has_profile, has_tokens, ..ways },
    )
    .await
}

/// `GET /account/export`, `/account/close` and `/account/delete`.
pub(crate) async fn show_export(page: Page, visitor: Visitor, user: User) -> Result<Response> {
    show(page, visitor, user, EXPORT).await
}

pub(crate) async fn show_close(page: Page, visitor: Visitor, user: User) -> Result<Response> {
    show(page, visitor, user, CLOSE).await
}

pub(crate) async fn show_delete(page: Page, visitor: Visitor, user: User) -> Result<Response> {
    show(page, visitor, user, DELETE).await
}

async fn show(page: Page, visitor: Visitor, user: User, template: &str) -> Result<Response> {
    let left_out = without_password(
        &visitor,
        &user,
        &format!("/{}", template.trim_end_matches(".html")),
    )
    .await?;
    page.render(
        template,
        context! { form => Form::<Prove>::blank_without(left_out) },
    )
    .await
}

const EXPORT: &str = "account/export.html";
const CLOSE: &str = "account/close.html";
const DELETE: &str = "account/delete.html";

/// `POST /account/export`: the data export, as a JSON file.
pub(crate) async fn export(
    visitor: Visitor,
    user: User,
    headers: HeaderMap,
    form: Form<Prove>,
) -> Result<Response> {
    let row = reauthenticate((&visitor, &headers), &user, form, EXPORT).await?;
    let sessions = visitor
        .accounts()
        .sessions
        .open_sessions(visitor.session(), user.id)
        .await?;
    let all = visitor.accounts().export(&row, &sessions).await?;
    let exported = user.entry(Event::DataExported);
    record_now(visitor.accounts().database(), exported).await?;
    let kind = [
        (header::CONTENT_TYPE, "application/json"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"my-data.json\"",
        ),
    ];
    Ok((kind, format!("{all:#}\n")).into_response())
}

/// `POST /account/close`.
pub(crate) async fn close(
    visitor: Visitor,
    user: User,
    headers: HeaderMap,
    form: Form<Prove>,
) -> Result<Response> {
    let row = reauthenticate((&visitor, &headers), &user, form, CLOSE).await?;
    let accounts = visitor.accounts();
    accounts
        .deactivate(
            &row,
            &accounts.email.links.base(&headers),
            row.entry(Event::AccountClosed),
        )
        .await?;
    visitor.session().end_siblings(user.id).await?;
    visitor.session().end().await?;
    Ok(redirect_to("/"))
}

/// `POST /account/delete`.
pub(crate) async fn delete(
    visitor: Visitor,
    user: User,
    headers: HeaderMap,
    form: Form<Prove>,
) -> Result<Response> {
    let row = reauthenticate((&visitor, &headers), &user, form, DELETE).await?;
    let accounts = visitor.accounts();
    accounts
        .erase(&row, &accounts.email.links.base(&headers))
        .await?;
    visitor.session().end_siblings(user.id).await?;
    visitor.session().end().await?;
    Ok(redirect_to("/"))
}

/// Re-authenticates before irreversible actions.
async fn reauthenticate(
    (visitor, headers): (&Visitor, &HeaderMap),
    user: &User,
    form: Form<Prove>,
    template: &'static str,
) -> Result<Model> {
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid.show(template).await);
    };
    Proof {
        visitor,
        headers,
        user,
        template,
    }
    .verify(typed.current_password.as_ref(), invalid, context! {})
    .await
}
