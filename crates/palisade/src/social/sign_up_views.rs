//! Pages that create an account from an external identity: its email address and a mailed code.

use super::sign_up::{Address, UnlinkedIdentity};
use super::views::come_in;
use crate::audit_log::Event;
use crate::auth::views::{audit, can_mail, source, too_many_mails};
use crate::auth::{Typed, Visitor};
use crate::forms::{Code, Form};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Page, Result};
use axum::response::Response;
use http::HeaderMap;
use palisade_macros::Form;
use palisade_template::context;

#[derive(Form)]
pub(crate) struct TypedCode {
    #[form(
        label = "Code",
        help = "It was sent by mail, and is valid for ten minutes."
    )]
    code: Code,
}

/// `POST /account/social/address`: sends a code to an address. One response, whether or not an
/// account has it.
pub(crate) async fn address(
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<Address>,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let Some(stranger) = accounts
        .begun::<UnlinkedIdentity>(visitor.session())
        .await?
    else {
        return Ok(redirect_to("/account/login"));
    };
    let values = context! { label => stranger.provider.as_str() };
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid
            .show_with("account/social_address.html", values)
            .await);
    };
    can_mail(accounts)?;
    if let Some(wait) = accounts
        .ask_mail(source(&visitor, &headers), &typed.email)
        .await?
    {
        return Err(too_many_mails(invalid, wait, "account/social_address.html", values).await);
    }
    stranger
        .send(
            accounts,
            visitor.session(),
            &typed.email,
            &accounts.links.base(&headers),
        )
        .await?;
    audit(&visitor, Event::SignUpBegun, "by another site");
    Ok(redirect_to("/account/social/confirm"))
}

/// `GET /account/social/confirm`.
pub(crate) async fn show_confirm(page: Page, visitor: Visitor) -> Result<Response> {
    match visitor
        .accounts()
        .begun::<UnlinkedIdentity>(visitor.session())
        .await?
    {
        Some(_) => {
            page.render(
                "account/social_confirm.html",
                context! { form => Form::<TypedCode>::blank() },
            )
            .await
        }
        None => Ok(redirect_to("/account/login")),
    }
}

/// `POST /account/social/confirm`: creates the account.
pub(crate) async fn confirm(
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<TypedCode>,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid.show("account/social_confirm.html").await);
    };
    let stranger = match accounts
        .judge_code::<UnlinkedIdentity>(visitor.session(), &typed.code)
        .await?
    {
        Typed::Right(stranger) => stranger,
        Typed::Wrong => {
            audit(&visitor, Event::LoginFailed, "code by mail");
            return Err(invalid
                .error("code", "This is not the code of the newest mail.")
                .show("account/social_confirm.html")
                .await);
        }
        Typed::Dead => {
            audit(
                &visitor,
                Event::LoginFailed,
                "code by mail, too late or too often",
            );
            visitor
                .session()
                .message(MessageLevel::Error, "This code has expired. Start again.")
                .await?;
            return Ok(redirect_to("/account/login"));
        }
    };
    let Some((email, _)) = &stranger.sent else {
        return Ok(redirect_to("/account/login"));
    };
    let Some(user_id) = stranger
        .identity
        .enrol(accounts, &stranger.provider, email)
        .await?
    else {
        visitor
            .session()
            .message(
                MessageLevel::Error,
                "The address, or this login, was taken meanwhile.",
            )
            .await?;
        return Ok(redirect_to("/account/login"));
    };
    audit(
        &visitor,
        Event::SignedUp,
        &format!("user {user_id}, {}", stranger.provider),
    );
    come_in(
        &visitor,
        &headers,
        &stranger.provider,
        user_id,
        stranger.next,
        None,
    )
    .await
}
