use super::access_tokens::rules::TokenUser;
use super::login::second_factor::Factor;
use super::login::session_binding::Origin;
use super::login::unsent_forms::{Typist, UnsentForm};
use super::login::user_agent::agent;
use super::{Accounts, User};
use crate::http::ClientAddress;
use crate::sessions::Session;
use crate::views::{
    Error, PageName, PageValues, Personal, RequestContext, Result, UserLookup, current_context,
};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use palisade_template::{Serde, Value, context};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The client of a request, with session and user. Both are loaded lazily.
///
/// ```
/// use palisade::prelude::*;
/// async fn front(visitor: Visitor) -> Result<String> {
///     Ok(match visitor.user().await? {
///         Some(user) => format!("Hello, {}", user.username),
///         None => "Hello".to_owned(),
///     })
/// }
/// let routes: Routes = Routes::new().route("/", public().get(front));
/// ```
#[derive(Clone)]
pub struct Visitor(Arc<Inner>);

struct Inner {
    accounts: Arc<Accounts>,
    session: Session,
    client: ClientAddress,
    /// User agent, where there is a session to compare it with.
    agent: String,
    request_id: Arc<str>,
    personal: Personal,
    user: OnceCell<Option<User>>,
    /// The member of staff who views the site as the user.
    viewer: OnceCell<User>,
    /// Whether a token authenticates the user, and not the session: the factor that it stands for.
    token: Option<bool>,
}

impl Visitor {
    pub(crate) fn new(
        accounts: Arc<Accounts>,
        session: Session,
        (client, headers): (ClientAddress, &HeaderMap),
        context: &RequestContext,
    ) -> Self {
        let agent = if session.cookie_key().is_some() {
            agent(headers)
        } else {
            String::new()
        };
        let (request_id, personal) = (context.shared_id(), context.personal().clone());
        Self(Arc::new(Inner {
            accounts,
            session,
            client,
            agent,
            request_id,
            personal,
            user: OnceCell::new(),
            viewer: OnceCell::new(),
            token: None,
        }))
    }

    /// The client of the same request with the user of its token. There is no session.
    pub(crate) fn of_token(&self, token: TokenUser) -> Self {
        Self(Arc::new(Inner {
            accounts: self.0.accounts.clone(),
            session: self.0.session.clone(),
            client: self.0.client,
            agent: String::new(),
            request_id: self.0.request_id.clone(),
            personal: self.0.personal.clone(),
            user: OnceCell::new_with(Some(Some(token.user))),
            viewer: OnceCell::new(),
            token: Some(token.has_factor),
        }))
    }

    /// Whether a token authenticates the user.
    pub(crate) fn is_of_token(&self) -> bool {
        self.0.token.is_some()
    }

    /// The authenticated user.
    ///
    /// # Errors
    /// When the database does not answer; the user is unknown then.
    pub async fn user(&self) -> Result<Option<&User>> {
        // a response that depends on this question must not be cached, for either answer
        self.0.personal.mark();
        let look_up = async || {
            let from = Origin {
                client: self.0.client,
                agent: &self.0.agent,
            };
            let sessions = &self.0.accounts.sessions;
            let user = sessions.user(&self.0.session, &from).await?;
            let viewed = match &user {
                Some(staff) if staff.is_staff => sessions.viewed(&self.0.session, staff).await?,
                _ => None,
            };
            Ok::<_, Error>(match viewed {
                Some(viewed) => {
                    // set once, with the user
                    let _ = user.map(|staff| self.0.viewer.set(staff));
                    Some(viewed)
                }
                None => user,
            })
        };
        let user = self.0.user.get_or_try_init(look_up).await?.as_ref();
        if let (Some(user), Some(context)) = (user, current_context()) {
            // the log names the member of staff
            context.set_user_id(self.0.viewer.get().map_or(user.id, |staff| staff.id));
        }
        Ok(user)
    }

    /// The member of staff who views the site as the user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn viewer(&self) -> Result<Option<&User>> {
        self.user().await?;
        Ok(self.0.viewer.get())
    }

    /// The visitor's session.
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// The client's address.
    pub fn client(&self) -> ClientAddress {
        self.0.client
    }

    /// The request id.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    /// Keeps a form that was sent without a login, or with one that is too old. Returns the cookie
    /// to set, if it is known who typed it.
    pub(crate) async fn keep_unsent(
        &self,
        headers: &HeaderMap,
        form: &UnsentForm,
    ) -> Result<Option<HeaderValue>> {
        let accounts = self.accounts();
        let typist = Typist {
            devices: &accounts.guard.devices,
            user_id: self.user().await?.map(|user| user.id),
        };
        Ok(accounts.unsent.keep_of(typist, headers, form).await?)
    }

    /// Whether this session is authenticated with a second factor.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn has_factor(&self) -> Result<bool> {
        if let Some(has_factor) = self.0.token {
            return Ok(has_factor);
        }
        let is_signed_in = self.user().await?.is_some();
        Ok(is_signed_in && self.accounts().sessions.has_factor(self.session()).await?)
    }

    /// Whether this session is authenticated with a second factor that was not skipped.
    pub(crate) async fn has_typed_code(&self) -> Result<bool> {
        self.accounts()
            .sessions
            .has_typed_code(self.session())
            .await
    }

    /// Whether the user has authenticated within this time.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn is_fresh(&self, within: TimeDelta) -> Result<bool> {
        if self.is_of_token() {
            return Ok(false);
        }
        let sessions = &self.accounts().sessions;
        sessions.is_fresh(self.session(), within).await
    }

    /// Records that a second factor was verified or added in this session, and rotates its key
    /// (ASVS 7.2.4).
    ///
    /// # Errors
    /// When the session store does not answer.
    pub(crate) async fn record_factor(&self) -> Result<()> {
        let sessions = &self.accounts().sessions;
        sessions
            .record_authentication(self.session(), Factor::Typed)
            .await?;
        self.session().rotate().await
    }
}

impl PageValues for Visitor {
    fn load<'a>(&'a self, _: PageName<'a>) -> BoxFuture<'a, Result<Value>> {
        if self.0.session.cookie_key().is_none() && !self.0.session.has_messages() {
            // other visitors get another page
            self.0.personal.mark();
            return Box::pin(std::future::ready(Ok(
                context! { user => (), messages => Vec::<Value>::new(), viewing => false },
            )));
        }
        Box::pin(async {
            let user = self.user().await?.cloned();
            let messages = self.0.session.take_messages().await?;
            let viewing = self.0.viewer.get().is_some();
            Ok(context! { user => Serde(user), messages => Serde(messages), viewing })
        })
    }

    fn user(&self, lookup: UserLookup) -> BoxFuture<'_, Option<Value>> {
        let may_ask = lookup == UserLookup::Query && self.0.session.cookie_key().is_some();
        Box::pin(async move {
            let user = if may_ask {
                self.user().await.ok()?
            } else {
                self.0.user.get()?.as_ref()
            };
            user.cloned().map(|user| Value::from(Serde(user)))
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let visitor = parts.extensions.get::<Self>().cloned();
        visitor.ok_or_else(|| Error::bug("there is no visitor: routes must be served by App"))
    }
}

/// The extractor of the authenticated user. On a route that allows anonymous visitors, take
/// `Option<User>`; this extractor refuses them with 403.
impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        <Self as OptionalFromRequestParts<S>>::from_request_parts(parts, state)
            .await?
            .ok_or_else(Error::forbidden)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for User {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>> {
        let visitor = <Visitor as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(visitor.user().await?.cloned())
    }
}
