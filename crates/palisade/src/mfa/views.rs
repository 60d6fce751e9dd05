//! The pages of second factors.

use super::factors::Proven;
use super::guards::{Nothing, factors, may_change_factors, nothing_is_lost, typed_a_code};
use crate::audit_log::Event;
use crate::auth::views::{audit, locked, login, source};
use crate::auth::{Factor, Guess, Held, Notice, SecondStep, User, Visitor, describe};
use crate::forms::{Code, DigitCode, Form, Query, Token};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Error, ErrorKind, Page, Result};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
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
    visitor: Visitor,
    Query(asked): Query<With>,
) -> Result<Response> {
    match visitor.accounts().held(visitor.session()).await? {
        Some(held) => {
            let values = second_values(&visitor, &held).await?;
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
async fn second_values(visitor: &Visitor, held: &Held) -> Result<palisade_template::Value> {
    Ok(
        context! { has_key => cfg!(feature = "passkeys") && factors(visitor)?.has_key(held.account.id).await? },
    )
}

/// `POST /account/login/second`.
pub(crate) async fn second(
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<Second>,
) -> Result<Response> {
    // a double click: the first one has logged in
    let Some(held) = visitor.accounts().held(visitor.session()).await? else {
        return Ok(redirect_to("/account/login?entered=on"));
    };
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid
            .show_with("account/second.html", second_values(&visitor, &held).await?)
            .await);
    };
    let values = second_values(&visitor, &held).await?;
    match guessed(&visitor, &headers, &held, &typed.code).await? {
        Guess::Right => {
            nothing_is_lost(&visitor, &held.user()).await?;
            login::welcome(&visitor, &headers, held, Factor::Typed, typed.remember).await
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
async fn guessed(visitor: &Visitor, headers: &HeaderMap, held: &Held, code: &str) -> Result<Guess> {
    let user = &held.user();
    let judge = async {
        let proven = factors(visitor)?.prove(user, code).await?;
        if proven == Some(Proven::Recovery) {
            audit(visitor, Event::RecoveryCodeUsed, &user.username);
        }
        Ok(proven.is_some())
    };
    let guess = visitor
        .accounts()
        .guess_code(source(visitor, headers), &held.account, judge)
        .await?;
    if matches!(guess, Guess::Wrong) {
        audit(visitor, Event::SecondStepFailed, &user.username);
    }
    Ok(guess)
}

/// `GET /account/factors`.
pub(crate) async fn show(page: Page, visitor: Visitor, user: User) -> Result<Response> {
    let factors = factors(&visitor)?;
    let has_factor = visitor.accounts().second_step.is_needed(user.id).await?;
    let has_app = factors.has_confirmed_app(user.id).await?;
    let keys = palisade_template::Serde(factors.shown_keys(&user).await?);
    let ways = palisade_template::Serde(visitor.accounts().ways.clone());
    let browsers = visitor.accounts().trusted_browsers(&user).await?;
    let browsers: Vec<_> = browsers
        .into_iter()
        .map(|(agent, address)| context! { agent => describe(&agent), address })
        .collect();
    let values = context! {
        has_factor, has_app, keys, ways, is_proven => visitor.has_factor().await?, codes_left => factors.codes_left(&user).await?, browsers,
        is_required => (user.is_staff && visitor.accounts().factor_rule.staff) || visitor.accounts().factor_rule.all_users,
    };
    page.render("account/factors.html", values).await
}

/// `POST /account/factors/app`: starts adding an app.
pub(crate) async fn begin(visitor: Visitor, user: User, form: Form<Begin>) -> Result<Response> {
    let begin = form.into_parts().0.ok_or_else(Error::not_found)?;
    may_change_factors(&visitor, &user).await?;
    if !factors(&visitor)?.begin(&user, begin.counts).await? {
        return Err(Error::new(
            ErrorKind::Conflict,
            "There is an authenticator app already. Remove it first.",
        ));
    }
    Ok(redirect_to("/account/factors/app"))
}

/// `GET /account/factors/app`: the secret, until the first code.
pub(crate) async fn show_app(
    page: Page,
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
) -> Result<Response> {
    may_change_factors(&visitor, &user).await?;
    match app(&visitor, &headers, &user).await? {
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

async fn app(
    visitor: &Visitor,
    headers: &HeaderMap,
    user: &User,
) -> Result<Option<palisade_template::Value>> {
    let base = visitor.accounts().links.base(headers);
    let site = base.split("://").nth(1).unwrap_or(&base);
    let begun = factors(visitor)?.begun(user, site).await?;
    Ok(begun.map(|app| {
        let (picture, width) = app.picture().unwrap_or_default();
        context! { secret => app.typed(), picture, width }
    }))
}

/// `POST /account/factors/app/confirm`: confirms the app, and displays the recovery codes once.
pub(crate) async fn confirm(
    page: Page,
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
    form: Form<FirstCode>,
) -> Result<Response> {
    may_change_factors(&visitor, &user).await?;
    let Some(values) = app(&visitor, &headers, &user).await? else {
        return Ok(redirect_to("/account/factors"));
    };
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid.show_with("account/app.html", values).await);
    };
    let accounts = visitor.accounts();
    let tx = accounts.database().begin().await?;
    let Some(codes) = factors(&visitor)?.confirm(&tx, &user, &typed.code).await? else {
        drop(tx);
        audit(&visitor, Event::SecondStepFailed, &user.username);
        let wrong = "This is not the current code of the app. Is the clock of the phone right?";
        return Err(invalid
            .error("code", wrong)
            .show_with("account/app.html", values)
            .await);
    };
    let told = Notice {
        text: "An authenticator app was added.",
        base: &accounts.links.base(&headers),
    };
    accounts
        .factors_changed(tx, visitor.session(), &user, told)
        .await?;
    audit(&visitor, Event::FactorAdded, &user.username);
    visitor.factor_proven().await?;
    page.render("account/codes.html", context! { codes }).await
}

/// `POST /account/factors/codes`: new recovery codes, displayed once.
pub(crate) async fn new_codes(
    page: Page,
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/factors.html").await?;
    typed_a_code(&visitor).await?;
    let accounts = visitor.accounts();
    let tx = accounts.database().begin().await?;
    let codes = factors(&visitor)?.new_codes(&tx, &user).await?;
    let told = Notice {
        text: "New recovery codes were created.",
        base: &accounts.links.base(&headers),
    };
    accounts
        .factors_changed(tx, visitor.session(), &user, told)
        .await?;
    audit(
        &visitor,
        Event::FactorAdded,
        &format!("{}, recovery codes", user.username),
    );
    page.render("account/codes.html", context! { codes }).await
}

/// `POST /account/factors/remove`: removes all factors.
pub(crate) async fn remove(
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/factors.html").await?;
    typed_a_code(&visitor).await?;
    #[cfg(feature = "passkeys")]
    super::guards::keeps_a_way_in(&visitor, &user).await?;
    let accounts = visitor.accounts();
    let tx = accounts.database().begin().await?;
    factors(&visitor)?.forget(&tx, user.id).await?;
    let text = "The second factors were removed: a password is enough from now on.";
    accounts
        .factors_changed(
            tx,
            visitor.session(),
            &user,
            Notice {
                text,
                base: &accounts.links.base(&headers),
            },
        )
        .await?;
    audit(&visitor, Event::FactorRemoved, &user.username);
    accounts.log_out_of_factor(visitor.session()).await?;
    visitor
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
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/factors.html").await?;
    let accounts = visitor.accounts();
    let told = "No browser is trusted any more: each login requires a code.";
    let tx = accounts.database().begin().await?;
    accounts
        .factors_changed(
            tx,
            visitor.session(),
            &user,
            Notice {
                text: told,
                base: &accounts.links.base(&headers),
            },
        )
        .await?;
    visitor
        .session()
        .message(MessageLevel::Success, told)
        .await?;
    Ok(redirect_to("/account/factors"))
}
