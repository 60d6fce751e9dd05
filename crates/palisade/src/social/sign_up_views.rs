//! Pages that create an account from an external identity: its email address and a mailed code.

use super::log_in::{LoginExtras, enter_account};
use super::request::SocialRequest;
use super::sign_up::{Address, UnlinkedIdentity};
use crate::audit_log::Event;
use crate::auth::Typed;
use crate::auth::views::{audit_detail, can_mail, source, too_many_mails};
use crate::forms::{Code, Form};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::Result;
use axum::response::Response;
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
pub(crate) async fn address(request: SocialRequest, form: Form<Address>) -> Result<Response> {
    let (accounts, session) = (request.accounts(), request.visitor.session());
    let pending = accounts
        .email
        .tokens
        .pending::<UnlinkedIdentity>(session)
        .await?;
    let Some(unlinked) = pending else {
        return Ok(redirect_to("/account/login"));
    };
    let template = "account/social_address.html";
    let values = context! { label => unlinked.provider.as_str() };
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid.show_with(template, values).await);
    };
    can_mail(accounts)?;
    let from = source(&request.visitor, &request.headers);
    if let Some(wait) = accounts.count_mail(from, &typed.email).await? {
        return Err(too_many_mails(invalid, wait, template, values).await);
    }
    let base = request.base();
    unlinked
        .send(accounts, session, &typed.email, &base)
        .await?;
    audit_detail(Event::SignUpBegun, "by another site");
    Ok(redirect_to("/account/social/confirm"))
}

/// `GET /account/social/confirm`.
pub(crate) async fn show_confirm(request: SocialRequest) -> Result<Response> {
    let (email, session) = (&request.accounts().email, request.visitor.session());
    if email
        .tokens
        .pending::<UnlinkedIdentity>(session)
        .await?
        .is_none()
    {
        return Ok(redirect_to("/account/login"));
    }
    let values = context! { form => Form::<TypedCode>::blank() };
    let page = &request.page;
    page.render("account/social_confirm.html", values).await
}

/// `POST /account/social/confirm`: creates the account.
pub(crate) async fn confirm(request: SocialRequest, form: Form<TypedCode>) -> Result<Response> {
    let template = "account/social_confirm.html";
    let (accounts, session) = (request.accounts(), request.visitor.session());
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid.show(template).await);
    };
    let checked = accounts
        .email
        .check_code::<UnlinkedIdentity>(session, &typed.code);
    let unlinked = match checked.await? {
        Typed::Right(unlinked) => unlinked,
        Typed::Wrong => {
            audit_detail(Event::LoginFailed, "code by mail");
            let said = "This is not the code of the newest mail.";
            return Err(invalid.error("code", said).show(template).await);
        }
        Typed::Expired => {
            let detail = "code by mail, too late or too often";
            audit_detail(Event::LoginFailed, detail);
            let said = "This code has expired. Start again.";
            request.message(MessageLevel::Error, said).await?;
            return Ok(redirect_to("/account/login"));
        }
    };
    let Some((email, _)) = &unlinked.sent else {
        return Ok(redirect_to("/account/login"));
    };
    let (identity, provider) = (&unlinked.identity, &unlinked.provider);
    let Some(user_id) = identity.create_account(accounts, provider, email).await? else {
        let said = "The address, or this login, was taken meanwhile.";
        request.message(MessageLevel::Error, said).await?;
        return Ok(redirect_to("/account/login"));
    };
    let extras = LoginExtras {
        next: unlinked.next,
        logout_page: None,
    };
    enter_account(&request, provider, user_id, extras).await
}
