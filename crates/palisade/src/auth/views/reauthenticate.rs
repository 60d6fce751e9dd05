use super::login::Next;
use super::{NextPage, Proof, audit};
use crate::audit_log::Event;
use crate::auth::{Factor, User, Visitor};
use crate::forms::{Form, Password, Query};
use crate::http::{RedirectTarget, redirect_to};
use crate::views::{Page, Result};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use palisade_macros::Form;
use palisade_template::{Value, context};

#[derive(Form)]
pub(crate) struct Again {
    #[form(label = "Current password")]
    current_password: Password,
    next: NextPage,
}

/// The re-authentication methods of this user besides a password.
async fn values(visitor: &Visitor, user: &User) -> Result<Value> {
    let accounts = visitor.accounts();
    let (has_key, has_password) = (
        accounts.factors.logs_in_alone(user.id).await?,
        accounts.users.has_password(user.id).await?,
    );
    Ok(context! { has_key, has_no_password => !has_password && !has_key })
}

/// `GET /account/reauthenticate`: re-authentication before a sensitive action, for sessions left open on a
/// shared screen (ASVS 7.5.1).
pub(crate) async fn show(
    page: Page,
    visitor: Visitor,
    user: User,
    Query(query): Query<Next>,
) -> Result<Response> {
    let next = query.next.0.unwrap_or_default();
    page.render(
        "account/reauthenticate.html",
        context! { form => Form::<Again>::with_values([("next", next)]), ..values(&visitor, &user).await? },
    )
    .await
}

/// `POST /account/reauthenticate`.
pub(crate) async fn confirm(
    visitor: Visitor,
    user: User,
    headers: HeaderMap,
    form: Form<Again>,
) -> Result<Response> {
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid
            .show_with(
                "account/reauthenticate.html",
                values(&visitor, &user).await?,
            )
            .await);
    };
    let proof = Proof {
        visitor: &visitor,
        headers: &headers,
        user: &user,
        template: "account/reauthenticate.html",
    };
    proof
        .verify(
            Some(&typed.current_password),
            invalid,
            values(&visitor, &user).await?,
        )
        .await?;
    visitor
        .accounts()
        .sessions
        .record_authentication(visitor.session(), Factor::None)
        .await?;
    visitor.session().rotate().await?;
    audit(Event::ProvenAgain, &user.username);
    let next = typed
        .next
        .0
        .and_then(|next| RedirectTarget::from_input(&next));
    Ok(next.map_or_else(|| redirect_to("/account"), IntoResponse::into_response))
}
