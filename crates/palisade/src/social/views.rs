//! The pages of social login.

use super::flow::{AuthorizationRequest, AuthorizationResponse};
use super::identities::Identities;
use super::identity::Identity;
use super::sign_up::{Added, Address, UnlinkedIdentity};
use super::{Provider, Providers};
use crate::audit_log::Event;
use crate::auth::views::{NextPage, audit, can_mail, going, login};
use crate::auth::{Held, User, Visitor};
use crate::forms::{Form, Line, Token};
use crate::http::client::Client;
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Error, ErrorKind, Page, Result};
use axum::response::Response;
use http::HeaderMap;
use palisade_macros::Form;
use palisade_template::{Serde, context};

#[derive(Form)]
pub(crate) struct Begin {
    next: NextPage,
}

#[derive(Form)]
pub(crate) struct Nothing {}

#[derive(Form)]
pub(crate) struct Which {
    id: Token<40>,
}

/// The authorization response.
#[derive(Form)]
pub(crate) struct Returned {
    code: Option<Token<4000>>,
    state: Option<Token<200>>,
    iss: Option<Token<500>>,
    error: Option<Line<200>>,
}

impl Providers {
    /// `POST /account/social/{id}`: redirects to the provider.
    pub(crate) async fn begin(
        &self,
        page: Page,
        visitor: Visitor,
        headers: HeaderMap,
        client: Client,
        id: &str,
        form: Form<Begin>,
    ) -> Result<Response> {
        let next = form.valid_or_show("account/login.html").await?.next.0;
        self.leave(&page, &visitor, &headers, &client, id, |away| {
            away.next = next
        })
        .await
    }

    /// `POST /account/logins/{id}`: the same, to link an identity to the account.
    pub(crate) async fn begin_adding(
        &self,
        page: Page,
        visitor: Visitor,
        headers: HeaderMap,
        client: Client,
        id: &str,
        user: User,
    ) -> Result<Response> {
        self.leave(&page, &visitor, &headers, &client, id, |away| {
            away.adds_to = Some(user.id)
        })
        .await
    }

    async fn leave(
        &self,
        page: &Page,
        visitor: &Visitor,
        headers: &HeaderMap,
        client: &Client,
        id: &str,
        note: impl FnOnce(&mut AuthorizationRequest),
    ) -> Result<Response> {
        let (provider, party) = self.named(id)?;
        let accounts = visitor.accounts();
        let begun = party
            .begin(
                provider,
                client,
                accounts.now(),
                &accounts.links.base(headers),
            )
            .await;
        let mut begun = begun.map_err(|trouble| trouble.said(provider))?;
        note(&mut begun.away);
        accounts.begin(visitor.session(), &begun.away).await?;
        going(page, &provider.settings.label, begun.to.as_str(), false).await
    }

    /// `GET /account/social/{id}/callback`: the authorization response.
    pub(crate) async fn back(
        &self,
        page: Page,
        visitor: Visitor,
        headers: HeaderMap,
        client: Client,
        id: &str,
        returned: Returned,
    ) -> Result<Response> {
        let (provider, party) = self.named(id)?;
        let accounts = visitor.accounts();
        let said = |trouble: super::ProviderError| {
            audit(&visitor, Event::LoginFailed, &format!("{id}: {trouble}"));
            trouble.said(provider)
        };
        let back = AuthorizationResponse {
            code: returned.code.as_deref().unwrap_or(""),
            state: returned.state.as_deref().unwrap_or(""),
            iss: returned.iss.as_deref(),
        };
        // a response to another request leaves this one pending: other sites can send a browser
        // here
        let begun = accounts
            .begun::<AuthorizationRequest>(visitor.session())
            .await?;
        if !begun.is_some_and(|away| away.is_answered(provider, &back)) {
            // not a failed login: an image on another site can trigger this request
            audit(&visitor, Event::CallbackRefused, id);
            return Err(super::ProviderError::InvalidResponse(
                "no login of this browser is pending".into(),
            )
            .said(provider));
        }
        let Some(away) = accounts
            .end::<AuthorizationRequest>(visitor.session())
            .await?
        else {
            return Err(said(super::ProviderError::InvalidResponse(
                "the login has ended".into(),
            )));
        };
        if let Some(error) = &returned.error {
            let word: String = error.chars().take(50).collect();
            audit(&visitor, Event::LoginFailed, &format!("{id} says {word}"));
            visitor
                .session()
                .message(
                    MessageLevel::Error,
                    format!("{} did not log you in.", provider.settings.label),
                )
                .await?;
            return Ok(redirect_to(if away.adds_to.is_some() {
                "/account/logins"
            } else {
                "/account/login"
            }));
        }
        let identity = party
            .finish(provider, &client, accounts.now(), &away, &back)
            .await
            .map_err(said)?;
        match away.adds_to {
            Some(user_id) => add(&visitor, &headers, provider, &identity, user_id).await,
            None => {
                let logout = party
                    .logout(
                        provider,
                        &client,
                        accounts.now(),
                        &accounts.links.base(&headers),
                    )
                    .await;
                arrive(
                    &page,
                    &visitor,
                    &headers,
                    provider,
                    identity,
                    away.next,
                    logout.map(String::from),
                )
                .await
            }
        }
    }

    /// `GET /account/logins`.
    pub(crate) async fn list(&self, page: Page, visitor: Visitor, user: User) -> Result<Response> {
        let all = Identities::shown(&visitor.accounts().database().handle(), user.id).await?;
        page.render(
            "account/logins.html",
            context! { logins => Serde(all), ways => Serde(visitor.accounts().ways.clone()) },
        )
        .await
    }

    /// `POST /account/logins/remove`: unlinks an identity, unless it is the last login method.
    pub(crate) async fn remove(
        &self,
        visitor: Visitor,
        headers: HeaderMap,
        user: User,
        form: Form<Which>,
    ) -> Result<Response> {
        let which = form.into_parts().0.ok_or_else(Error::not_found)?;
        let accounts = visitor.accounts();
        let has_way_in = accounts.has_way_in(&user).await?
            || accounts.second_step.logs_in_alone(user.id).await?;
        let tx = accounts.database().begin().await?;
        Identities::lock(&tx, user.id).await?;
        if !Identities::remove(&tx, user.id, &which.id).await? {
            return Err(Error::not_found());
        }
        // providers that are still configured
        let left = Identities::of_user(&tx, user.id).await?;
        if !has_way_in && !left.iter().any(|row| self.named(&row.provider).is_ok()) {
            return Err(Error::new(
                ErrorKind::Conflict,
                "This is the only login method of your account. Set a password first.",
            ));
        }
        accounts
            .tell_in(
                &tx,
                user.id,
                "A social login was removed.",
                &accounts.links.base(&headers),
            )
            .await?;
        accounts
            .commit_and_end_others(tx, visitor.session(), user.id)
            .await?;
        audit(&visitor, Event::LoginRemoved, &user.username);
        visitor
            .session()
            .message(
                MessageLevel::Success,
                "The login was removed. All other sessions have ended.",
            )
            .await?;
        Ok(redirect_to("/account/logins"))
    }
}

/// Completes a login.
async fn arrive(
    page: &Page,
    visitor: &Visitor,
    headers: &HeaderMap,
    provider: &Provider,
    identity: Identity,
    next: Option<String>,
    logout: Option<String>,
) -> Result<Response> {
    let (accounts, name) = (visitor.accounts(), provider.settings.name.as_str());
    let mut user_id = identity.kept(accounts).await?.map(|kept| kept.user_id);
    if user_id.is_none() {
        user_id = by_trusted_address(visitor, headers, provider, &identity).await?;
    }
    let Some(user_id) = user_id else {
        let email = identity.email.clone().unwrap_or_default();
        accounts
            .begin(
                visitor.session(),
                &UnlinkedIdentity {
                    provider: name.into(),
                    identity,
                    next,
                    sent: None,
                },
            )
            .await?;
        let form = Form::<Address>::filled([("email", email)]);
        return page
            .render(
                "account/social_address.html",
                context! { form, label => provider.settings.label.as_str() },
            )
            .await;
    };
    come_in(visitor, headers, name, user_id, next, logout).await
}

/// The account of a trusted address. The identity is linked to it permanently only if no second
/// factor is pending; otherwise the address is matched at each login.
async fn by_trusted_address(
    visitor: &Visitor,
    headers: &HeaderMap,
    provider: &Provider,
    identity: &Identity,
) -> Result<Option<i32>> {
    let (accounts, name) = (visitor.accounts(), provider.settings.name.as_str());
    let Some(email) = identity.trusted_email(provider) else {
        return Ok(None);
    };
    let Some(row) = accounts.by_address(&email).await? else {
        let made = identity.enrol(accounts, name, &email).await?;
        return Ok(
            made.inspect(|id| audit(visitor, Event::SignedUp, &format!("user {id}, {name}")))
        );
    };
    // the database may treat more letters as equal than a mailbox does
    if !row.email.eq_ignore_ascii_case(&email) {
        return Ok(None);
    }
    let is_final = !accounts.second_step.is_needed(row.id).await?;
    let tx = accounts.database().begin().await?;
    if is_final
        && matches!(
            identity.add_to(&tx, accounts, name, row.id).await?,
            Added::Yes
        )
    {
        let told = format!("A login by {} was added.", provider.settings.label);
        accounts
            .tell_in(&tx, row.id, &told, &accounts.links.base(headers))
            .await?;
        // account pre-hijacking: sessions of an attacker who signed up with this address before its
        // owner are revoked
        accounts.commit_and_end_all(tx, row.id).await?;
        visitor.session().end_siblings(row.id).await?;
        audit(
            visitor,
            Event::LoginAdded,
            &format!("{}, {name}", row.username),
        );
    }
    Ok(Some(row.id))
}

/// Continues a login to a known account: the second factor is required as after a password.
pub(super) async fn come_in(
    visitor: &Visitor,
    headers: &HeaderMap,
    name: &str,
    user_id: i32,
    next: Option<String>,
    logout_page: Option<String>,
) -> Result<Response> {
    let Some(account) = visitor.accounts().active(user_id).await? else {
        audit(
            visitor,
            Event::LoginFailed,
            &format!("{name}, user {user_id} is closed"),
        );
        return Err(Error::new(ErrorKind::Forbidden, "This account is closed."));
    };
    login::enter(
        visitor,
        headers,
        Held {
            account,
            next,
            is_by_another_site: true,
            logout_page,
        },
    )
    .await
}

/// Completes the linking of an identity.
async fn add(
    visitor: &Visitor,
    headers: &HeaderMap,
    provider: &Provider,
    identity: &Identity,
    user_id: i32,
) -> Result<Response> {
    let accounts = visitor.accounts();
    let Some(user) = visitor.user().await?.filter(|user| user.id == user_id) else {
        return Err(Error::forbidden());
    };
    let tx = accounts.database().begin().await?;
    let (level, said) = match identity
        .add_to(&tx, accounts, &provider.settings.name, user_id)
        .await?
    {
        Added::Yes => {
            let told = format!("A login by {} was added.", provider.settings.label);
            accounts
                .tell_in(&tx, user_id, &told, &accounts.links.base(headers))
                .await?;
            accounts
                .commit_and_end_others(tx, visitor.session(), user_id)
                .await?;
            audit(
                visitor,
                Event::LoginAdded,
                &format!("{}, {}", user.username, provider.settings.name),
            );
            (MessageLevel::Success, "Added. You can now log in with it.")
        }
        Added::Taken => (
            MessageLevel::Error,
            "This login is linked to another account.",
        ),
    };
    visitor.session().message(level, said).await?;
    Ok(redirect_to("/account/logins"))
}

/// `POST /account/logins/password`: sends a link to set a password.
pub(crate) async fn password(
    visitor: Visitor,
    headers: HeaderMap,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/logins.html").await?;
    let accounts = visitor.accounts();
    can_mail(accounts)?;
    accounts
        .mail_reset(user.id, &accounts.links.base(&headers))
        .await?;
    audit(&visitor, Event::ResetRequested, &user.username);
    visitor
        .session()
        .message(
            MessageLevel::Success,
            "A link to choose a password is on its way to your address.",
        )
        .await?;
    Ok(redirect_to("/account/logins"))
}
