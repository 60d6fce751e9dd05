//! Login by a mailed code or link, if `login.by_mail` is on.

use super::login::{Next, NextPage, continue_login, unless_kept, ways};
use super::{audit, audit_detail, can_mail, source, too_many_mails};
use crate::audit_log::{self, Entry, Event};
use crate::auth::email::codes::Typed;
use crate::auth::login::email_code::{MailLogin, MailReauthentication};
use crate::auth::views::Link;
use crate::auth::{Factor, PendingLogin, User, Visitor};
use crate::forms::{Code, Email, Form, Query};
use crate::http::{RedirectTarget, redirect_to};
use crate::sessions::{Lifetime, MessageLevel};
use crate::views::{Error, Page, Result};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use palisade_macros::Form;
use palisade_template::context;

#[derive(Form)]
pub(crate) struct Ask {
    #[form(label = "E-mail address")]
    email: Email,
    next: NextPage,
}

#[derive(Form)]
pub(crate) struct TypedCode {
    #[form(
        label = "Code",
        help = "It was sent by mail, and is valid for ten minutes."
    )]
    code: Code,
    #[form(
        label = "Keep me signed in on this device",
        help = "Not on a device that others use."
    )]
    keep: bool,
}

/// Session entry of an opened link's code, until the form is submitted.
const CODE: &str = "_palisade_mailed_code";

/// `GET /account/login/mail`.
pub(crate) async fn show(page: Page, Query(query): Query<Next>) -> Result<Response> {
    let next = query.next.0.unwrap_or_default();
    page.render(
        "account/login_mail.html",
        context! { form => Form::<Ask>::with_values([("next", next)]) },
    )
    .await
}

/// `POST /account/login/mail`. One response, whether or not the account exists.
pub(crate) async fn ask(visitor: Visitor, headers: HeaderMap, form: Form<Ask>) -> Result<Response> {
    let (asked, invalid) = form.into_parts();
    let Some(asked) = asked else {
        return Err(invalid.show("account/login_mail.html").await);
    };
    let (accounts, session) = (visitor.accounts(), visitor.session());
    can_mail(accounts)?;
    let from = source(&visitor, &headers);
    if let Some(wait) = accounts.count_mail(from, &asked.email).await? {
        return Err(too_many_mails(invalid, wait, "account/login_mail.html", context! {}).await);
    }
    let base = accounts.email.links.base(&headers);
    accounts
        .send_login_code(session, &asked.email, asked.next.0, &base)
        .await?;
    session.remove(CODE).await?;
    audit_log::record(Entry::new(Event::LoginCodeSent).typed(&asked.email));
    Ok(redirect_to("/account/login/mail/code"))
}

/// `GET /account/login/mail/code`. The code of a link moves from the URL into the session, and a
/// form submits it: link scanners, which only open links, log in nowhere.
pub(crate) async fn show_code(
    page: Page,
    visitor: Visitor,
    Query(link): Query<Link>,
) -> Result<Response> {
    let session = visitor.session();
    if visitor
        .accounts()
        .email
        .tokens
        .pending::<MailLogin>(session)
        .await?
        .is_none()
    {
        return page
            .render(
                "account/login_mail.html",
                context! { form => Form::<Ask>::blank(), is_elsewhere => true },
            )
            .await;
    }
    if let Some(code) = link.token.as_deref() {
        session.insert(CODE, code).await?;
        return Ok(redirect_to("/account/login/mail/code"));
    }
    let code = session.value::<String>(CODE).await?.unwrap_or_default();
    page.render(
        "account/login_code.html",
        context! { form => Form::<TypedCode>::filled_without([("code", code)], unless_kept(&visitor)) },
    )
    .await
}

/// `POST /account/login/mail/code`.
pub(crate) async fn log_in(
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<TypedCode>,
) -> Result<Response> {
    let (typed, invalid) = form.into_parts();
    let invalid = invalid.without(unless_kept(&visitor));
    let Some(typed) = typed else {
        return Err(invalid
            .show_with("account/login_code.html", ways(&visitor))
            .await);
    };
    let accounts = visitor.accounts();
    let begun = match accounts
        .email
        .check_code::<MailLogin>(visitor.session(), &typed.code)
        .await?
    {
        Typed::Right(begun) => begun,
        Typed::Wrong => {
            audit_detail(Event::LoginFailed, "code by mail");
            let invalid = invalid.error("code", "This is not the code of the newest mail.");
            return Err(invalid
                .show_with("account/login_code.html", ways(&visitor))
                .await);
        }
        Typed::Expired => {
            let detail = "code by mail, too late or too often";
            audit_detail(Event::LoginFailed, detail);
            visitor
                .session()
                .message(
                    MessageLevel::Error,
                    "This code has expired. Request another one.",
                )
                .await?;
            return Ok(redirect_to("/account/login/mail"));
        }
    };
    let Some(row) = accounts.login_account(&begun).await? else {
        return Ok(redirect_to("/account/login"));
    };
    visitor.session().keep(Lifetime::from(typed.keep)).await?;
    continue_login(&visitor, &headers, PendingLogin::local(row, begun.next)).await
}

/// `POST /account/reauthenticate/mail`: sends a code to an account without a password.
pub(crate) async fn ask_reauthentication(
    visitor: Visitor,
    user: User,
    headers: HeaderMap,
    form: Form<Next>,
) -> Result<Response> {
    let next = form
        .valid_or_show("account/reauthenticate.html")
        .await?
        .next
        .0;
    let accounts = visitor.accounts();
    let has_better = accounts.users.has_password(user.id).await?
        || accounts.factors.logs_in_alone(user.id).await?;
    if user.email.is_empty() || has_better {
        return Err(Error::not_found());
    }
    can_mail(accounts)?;
    accounts
        .email
        .send_reauthentication_code(
            visitor.session(),
            &user,
            next,
            &accounts.email.links.base(&headers),
        )
        .await?;
    Ok(redirect_to("/account/reauthenticate/code"))
}

/// `GET /account/reauthenticate/code`.
pub(crate) async fn show_reauthentication(page: Page, visitor: Visitor) -> Result<Response> {
    match visitor
        .accounts()
        .email
        .tokens
        .pending::<MailReauthentication>(visitor.session())
        .await?
    {
        Some(_) => {
            page.render(
                "account/reauthenticate_code.html",
                context! { form => Form::<TypedCode>::blank_without(Some("keep")) },
            )
            .await
        }
        None => Ok(redirect_to("/account/reauthenticate")),
    }
}

/// `POST /account/reauthenticate/code`.
pub(crate) async fn reauthenticate(
    visitor: Visitor,
    user: User,
    form: Form<TypedCode>,
) -> Result<Response> {
    let (typed, invalid) = form.into_parts();
    let invalid = invalid.without(Some("keep"));
    let Some(typed) = typed else {
        return Err(invalid.show("account/reauthenticate_code.html").await);
    };
    let (accounts, session) = (visitor.accounts(), visitor.session());
    let begun = match accounts
        .email
        .check_code::<MailReauthentication>(session, &typed.code)
        .await?
    {
        Typed::Right(begun) if begun.user_id == user.id => begun,
        Typed::Wrong => {
            audit_detail(Event::LoginFailed, "code by mail");
            return Err(invalid
                .error("code", "This is not the code of the newest mail.")
                .show("account/reauthenticate_code.html")
                .await);
        }
        Typed::Right(_) | Typed::Expired => {
            let detail = "code by mail, too late or too often";
            audit_detail(Event::LoginFailed, detail);
            return Ok(redirect_to("/account/reauthenticate"));
        }
    };
    accounts
        .sessions
        .record_authentication(session, Factor::None)
        .await?;
    session.rotate().await?;
    audit(Event::ProvenAgain, &user.username);
    let next = begun
        .next
        .and_then(|next| RedirectTarget::from_input(&next));
    Ok(next.map_or_else(|| redirect_to("/account"), IntoResponse::into_response))
}
