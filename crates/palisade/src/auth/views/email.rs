use super::{
    Link, MailedLink, Proof, audit, can_mail, dead_link, source, too_many_mails, without_password,
};
use crate::audit_log::Event;
use crate::auth::email::email_tokens::LinkOutcome;
use crate::auth::{User, Visitor};
use crate::forms::{Email, Form, Password, Query};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Page, Result};
use axum::response::Response;
use http::HeaderMap;
use palisade_macros::Form;
use palisade_template::context;

const LINK: MailedLink = MailedLink {
    remembered_as: "_palisade_email",
    page: "/account/email/confirm",
};

#[derive(Form)]
pub(crate) struct Change {
    #[form(label = "New e-mail address")]
    email: Email,
    #[form(label = "Current password")]
    current_password: Option<Password>,
}

#[derive(Form)]
pub(crate) struct Confirm {}

/// `GET /account/email`.
pub(crate) async fn show(page: Page, visitor: Visitor, user: User) -> Result<Response> {
    let left_out = without_password(&visitor, &user, "/account/email").await?;
    page.render(
        "account/email.html",
        context! { form => Form::<Change>::blank_without(left_out) },
    )
    .await
}

/// `POST /account/email`.
pub(crate) async fn change(
    visitor: Visitor,
    user: User,
    headers: HeaderMap,
    form: Form<Change>,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let (change, invalid) = form.into_parts();
    let invalid = invalid.without(without_password(&visitor, &user, "/account/email").await?);
    let Some(change) = change else {
        return Err(invalid.show("account/email.html").await);
    };
    can_mail(accounts)?;
    let proof = Proof {
        visitor: &visitor,
        headers: &headers,
        user: &user,
        template: "account/email.html",
    };
    if let Some(wait) = accounts
        .count_mail(source(&visitor, &headers), &change.email)
        .await?
    {
        return Err(too_many_mails(invalid, wait, "account/email.html", context! {}).await);
    }
    let row = proof
        .verify(change.current_password.as_ref(), invalid, context! {})
        .await?;
    accounts
        .email
        .request_change(&row, &change.email, &accounts.email.links.base(&headers))
        .await?;
    audit(Event::EmailChangeBegun, &user.username);
    let said =
        "Both addresses get a mail. The new address is used when the links of both were opened.";
    visitor
        .session()
        .message(MessageLevel::Success, said)
        .await?;
    Ok(redirect_to("/account"))
}

/// `GET /account/email/confirm`.
pub(crate) async fn show_confirm(
    page: Page,
    visitor: Visitor,
    Query(link): Query<Link>,
) -> Result<Response> {
    if let Some(hash) = link.hash() {
        let is_good = visitor.accounts().email.new_address(&hash).await?.is_some();
        return LINK.follow(&visitor, &page, is_good.then_some(hash)).await;
    }
    match visitor
        .accounts()
        .email
        .new_address(&LINK.hash(&visitor).await?)
        .await?
    {
        Some(email) => {
            page.render("account/email_confirm.html", context! { email })
                .await
        }
        None => dead_link(&page).await,
    }
}

/// `POST /account/email/confirm`.
pub(crate) async fn confirm(
    page: Page,
    visitor: Visitor,
    headers: HeaderMap,
    form: Form<Confirm>,
) -> Result<Response> {
    form.valid_or_show("account/email_confirm.html").await?;
    let (accounts, hash) = (visitor.accounts(), LINK.hash(&visitor).await?);
    let said = match accounts
        .email
        .confirm_change(&hash, &accounts.email.links.base(&headers))
        .await?
    {
        LinkOutcome::Done(_) => "The new address is used from now on.",
        LinkOutcome::Half => "Confirmed. Now open the link that was sent to the other address.",
        LinkOutcome::Invalid | LinkOutcome::Refused(_) => return dead_link(&page).await,
    };
    LINK.forget(&visitor).await?;
    visitor
        .session()
        .message(MessageLevel::Success, said)
        .await?;
    Ok(redirect_to("/account/login"))
}
