//! The endpoints of `/account`. They are part of the framework, so that updates fix them; a site can
//! replace their templates.

pub(crate) mod access_tokens;
pub(crate) mod email;
pub(crate) mod locks;
pub(crate) mod login;
pub(crate) mod mailed;
pub(crate) mod password;
pub(crate) mod personal;
pub(crate) mod profile;
pub(crate) mod reauthenticate;
pub(crate) mod sessions;
pub(crate) mod signup;
pub(crate) mod unsent;

pub(crate) use login::{MAX_NEXT_BYTES, NextPage};
pub(crate) use unsent::UNSENT;

use super::user::entity::Model;
use super::{Accounts, User, Visitor};
use crate::audit_log::{self, Entry, Event};
use crate::auth::login::authenticate::Attempt;
use crate::auth::login::source::Source;
use crate::forms::{InvalidForm, Line, Password};
use crate::http::redirect_to;
use crate::views::{Error, ErrorKind, Page, Result};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use palisade_crypto::random;
use palisade_macros::Form;
use palisade_template::{Value, context};
use std::time::Duration;

/// Query of a mailed link.
#[derive(Form)]
pub(crate) struct Link {
    pub(super) token: Option<Line<100>>,
}

impl Link {
    /// Hash of its token.
    fn hash(&self) -> Option<String> {
        self.token.as_deref().map(random::stored_hash)
    }
}

/// A mailed link: its purpose and its page. The token is moved from the URL into the session, as a
/// hash, before a page is rendered, so that neither Referer nor browser history leaks it.
struct MailedLink {
    remembered_as: &'static str,
    page: &'static str,
}

impl MailedLink {
    /// `GET` of the link: redirects to the page without the token.
    async fn follow(
        &self,
        visitor: &Visitor,
        page: &Page,
        valid: Option<String>,
    ) -> Result<Response> {
        // an invented token creates no session
        let Some(hash) = valid else {
            return dead_link(page).await;
        };
        // a link that is opened again changes nothing: it cannot be used to rotate a session key
        // repeatedly
        if self.hash(visitor).await? != hash {
            visitor.session().insert(self.remembered_as, hash).await?;
            // session fixation: an attacker who set the session that the link was opened in does
            // not know this key
            visitor.session().rotate().await?;
        }
        Ok(redirect_to(self.page))
    }

    /// The hash of this visitor's token; of an empty one, if there was none.
    async fn hash(&self, visitor: &Visitor) -> Result<String> {
        Ok(visitor
            .session()
            .value(self.remembered_as)
            .await?
            .unwrap_or_default())
    }

    /// Forgets the link after its use.
    async fn forget(&self, visitor: &Visitor) -> Result<()> {
        visitor.session().remove(self.remembered_as).await.map(drop)
    }
}

/// 410: the link has expired, was used, or never existed.
async fn dead_link(page: &Page) -> Result<Response> {
    page.render_as(StatusCode::GONE, "account/dead_link.html", context! {})
        .await
}

/// 503 while mail is not configured: a page must not announce a mail that is never sent.
pub(crate) fn can_mail(accounts: &Accounts) -> Result<()> {
    let refused = || {
        Error::new(
            ErrorKind::Unavailable,
            "This site cannot send mail right now, which this action needs.",
        )
    };
    if accounts.email.can_send() {
        Ok(())
    } else {
        Err(refused())
    }
}

/// Adds password errors to their field.
fn with_rules(invalid: InvalidForm, field: &'static str, broken: Vec<String>) -> InvalidForm {
    broken
        .into_iter()
        .fold(invalid, |invalid, rule| invalid.error(field, rule))
}

/// Why a visitor leaves for an identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    #[cfg(feature = "social")]
    Login,
    Logout,
}

/// A page that redirects to another site by itself. A form whose response redirects there would be
/// blocked by our own `form-action`.
pub(crate) async fn leave_site(
    page: &Page,
    label: &str,
    to: &str,
    leaving: Leaving,
) -> Result<Response> {
    let is_logout = leaving == Leaving::Logout;
    let values = context! { label, to, is_logout };
    let mut response = page.render("account/going.html", values).await?;
    if let Ok(value) = HeaderValue::from_str(&format!("0; url={to}")) {
        response.headers_mut().insert("refresh", value);
    }
    Ok(response)
}

/// Adds a cookie to a response.
pub(crate) fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The client of a guess.
pub(crate) fn source<'a>(visitor: &'a Visitor, headers: &'a HeaderMap) -> Source<'a> {
    Source {
        client: visitor.client(),
        headers,
    }
}

/// Re-authentication in a form with irreversible or sensitive effects (ASVS 7.5.1): the password is
/// required, and guesses are counted. An account without a password needs a recent login instead.
struct Proof<'a> {
    visitor: &'a Visitor,
    headers: &'a HeaderMap,
    user: &'a User,
    template: &'static str,
}

impl Proof<'_> {
    /// The user's row after a correct password, or the form again.
    async fn verify(
        &self,
        password: Option<&Password>,
        invalid: InvalidForm,
        values: Value,
    ) -> Result<Model> {
        let accounts = self.visitor.accounts();
        if !accounts.users.has_password(self.user.id).await? {
            logged_in_recently(self.visitor, &self.page()).await?;
            return accounts
                .users
                .active(self.user.id)
                .await?
                .ok_or_else(Error::forbidden);
        }
        let Some(password) = password else {
            return Err(invalid
                .error(PASSWORD, "This field is required.")
                .show_with(self.template, values)
                .await);
        };
        let from = source(self.visitor, self.headers);
        match accounts
            .attempt(from, &self.user.username, password.expose())
            .await?
        {
            Attempt::Welcome(row) => Ok(row),
            Attempt::Locked(wait) => Err(locked(invalid, wait, self.template, values).await),
            Attempt::Refused { .. } => {
                audit(Event::LoginFailed, &self.user.username);
                let invalid = invalid.error(PASSWORD, "The current password is wrong.");
                Err(invalid.show_with(self.template, values).await)
            }
        }
    }

    /// Path of the form.
    fn page(&self) -> String {
        format!("/{}", self.template.trim_end_matches(".html"))
    }
}

const PASSWORD: &str = "current_password";
/// Minutes for which a login counts as recent.
pub(crate) const RECENT: u32 = 30;

/// Redirects a user without a recent login to re-authentication, and back.
async fn logged_in_recently(visitor: &Visitor, page: &str) -> Result<()> {
    if visitor.is_fresh(TimeDelta::minutes(RECENT.into())).await? {
        return Ok(());
    }
    let next: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
    Err(Error::page(redirect_to(format!(
        "/account/reauthenticate?next={next}"
    ))))
}

/// The password field, to leave out for accounts without a password; their login is recent then.
async fn without_password(
    visitor: &Visitor,
    user: &User,
    page: &str,
) -> Result<Option<&'static str>> {
    if visitor.accounts().users.has_password(user.id).await? {
        return Ok(None);
    }
    logged_in_recently(visitor, page)
        .await
        .map(|()| Some(PASSWORD))
}

/// 429: the form again, with the time until the lock ends.
pub(crate) async fn locked(
    invalid: InvalidForm,
    wait: Duration,
    template: &str,
    values: Value,
) -> Error {
    let said = with_wait("There were too many wrong passwords.", wait);
    too_many(invalid.general_error(said), wait, template, values).await
}

/// The same for mail limits.
pub(crate) async fn too_many_mails(
    invalid: InvalidForm,
    wait: Duration,
    template: &str,
    values: Value,
) -> Error {
    let said = with_wait("Too many mails to this address were requested.", wait);
    too_many(invalid.general_error(said), wait, template, values).await
}

fn with_wait(said: &str, wait: Duration) -> String {
    let minutes = wait.as_secs().div_ceil(60);
    let plural = if minutes == 1 { "" } else { "s" };
    format!(
        "{said} Try again in {minutes} minute{plural}, or from a browser with an earlier login."
    )
}

async fn too_many(invalid: InvalidForm, wait: Duration, template: &str, values: Value) -> Error {
    let page = invalid
        .show_as(StatusCode::TOO_MANY_REQUESTS, template, values)
        .await;
    let mut response = page.into_response();
    let seconds = HeaderValue::from(wait.as_secs() + 1);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    Error::page(response)
}

/// Records an event about the user of a name.
pub(crate) fn audit(event: Event, username: &str) {
    audit_log::record(Entry::new(event).name(username));
}

/// Records an event of an unknown user.
pub(crate) fn audit_detail(event: Event, detail: impl Into<String>) {
    audit_log::record(Entry::new(event).detail(detail));
}
