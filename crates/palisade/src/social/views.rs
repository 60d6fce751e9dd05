//! The endpoints of social login.

use super::flow::{AuthorizationRequest, AuthorizationResponse};
use super::identities::Identities;
use super::log_in::{LoginExtras, complete_login, link_identity};
use super::request::SocialRequest;
use super::{Provider, ProviderError, Providers};
use crate::audit_log::{Entry, Event, record_in};
use crate::auth::User;
use crate::auth::views::{Leaving, NextPage, audit, audit_detail, can_mail, leave_site};
use crate::forms::{Form, Line, Token};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Error, ErrorKind, Result};
use axum::response::Response;
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

impl Returned {
    fn response(&self) -> AuthorizationResponse<'_> {
        AuthorizationResponse {
            code: self.code.as_deref().unwrap_or(""),
            state: self.state.as_deref().unwrap_or(""),
            iss: self.iss.as_deref(),
        }
    }
}

impl Providers {
    /// `POST /account/social/{id}`: redirects to the provider.
    pub(crate) async fn begin(
        &self,
        request: SocialRequest,
        id: &str,
        form: Form<Begin>,
    ) -> Result<Response> {
        let next = form.valid_or_show("account/login.html").await?.next.0;
        self.redirect(&request, id, |login| login.next = next).await
    }

    /// `POST /account/logins/{id}`: the same, to link an identity to the account.
    pub(crate) async fn begin_linking(
        &self,
        request: SocialRequest,
        id: &str,
        user: User,
    ) -> Result<Response> {
        self.redirect(&request, id, |login| login.adds_to = Some(user.id))
            .await
    }

    async fn redirect(
        &self,
        request: &SocialRequest,
        id: &str,
        note: impl FnOnce(&mut AuthorizationRequest),
    ) -> Result<Response> {
        let (provider, discovery) = self.named(id)?;
        let client = request.client(provider, discovery);
        let started = client.begin(&request.base()).await;
        let mut started = started.map_err(|error| error.to_page_error(provider))?;
        note(&mut started.request);
        let (email, session) = (&request.accounts().email, request.visitor.session());
        email.tokens.begin(session, &started.request).await?;
        let label = &provider.settings.label;
        leave_site(&request.page, label, started.to.as_str(), Leaving::Login).await
    }

    /// `GET /account/social/{id}/callback`: the authorization response.
    pub(crate) async fn callback(
        &self,
        request: SocialRequest,
        id: &str,
        returned: Returned,
    ) -> Result<Response> {
        let (provider, discovery) = self.named(id)?;
        let failed = |error: ProviderError| {
            audit_detail(Event::LoginFailed, format!("{id}: {error}"));
            error.to_page_error(provider)
        };
        let response = returned.response();
        let login = pending_authorization(&request, provider, &response).await?;
        let ended = || failed(ProviderError::InvalidResponse("the login has ended".into()));
        let login = login.ok_or_else(ended)?;
        if let Some(error) = &returned.error {
            return login_refused(&request, provider, error, login.adds_to).await;
        }
        let client = request.client(provider, discovery);
        let identity = client.finish(&login, &response).await.map_err(failed)?;
        if let Some(user_id) = login.adds_to {
            return link_identity(&request, provider, &identity, user_id).await;
        }
        let logout_page = client.logout(&request.base()).await;
        let extras = LoginExtras {
            next: login.next,
            logout_page: logout_page.map(String::from),
        };
        complete_login(&request, provider, identity, extras).await
    }

    /// `GET /account/logins`.
    pub(crate) async fn list(&self, request: SocialRequest, user: User) -> Result<Response> {
        let accounts = request.accounts();
        let all = Identities::list(&accounts.database().handle(), user.id).await?;
        let values = context! { logins => Serde(all), ways => Serde(accounts.methods.clone()) };
        request.page.render("account/logins.html", values).await
    }

    /// `POST /account/logins/remove`: unlinks an identity, unless it is the last login method.
    pub(crate) async fn remove(
        &self,
        request: SocialRequest,
        user: User,
        form: Form<Which>,
    ) -> Result<Response> {
        let which = form.into_parts().0.ok_or_else(Error::not_found)?;
        let accounts = request.accounts();
        let has_other = accounts.has_login_method(&user).await?
            || accounts.factors.logs_in_alone(user.id).await?;
        let tx = accounts.database().begin().await?;
        Identities::lock(&tx, user.id).await?;
        if !Identities::remove(&tx, user.id, &which.id).await? {
            return Err(Error::not_found());
        }
        // providers that are still configured
        let left = Identities::of_user(&tx, user.id).await?;
        if !has_other && !left.iter().any(|row| self.named(&row.provider).is_ok()) {
            let said = "This is the only login method of your account. Set a password first.";
            return Err(Error::new(ErrorKind::Conflict, said));
        }
        request
            .notify(&tx, user.id, "A social login was removed.")
            .await?;
        let removed = Entry::new(Event::LoginRemoved).name(&user.username);
        record_in(&tx, removed).await?;
        let session = request.visitor.session();
        accounts
            .sessions
            .commit_and_end_others(tx, session, user.id)
            .await?;
        let said = "The login was removed. All other sessions have ended.";
        request.message(MessageLevel::Success, said).await?;
        Ok(redirect_to("/account/logins"))
    }
}

/// Takes the authorization request of this browser that a response answers. A response to another
/// request leaves it pending: other sites can send a browser here.
async fn pending_authorization(
    request: &SocialRequest,
    provider: &Provider,
    response: &AuthorizationResponse<'_>,
) -> Result<Option<AuthorizationRequest>> {
    let (email, session) = (&request.accounts().email, request.visitor.session());
    let pending = email
        .tokens
        .pending::<AuthorizationRequest>(session)
        .await?;
    if pending.is_some_and(|login| login.is_answered(provider, response)) {
        return email.tokens.complete::<AuthorizationRequest>(session).await;
    }
    // not a failed login: an image on another site can trigger this request
    audit_detail(Event::CallbackRefused, &provider.settings.name);
    let said = "no login of this browser is pending";
    Err(ProviderError::InvalidResponse(said.into()).to_page_error(provider))
}

/// The provider's error response, such as a login that the user has cancelled.
async fn login_refused(
    request: &SocialRequest,
    provider: &Provider,
    error: &str,
    adds_to: Option<i32>,
) -> Result<Response> {
    let (id, label) = (&provider.settings.name, &provider.settings.label);
    let word: String = error.chars().take(50).collect();
    audit_detail(Event::LoginFailed, format!("{id} says {word}"));
    let said = format!("{label} did not log you in.");
    request.message(MessageLevel::Error, &said).await?;
    Ok(redirect_to(match adds_to {
        Some(_) => "/account/logins",
        None => "/account/login",
    }))
}

/// `POST /account/logins/password`: sends a link to set a password.
pub(crate) async fn password(
    request: SocialRequest,
    user: User,
    form: Form<Nothing>,
) -> Result<Response> {
    form.valid_or_show("account/logins.html").await?;
    let accounts = request.accounts();
    can_mail(accounts)?;
    let base = request.base();
    accounts.email.send_reset_link(user.id, &base).await?;
    audit(Event::ResetRequested, &user.username);
    let said = "A link to choose a password is on its way to your address.";
    request.message(MessageLevel::Success, said).await?;
    Ok(redirect_to("/account/logins"))
}
