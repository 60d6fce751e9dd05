use super::{Leaving, audit, leave_site, locked, source, with_cookie};
use crate::audit_log::{self, Entry, Event};
use crate::auth::login::authenticate::Attempt;
use crate::auth::{Factor, LOGOUT_PAGE, PendingLogin, Trust, Visitor};
use crate::forms::{Field, Form, Line, Password, Query, Shape};
use crate::http::{RedirectTarget, redirect_to};
use crate::sessions::Lifetime;
use crate::views::{Error, ErrorKind, Page, Result};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use palisade_macros::Form;
use palisade_template::{Serde, Value, context};
use unicode_normalization::UnicodeNormalization;

#[derive(Form)]
pub(crate) struct Login {
    #[form(label = "Username or e-mail address")]
    username: Line<254>,
    password: Password,
    #[form(
        label = "Keep me signed in on this device",
        help = "Not on a device that others use."
    )]
    keep: bool,
    next: NextPage,
}

/// Query of the login page.
#[derive(Form)]
pub(crate) struct Asked {
    next: NextPage,
    /// A form was sent without a session.
    lost: bool,
    /// Its input is kept.
    kept: bool,
    /// A login form was sent twice: an authenticated user is redirected.
    entered: bool,
}

#[derive(Form)]
pub(crate) struct Next {
    pub(super) next: NextPage,
}

/// Path to redirect to after login. A URL of another site is ignored (open redirect); it never
/// fails a login.
pub(crate) struct NextPage(pub(crate) Option<String>);

/// Longest path to redirect to, in bytes.
pub(crate) const MAX_NEXT_BYTES: usize = 2000;

impl Field for NextPage {
    const SHAPE: Shape = Shape {
        is_required: false,
        ..Shape::new("hidden", MAX_NEXT_BYTES)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let is_ours =
            |raw: &&str| raw.len() <= MAX_NEXT_BYTES && RedirectTarget::from_input(raw).is_some();
        Ok(Self(raw.filter(is_ours).map(str::to_owned)))
    }
}

/// Login methods besides this form.
pub(crate) fn ways(visitor: &Visitor) -> Value {
    context! { ways => Serde(visitor.accounts().methods.clone()) }
}

/// The field to leave out where the site does not let users stay signed in.
pub(crate) fn unless_kept(visitor: &Visitor) -> Option<&'static str> {
    (!visitor.session().can_be_kept()).then_some("keep")
}

const LOGIN: &str = "account/login.html";

/// `GET /account/login`.
pub(crate) async fn show_login(
    page: Page,
    visitor: Visitor,
    Query(query): Query<Asked>,
) -> Result<Response> {
    if query.entered && visitor.user().await?.is_some() {
        return Ok(redirect_to(&visitor.accounts().home));
    }
    let next = query.next.0.unwrap_or_default();
    let form = Form::<Login>::filled_without([("next", next)], unless_kept(&visitor));
    let values = context! { form, is_lost => query.lost, is_kept => query.kept, ..ways(&visitor) };
    page.render(LOGIN, values).await
}

/// `GET /account/login/ways`: the other login methods, so that the login page has one form.
pub(crate) async fn show_ways(
    page: Page,
    visitor: Visitor,
    Query(query): Query<Next>,
) -> Result<Response> {
    let next = query.next.0.unwrap_or_default();
    page.render(
        "account/login_ways.html",
        context! { form => Form::<Next>::with_values([("next", next)]), ..ways(&visitor) },
    )
    .await
}

/// The entry of a login. Users type passwords into the wrong field, so unknown names are not
/// recorded.
fn login_entry(event: Event, known: Option<(i32, String)>, typed: &str) -> Entry {
    let entry = Entry::new(event).typed(typed);
    match known {
        Some((id, username)) => entry.about(id).name(username),
        None => entry.name("(unknown name)"),
    }
}

/// `POST /account/login`. One response for every failure.
pub(crate) async fn login(
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<Login>,
) -> Result<Response> {
    let (login, invalid) = form.into_parts();
    let invalid = invalid.without(unless_kept(&visitor));
    let Some(login) = login else {
        return Err(invalid.show_with(LOGIN, ways(&visitor)).await);
    };
    let accounts = visitor.accounts();
    // normalised as at sign-up: another Unicode form of the name is the same user
    let username: String = (&*login.username).nfkc().collect();
    let from = source(&visitor, &headers);
    if let Some(page) = accounts.guard.challenge(&username, from).await? {
        let known = accounts.user_by_name(&username).await?;
        let known = known.map(|user| (user.id, user.username));
        audit_log::record(login_entry(Event::LoginChallenged, known, &username));
        return Ok(page);
    }
    let password = login.password.expose();
    match accounts.attempt(from, &username, password).await? {
        Attempt::Welcome(row) => {
            let guard = &accounts.guard;
            guard.clear_challenge(&username, visitor.client()).await;
            visitor.session().keep(Lifetime::from(login.keep)).await?;
            continue_login(&visitor, &headers, PendingLogin::local(row, login.next.0)).await
        }
        Attempt::Locked(wait) => Err(locked(invalid, wait, LOGIN, ways(&visitor)).await),
        Attempt::Refused { known } => {
            audit_log::record(login_entry(Event::LoginFailed, known, &username));
            let said = "This name and this password do not belong together.";
            let invalid = invalid.general_error(said);
            Err(invalid.show_with(LOGIN, ways(&visitor)).await)
        }
    }
}

/// Continues a login after its first factor: requires the second, if the user has one (ASVS 6.3.4).
pub(crate) async fn continue_login(
    visitor: &Visitor,
    headers: &HeaderMap,
    pending: PendingLogin,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let has_factor = accounts.factors.is_enrolled(pending.account.id).await?;
    if has_factor
        && !accounts
            .is_trusted(source(visitor, headers), &pending.account)
            .await?
    {
        audit_log::record(pending.account.entry(Event::SecondStepBegun));
        accounts
            .sessions
            .begin_second_factor(visitor.session(), pending)
            .await?;
        return Ok(redirect_to("/account/login/second"));
    }
    let db = accounts.database().handle();
    let django = &accounts.factors.django;
    if !has_factor && django.is_enrolled(&db, pending.account.id).await? {
        let failed = pending.account.entry(Event::LoginFailed);
        audit_log::record(failed.detail("another application verifies the second factor"));
        let said = "Your account has a second factor, which another part of this site verifies. Log in there.";
        return Err(Error::new(ErrorKind::Forbidden, said));
    }
    let factor = if has_factor {
        Factor::Trusted
    } else {
        Factor::None
    };
    welcome(visitor, headers, pending, (factor, Trust::Known)).await
}

/// Completes a login with all required factors.
pub(crate) async fn welcome(
    visitor: &Visitor,
    headers: &HeaderMap,
    pending: PendingLogin,
    (factor, trust): (Factor, Trust),
) -> Result<Response> {
    let (accounts, from) = (visitor.accounts(), source(visitor, headers));
    let device = accounts
        .remember_browser(
            from,
            &pending.account,
            &accounts.email.links.base(headers),
            trust,
        )
        .await?;
    let next = pending.next.clone();
    let user = accounts
        .log_in(visitor.session(), from, pending, factor)
        .await?;
    audit_log::record(user.entry(Event::LoggedIn));
    let next = next.and_then(|next| RedirectTarget::from_input(&next));
    let response = next.map_or_else(|| redirect_to(&accounts.home), IntoResponse::into_response);
    let unsent = accounts.unsent.after_login(headers);
    Ok(with_cookie(with_cookie(response, device), unsent))
}

/// `POST /account/logout`.
pub(crate) async fn logout(page: Page, visitor: Visitor) -> Result<Response> {
    let username = visitor
        .user()
        .await?
        .map(|user| user.username.clone())
        .unwrap_or_default();
    let elsewhere = visitor.session().value::<String>(LOGOUT_PAGE).await?;
    visitor.session().end().await?;
    audit(Event::LoggedOut, &username);
    let mut response = match elsewhere
        .as_deref()
        .and_then(|url| Some((url, url.split('/').nth(2)?)))
    {
        Some((url, host)) => leave_site(&page, host, url, Leaving::Logout).await?,
        None => redirect_to("/"),
    };
    // not "cache": pages of authenticated users are never stored, and Chromium stops for seconds
    // while it searches its cache
    let what = HeaderValue::from_static("\"storage\"");
    response.headers_mut().insert("clear-site-data", what);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let left = visitor.accounts().unsent.after_logout();
    Ok(with_cookie(response, left))
}
