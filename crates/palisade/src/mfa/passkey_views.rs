//! The endpoints of passkeys: registration and authentication. Both need a script that calls WebAuthn
//! in the browser.

use super::guards::{FactorRequest, Nothing};
use super::keys::{KeptKey, OtherMethod};
use super::passkeys::{
    Adding, Asking, NewPasskey, PasskeyPurpose, PurposeKind, Refused, RelyingParty,
};
use crate::audit_log::{self, Entry, Event};
use crate::auth::views::{NextPage, audit, audit_detail, login};
use crate::auth::{Factor, Notice, PendingLogin, Trust, User};
use crate::forms::{Form, Line, Token};
use crate::http::{RedirectTarget, redirect_to};
use crate::sessions::{Lifetime, MessageLevel};
use crate::views::{Error, ErrorKind, Page, Result};
use axum::response::{IntoResponse, Response};
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

fn site(request: &FactorRequest) -> Result<RelyingParty> {
    RelyingParty::at(&request.base())
}

/// `POST /account/factors/passkey`: starts the registration.
pub(crate) async fn begin(
    request: FactorRequest,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/factors.html").await?;
    request.require_factor_for_changes(&user).await?;
    let adding = request
        .factors
        .begin_registration(&site(&request)?, &user)
        .await?;
    request
        .visitor
        .accounts()
        .email
        .tokens
        .begin(request.visitor.session(), &adding)
        .await?;
    Ok(redirect_to("/account/factors/passkey"))
}

/// `GET /account/factors/passkey`.
pub(crate) async fn show_add(page: Page, request: FactorRequest) -> Result<Response> {
    match request
        .visitor
        .accounts()
        .email
        .tokens
        .pending::<Adding>(request.visitor.session())
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
    request: FactorRequest,
    user: User,
    form: Form<New>,
) -> Result<Response> {
    let (email, session) = (&request.accounts().email, request.visitor.session());
    let Some(adding) = email.tokens.pending::<Adding>(session).await? else {
        return Ok(redirect_to("/account/factors"));
    };
    let (new, invalid) = form.into_parts();
    let Some(new) = new else {
        let values = options(&adding.options);
        return Err(invalid.show_with("account/passkey_add.html", values).await);
    };
    request.require_factor_for_changes(&user).await?;
    let Some(adding) = email.tokens.complete::<Adding>(session).await? else {
        return Ok(redirect_to("/account/factors"));
    };
    let passkey = NewPasskey {
        site: &site(&request)?,
        name: &new.name,
        credential: &new.credential,
    };
    let tx = request.accounts().database().begin().await?;
    let factors = &request.factors;
    let added = factors.finish_registration(&tx, &user, &adding, passkey);
    let Some(codes) = added.await? else {
        drop(tx);
        audit(Event::SecondStepFailed, &user.username);
        let said =
            "The passkey was not added: the response was invalid, or the passkey exists already.";
        session.message(MessageLevel::Error, said).await?;
        return Ok(redirect_to("/account/factors"));
    };
    let text = format!("A passkey was added:\n\n    {}", &*new.name);
    let added = Entry::new(Event::FactorAdded).detail("passkey");
    request.commit_change(tx, &user, (added, &text)).await?;
    request.visitor.record_factor().await?;
    if !codes.is_empty() {
        return page.render("account/codes.html", context! { codes }).await;
    }
    let said = "The passkey was added. All other sessions have ended.";
    session.message(MessageLevel::Success, said).await?;
    Ok(redirect_to("/account/factors"))
}

/// `POST /account/factors/passkey/remove`.
pub(crate) async fn remove(
    request: FactorRequest,
    user: User,
    form: Form<Which>,
) -> Result<Response> {
    let which = form.into_parts().0.ok_or_else(Error::not_found)?;
    request.require_factor_for_changes(&user).await?;
    let other = match request.accounts().has_login_method(&user).await? {
        true => OtherMethod::Exists,
        false => OtherMethod::Missing,
    };
    let accounts = request.accounts();
    let tx = accounts.database().begin().await?;
    let removed = request
        .factors
        .remove_key(&tx, &user, &which.id, other)
        .await?;
    let is_left = removed.ok_or_else(Error::not_found)?;
    let entry = Entry::new(Event::FactorRemoved).detail("passkey");
    let told = "A passkey was removed.";
    request.commit_change(tx, &user, (entry, told)).await?;
    if !is_left {
        accounts
            .sessions
            .remove_factor(request.visitor.session())
            .await?;
    }
    request
        .visitor
        .session()
        .message(
            MessageLevel::Success,
            "The passkey was removed. All other sessions have ended.",
        )
        .await?;
    Ok(redirect_to("/account/factors"))
}

/// `POST /account/login/passkey`: a login without a username.
pub(crate) async fn begin_login(request: FactorRequest, form: Form<Begin>) -> Result<Response> {
    let next = form.valid_or_show("account/login.html").await?.next.0;
    let asking = super::Factors::begin_login(&site(&request)?, next)?;
    ask(&request, &asking).await
}

/// `POST /account/login/second/passkey`: as second factor.
pub(crate) async fn begin_second(request: FactorRequest, form: Form<Nothing>) -> Result<Response> {
    form.valid_or_show("account/second.html").await?;
    let Some(pending) = request.pending_login().await? else {
        return Ok(redirect_to("/account/login"));
    };
    let asking = request
        .factors
        .begin_authentication(
            &site(&request)?,
            &pending.user(),
            PasskeyPurpose::SecondFactor,
            None,
        )
        .await?;
    ask(&request, &asking.ok_or_else(no_key)?).await
}

/// `POST /account/reauthenticate/passkey`: as re-authentication.
pub(crate) async fn begin_reauthentication(
    request: FactorRequest,
    user: User,
    form: Form<Begin>,
) -> Result<Response> {
    let next = form
        .valid_or_show("account/reauthenticate.html")
        .await?
        .next
        .0;
    let asking = request
        .factors
        .begin_authentication(
            &site(&request)?,
            &user,
            PasskeyPurpose::Reauthentication,
            next,
        )
        .await?;
    ask(&request, &asking.ok_or_else(no_key)?).await
}

fn no_key() -> Error {
    Error::new(ErrorKind::Conflict, "You have no passkey.")
}

async fn ask(request: &FactorRequest, asking: &Asking) -> Result<Response> {
    request
        .visitor
        .accounts()
        .email
        .tokens
        .begin(request.visitor.session(), asking)
        .await?;
    Ok(redirect_to("/account/passkey"))
}

/// `GET /account/passkey`.
pub(crate) async fn show_ask(page: Page, request: FactorRequest) -> Result<Response> {
    match request
        .visitor
        .accounts()
        .email
        .tokens
        .pending::<Asking>(request.visitor.session())
        .await?
    {
        Some(begun) => {
            // the second step of a login keeps the choice of its first
            let is_login = matches!(begun.purpose, PasskeyPurpose::Login(_));
            let form = Form::<Answer>::blank_without(if is_login {
                login::unless_kept(&request.visitor)
            } else {
                Some("keep")
            });
            page.render(
                "account/passkey.html",
                context! { form, way_back => begun.alternative_page(), ..options(&begun.options) },
            )
            .await
        }
        None => Ok(redirect_to("/account/login")),
    }
}

/// `POST /account/passkey`: verifies the response, and completes the pending action once.
pub(crate) async fn answer(request: FactorRequest, form: Form<Answer>) -> Result<Response> {
    let (typed, _) = form.into_parts();
    let (email, session) = (&request.accounts().email, request.visitor.session());
    let Some(asked) = email.tokens.complete::<Asking>(session).await? else {
        return Ok(redirect_to("/account/login"));
    };
    let alternative = asked.alternative_page();
    let lifetime = Lifetime::from(typed.as_ref().is_some_and(|typed| typed.keep));
    let credential = typed.map(|typed| typed.credential);
    let (purpose, next) = (asked.purpose.kind(), asked.next);
    let (site, typed) = (site(&request)?, credential.as_deref().unwrap_or(""));
    let verified = request.factors.verify_key(&site, asked.purpose, typed);
    let user_id = match verified.await {
        Ok(user_id) => user_id,
        Err(Refused::Failed(error)) => return Err(error),
        Err(Refused::Copied(key)) => return passkey_cloned(&request, &key, &alternative).await,
        Err(Refused::Wrong) => return passkey_refused(&request, &alternative).await,
    };
    let login = match purpose {
        PurposeKind::Reauthentication => {
            return match reauthenticate(&request, user_id, next).await? {
                Some(response) => Ok(response),
                None => passkey_refused(&request, &alternative).await,
            };
        }
        PurposeKind::SecondFactor => {
            let pending = request.pending_login().await?;
            pending.filter(|login| login.account.id == user_id)
        }
        PurposeKind::Login => {
            session.keep(lifetime).await?;
            let account = request.accounts().users.active(user_id).await?;
            account.map(|account| PendingLogin::local(account, next))
        }
    };
    let Some(login) = login else {
        return passkey_refused(&request, &alternative).await;
    };
    request.cancel_removal(&login.user()).await?;
    let verified = (Factor::Typed, Trust::Known);
    login::welcome(&request.visitor, &request.headers, login, verified).await
}

/// Re-authenticates the authenticated user; `None` if the passkey is another user's.
async fn reauthenticate(
    request: &FactorRequest,
    user_id: i32,
    next: Option<String>,
) -> Result<Option<Response>> {
    let user = request.visitor.user().await?;
    let Some(user) = user.filter(|user| user.id == user_id) else {
        return Ok(None);
    };
    request.cancel_removal(user).await?;
    request.visitor.record_factor().await?;
    audit(Event::ProvenAgain, &user.username);
    let next = next.and_then(|next| RedirectTarget::from_input(&next));
    let response = next.map_or_else(|| redirect_to("/account"), IntoResponse::into_response);
    Ok(Some(response))
}

async fn passkey_refused(request: &FactorRequest, way_back: &str) -> Result<Response> {
    audit_detail(Event::LoginFailed, "passkey");
    let said =
        "This passkey is unknown, or its response came too late. Try again, or use another method.";
    request
        .visitor
        .session()
        .message(MessageLevel::Error, said)
        .await?;
    Ok(redirect_to(way_back))
}

/// Authenticators count their signatures; one with a lower counter than before may be a clone.
async fn passkey_cloned(
    request: &FactorRequest,
    key: &KeptKey,
    way_back: &str,
) -> Result<Response> {
    let accounts = request.accounts();
    let told = format!(
        "The passkey\n\n    {}\n\nwas used with an old counter, which indicates a clone, and was \
            refused. Remove it.",
        key.name
    );
    let notice = Notice {
        text: &told,
        base: &request.base(),
    };
    let notify = async |tx: &crate::db::Tx| accounts.email.notify_id(tx, key.user_id, notice).await;
    accounts.database().write_always(notify).await?;
    let failed = Entry::new(Event::LoginFailed).about(key.user_id);
    audit_log::record(failed.detail("a passkey has an old counter: it may be a clone"));
    passkey_refused(request, way_back).await
}
