use super::{
    Link, MailedLink, audit, can_mail, dead_link, locked, source, too_many_mails, with_cookie,
    with_rules,
};
use crate::audit_log::{self, Event};
use crate::auth::account::names::{is_confusable, is_foreign_address};
use crate::auth::account::profile::Typed;
use crate::auth::account::sign_up::Confirmed;
use crate::auth::{
    Accounts, Factor, Guess, NewUser, PendingLogin, Rank, SignUpError, Trust, Visitor,
};
use crate::forms::{
    Email, FieldSpec, Fields, FieldsView, Form, InvalidForm, OpenForm, Password, Query, Username,
};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Page, Result};
use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
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

impl SignUp {
    /// The field that contradicts another one, and the error.
    fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.password.expose() != self.password_again.expose() {
            Some(("password_again", "The two passwords differ."))
        } else if is_confusable(&self.username) {
            Some(("username", CONFUSABLE))
        } else if is_foreign_address(&self.username, &self.email) {
            Some(("username", FOREIGN_ADDRESS))
        } else {
            None
        }
    }
}

/// The sign-up form with the site's own fields.
pub(crate) struct SignUpForm {
    new: Option<SignUp>,
    profile: Typed,
    invalid: InvalidForm,
}

fn fields(accounts: &Accounts) -> Vec<FieldSpec> {
    let own = accounts
        .profile
        .as_ref()
        .map_or(&[][..], |form| form.fields());
    [SignUp::FIELDS, own].concat()
}

/// Whether the sign-up form has a field of this name itself.
pub(crate) fn is_taken(name: &str) -> bool {
    SignUp::FIELDS.iter().any(|field| field.name == name)
}

impl SignUpForm {
    async fn read(accounts: &Accounts, request: Request) -> Result<Self> {
        let mut form = OpenForm::new(request, fields(accounts)).await?;
        let new = SignUp::read(form.input());
        let own = accounts.profile.as_ref();
        let is_valid = own.is_none_or(|profile| profile.validate(form.input()).is_some());
        let profile = own.map(|profile| form.values(profile.fields()));
        let invalid = form.into_invalid();
        Ok(Self {
            new: new.filter(|_| is_valid && !invalid.is_unreadable()),
            profile: profile.unwrap_or_default(),
            invalid,
        })
    }
}

#[derive(Form)]
pub(crate) struct Confirm {
    #[form(help = "The one that you chose when you signed up.")]
    password: Password,
}

/// `GET /account/signup`.
pub(crate) async fn show(page: Page, visitor: Visitor, parts: Parts) -> Result<Response> {
    let accounts = visitor.accounts();
    let password_help = accounts.password_help();
    let form = FieldsView::load(&parts.extensions, fields(accounts)).await?;
    page.render(
        "account/signup.html",
        context! { form => form.filled([]), password_help, has_meter => true },
    )
    .await
}

/// `POST /account/signup`. One response for free and registered names and addresses.
pub(crate) async fn sign_up(
    visitor: Visitor,
    headers: HeaderMap,
    request: Request,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let values = context! { password_help => accounts.password_help() };
    let SignUpForm {
        new,
        profile,
        invalid,
    } = SignUpForm::read(accounts, request).await?;
    let Some(new) = new else {
        return Err(invalid.show_with("account/signup.html", values).await);
    };
    if let Some((field, message)) = new.fault() {
        let invalid = invalid.error(field, message);
        return Err(invalid.show_with("account/signup.html", values).await);
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
        .register(wanted, profile, &accounts.email.links.base(&headers))
        .await
    {
        Ok(()) => {
            audit(Event::SignUpBegun, &new.username);
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
    let zone = page.context().site().time_zone;
    let mut confirmed = None;
    let judge = async {
        let outcome = accounts
            .confirm(&hash, typed.password.expose(), zone)
            .await?;
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
            audit(Event::LoginFailed, &username);
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
    audit_log::record(user.entry(Event::LoggedIn));
    let said = format!("Welcome, {}.", user.username);
    session.message(MessageLevel::Success, said).await?;
    Ok(with_cookie(redirect_to(&accounts.home), device))
}
