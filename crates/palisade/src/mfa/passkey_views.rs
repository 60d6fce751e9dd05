//! The pages of passkeys: registration and authentication. Both need a script that calls WebAuthn
//! in the browser.

use super::guards::{Nothing, factors, may_change_factors, nothing_is_lost};
use super::keys::KeptKey;
use super::passkeys::{Adding, Asking, Refused, RelyingParty, Whose};
use crate::audit_log::Event;
use crate::auth::views::{NextPage, audit, login};
use crate::auth::{Factor, Held, Notice, User, Visitor};
use crate::forms::{Form, Line, Token};
use crate::http::{RedirectTarget, redirect_to};
use crate::sessions::MessageLevel;
use crate::views::{Error, ErrorKind, Page, Result};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use palisade_macros::Form;
use palisade_template::{Value, context};

/// Response of an authenticator, in base64url.
type Answered = Token<24_000>;

#[derive(Form)]
pub(crate) struct New {
    #[form(label = "Name", help = "A name to recognise it, such as \"My phone\".")]
    name: Line<60>,
    credential: Answered,
}

#[derive(Form)]
pub(crate) struct Answer {
    credential: Answered,
    #[form(
        label = "Keep me signed in on this device",
        help = "Not on a device that others use."
    )]
    keep: bool,
}

#[derive(Form)]
pub(crate) struct Begin {
    next: NextPage,
}

#[derive(Form)]
pub(crate) struct Which {
    id: Token<40>,
}

fn site(visitor: &Visitor, headers: &HeaderMap) -> Result<RelyingParty> {
    RelyingParty::at(&visitor.accounts().links.base(headers))
}

/// `POST /account/factors/passkey`: starts the registration.
pub(crate) async fn begin(
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/factors.html").await?;
    may_change_factors(&visitor, &user).await?;
    let adding = factors(&visitor)?
        .begin_key(&site(&visitor, &headers)?, &user)
        .await?;
    visitor.accounts().begin(visitor.session(), &adding).await?;
    Ok(redirect_to("/account/factors/passkey"))
}

/// `GET /account/factors/passkey`.
pub(crate) async fn show_add(page: Page, visitor: Visitor) -> Result<Response> {
    match visitor
        .accounts()
        .begun::<Adding>(visitor.session())
        .await?
    {
        Some(begun) => {
            page.render(
                "account/passkey_add.html",
                context! { form => Form::<New>::blank(), ..options(&begun.options) },
            )
            .await
        }
        None => Ok(redirect_to("/account/factors")),
    }
}

fn options(options: &serde_json::Value) -> Value {
    context! { options => options.to_string() }
}

/// `POST /account/factors/passkey/add`.
pub(crate) async fn add(
    page: Page,
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
    form: Form<New>,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let Some(begun) = accounts.begun::<Adding>(visitor.session()).await? else {
        return Ok(redirect_to("/account/factors"));
    };
    let (new, invalid) = form.into_parts();
    let Some(new) = new else {
        return Err(invalid
            .show_with("account/passkey_add.html", options(&begun.options))
            .await);
    };
    may_change_factors(&visitor, &user).await?;
    let Some(begun) = accounts.end::<Adding>(visitor.session()).await? else {
        return Ok(redirect_to("/account/factors"));
    };
    let site = site(&visitor, &headers)?;
    let tx = accounts.database().begin().await?;
    let Some(codes) = factors(&visitor)?
        .finish_key(&tx, &site, &user, &begun, (&new.name, &new.credential))
        .await?
    else {
        drop(tx);
        audit(&visitor, Event::SecondStepFailed, &user.username);
        let said =
            "The passkey was not added: the response was invalid, or the passkey exists already.";
        visitor.session().message(MessageLevel::Error, said).await?;
        return Ok(redirect_to("/account/factors"));
    };
    let text = format!("A passkey was added:\n\n    {}", &*new.name);
    let told = Notice {
        text: &text,
        base: &accounts.links.base(&headers),
    };
    accounts
        .factors_changed(tx, visitor.session(), &user, told)
        .await?;
    audit(
        &visitor,
        Event::FactorAdded,
        &format!("{}, passkey", user.username),
    );
    visitor.factor_proven().await?;
    if !codes.is_empty() {
        return page.render("account/codes.html", context! { codes }).await;
    }
    visitor
        .session()
        .message(
            MessageLevel::Success,
            "The passkey was added. All other sessions have ended.",
        )
        .await?;
    Ok(redirect_to("/account/factors"))
}

/// `POST /account/factors/passkey/remove`.
pub(crate) async fn remove(
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
    form: Form<Which>,
) -> Result<Response> {
    let which = form.into_parts().0.ok_or_else(Error::not_found)?;
    may_change_factors(&visitor, &user).await?;
    let has_way_in = visitor.accounts().has_way_in(&user).await?;
    let accounts = visitor.accounts();
    let tx = accounts.database().begin().await?;
    let removed = factors(&visitor)?
        .remove_key(&tx, &user, &which.id, has_way_in)
        .await?;
    let is_left = removed.ok_or_else(Error::not_found)?;
    let told = Notice {
        text: "A passkey was removed.",
        base: &accounts.links.base(&headers),
    };
    accounts
        .factors_changed(tx, visitor.session(), &user, told)
        .await?;
    audit(
        &visitor,
        Event::FactorRemoved,
        &format!("{}, passkey", user.username),
    );
    if !is_left {
        accounts.log_out_of_factor(visitor.session()).await?;
    }
    visitor
        .session()
        .message(
            MessageLevel::Success,
            "The passkey was removed. All other sessions have ended.",
        )
        .await?;
    Ok(redirect_to("/account/factors"))
}

/// `POST /account/login/passkey`: a login without a username.
pub(crate) async fn begin_login(
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<Begin>,
) -> Result<Response> {
    let next = form.valid_or_show("account/login.html").await?.next.0;
    let asking = super::Factors::ask_anybody(&site(&visitor, &headers)?, next)?;
    ask(&visitor, &asking).await
}

/// `POST /account/login/second/passkey`: as second factor.
pub(crate) async fn begin_second(
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/second.html").await?;
    let Some(held) = visitor.accounts().held(visitor.session()).await? else {
        return Ok(redirect_to("/account/login"));
    };
    let asking = factors(&visitor)?
        .ask_user(&site(&visitor, &headers)?, &held.user(), Whose::Held, None)
        .await?;
    ask(&visitor, &asking.ok_or_else(no_key)?).await
}

/// `POST /account/reauthenticate/passkey`: as re-authentication.
pub(crate) async fn begin_reauthentication(
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
    form: Form<Begin>,
) -> Result<Response> {
    let next = form
        .valid_or_show("account/reauthenticate.html")
        .await?
        .next
        .0;
    let asking = factors(&visitor)?
        .ask_user(&site(&visitor, &headers)?, &user, Whose::Signed, next)
        .await?;
    ask(&visitor, &asking.ok_or_else(no_key)?).await
}

fn no_key() -> Error {
    Error::new(ErrorKind::Conflict, "You have no passkey.")
}

async fn ask(visitor: &Visitor, asking: &Asking) -> Result<Response> {
    visitor.accounts().begin(visitor.session(), asking).await?;
    Ok(redirect_to("/account/passkey"))
}

/// `GET /account/passkey`.
pub(crate) async fn show_ask(page: Page, visitor: Visitor) -> Result<Response> {
    match visitor
        .accounts()
        .begun::<Asking>(visitor.session())
        .await?
    {
        Some(begun) => {
            // the second step of a login keeps the choice of its first
            let is_login = matches!(begun.whose, Whose::Anybodys(_));
            let form = Form::<Answer>::blank_without(if is_login {
                login::unless_kept(&visitor)
            } else {
                Some("keep")
            });
            page.render(
                "account/passkey.html",
                context! { form, way_back => begun.way_back(), ..options(&begun.options) },
            )
            .await
        }
        None => Ok(redirect_to("/account/login")),
    }
}

/// `POST /account/passkey`: verifies the response, and completes the pending action once.
pub(crate) async fn answer(
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<Answer>,
) -> Result<Response> {
    let (typed, _) = form.into_parts();
    let accounts = visitor.accounts();
    let Some(asked) = accounts.end::<Asking>(visitor.session()).await? else {
        return Ok(redirect_to("/account/login"));
    };
    let is_kept = typed.as_ref().is_some_and(|typed| typed.keep);
    let (credential, way_back) = (typed.map(|typed| typed.credential), asked.way_back());
    let (is_held, is_signed) = (
        matches!(asked.whose, Whose::Held(_)),
        matches!(asked.whose, Whose::Signed(_)),
    );
    let judged = factors(&visitor)?
        .judge_key(
            &site(&visitor, &headers)?,
            asked.whose,
            credential.as_deref().unwrap_or(""),
        )
        .await;
    let user_id = match judged {
        Ok(user_id) => user_id,
        Err(Refused::Failed(error)) => return Err(error),
        Err(Refused::Copied(key)) => return copied(&visitor, &headers, &key, &way_back).await,
        Err(Refused::Wrong) => return refused(&visitor, &way_back).await,
    };
    if is_signed {
        let Some(user) = visitor.user().await?.filter(|user| user.id == user_id) else {
            return refused(&visitor, &way_back).await;
        };
        nothing_is_lost(&visitor, user).await?;
        visitor.factor_proven().await?;
        audit(&visitor, Event::ProvenAgain, &user.username);
        let next = asked
            .next
            .and_then(|next| RedirectTarget::from_input(&next));
        return Ok(next.map_or_else(|| redirect_to("/account"), IntoResponse::into_response));
    }
    let held = if is_held {
        accounts
            .held(visitor.session())
            .await?
            .filter(|held| held.account.id == user_id)
    } else {
        visitor.session().keep(is_kept).await?;
        accounts
            .active(user_id)
            .await?
            .map(|account| Held::here(account, asked.next))
    };
    match held {
        Some(held) => {
            nothing_is_lost(&visitor, &held.user()).await?;
            login::welcome(&visitor, &headers, held, Factor::Typed, false).await
        }
        None => refused(&visitor, &way_back).await,
    }
}

async fn refused(visitor: &Visitor, way_back: &str) -> Result<Response> {
    audit(visitor, Event::LoginFailed, "passkey");
    let said =
        "This passkey is unknown, or its response came too late. Try again, or use another method.";
    visitor.session().message(MessageLevel::Error, said).await?;
    Ok(redirect_to(way_back))
}

/// Authenticators count their signatures; one with a lower counter than before may be a clone.
async fn copied(
    visitor: &Visitor,
    headers: &HeaderMap,
    key: &KeptKey,
    way_back: &str,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let told = format!(
        "The passkey\n\n    {}\n\nwas used with an old counter, which indicates a clone, and was \
            refused. Remove it.",
        key.name
    );
    accounts
        .tell_by_id(key.user_id, &told, &accounts.links.base(headers))
        .await?;
    audit(
        visitor,
        Event::LoginFailed,
        &format!(
            "passkey of user {} has an old counter: it may be a clone",
            key.user_id
        ),
    );
    refused(visitor, way_back).await
}
