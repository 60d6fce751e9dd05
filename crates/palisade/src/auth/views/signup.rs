use super::{
    Link, MailedLink, audit, can_mail, dead_link, locked, source, too_many_mails, with_cookie,
    with_rules,
};
use crate::audit_log::Event;
use crate::auth::account::names::{is_confusable, is_foreign_address};
use crate::auth::account::sign_up::Confirmed;
use crate::auth::{Factor, Guess, NewUser, PendingLogin, Rank, SignUpError, Trust, Visitor};
use crate::forms::{Email, Form, Password, Query, Username};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Page, Result};
use axum::response::Response;
use http::HeaderMap;
use palisade_macros::Form;
use palisade_template::context;

const LINK: MailedLink = MailedLink {
    remembered_as: "_palisade_sign_up",
    page: "/account/confirm",
};

#[derive(Form)]
pub(crate) struct SignUp {
    username: Username,
    #[form(label = "E-mail address")]
    email: Email,
    password: Password,
    #[form(label = "Password, again")]
    password_again: Password,
}

#[derive(Form)]
pub(crate) struct Confirm {
    #[form(help = "The one that you chose when you signed up.")]
    password: Password,
}

/// `GET /account/signup`.
pub(crate) async fn show(page: Page, visitor: Visitor) -> Result<Response> {
    let password_help = visitor.accounts().password_help();
    page.render(
        "account/signup.html",
        context! { form => Form::<SignUp>::blank(), password_help, has_meter => true },
    )
    .await
}

/// `POST /account/signup`. One response for free and registered names and addresses.
pub(crate) async fn sign_up(
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<SignUp>,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let values = context! { password_help => accounts.password_help() };
    let (new, invalid) = form.into_parts();
    let Some(new) = new else {
        return Err(invalid.show_with("account/signup.html", values).await);
    };
    if new.password.expose() != new.password_again.expose() {
        return Err(invalid
            .error("password_again", "The two passwords differ.")
            .show_with("account/signup.html", values)
            .await);
    }
    if is_confusable(&new.username) {
        return Err(invalid
            .error("username", CONFUSABLE)
            .show_with("account/signup.html", values)
            .await);
    }
    if is_foreign_address(&new.username, &new.email) {
        return Err(invalid
            .error("username", FOREIGN_ADDRESS)
            .show_with("account/signup.html", values)
            .await);
    }
    can_mail(accounts)?;
    if let Some(wait) = accounts
        .count_mail(source(&visitor, &headers), &new.email)
        .await?
    {
        return Err(too_many_mails(invalid, wait, "account/signup.html", values).await);
    }
    let wanted = NewUser {
        username: &new.username,
        email: &new.email,
        password: new.password.expose(),
        rank: Rank::Plain,
    };
    match accounts
        .register(wanted, &accounts.email.links.base(&headers))
        .await
    {
        Ok(()) => {
            audit(&visitor, Event::SignUpBegun, &new.username);
            Ok(redirect_to("/account/signup/sent"))
        }
        Err(SignUpError::Password(broken)) => Err(with_rules(invalid, "password", broken)
            .show_with("account/signup.html", values)
            .await),
        Err(SignUpError::NameTaken) => Err(invalid
            .error("username", "This name is taken.")
            .show_with("account/signup.html", values)
            .await),
        Err(SignUpError::Failed(error)) => Err(error),
    }
}

const CONFUSABLE: &str =
    "This name mixes alphabets, or imitates Latin letters. Use the letters of one alphabet.";
const FOREIGN_ADDRESS: &str = "A name with @ must be your own address.";

/// `GET /account/signup/sent`.
pub(crate) async fn show_sent(page: Page) -> Result<Response> {
    page.render("account/sent.html", context! { is_sign_up => true })
        .await
}

/// `GET /account/confirm`.
pub(crate) async fn show_confirm(
    page: Page,
    visitor: Visitor,
    Query(link): Query<Link>,
) -> Result<Response> {
    if let Some(hash) = link.hash() {
        let is_good = visitor
            .accounts()
            .email
            .pending_sign_up(&hash)
            .await?
            .is_some();
        return LINK.follow(&visitor, &page, is_good.then_some(hash)).await;
    }
    match visitor
        .accounts()
        .email
        .pending_sign_up(&LINK.hash(&visitor).await?)
        .await?
    {
        Some(username) => {
            page.render(
                "account/confirm.html",
                context! { form => Form::<Confirm>::blank(), username },
            )
            .await
        }
        None => dead_link(&page).await,
    }
}

/// `POST /account/confirm`.
pub(crate) async fn confirm(
    page: Page,
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<Confirm>,
) -> Result<Response> {
    let (accounts, hash) = (visitor.accounts(), LINK.hash(&visitor).await?);
    let Some(username) = accounts.email.pending_sign_up(&hash).await? else {
        return dead_link(&page).await;
    };
    let (template, from) = ("account/confirm.html", source(&visitor, &headers));
    let values = context! { username => username.clone() };
    let (typed, invalid) = form.into_parts();
    let Some(typed) = typed else {
        return Err(invalid.show_with(template, values).await);
    };
    let mut confirmed = None;
    let judge = async {
        let outcome = accounts.confirm(&hash, typed.password.expose()).await?;
        let is_wrong = matches!(outcome, Confirmed::WrongPassword);
        confirmed = Some(outcome);
        Ok(!is_wrong)
    };
    let guess = accounts.guard.guess_sign_up(from, &hash, judge).await?;
    if let Guess::Locked(wait) = guess {
        return Err(locked(invalid, wait, template, values).await);
    }
    let row = match confirmed.unwrap_or(Confirmed::Expired) {
        Confirmed::Welcome(row) => row,
        Confirmed::Expired => return dead_link(&page).await,
        Confirmed::WrongPassword => {
            audit(&visitor, Event::LoginFailed, &username);
            let invalid = invalid.error("password", "This is not the password of your sign-up.");
            return Err(invalid.show_with(template, values).await);
        }
        Confirmed::Taken => {
            let invalid = invalid.general_error(
                "The name or the address was taken meanwhile. Please sign \
                    up again with another one.",
            );
            return Err(invalid.show_with(template, values).await);
        }
    };
    let base = accounts.email.links.base(&headers);
    let device = accounts
        .remember_browser(from, &row, &base, Trust::Known)
        .await?;
    let (session, login) = (visitor.session(), PendingLogin::local(row, None));
    let user = accounts.log_in(session, from, login, Factor::None).await?;
    audit(&visitor, Event::SignedUp, &user.username);
    let said = format!("Welcome, {}.", user.username);
    session.message(MessageLevel::Success, said).await?;
    Ok(with_cookie(redirect_to(&accounts.home), device))
}
