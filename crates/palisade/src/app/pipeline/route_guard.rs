//! Steps 8 to 11 of the request pipeline: session and user, CSRF checks, access rule, handler.

use crate::app::Site;
use crate::app::pipeline::bearer;
use crate::app::pipeline::double_submit;
use crate::app::pipeline::repeats::Entered;
use crate::app::pipeline::request_info::RequestInfo;
use crate::app::pipeline::route_rule::RouteRule;
use crate::app::pipeline::route_steps::RouteSteps;
use crate::auth::Visitor;
use crate::csrf::{FormTokens, KEPT_SECRET, is_safe};
use crate::headers::{Cors, PagePolicies};
use crate::permissions::CurrentActor;
use crate::sessions::Session;
use crate::views::{Error, Result, is_bare_error, render_error};
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Layer that guards the handlers of one path.
#[derive(Clone)]
pub(in crate::app) struct RouteGuard(Arc<RouteRule>);

impl RouteGuard {
    pub(in crate::app) fn new(rule: RouteRule) -> Self {
        Self(Arc::new(rule))
    }
}

impl Layer<Route> for RouteGuard {
    type Service = GuardedService;

    fn layer(&self, handler: Route) -> GuardedService {
        GuardedService {
            rule: self.0.clone(),
            handler,
        }
    }
}

/// A guarded handler.
#[derive(Clone)]
pub(in crate::app) struct GuardedService {
    rule: Arc<RouteRule>,
    handler: Route,
}

impl Service<Request> for GuardedService {
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
    let Some(info) = request.extensions_mut().remove::<RequestInfo>() else {
        return Error::bug("a guarded route was called outside of its site").into_response();
    };
    #[cfg(debug_assertions)]
    rule.note_handler(request.method(), &info.context);
    if let Some(path) = request.extensions().get::<MatchedPath>() {
        info.context.set_route(path.clone());
    }
    if rule.is_impersonal {
        let Ok(response) = handler.call(request).await;
        return response;
    }
    let is_there = rule
        .extras
        .only_from
        .iter()
        .all(|networks| networks.contains(info.client.0));
    let Some(cors) = rule.extras.cors.as_ref().filter(|_| is_there) else {
        return run_steps(rule, &info, request, handler).await;
    };
    // boxed: few routes have CORS, and every request would reserve stack space for two futures
    Box::pin(with_cors((rule, cors), &info, request, handler)).await
}

/// Handles routes with CORS.
async fn with_cors(
    (rule, cors): (&RouteRule, &Cors),
    info: &RequestInfo,
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
    let mut response = run_steps(rule, info, request, handler).await;
    if !(hides && response.status() == StatusCode::NOT_FOUND) {
        cors.apply(origin.as_ref(), response.headers_mut());
    }
    response
}

/// Steps 8 to 11 for one path.
async fn run_steps(
    rule: &RouteRule,
    info: &RequestInfo,
    request: Request,
    mut handler: Route,
) -> Response {
    let (mut parts, mut body) = request.into_parts();
    let RequestInfo {
        context, client, ..
    } = info;
    // 8: session and user, loaded lazily. A request with a bearer token is not authenticated by its
    // cookies
    let is_call = bearer::is_call(&rule.access, &parts.headers);
    let nothing = HeaderMap::new();
    let (session, actor, tokens) =
        match load_session(info, if is_call { &nothing } else { &parts.headers }).await {
            Ok(met) => met,
            Err(error) => return error.into_response(),
        };
    let visitor = actor.visitor().clone();
    attach(&mut parts, info, (&session, &actor));
    attach_tokens(&mut parts, &tokens);

    let entered = match rule.may_repeat(&parts.method, *client) {
        true => Box::pin(double_submit::enter(info, &session, &parts, &mut body)).await,
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
    let steps = RouteSteps {
        rule,
        info,
        visitor: &visitor,
        actor: &actor,
        tokens: &tokens,
        is_call,
        left: OnceLock::new(),
    };
    let response = match steps.run(&mut parts, &mut body).await {
        Ok(()) => {
            let Ok(response) = handler.call(Request::from_parts(parts, body)).await; // 11
            apply_page_policies(&rule.extras.policies, response)
        }
        Err(refusal) => refusal,
    };
    let response = steps.tell_limits(response);
    let response = finish(info, &session, &tokens, response).await;
    match turn {
        Some(turn) => Box::pin(turn.finish(&session, context.nonce(), response)).await,
        None => response,
    }
}

/// The session, the visitor and the actor, for extractors.
fn attach(parts: &mut Parts, info: &RequestInfo, (session, actor): (&Session, &CurrentActor)) {
    parts.extensions.insert(session.clone());
    parts.extensions.insert(actor.visitor().clone());
    parts.extensions.insert(actor.clone());
    if parts.uri.path().starts_with("/account/") {
        parts.extensions.insert(info.site.factors.clone());
    }
    bearer::attach(&info.site, parts);
}

/// Held files are bound to the secret of the tokens.
fn attach_tokens(parts: &mut Parts, tokens: &Arc<FormTokens>) {
    if !is_safe(&parts.method) {
        parts.extensions.insert(tokens.clone());
    }
}

/// The response for a path without a route. It equals that of a hidden page.
pub(in crate::app) async fn not_found(mut request: Request) -> Response {
    let Some(info) = request.extensions_mut().remove::<RequestInfo>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match load_session(&info, request.headers()).await {
        Ok((session, _, tokens)) => {
            finish(
                &info,
                &session,
                &tokens,
                StatusCode::NOT_FOUND.into_response(),
            )
            .await
        }
        Err(error) => error.into_response(),
    }
}

/// The session, the actor and the CSRF tokens of a request, all loaded lazily.
async fn load_session(
    info: &RequestInfo,
    cookies: &HeaderMap,
) -> Result<(Session, CurrentActor, Arc<FormTokens>)> {
    let RequestInfo {
        site,
        context,
        client,
        ..
    } = info;
    let session = site.sessions.open(cookies, context.personal().clone());
    let visitor = Visitor::new(
        site.accounts.clone(),
        session.clone(),
        (*client, cookies),
        context,
    );
    let kept = session_csrf_secret(site, &session).await?;
    let tokens = site.csrf.tokens(cookies, session.cookie_key(), kept);
    let actor = CurrentActor::new(visitor, site.authorizer.clone());
    context.set_values(info.site.page_values_of(&actor));
    let (forms, bound_to) = (tokens.clone(), session.clone());
    context.set_token(Arc::new(move || forms.mask(bound_to.future_key())));
    Ok((session, actor, tokens))
}

/// Adds the cookies. An error is rendered before, because its page can contain a form.
async fn finish(
    info: &RequestInfo,
    session: &Session,
    tokens: &FormTokens,
    response: Response,
) -> Response {
    let is_bare = is_bare_error(&response);
    let mut response = if is_bare {
        Box::pin(render_error(&info.context, response)).await
    } else {
        response
    };
    match add_cookies(&info.site, session, tokens, &mut response).await {
        Ok(()) => response,
        Err(error) => error.into_response(),
    }
}

/// The CSRF secret that Django keeps in the session, where it does.
async fn session_csrf_secret(site: &Site, session: &Session) -> Result<Option<String>> {
    if site.csrf.asks_session() && session.cookie_key().is_some() {
        session.value(KEPT_SECRET).await
    } else {
        Ok(None)
    }
}

/// Applies the route's page policies, unless the handler has set others or failed.
fn apply_page_policies(policies: &PagePolicies, mut response: Response) -> Response {
    if response.status().is_success() && response.extensions().get::<PagePolicies>().is_none() {
        response.extensions_mut().insert(policies.clone());
    }
    response
}

/// Saves the session and sets cookies. After a server error the session is not changed.
async fn add_cookies(
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
