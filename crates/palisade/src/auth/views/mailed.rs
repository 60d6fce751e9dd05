//! Login by a code or a link that comes by mail, where `login.by_mail` allows it.

use super::login::{Next, NextPage, enter, ways};
use super::{audit, can_mail, source};
use crate::audit_log::Event;
use crate::auth::codes::Typed;
use crate::auth::mail_login::MailLogin;
use crate::auth::{Visitor, views::Link};
use crate::forms::{Email, Form, Line, Query};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Error, Page, Result};
use axum::response::Response;
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
pub(crate) struct Code {
    #[form(label = "Code", help = "It came by mail, and is good for ten minutes.")]
    code: Line<20>,
}

/// Where the code of an opened link waits for its button.
const CODE: &str = "_palisade_mailed_code";

fn is_on(visitor: &Visitor) -> Result<()> {
    if visitor.accounts().ways.mail { Ok(()) } else { Err(Error::not_found()) }
}

/// `GET /account/login/mail`.
pub(crate) async fn show(page: Page, visitor: Visitor, Query(query): Query<Next>) -> Result<Response> {
    is_on(&visitor)?;
    let next = query.next.0.unwrap_or_default();
    page.render("account/login_mail.html", context! { form => Form::<Ask>::filled([("next", next)]) }).await
}

/// `POST /account/login/mail`. One answer, whether or not there is such an account.
pub(crate) async fn ask(visitor: Visitor, headers: HeaderMap, form: Form<Ask>) -> Result<Response> {
    is_on(&visitor)?;
    let asked = form.valid_or_show("account/login_mail.html").await?;
    let accounts = visitor.accounts();
    can_mail(accounts)?;
    accounts.send_login_code(visitor.session(), &asked.email, asked.next.0, &accounts.links.base(&headers)).await?;
    audit(&visitor, Event::LoginCodeSent, "");
    Ok(redirect_to("/account/login/mail/code"))
}

/// `GET /account/login/mail/code`. A link brings the code along; it leaves the address bar, and a button sends it: whoever only opens links logs nobody in.
pub(crate) async fn show_code(page: Page, visitor: Visitor, Query(link): Query<Link>) -> Result<Response> {
    is_on(&visitor)?;
    let session = visitor.session();
    if visitor.accounts().begun::<MailLogin>(session).await?.is_none() {
        return page.render("account/login_mail.html", context! { form => Form::<Ask>::blank(), is_elsewhere => true }).await;
    }
    if let Some(code) = link.token.as_deref() {
        session.insert(CODE, code).await?;
        return Ok(redirect_to("/account/login/mail/code"));
    }
    let code = session.value::<String>(CODE).await?.unwrap_or_default();
    page.render("account/login_code.html", context! { form => Form::<Code>::filled([("code", code)]) }).await
}

/// `POST /account/login/mail/code`.
pub(crate) async fn log_in(visitor: Visitor, headers: HeaderMap, form: Form<Code>) -> Result<Response> {
    is_on(&visitor)?;
    let (typed, refill) = form.into_parts();
    let Some(typed) = typed else {
        return Err(refill.show_with("account/login_code.html", ways(&visitor)).await);
    };
    let accounts = visitor.accounts();
    let begun = match accounts.judge_code::<MailLogin>(visitor.session(), source(&visitor, &headers), &typed.code).await? {
        Typed::Right(begun) => begun,
        Typed::Wrong => {
            audit(&visitor, Event::LoginFailed, "code by mail");
            let refill = refill.error("code", "This is not the code of the newest mail.");
            return Err(refill.show_with("account/login_code.html", ways(&visitor)).await);
        }
        Typed::Dead => {
            audit(&visitor, Event::LoginFailed, "code by mail, too late or too often");
            visitor.session().message(MessageLevel::Error, "This code is not good any more. Ask for another one.").await?;
            return Ok(redirect_to("/account/login/mail"));
        }
    };
    let row = accounts.of_mail_login(&begun).await?;
    let Some(row) = row else { return Ok(redirect_to("/account/login")) };
    enter(&visitor, &headers, row, begun.next).await
}
