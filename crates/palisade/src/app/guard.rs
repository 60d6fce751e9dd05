//! Steps 8 to 11 of the request pipeline: session and user, CSRF checks, access rule, handler.

use super::repeats::{self, Entered};
use super::{Site, callers, limits};
use crate::audit_log::{self, Event};
use crate::auth::Visitor;
use crate::auth::views::MAX_NEXT_BYTES;
use crate::csrf::{FormTokens, KEPT_SECRET, Refusal, is_safe};
use crate::headers::{Cors, PagePolicies, is_report};
use crate::http::{ClientAddress, Networks, Origin, redirect_to};
use crate::permissions::{Access, Verdict};
use crate::sessions::Session;
use crate::throttle::Limit;
use crate::views::{Error, ErrorKind, Explained, RequestContext, Result, failed, is_bare_error};
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
    pub(super) fn are_for_everybody_alike(&self, access: &Access, declared: &[Method]) -> bool {
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
            tracing::info!(target: "palisade", unlogged, "requests were refused without a line of their own");
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
        return Err(denied(arrival, parts, Verdict::Hide));
    }
    let is_call = callers::is_call(&rule.access, &parts.headers);
    if is_call {
        Box::pin(callers::name(arrival, parts)).await?;
    }
    // a hidden page is refused before its CSRF token is checked, because a 403 would reveal it
    if rule.access.hides() && judged(rule, arrival, visitor, parts).await? == Verdict::Hide {
        return Err(denied(arrival, parts, Verdict::Hide));
    }
    // here and not in the router: a layer of the site must not answer before the access check
    if !rule.has(&parts.method) {
        return Err(undeclared(rule));
    }
    let is_exempt = rule.extras.takes_reports && is_report(&parts.headers);
    let is_checked = rule.is_csrf_checked && !is_safe(&parts.method) && !is_exempt && !is_call;
    // before the rate limits: cross-site requests must not use up the limit of other clients behind
    // the same address
    if is_checked && let Err(refusal) = arrival.site.csrf.check_source(parts, arrival.is_secure) {
        return Err(forged(arrival, parts, refusal));
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
                record_forgery(arrival, parts, refusal);
                return Err(redirect_to("/account/login?entered=on"));
            }
            Ok(Err(refusal)) => return Err(forged(arrival, parts, refusal)),
            Err(status) => return Err(status.into_response()),
        }
    }
    if limits::look_at_fields(limits) {
        Box::pin(limits::of_fields(limits, arrival, parts, body)).await?;
    }
    match judged(rule, arrival, visitor, parts).await? {
        Verdict::Allow => Ok(()),
        verdict => Err(denied(arrival, parts, verdict)),
    }
}

async fn is_repeated_login(visitor: &Visitor, parts: &Parts) -> bool {
    parts.uri.path() == "/account/login" && visitor.user().await.is_ok_and(|user| user.is_some())
}

/// 405 with the declared methods.
fn undeclared(rule: &RouteRule) -> Response {
    let names = rule.declared.iter().flat_map(|method| match *method {
        Method::GET => vec!["GET", "HEAD"],
        ref method => vec![method.as_str()],
    });
    let allow = names.collect::<Vec<_>>().join(",");
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]).into_response()
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

fn forged(arrival: &Arrival, parts: &Parts, refusal: Refusal) -> Response {
    record_forgery(arrival, parts, refusal);
    arrival.context.personal().mark();
    match &arrival.site.csrf_refusal {
        Some(page) => {
            let mut response = page(refusal);
            *response.status_mut() = StatusCode::FORBIDDEN;
            response.extensions_mut().insert(Explained);
            response
        }
        None => Error::new(ErrorKind::Forbidden, csrf_message(refusal)).into_response(),
    }
}

fn record_forgery(arrival: &Arrival, parts: &Parts, refusal: Refusal) {
    let detail = describe_refusal(arrival, parts, refusal);
    audit_log::record(
        Event::CsrfRefused,
        Some(arrival.client),
        arrival.context.id(),
        &detail,
    );
}

/// Describes a refusal for the log. A refused origin is logged with the expected one and the
/// setting that would accept it; of a Referer, only its origin.
fn describe_refusal(arrival: &Arrival, parts: &Parts, refusal: Refusal) -> String {
    let text = |name| {
        String::from_utf8_lossy(
            parts
                .headers
                .get(name)
                .map(HeaderValue::as_bytes)
                .unwrap_or_default(),
        )
        .into_owned()
    };
    let (name, value) = match refusal {
        Refusal::Origin | Refusal::CrossSite => ("Origin", text(header::ORIGIN)),
        Refusal::Referer => (
            "Referer",
            Origin::of_url(&text(header::REFERER))
                .map(|origin| origin.to_string())
                .unwrap_or_default(),
        ),
        refusal => return format!("{refusal:?}"),
    };
    let printable = |text: String| -> String {
        text.chars()
            .filter(char::is_ascii_graphic)
            .take(MAX_EVIDENCE)
            .collect()
    };
    let (scheme, host) = (
        if arrival.is_secure { "https" } else { "http" },
        printable(text(header::HOST)),
    );
    format!(
        "{refusal:?} {name}={} expected={scheme}://{host} setting=csrf.trusted_origins",
        printable(value)
    )
}

/// Longest logged part of a header, in characters.
const MAX_EVIDENCE: usize = 120;

fn csrf_message(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoCookie | Refusal::NoToken | Refusal::WrongToken => {
            "This form is too old, or cookies are switched off. Go back, reload the page and send it again."
        }
        Refusal::NoForm => {
            "This page reads plain forms; anything else needs the token in the header X-CSRFToken."
        }
        _ => "This request came from another site and was refused.",
    }
}

fn denied(arrival: &Arrival, parts: &Parts, verdict: Verdict) -> Response {
    let context = &arrival.context;
    audit_log::record(
        Event::AccessDenied,
        Some(arrival.client),
        context.id(),
        &context.logged_path(),
    );
    match verdict {
        Verdict::Hide => Error::not_found().into_response(),
        // RFC 9110, 11.6.1: the scheme is not registered; the session is a cookie
        Verdict::LogIn if context.wants_problem() => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Session")],
        )
            .into_response(),
        Verdict::LogIn if !is_safe(&parts.method) => to_login_and_back(arrival, parts),
        Verdict::LogIn => to_page(context, "/account/login"),
        Verdict::AddFactor | Verdict::ProveAgain if context.wants_problem() => {
            Error::forbidden().into_response()
        }
        Verdict::AddFactor => to_page(context, "/account/factors"),
        Verdict::ProveAgain => to_page(context, "/account/again"),
        Verdict::BringToken(scope) => callers::unnamed(scope),
        Verdict::WidenScope(scope) => callers::narrow(scope),
        Verdict::Allow | Verdict::Forbid => Error::forbidden().into_response(),
    }
}

/// Redirects a form without a session to the login page, which says that the form was not
/// processed, with the page of the form as `next`.
fn to_login_and_back(arrival: &Arrival, parts: &Parts) -> Response {
    let text = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let own = text(header::HOST).and_then(|host| Origin::of_request(arrival.is_secure, host));
    let form = text(header::REFERER)
        .filter(|referer| Origin::of_url(referer).is_some_and(|origin| Some(origin) == own));
    let page = form
        .and_then(|referer| referer.splitn(4, '/').nth(3))
        .map(|path| format!("/{path}"));
    let page = page
        .filter(|page| page.len() <= MAX_NEXT_BYTES)
        .unwrap_or_default();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("lost", "on")
        .append_pair("next", &page)
        .finish();
    redirect_to(format!("/account/login?{query}"))
}

/// Redirects to a page that asks for more, with this one as `next`; after a form, whose fields are
/// lost, to the site's home page.
fn to_page(context: &RequestContext, page: &str) -> Response {
    let is_page = *context.method() == Method::GET && context.path().len() <= MAX_NEXT_BYTES;
    let next = if is_page { context.path() } else { "" };
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    if next.is_empty() {
        redirect_to(page)
    } else {
        redirect_to(format!("{page}?next={next}"))
    }
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
