//! The pages of `/account`. They live here, so that an update mends them; a site replaces their look, template by template.

use super::{Attempt, NewUser, Rank, SignUpError, User, Visitor};
use crate::audit_log::{self, Event};
use crate::forms::{Email, Field, Form, Line, Password, Query, Shape, Username};
use crate::http::{RedirectTarget, redirect_to};
use crate::sessions::MessageLevel;
use crate::views::{Page, Result};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use palisade_macros::Form;
use palisade_template::context;

#[derive(Form)]
pub(crate) struct Login {
    username: Line<254>,
    password: Password,
    next: NextPage,
}

#[derive(Form)]
pub(crate) struct Next {
    next: NextPage,
}

/// Where to go after login. Whatever does not lead to a page of this site is nothing; it never stops a login.
pub(crate) struct NextPage(Option<String>);

/// Most bytes of a page to come back to.
pub(crate) const MAX_NEXT_BYTES: usize = 2000;

impl Field for NextPage {
    const SHAPE: Shape = Shape { kind: "hidden", max_length: MAX_NEXT_BYTES, is_required: false, autocomplete: "", options: &[] };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let is_ours = |raw: &&str| raw.len() <= MAX_NEXT_BYTES && RedirectTarget::from_input(raw).is_some();
        Ok(Self(raw.filter(is_ours).map(str::to_owned)))
    }
}

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
pub(crate) struct ChangePassword {
    #[form(label = "Current password")]
    current_password: Password,
    #[form(label = "New password")]
    new_password: Password,
    #[form(label = "New password, again")]
    new_password_again: Password,
}

/// `GET /account/login`.
pub(crate) async fn show_login(page: Page, Query(query): Query<Next>) -> Result<Response> {
    let next = query.next.0.unwrap_or_default();
    page.render("account/login.html", context! { form => Form::<Login>::filled([("next", next)]) }).await
}

/// `POST /account/login`. One answer for every failure.
pub(crate) async fn login(visitor: Visitor, form: Form<Login>) -> Result<Response> {
    let (login, refill) = form.into_parts();
    let Some(login) = login else {
        return Err(refill.show("account/login.html").await);
    };
    let accounts = visitor.accounts();
    // the name as sign-up normalised it: somebody who typed it in another Unicode form is the same person
    let username: String = unicode_normalization::UnicodeNormalization::nfkc(&*login.username).collect();
    let row = match accounts.authenticate(&username, login.password.expose()).await? {
        Attempt::Welcome(row) => row,
        Attempt::Refused { is_known } => {
            // people type passwords into the wrong field: what is no name here is not written down
            audit(&visitor, Event::LoginFailed, if is_known { &username } else { "(unknown name)" });
            return Err(refill
                .general_error("This name and this password do not belong together.")
                .show("account/login.html")
                .await);
        }
    };
    let user = accounts.log_in(visitor.session(), row).await?;
    audit(&visitor, Event::LoggedIn, &user.username);
    let next = login.next.0.and_then(|next| RedirectTarget::from_input(&next));
    Ok(next.map_or_else(|| redirect_to(&accounts.home), IntoResponse::into_response))
}

/// `GET /account/signup`.
pub(crate) async fn show_signup(page: Page, visitor: Visitor) -> Result<Response> {
    let password_help = visitor.accounts().password_help();
    page.render("account/signup.html", context! { form => Form::<SignUp>::blank(), password_help }).await
}

/// `POST /account/signup`.
pub(crate) async fn signup(visitor: Visitor, form: Form<SignUp>) -> Result<Response> {
    let accounts = visitor.accounts();
    let values = context! { password_help => accounts.password_help() };
    let (new, refill) = form.into_parts();
    let Some(new) = new else {
        return Err(refill.show_with("account/signup.html", values).await);
    };
    if new.password.expose() != new.password_again.expose() {
        return Err(refill.error("password_again", "The two passwords differ.").show_with("account/signup.html", values).await);
    }
    let wanted = NewUser { username: &new.username, email: &new.email, password: new.password.expose(), rank: Rank::Plain };
    let refill = match accounts.sign_up(wanted).await {
        Ok(user) => {
            let user = accounts.log_in_new(visitor.session(), &user).await?;
            audit(&visitor, Event::SignedUp, &user.username);
            visitor.session().message(MessageLevel::Success, format!("Welcome, {}.", user.username)).await?;
            return Ok(redirect_to(&accounts.home));
        }
        Err(SignUpError::NameTaken) => refill.error("username", "This name is taken."),
        Err(SignUpError::Password(broken)) => broken.into_iter().fold(refill, |refill, rule| refill.error("password", rule)),
        Err(SignUpError::Failed(error)) => return Err(error),
    };
    Err(refill.show_with("account/signup.html", values).await)
}

/// `POST /account/logout`.
pub(crate) async fn logout(visitor: Visitor) -> Result<Response> {
    let username = visitor.user().await?.map(|user| user.username.clone()).unwrap_or_default();
    visitor.session().end().await?;
    audit(&visitor, Event::LoggedOut, &username);
    let mut response = redirect_to("/");
    let what = HeaderValue::from_static("\"cache\", \"storage\"");
    response.headers_mut().insert("clear-site-data", what);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /account/password`.
pub(crate) async fn show_password(page: Page, visitor: Visitor) -> Result<Response> {
    let password_help = visitor.accounts().password_help();
    page.render("account/password.html", context! { form => Form::<ChangePassword>::blank(), password_help }).await
}

/// `POST /account/password`.
pub(crate) async fn change_password(visitor: Visitor, user: User, form: Form<ChangePassword>) -> Result<Response> {
    let accounts = visitor.accounts();
    let values = context! { password_help => accounts.password_help() };
    let (change, refill) = form.into_parts();
    let Some(change) = change else {
        return Err(refill.show_with("account/password.html", values).await);
    };
    let (current, new) = (change.current_password.expose(), change.new_password.expose());
    let refill = if new != change.new_password_again.expose() {
        refill.error("new_password_again", "The two passwords differ.")
    } else if let Err(broken) = accounts.judge(new, &user.username, &user.email) {
        broken.into_iter().fold(refill, |refill, rule| refill.error("new_password", rule))
    } else if accounts.change_password(visitor.session(), &user, current, new).await? {
        audit(&visitor, Event::PasswordChanged, &user.username);
        visitor.session().message(MessageLevel::Success, "Your password is changed. All other sessions are ended.").await?;
        return Ok(redirect_to(&accounts.home));
    } else {
        audit(&visitor, Event::LoginFailed, &user.username);
        refill.error("current_password", "This is not your current password.")
    };
    Err(refill.show_with("account/password.html", values).await)
}

fn audit(visitor: &Visitor, event: Event, username: &str) {
    audit_log::record(event, Some(visitor.client()), visitor.request_id(), username);
}
