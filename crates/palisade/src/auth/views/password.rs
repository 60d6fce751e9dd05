use super::{
    Link, MailedLink, Proof, can_mail, dead_link, source, too_many_mails, with_cookie, with_rules,
};
use crate::auth::email::email_tokens::LinkOutcome;
use crate::auth::password::django_reset_links::DjangoLink;
use crate::auth::user::entity::Model;
use crate::auth::{Trust, User, Visitor};
use crate::forms::{Email, Form, Password, Query};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Error, ErrorKind, Page, Path, Result};
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use palisade_macros::Form;
use palisade_template::context;

const LINK: MailedLink = MailedLink {
    remembered_as: "_palisade_reset",
    page: "/account/reset/new",
};

#[derive(Form)]
pub(crate) struct Change {
    #[form(label = "Current password")]
    current_password: Password,
    #[form(label = "New password")]
    new_password: Password,
    #[form(label = "New password, again")]
    new_password_again: Password,
}

#[derive(Form)]
pub(crate) struct Ask {
    #[form(label = "E-mail address")]
    email: Email,
}

#[derive(Form)]
pub(crate) struct New {
    #[form(label = "New password")]
    new_password: Password,
    #[form(label = "New password, again")]
    new_password_again: Password,
}

/// `GET /account/password`.
pub(crate) async fn show(page: Page, visitor: Visitor, user: User) -> Result<Response> {
    let password_help = visitor.accounts().password_help_for(user.id).await?;
    page.render(
        "account/password.html",
        context! { form => Form::<Change>::blank(), password_help },
    )
    .await
}

/// `POST /account/password`.
pub(crate) async fn change(
    visitor: Visitor,
    user: User,
    headers: HeaderMap,
    form: Form<Change>,
) -> Result<Response> {
    let template = "account/password.html";
    let accounts = visitor.accounts();
    let values = context! { password_help => accounts.password_help_for(user.id).await? };
    let (change, invalid) = form.into_parts();
    let Some(change) = change else {
        return Err(invalid.show_with(template, values).await);
    };
    let new = change.new_password.expose();
    if new != change.new_password_again.expose() {
        let invalid = invalid.error("new_password_again", "The two passwords differ.");
        return Err(invalid.show_with(template, values).await);
    }
    let row = accounts.users.active(user.id).await?;
    let row = row.ok_or_else(Error::forbidden)?;
    if let Err(broken) = accounts.validate_password(&row, new).await? {
        let invalid = with_rules(invalid, "new_password", broken);
        return Err(invalid.show_with(template, values).await);
    }
    let proof = Proof {
        visitor: &visitor,
        headers: &headers,
        user: &user,
        template,
    };
    let current = Some(&change.current_password);
    let row = proof.verify(current, invalid, values).await?;
    let base = accounts.email.links.base(&headers);
    let session = visitor.session();
    let changed = accounts.change_password(session, row, new, &base).await?;
    let row = changed.ok_or_else(|| {
        let said = "The password was changed concurrently. Try again.";
        Error::new(ErrorKind::Conflict, said)
    })?;
    let device = remember_silently((&visitor, &headers), row).await?;
    let said = "Your password has been changed. All other sessions have ended.";
    session.message(MessageLevel::Success, said).await?;
    Ok(with_cookie(redirect_to(&accounts.home), device))
}

/// Remembers the browser of a new password without a notice, and returns the cookie to set.
async fn remember_silently(
    (visitor, headers): (&Visitor, &HeaderMap),
    row: Model,
) -> Result<Option<HeaderValue>> {
    let accounts = visitor.accounts();
    let base = accounts.email.links.base(headers);
    let first = Model {
        last_login: None,
        ..row
    };
    let from = source(visitor, headers);
    accounts
        .remember_browser(from, &first, &base, Trust::Known)
        .await
}

/// `GET /account/reset`.
pub(crate) async fn show_ask(page: Page) -> Result<Response> {
    page.render(
        "account/reset.html",
        context! { form => Form::<Ask>::blank() },
    )
    .await
}

/// `POST /account/reset`. One response, whether or not the account exists.
pub(crate) async fn ask(visitor: Visitor, headers: HeaderMap, form: Form<Ask>) -> Result<Response> {
    let accounts = visitor.accounts();
    let (asked, invalid) = form.into_parts();
    let Some(asked) = asked else {
        return Err(invalid.show("account/reset.html").await);
    };
    can_mail(accounts)?;
    if let Some(wait) = accounts
        .count_mail(source(&visitor, &headers), &asked.email)
        .await?
    {
        return Err(too_many_mails(invalid, wait, "account/reset.html", context! {}).await);
    }
    accounts
        .email
        .request_reset(&asked.email, &accounts.email.links.base(&headers))
        .await?;
    Ok(redirect_to("/account/reset/sent"))
}

/// `GET /account/reset/sent`.
pub(crate) async fn show_sent(page: Page) -> Result<Response> {
    page.render("account/sent.html", context! { is_sign_up => false })
        .await
}

/// `GET` of a reset link in Django's format, made by Django or by this site: redirects to the page
/// without the token.
pub(crate) async fn follow_django(
    page: Page,
    visitor: Visitor,
    Path((uid, token)): Path<(String, String)>,
) -> Result<Response> {
    let (link, email) = (DjangoLink { uid, token }, &visitor.accounts().email);
    let is_good = email.reset_account_of_django(&link).await?.is_some();
    let entry = email.django_links.remember(&link);
    LINK.follow(&visitor, &page, is_good.then_some(entry)).await
}

/// `GET /account/reset/new`.
pub(crate) async fn show_new(
    page: Page,
    visitor: Visitor,
    Query(link): Query<Link>,
) -> Result<Response> {
    if let Some(hash) = link.hash() {
        let is_good = visitor
            .accounts()
            .email
            .reset_account(&hash)
            .await?
            .is_some();
        return LINK.follow(&visitor, &page, is_good.then_some(hash)).await;
    }
    let accounts = visitor.accounts();
    let Some(row) = accounts
        .email
        .reset_account(&LINK.hash(&visitor).await?)
        .await?
    else {
        return dead_link(&page).await;
    };
    let password_help = accounts.password_help_for(row.id).await?;
    let values = context! { form => Form::<New>::blank(), username => row.username, password_help };
    page.render("account/new_password.html", values).await
}

/// `POST /account/reset/new`. Does not log in: access to the mailbox alone must not bypass the
/// factors (ASVS 6.4.3).
pub(crate) async fn reset(
    page: Page,
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<New>,
) -> Result<Response> {
    let (accounts, hash) = (visitor.accounts(), LINK.hash(&visitor).await?);
    let Some(row) = accounts.email.reset_account(&hash).await? else {
        return dead_link(&page).await;
    };
    let values = context! { username => row.username, password_help => accounts.password_help_for(row.id).await? };
    let (new, invalid) = form.into_parts();
    let Some(new) = new else {
        return Err(invalid.show_with("account/new_password.html", values).await);
    };
    if new.new_password.expose() != new.new_password_again.expose() {
        let invalid = invalid.error("new_password_again", "The two passwords differ.");
        return Err(invalid.show_with("account/new_password.html", values).await);
    }
    match accounts
        .reset_by_link(
            &hash,
            new.new_password.expose(),
            &accounts.email.links.base(&headers),
        )
        .await?
    {
        LinkOutcome::Refused(broken) => Err(with_rules(invalid, "new_password", broken)
            .show_with("account/new_password.html", values)
            .await),
        LinkOutcome::Invalid | LinkOutcome::Half => dead_link(&page).await,
        LinkOutcome::Done(row) => {
            LINK.forget(&visitor).await?;
            // a known browser, so that the owner can log in while an attack keeps the account
            // locked
            let device = remember_silently((&visitor, &headers), row).await?;
            visitor
                .session()
                .message(
                    MessageLevel::Success,
                    "Your password has been changed. Log in with it.",
                )
                .await?;
            Ok(with_cookie(redirect_to("/account/login"), device))
        }
    }
}
