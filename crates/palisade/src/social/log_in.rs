//! From an external identity to a session: the account, or the pages that create one.

use super::Provider;
use super::identity::Identity;
use super::request::SocialRequest;
use super::sign_up::{Added, Address, UnlinkedIdentity};
use crate::audit_log::{self, Entry, Event, record_in};
use crate::auth::PendingLogin;
use crate::auth::views::login;
use crate::forms::Form;
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Error, ErrorKind, Result};
use axum::response::Response;
use palisade_template::context;

/// Pages of a login.
pub(super) struct LoginExtras {
    /// The page to redirect to.
    pub(super) next: Option<String>,
    /// The identity provider's logout page.
    pub(super) logout_page: Option<String>,
}

/// Completes a login.
pub(super) async fn complete_login(
    request: &SocialRequest,
    provider: &Provider,
    identity: Identity,
    extras: LoginExtras,
) -> Result<Response> {
    let (accounts, name) = (request.accounts(), &provider.settings.name);
    let linked = identity
        .linked_account(accounts)
        .await?
        .map(|kept| kept.user_id);
    let user_id = match linked {
        Some(user_id) => Some(user_id),
        None => match_trusted_address(request, provider, &identity).await?,
    };
    if let Some(user_id) = user_id {
        return enter_account(request, name, user_id, extras).await;
    }
    let email = identity.email.clone().unwrap_or_default();
    let unlinked = UnlinkedIdentity {
        provider: name.clone(),
        identity,
        next: extras.next,
        sent: None,
    };
    let session = request.visitor.session();
    accounts.email.tokens.begin(session, &unlinked).await?;
    let form = Form::<Address>::with_values([("email", email)]);
    let values = context! { form, label => provider.settings.label.as_str() };
    let page = &request.page;
    page.render("account/social_address.html", values).await
}

/// The account of a trusted address. The identity is linked to it permanently only if no second
/// factor is pending; otherwise the address is matched at each login.
async fn match_trusted_address(
    request: &SocialRequest,
    provider: &Provider,
    identity: &Identity,
) -> Result<Option<i32>> {
    let (accounts, name) = (request.accounts(), provider.settings.name.as_str());
    let Some(email) = identity.trusted_email(provider) else {
        return Ok(None);
    };
    let Some(row) = accounts.users.by_address(&email).await? else {
        return identity.create_account(accounts, name, &email).await;
    };
    // the database may treat more letters as equal than a mailbox does
    if !row.email.eq_ignore_ascii_case(&email) {
        return Ok(None);
    }
    if accounts.factors.is_enrolled(row.id).await? {
        return Ok(Some(row.id));
    }
    let tx = accounts.database().begin().await?;
    if let Added::Yes = identity.add_to(&tx, accounts, name, row.id).await? {
        let said = format!("A login by {} was added.", provider.settings.label);
        request.notify(&tx, row.id, &said).await?;
        // account pre-hijacking: sessions of an attacker who signed up with this address before its
        // owner are revoked
        record_in(&tx, row.entry(Event::LoginAdded).detail(name)).await?;
        accounts.sessions.commit_and_end_all(tx, row.id).await?;
        request.visitor.session().end_siblings(row.id).await?;
    }
    Ok(Some(row.id))
}

/// Continues a login to a known account: the second factor is required as after a password.
pub(super) async fn enter_account(
    request: &SocialRequest,
    provider: &str,
    user_id: i32,
    extras: LoginExtras,
) -> Result<Response> {
    let Some(account) = request.accounts().users.active(user_id).await? else {
        let failed = Entry::new(Event::LoginFailed).about(user_id);
        audit_log::record(failed.detail(format!("{provider}: the account is closed")));
        return Err(Error::new(ErrorKind::Forbidden, "This account is closed."));
    };
    let login = PendingLogin {
        account,
        next: extras.next,
        is_federated: true,
        logout_page: extras.logout_page,
    };
    login::continue_login(&request.visitor, &request.headers, login).await
}

/// Links an identity to the authenticated user's account.
pub(super) async fn link_identity(
    request: &SocialRequest,
    provider: &Provider,
    identity: &Identity,
    user_id: i32,
) -> Result<Response> {
    let (accounts, settings) = (request.accounts(), &provider.settings);
    let user = request.visitor.user().await?;
    let user = user
        .filter(|user| user.id == user_id)
        .ok_or_else(Error::forbidden)?;
    let tx = accounts.database().begin().await?;
    match identity
        .add_to(&tx, accounts, &settings.name, user_id)
        .await?
    {
        Added::Yes => {
            let said = format!("A login by {} was added.", settings.label);
            request.notify(&tx, user_id, &said).await?;
            let added = Entry::new(Event::LoginAdded).name(&user.username);
            record_in(&tx, added.detail(&settings.name)).await?;
            let session = request.visitor.session();
            accounts
                .sessions
                .commit_and_end_others(tx, session, user_id)
                .await?;
            let said = "Added. You can now log in with it.";
            request.message(MessageLevel::Success, said).await?;
        }
        Added::Taken => {
            let said = "This login is linked to another account.";
            request.message(MessageLevel::Error, said).await?;
        }
    }
    Ok(redirect_to("/account/logins"))
}
