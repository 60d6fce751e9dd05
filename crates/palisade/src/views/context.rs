use super::{Development, Error, Result};
use crate::http::client::Client;
use crate::http::{ClientAddress, InputLimits};
use crate::settings::{Effective, Profile};
use axum::extract::{FromRequestParts, MatchedPath};
use chrono_tz::Tz;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method, header};
use palisade_crypto::random;
use palisade_template::{PageSecrets, Templates, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Dependencies of pages.
pub struct SiteViews {
    /// All templates.
    pub templates: Templates,
    /// The site's profile.
    pub profile: Profile,
    /// Time zone of dates on pages.
    pub time_zone: Tz,
    /// Name of the site: `site.name`, or its host.
    pub site_name: Value,
    /// Limits of parsed input.
    pub input_limits: InputLimits,
    /// Client for outgoing requests.
    pub client: Client,
    /// Help for developers.
    pub development: Development,
    /// The settings as `settings` shows them, without secrets.
    pub settings: Vec<Effective>,
    /// First segments of the paths of the API, such as `/api`.
    pub api_prefixes: BTreeSet<String>,
    /// Services that handlers extract, by their types, such as the mail queue.
    pub services: Extensions,
}

impl SiteViews {
    /// Whether a path is below those of the API.
    fn is_api(&self, path: &str) -> bool {
        let is_below = |prefix: &String| {
            let rest = path.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !self.api_prefixes.is_empty() && self.api_prefixes.iter().any(is_below)
    }
}

/// Effort for the user on an error page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserLookup {
    /// The database is queried if the user is not loaded yet.
    Query,
    /// No query: the site may be in trouble.
    Loaded,
}

/// The page that is rendered.
#[derive(Debug, Clone, Copy)]
pub struct PageName<'a> {
    /// Name of its template.
    pub template: &'a str,
    /// Path of the request, without its query.
    pub path: &'a str,
}

/// The visitor's values on a page. Implemented by `auth`; defined here, because pages need it.
pub trait PageValues: Send + Sync {
    /// `user`, `messages` and so on, for the template.
    fn load<'a>(&'a self, page: PageName<'a>) -> BoxFuture<'a, Result<Value>>;

    /// The authenticated user, for an error page.
    fn user(&self, lookup: UserLookup) -> BoxFuture<'_, Option<Value>>;

    /// Functions and other values for the templates of an error page.
    fn of_error_page<'a>(&'a self, page: PageName<'a>, lookup: UserLookup) -> BoxFuture<'a, Value> {
        let _ = (page, lookup);
        Box::pin(std::future::ready(palisade_template::context! {}))
    }
}

/// Context of one request: id, nonce, and values that later steps set.
#[derive(Clone)]
pub struct RequestContext(Arc<Inner>);

/// Whether a response depends on the visitor. A flag without references, so that holding it does
/// not keep a request alive.
#[derive(Clone, Default)]
pub struct Personal(Arc<AtomicBool>);

impl Personal {
    /// Marks the response as dependent on the visitor: caches must not store it.
    pub fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Inner {
    id: Arc<str>,
    nonce: String,
    method: Method,
    path: String,
    wants_problem: bool,
    wants_location: bool,
    /// For the debug page.
    #[cfg(debug_assertions)]
    headers: HeaderMap,
    /// Name of the function that handles the request, for the same.
    #[cfg(debug_assertions)]
    handler: OnceLock<&'static str>,
    site: Arc<SiteViews>,
    client: ClientAddress,
    agent: Option<HeaderValue>,
    route: OnceLock<MatchedPath>,
    user: OnceLock<i32>,
    values: OnceLock<Arc<dyn PageValues>>,
    token: OnceLock<Arc<dyn Fn() -> String + Send + Sync>>,
    personal: Personal,
    /// Whether the refusal is logged, once decided.
    is_logged: OnceLock<bool>,
}

/// Length of the shortest secret in a path, that of Django's links; a UUID has 36.
const LEAST_SECRET: usize = 38;

/// Longest logged path, in characters.
const LONGEST_LOGGED: usize = 200;

tokio::task_local! {
    /// The current request.
    static REQUEST: RequestContext;
}

/// The current request, for the audit log.
pub(crate) fn current_context() -> Option<RequestContext> {
    REQUEST.try_with(Clone::clone).ok()
}

/// The id of the current request, for log lines.
pub(crate) fn current_request() -> Option<Arc<str>> {
    REQUEST.try_with(RequestContext::shared_id).ok()
}

impl RequestContext {
    /// Runs a future with its log lines attributed to this request. (A span per request would do
    /// the same, at eight percent of a request with a query.)
    pub(crate) fn during<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        REQUEST.scope(self.clone(), work)
    }

    /// The context of a new request.
    pub(crate) fn new(
        parts: &Parts,
        site: Arc<SiteViews>,
        (client, given_id): (ClientAddress, Option<String>),
    ) -> Self {
        let [id, nonce] = random::nonces();
        let id = given_id.unwrap_or(id);
        Self(Arc::new(Inner {
            id: id.into(),
            nonce,
            method: parts.method.clone(),
            path: parts
                .uri
                .path_and_query()
                .map_or_else(|| "/".into(), ToString::to_string),
            wants_problem: site.is_api(parts.uri.path()) || wants_problem(&parts.headers),
            wants_location: parts.headers.contains_key(WANTS_LOCATION),
            #[cfg(debug_assertions)]
            headers: parts.headers.clone(),
            #[cfg(debug_assertions)]
            handler: OnceLock::new(),
            site,
            client,
            agent: parts.headers.get(header::USER_AGENT).cloned(),
            route: OnceLock::new(),
            user: OnceLock::new(),
            values: OnceLock::new(),
            token: OnceLock::new(),
            personal: Personal::default(),
            is_logged: OnceLock::new(),
        }))
    }

    /// 128 random bits, shown in the response, the log and on error pages; or the id from a trusted
    /// proxy (`http.forwarded_request_id`).
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The same, for owners that outlive the request.
    pub(crate) fn shared_id(&self) -> Arc<str> {
        self.0.id.clone()
    }

    /// The nonce of this response's scripts and styles.
    pub fn nonce(&self) -> &str {
        &self.0.nonce
    }

    /// The client, by its address or that of a trusted proxy's header.
    pub fn client(&self) -> ClientAddress {
        self.0.client
    }

    /// The user agent; empty without one.
    pub(crate) fn agent(&self) -> Cow<'_, str> {
        let agent = self.0.agent.as_ref().map(HeaderValue::as_bytes);
        String::from_utf8_lossy(agent.unwrap_or_default())
    }

    /// Template of the route, such as `/tickets/{id}`; empty before a route is known.
    pub(crate) fn route(&self) -> &str {
        self.0.route.get().map_or("", MatchedPath::as_str)
    }

    pub(crate) fn set_route(&self, route: MatchedPath) {
        let _ = self.0.route.set(route);
    }

    /// Id of the authenticated user, once it is loaded.
    pub(crate) fn user_id(&self) -> Option<i32> {
        self.0.user.get().copied()
    }

    pub(crate) fn set_user_id(&self, id: i32) {
        let _ = self.0.user.set(id);
    }

    /// Method of the request.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// Path and query of the request.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The path for the log: without the query, and with segments as long as a secret truncated,
    /// because mailed links hold secrets in the path.
    pub(crate) fn logged_path(&self) -> String {
        let path = self.path().split('?').next().unwrap_or_default();
        let part = |part: &str| match part.len() >= LEAST_SECRET {
            true => part.chars().take(6).chain(['…']).collect(),
            false => part.to_owned(),
        };
        let path = path.split('/').map(part).collect::<Vec<_>>().join("/");
        // a client must not flood the log with one request
        path.chars().take(LONGEST_LOGGED).collect()
    }

    /// Decides once whether the refusal of this request is logged, for all its lines.
    pub(crate) fn decide_log(&self, decide: impl FnOnce() -> bool) -> bool {
        *self.0.is_logged.get_or_init(decide)
    }

    pub(super) fn is_logged(&self) -> bool {
        *self.0.is_logged.get().unwrap_or(&true)
    }

    /// Whether the client prefers `application/problem+json`
    /// ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).
    pub fn wants_problem(&self) -> bool {
        self.0.wants_problem
    }

    /// Whether the path is below those of the API.
    pub(crate) fn is_api(&self) -> bool {
        let path = self.path().split('?').next().unwrap_or_default();
        self.0.site.is_api(path)
    }

    /// Whether a script wants to know the target of a redirect, and not to follow it.
    pub(crate) fn wants_location(&self) -> bool {
        self.0.wants_location
    }

    /// Templates, profile and settings.
    pub fn site(&self) -> &SiteViews {
        &self.0.site
    }

    /// For code that depends on the visitor.
    pub fn personal(&self) -> &Personal {
        &self.0.personal
    }

    /// Whether the response depends on the visitor.
    pub fn is_personal(&self) -> bool {
        self.0.personal.0.load(Ordering::Relaxed)
    }

    /// Sets the source of user and messages. It must not hold this context, which would leak both.
    pub(crate) fn set_values(&self, values: Arc<dyn PageValues>) {
        let _ = self.0.values.set(values);
    }

    /// Sets the source of CSRF tokens. The same applies.
    pub(crate) fn set_token(&self, token: Arc<dyn Fn() -> String + Send + Sync>) {
        let _ = self.0.token.set(token);
    }

    /// A fresh CSRF token for a form of this visitor. Empty where none can be issued.
    pub fn form_token(&self) -> String {
        let Some(token) = self.0.token.get() else {
            return String::new();
        };
        self.0.personal.mark();
        token()
    }

    pub(super) async fn values(&self, page: PageName<'_>) -> Result<Value> {
        match self.0.values.get() {
            Some(values) => values.load(page).await,
            None => Ok(palisade_template::context! { user => (), messages => Vec::<Value>::new() }),
        }
    }

    /// The visitor's values on an error page: the user, and no messages, because they could not be
    /// marked as shown.
    pub(super) async fn error_values(&self, template: &str, lookup: UserLookup) -> Value {
        let path = self.path().split('?').next().unwrap_or_default();
        let page = PageName { template, path };
        let (user, functions) = match self.0.values.get() {
            Some(values) => (
                values.user(lookup).await,
                values.of_error_page(page, lookup).await,
            ),
            None => (None, palisade_template::context! {}),
        };
        let user = user.unwrap_or(Value::from(()));
        let site = self.site().site_name.clone();
        palisade_template::context! { site, path, user, messages => Vec::<Value>::new(), ..functions }
    }

    pub(super) fn secrets(&self) -> PageSecrets {
        let context = self.clone();
        PageSecrets::new(self.nonce(), move || context.form_token())
    }

    #[cfg(debug_assertions)]
    pub(crate) fn set_handler(&self, name: &'static str) {
        let _ = self.0.handler.set(name);
    }

    #[cfg(debug_assertions)]
    pub(super) fn handler(&self) -> Option<&'static str> {
        self.0.handler.get().copied()
    }

    #[cfg(debug_assertions)]
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }
}

/// The header of the script of forms with files. A script of another site cannot send it without a
/// preflight.
const WANTS_LOCATION: &str = "x-wants-location";

fn wants_problem(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept.contains("json") && !accept.contains("text/html")
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let context = parts.extensions.get::<Self>().cloned();
        context
            .ok_or_else(|| Error::bug("there is no request context: routes must be served by App"))
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        RequestContext::from_request_parts(parts, state)
            .await
            .map(|context| context.site().client.clone())
    }
}
