//! Steps 8 to 11 of the request pipeline: session and user, CSRF checks, access rule, handler.

use super::refusal::{access_denied, csrf_failed, method_not_allowed, record_csrf_failure};
use super::repeats::{self, Entered};
use super::{Site, callers, limits};
use crate::audit_log::{self, Event};
use crate::auth::Visitor;
use crate::csrf::{FormTokens, KEPT_SECRET, Refusal, is_safe};
use crate::headers::{Cors, PagePolicies, is_report};
use crate::http::{ClientAddress, Networks, redirect_to};
use crate::permissions::{Access, Verdict};
use crate::sessions::Session;
use crate::throttle::Limit;
use crate::views::{Error, RequestContext, Result, failed, is_bare_error};
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Rules of one path.
pub(super) struct RouteRule {
    pub(super) access: Access,
    pub(super) declared: Vec<Method>,
    pub(super) is_csrf_checked: bool,
    /// Whether no session is opened.
    pub(super) is_impersonal: bool,
    pub(super) extras: Extras,
}

impl RouteRule {
    /// Whether a method has a handler; HEAD uses that of GET.
    fn has(&self, method: &Method) -> bool {
        self.declared.contains(if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        })
    }

    /// Whether a form may be read before any check, to detect a double submission. Not on pages
    /// that can be hidden: waiting for the body would reveal that the page exists.
    fn may_repeat(&self, method: &Method, client: ClientAddress) -> bool {
        let is_form = self.is_csrf_checked && *method == Method::POST && self.has(method);
        is_form
            && !self.access.hides()
            && self
                .extras
                .only_from
                .iter()
                .all(|networks| networks.contains(client.0))
    }
}

/// Optional properties of a route.
#[derive(Default)]
pub(super) struct Extras {
    pub(super) limits: Vec<Limit>,
    /// Networks that must contain the client's address.
    pub(super) only_from: Vec<Networks>,
    pub(super) policies: PagePolicies,
    pub(super) cors: Option<Cors>,
    /// Whether browsers send reports to it on their own, without a CSRF token.
    pub(super) takes_reports: bool,
    /// Whether the response is the same for all clients.
    pub(super) is_impersonal: bool,
    /// Whether GET changes state.
    pub(super) changes_on_read: bool,
}

impl Extras {
    /// Whether steps 8 to 10 have no effect: the response is the same for all clients, and no rule
    /// excludes any.
    pub(super) fn are_impersonal(&self, access: &Access, declared: &[Method]) -> bool {
        let is_open = access.is_public()
            && self.limits.is_empty()
            && self.only_from.is_empty()
            && self.cors.is_none();
        self.is_impersonal && is_open && declared.iter().all(is_safe)
    }
}

/// Results of steps 2 to 6.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) site: Arc<Site>,
    pub(super) context: RequestContext,
    pub(super) client: ClientAddress,
    pub(super) is_secure: bool,
}

impl Arrival {
    /// Records the refusal of a request before its route, unless this client has used up its share
    /// of log lines.
    pub(super) fn record_refusal(&self, event: Event, detail: &str) {
        if self.is_refusal_logged() {
            audit_log::record(event, Some(self.client), self.context.id(), detail);
        }
    }

    /// Whether a refusal gets log lines of its own. The others are counted.
    pub(super) fn is_refusal_logged(&self) -> bool {
        let site = &self.site;
        let is_logged = self
            .context
            .decide_log(|| site.throttle.admit_here(&site.limits.refusals, self.client));
        let unlogged = if is_logged {
            site.unlogged.swap(0, Ordering::Relaxed)
        } else {
            site.unlogged.fetch_add(1, Ordering::Relaxed)
        };
        if is_logged && unlogged > 0 {
            tracing::info!(target: "palisade", unlogged, "requests were refused without log lines of their own");
        }
        is_logged
    }
}

/// Layer that guards the handlers of one path.
#[derive(Clone)]
pub(super) struct Guard(Arc<RouteRule>);

impl Guard {
    pub(super) fn new(rule: RouteRule) -> Self {
        Self(Arc::new(rule))
    }
}

impl Layer<Route> for Guard {
    type Service = Behind;

    fn layer(&self, handler: Route) -> Behind {
        Behind {
            rule: self.0.clone(),
            handler,
        }
    }
}

/// A guarded handler.
#[derive(Clone)]
pub(super) struct Behind {
    rule: Arc<RouteRule>,
    handler: Route,
}

impl Service<Request> for Behind {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // as routes always are
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { rule, handler } = self.clone();
        Box::pin(async move { Ok(guard(&rule, request, handler).await) })
    }
}

async fn guard(rule: &RouteRule, mut request: Request, mut handler: Route) -> Response {
    let Some(arrival) = request.extensions_mut().remove::<Arrival>() else {
        return Error::bug("a guarded route was called outside of its site").into_response();
    };
    if rule.is_impersonal {
        let Ok(response) = handler.call(request).await;
        return response;
    }
    let is_there = rule
        .extras
        .only_from
        .iter()
        .all(|networks| networks.contains(arrival.client.0));
    let Some(cors) = rule.extras.cors.as_ref().filter(|_| is_there) else {
        return guarded(rule, &arrival, request, handler).await;
    };
    // boxed: few routes have CORS, and every request would reserve stack space for two futures
    Box::pin(shared(cors, rule, &arrival, request, handler)).await
}

/// Handles routes with CORS.
async fn shared(
    cors: &Cors,
    rule: &RouteRule,
    arrival: &Arrival,
    request: Request,
    handler: Route,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    // a preflight has no cookies, so it is unknown whether the page is hidden from the visitor
    let hides = rule.access.hides();
    if let Some(answer) = cors
        .preflight(request.method(), request.headers(), &rule.declared)
        .filter(|_| !hides)
    {
        return answer;
    }
    let mut response = guarded(rule, arrival, request, handler).await;
    if !(hides && response.status() == StatusCode::NOT_FOUND) {
        cors.apply(origin.as_ref(), response.headers_mut());
    }
    response
}

/// Steps 8 to 11 for one path.
async fn guarded(
    rule: &RouteRule,
    arrival: &Arrival,
    request: Request,
    mut handler: Route,
) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let Arrival {
        context, client, ..
    } = arrival;
    // 8: session and user, loaded lazily. A request with a bearer token is not authenticated by its
    // cookies
    let is_call = callers::is_call(&rule.access, &parts.headers);
    let nothing = HeaderMap::new();
    let (session, visitor, tokens) =
        match meet(arrival, if is_call { &nothing } else { &parts.headers }).await {
            Ok(met) => met,
            Err(error) => return error.into_response(),
        };
    parts.extensions.insert(session.clone());
    parts.extensions.insert(visitor.clone());
    callers::attach(&arrival.site, &mut parts);

    let entered = match rule.may_repeat(&parts.method, *client) {
        true => Box::pin(repeats::enter(arrival, &session, &parts, &mut body)).await,
        false => Entered::Alone,
    };
    let turn = match entered {
        Entered::Alone => None,
        Entered::First(turn) => Some(turn),
        Entered::Again(response) => {
            context.personal().mark();
            return response;
        }
    };
    let mut response = match admitted(rule, arrival, &visitor, &tokens, &mut parts, &mut body).await
    {
        Ok(()) => {
            let Ok(response) = handler.call(Request::from_parts(parts, body)).await; // 11
            under(&rule.extras.policies, response)
        }
        Err(refusal) => refusal,
    };
    response = finished(arrival, &session, &tokens, response).await;
    match turn {
        Some(turn) => Box::pin(turn.finish(&session, context.nonce(), response)).await,
        None => response,
    }
}

/// The response for a path without a route. It equals that of a hidden page.
pub(super) async fn not_found(mut request: Request) -> Response {
    let Some(arrival) = request.extensions_mut().remove::<Arrival>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match meet(&arrival, request.headers()).await {
        Ok((session, _, tokens)) => {
            finished(
                &arrival,
                &session,
                &tokens,
                StatusCode::NOT_FOUND.into_response(),
            )
            .await
        }
        Err(error) => error.into_response(),
    }
}

/// The session, the visitor and the CSRF tokens of a request, all loaded lazily.
async fn meet(
    arrival: &Arrival,
    cookies: &HeaderMap,
) -> Result<(Session, Visitor, Arc<FormTokens>)> {
    let Arrival {
        site,
        context,
        client,
        ..
    } = arrival;
    let session = site.sessions.open(cookies, context.personal().clone());
    let visitor = Visitor::new(
        site.accounts.clone(),
        session.clone(),
        *client,
        cookies,
        context,
    );
    let kept = kept_secret(site, &session).await?;
    let tokens = site.csrf.tokens(cookies, session.cookie_key(), kept);
    context.set_values(Arc::new(visitor.clone()));
    let (forms, bound_to) = (tokens.clone(), session.clone());
    context.set_token(Arc::new(move || forms.masked(bound_to.future_key())));
    Ok((session, visitor, tokens))
}

/// Adds the cookies. An error is rendered before, because its page can contain a form.
async fn finished(
    arrival: &Arrival,
    session: &Session,
    tokens: &FormTokens,
    response: Response,
) -> Response {
    let is_bare = is_bare_error(&response);
    let mut response = if is_bare {
        Box::pin(failed(&arrival.context, response)).await
    } else {
        response
    };
    match leave(&arrival.site, session, tokens, &mut response).await {
        Ok(()) => response,
        Err(error) => error.into_response(),
    }
}

/// The CSRF secret that Django keeps in the session, where it does.
async fn kept_secret(site: &Site, session: &Session) -> Result<Option<String>> {
    if site.csrf.asks_session() && session.cookie_key().is_some() {
        session.value(KEPT_SECRET).await
    } else {
        Ok(None)
    }
}

/// Applies the route's page policies, unless the handler has set others or failed.
fn under(policies: &PagePolicies, mut response: Response) -> Response {
    if response.status().is_success() && response.extensions().get::<PagePolicies>().is_none() {
        response.extensions_mut().insert(policies.clone());
    }
    response
}

/// Steps 9 and 10. Rare branches are boxed: otherwise every request would move their futures.
async fn admitted(
    rule: &RouteRule,
    arrival: &Arrival,
    visitor: &Visitor,
    tokens: &FormTokens,
    parts: &mut Parts,
    body: &mut Body,
) -> Result<(), Response> {
    if !rule
        .extras
        .only_from
        .iter()
        .all(|networks| networks.contains(arrival.client.0))
    {
        return Err(access_denied(arrival, parts, Verdict::Hide));
    }
    let is_call = callers::is_call(&rule.access, &parts.headers);
    if is_call {
        Box::pin(callers::name(arrival, parts)).await?;
    }
    // a hidden page is refused before its CSRF token is checked, because a 403 would reveal it
    if rule.access.hides() && judged(rule, arrival, visitor, parts).await? == Verdict::Hide {
        return Err(access_denied(arrival, parts, Verdict::Hide));
    }
    // here and not in the router: a layer of the site must not answer before the access check
    if !rule.has(&parts.method) {
        return Err(method_not_allowed(rule));
    }
    let is_exempt = rule.extras.takes_reports && is_report(&parts.headers);
    let is_checked = rule.is_csrf_checked && !is_safe(&parts.method) && !is_exempt && !is_call;
    // before the rate limits: cross-site requests must not use up the limit of other clients behind
    // the same address
    if is_checked && let Err(refusal) = arrival.site.csrf.check_source(parts, arrival.is_secure) {
        return Err(csrf_failed(arrival, parts, refusal));
    }
    let limits = &rule.extras.limits;
    if !limits.is_empty() {
        Box::pin(limits::of_route(limits, arrival, visitor, parts)).await?;
    }
    if is_checked {
        match Box::pin(
            arrival
                .site
                .csrf
                .check(parts, body, tokens, arrival.is_secure),
        )
        .await
        {
            Ok(Ok(())) => {}
            // a login form that was loaded before the login in another tab
            Ok(Err(refusal @ Refusal::WrongToken)) if is_repeated_login(visitor, parts).await => {
                record_csrf_failure(arrival, parts, refusal);
                return Err(redirect_to("/account/login?entered=on"));
            }
            Ok(Err(refusal)) => return Err(csrf_failed(arrival, parts, refusal)),
            Err(status) => return Err(status.into_response()),
        }
    }
    if limits::look_at_fields(limits) {
        Box::pin(limits::of_fields(limits, arrival, parts, body)).await?;
    }
    match judged(rule, arrival, visitor, parts).await? {
        Verdict::Allow => Ok(()),
        verdict => Err(access_denied(arrival, parts, verdict)),
    }
}

async fn is_repeated_login(visitor: &Visitor, parts: &Parts) -> bool {
    parts.uri.path() == "/account/login" && visitor.user().await.is_ok_and(|user| user.is_some())
}

async fn judged(
    rule: &RouteRule,
    arrival: &Arrival,
    visitor: &Visitor,
    parts: &Parts,
) -> Result<Verdict, Response> {
    rule.access
        .judge(visitor, &arrival.site.database, parts)
        .await
        .map_err(IntoResponse::into_response)
}

/// Saves the session and sets cookies. After a server error the session is not changed.
async fn leave(
    site: &Site,
    session: &Session,
    tokens: &FormTokens,
    response: &mut Response,
) -> Result<()> {
    if session.is_renewed() {
        tokens.rotate();
    }
    if let Some(secret) = site.csrf.new_kept(tokens) {
        session.insert(KEPT_SECRET, secret).await?;
    }
    let session_cookie = if response.status().is_server_error() {
        None
    } else {
        session.finish().await?
    };
    let cookies: [Option<HeaderValue>; 3] = [
        session_cookie,
        site.csrf.new_cookie(tokens),
        session.message_cookie(),
    ];
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(())
}
