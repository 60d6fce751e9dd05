//! The endpoints of second factors.

use super::factors::Proven;
use super::guards::{FactorRequest, Nothing};
use super::totp::TokenKind;
use crate::audit_log::{self, Entry, Event};
use crate::auth::views::{audit, locked, login};
use crate::auth::{Factor, Guess, PendingLogin, SecondStep, Trust, User, describe};
use crate::forms::{Code, DigitCode, Form, Query, Token};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Error, ErrorKind, Page, Result};
use axum::response::{IntoResponse, Response};
use palisade_macros::Form;
use palisade_template::context;

#[derive(Form)]
pub(crate) struct Second {
    #[form(label = "Code", help = "Six digits of your authenticator app.")]
    code: DigitCode,
    #[form(label = "Do not ask for a code in this browser for 30 days")]
    remember: bool,
}

/// The same with a numeric keyboard on phones.
#[derive(Form)]
#[expect(
    dead_code,
    reason = "the page is shown with it, and what is typed there is read as `Second`"
)]
pub(crate) struct SecondByRecovery {
    #[form(
        label = "Recovery code",
        help = "One of the codes that you wrote down."
    )]
    code: Code,
    #[form(label = "Do not ask for a code in this browser for 30 days")]
    remember: bool,
}

/// Query of the page.
#[derive(Form)]
pub(crate) struct With {
    with: Option<Token<20>>,
}

#[derive(Form)]
pub(crate) struct FirstCode {
    #[form(label = "Code", help = "Six digits that the app shows now.")]
    code: DigitCode,
}

#[derive(Form)]
pub(crate) struct Begin {
    counts: bool,
}

/// `GET /account/login/second`.
pub(crate) async fn show_second(
    page: Page,
    request: FactorRequest,
    Query(asked): Query<With>,
) -> Result<Response> {
    match request.pending_login().await? {
        Some(pending) => {
            let values = second_values(&request, &pending).await?;
            let by_recovery = asked.with.as_deref() == Some("recovery");
            let form = if by_recovery {
                Form::<SecondByRecovery>::blank()
            } else {
                Form::<Second>::blank()
            };
            page.render(
                "account/second.html",
                context! { form, by_recovery, ..values },
            )
            .await
        }
        None => Ok(redirect_to("/account/login")),
    }
}

/// Values of the second step's page besides its form.
async fn second_values(
    request: &FactorRequest,
    pending: &PendingLogin,
) -> Result<palisade_template::Value> {
    Ok(
        context! { has_key => cfg!(feature = "passkeys") && request.factors.has_key(pending.account.id).await? },
    )
}

/// `POST /account/login/second`.
pub(crate) async fn second(request: FactorRequest, form: Form<Second>) -> Result<Response> {
    // a double click: the first one has logged in
    let Some(pending) = request.pending_login().await? else {
        return Ok(redirect_to("/account/login?entered=on"));
    };
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid
            .show_with(
                "account/second.html",
                second_values(&request, &pending).await?,
            )
            .await);
    };
    let values = second_values(&request, &pending).await?;
    match guess(&request, &pending, &typed.code).await? {
        Guess::Right => {
            request.cancel_removal(&pending.user()).await?;
            let trust = match typed.remember {
                true => Trust::Trusted,
                false => Trust::Known,
            };
            login::welcome(
                &request.visitor,
                &request.headers,
                pending,
                (Factor::Typed, trust),
            )
            .await
        }
        Guess::Locked(wait) => Err(locked(invalid, wait, "account/second.html", values).await),
        Guess::Wrong => Err(invalid
            .error("code", WRONG)
            .set("code", "")
            .show_with("account/second.html", values)
            .await),
    }
}

const WRONG: &str = "This code is wrong, or was already used. Wait for the next one.";

/// Verifies a code as a counted guess.
async fn guess(request: &FactorRequest, pending: &PendingLogin, code: &str) -> Result<Guess> {
    let user = &pending.user();
    let verification = async {
        let proven = request.factors.prove(user, code).await?;
        if proven == Some(Proven::Recovery) {
            audit_log::record(user.entry(Event::RecoveryCodeUsed));
        }
        Ok(proven.is_some())
    };
    let guess = request.guess(pending, verification).await?;
    if matches!(guess, Guess::Wrong) {
        audit_log::record(user.entry(Event::SecondStepFailed));
    }
    Ok(guess)
}

/// `GET /account/factors`.
pub(crate) async fn show(page: Page, request: FactorRequest, user: User) -> Result<Response> {
    let factors = &request.factors;
    let has_factor = request.accounts().factors.is_enrolled(user.id).await?;
    let has_app = factors.has_confirmed_app(user.id).await?;
    let keys = palisade_template::Serde(factors.shown_keys(&user).await?);
    let ways = palisade_template::Serde(request.accounts().methods.clone());
    let browsers = request.accounts().trusted_browsers(&user).await?;
    let browsers: Vec<_> = browsers
        .into_iter()
        .map(|(agent, address)| context! { agent => describe(&agent), address })
        .collect();
    let values = context! {
        has_factor, has_app, keys, ways, is_proven => request.visitor.has_factor().await?, codes_left => factors.codes_left(&user).await?, browsers,
        is_required => (user.is_staff && request.accounts().factors.rule.staff) || request.accounts().factors.rule.all_users,
    };
    page.render("account/factors.html", values).await
}

/// `POST /account/factors/app`: starts adding an app.
pub(crate) async fn begin(
    request: FactorRequest,
    user: User,
    form: Form<Begin>,
) -> Result<Response> {
    let begin = form.into_parts().0.ok_or_else(Error::not_found)?;
    request.require_factor_for_changes(&user).await?;
    let kind = match begin.counts {
        true => TokenKind::Counter,
        false => TokenKind::Time,
    };
    if !request.factors.begin(&user, kind).await? {
        return Err(Error::new(
            ErrorKind::Conflict,
            "There is an authenticator app already. Remove it first.",
        ));
    }
    Ok(redirect_to("/account/factors/app"))
}

/// `GET /account/factors/app`: the secret, until the first code.
pub(crate) async fn show_app(page: Page, request: FactorRequest, user: User) -> Result<Response> {
    request.require_factor_for_changes(&user).await?;
    match app(&request, &user).await? {
        Some(values) => {
            page.render(
                "account/app.html",
                context! { form => Form::<FirstCode>::blank(), ..values },
            )
            .await
        }
        None => Ok(redirect_to("/account/factors")),
    }
}

async fn app(request: &FactorRequest, user: &User) -> Result<Option<palisade_template::Value>> {
    let base = request.base();
    let host = base.split("://").nth(1).unwrap_or(&base);
    let site = request.accounts().site_name.as_deref().unwrap_or(host);
    let begun = request.factors.pending_app(user, site).await?;
    Ok(begun.map(|app| {
        let (picture, width) = app.picture().unwrap_or_default();
        context! { secret => app.grouped_secret(), picture, width }
    }))
}

/// `POST /account/factors/app/confirm`: confirms the app, and displays the recovery codes once.
pub(crate) async fn confirm(
    page: Page,
    request: FactorRequest,
    user: User,
    form: Form<FirstCode>,
) -> Result<Response> {
    request.require_factor_for_changes(&user).await?;
    let Some(values) = app(&request, &user).await? else {
        return Ok(redirect_to("/account/factors"));
    };
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid.show_with("account/app.html", values).await);
    };
    let accounts = request.accounts();
    let tx = accounts.database().begin().await?;
    let Some(codes) = request.factors.confirm(&tx, &user, &typed.code).await? else {
        drop(tx);
        audit(Event::SecondStepFailed, &user.username);
        let wrong = "This is not the current code of the app. Is the clock of the phone right?";
        return Err(invalid
            .error("code", wrong)
            .show_with("account/app.html", values)
            .await);
    };
    let added = Entry::new(Event::FactorAdded).detail("app");
    let told = "An authenticator app was added.";
    request.commit_change(tx, &user, (added, told)).await?;
    request.visitor.record_factor().await?;
    page.render("account/codes.html", context! { codes }).await
}

/// `POST /account/factors/codes`: new recovery codes, displayed once.
pub(crate) async fn new_codes(
    page: Page,
    request: FactorRequest,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/factors.html").await?;
    request.require_factor().await?;
    let accounts = request.accounts();
    let tx = accounts.database().begin().await?;
    let codes = request.factors.new_codes(&tx, &user).await?;
    let added = Entry::new(Event::FactorAdded).detail("recovery codes");
    let told = "New recovery codes were created.";
    request.commit_change(tx, &user, (added, told)).await?;
    page.render("account/codes.html", context! { codes }).await
}

/// `POST /account/factors/remove`: removes all factors.
pub(crate) async fn remove(
    request: FactorRequest,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/factors.html").await?;
    request.require_factor().await?;
    #[cfg(feature = "passkeys")]
    request.require_login_method(&user).await?;
    let accounts = request.accounts();
    let tx = accounts.database().begin().await?;
    request.factors.forget(&tx, user.id).await?;
    let text = "The second factors were removed: a password is enough from now on.";
    let removed = Entry::new(Event::FactorRemoved).detail("all");
    request.commit_change(tx, &user, (removed, text)).await?;
    accounts
        .sessions
        .remove_factor(request.visitor.session())
        .await?;
    request
        .visitor
        .session()
        .message(
            MessageLevel::Success,
            "Your second factors have been removed. All other sessions have ended.",
        )
        .await?;
    Ok(redirect_to("/account/factors").into_response())
}

/// `POST /account/factors/browsers`: revokes the trust in all browsers.
pub(crate) async fn distrust(
    request: FactorRequest,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/factors.html").await?;
    let accounts = request.accounts();
    let told = "No browser is trusted any more: each login requires a code.";
    let tx = accounts.database().begin().await?;
    let removed = Entry::new(Event::FactorRemoved).detail("trusted browsers");
    request.commit_change(tx, &user, (removed, told)).await?;
    request
        .visitor
        .session()
        .message(MessageLevel::Success, told)
        .await?;
    Ok(redirect_to("/account/factors"))
}
