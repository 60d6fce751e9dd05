//! Steps 9 and 10: networks, bearer tokens, CSRF checks, rate limits and access rule of a route.

use super::rate_limit::NamedLeft;
use super::refusal::{
    access_denied, csrf_failed, method_not_allowed, record_csrf_failure, to_kept_form,
};
use super::request_info::RequestInfo;
use super::route_rule::RouteRule;
use super::{bearer, rate_limit, unsent, webhook};
use crate::auth::views::sessions::END_VIEW;
use crate::auth::{TOKEN_PREFIX, Visitor};
use crate::csrf::{FormTokens, Refusal, is_safe};
use crate::headers::is_report;
use crate::http::{RequestHost, redirect_to};
use crate::permissions::{CurrentActor, ExportRule, OnBehalf, Question, Verdict};
use crate::throttle::{By, Limit};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header;
use http::request::Parts;
use http::uri::PathAndQuery;
use std::fmt;
use std::sync::{LazyLock, OnceLock};

/// Exports of a user.
static EXPORTS: LazyLock<Limit> = LazyLock::new(|| Limit::new("exports", By::User, "20/h"));

/// Steps 9 and 10 of one request.
pub(super) struct RouteSteps<'a> {
    pub(super) rule: &'a RouteRule,
    pub(super) info: &'a RequestInfo,
    pub(super) visitor: &'a Visitor,
    pub(super) actor: &'a CurrentActor,
    pub(super) tokens: &'a FormTokens,
    /// Whether a bearer token or a signature authenticates the request, and not its cookies.
    pub(super) is_call: bool,
    /// The rest of the tightest limit.
    pub(super) left: OnceLock<NamedLeft>,
}

impl RouteSteps<'_> {
    /// The steps in order; ARCHITECTURE.md has the same list. Rare branches are boxed: otherwise
    /// every request would move their futures.
    pub(super) async fn run(&self, parts: &mut Parts, body: &mut Body) -> Result<(), Response> {
        self.check_networks(parts)?;
        self.authenticate_bearer(parts).await?;
        self.check_visibility(parts).await?;
        self.refuse_token_in_url(parts).await?;
        self.check_method(parts)?;
        self.check_viewer(parts).await?;
        self.check_csrf_source(parts)?;
        self.check_route_limits(parts).await?;
        self.verify_webhook(parts, body).await?;
        self.check_csrf_token(parts, body).await?;
        self.check_field_limits(parts, body).await?;
        self.check_access_rule(parts, body).await?;
        self.admit_export(parts).await
    }

    /// Adds the rest of the tightest limit to a response of the API.
    pub(super) fn tell_limits(&self, mut response: Response) -> Response {
        if let Some(left) = self.left.get().filter(|_| self.rule.extras.is_api) {
            rate_limit::add_left(*left, response.headers_mut());
        }
        response
    }

    fn check_networks(&self, parts: &Parts) -> Result<(), Response> {
        let address = self.info.client.0;
        let mut networks = self.rule.extras.only_from.iter();
        let is_at = self
            .rule
            .extras
            .only_at
            .as_deref()
            .is_none_or(|host| is_host(parts, host));
        let entrance = self.rule.extras.only_through;
        let is_through = entrance.is_none_or(|entrance| entrance == self.info.entrance);
        if networks.all(|networks| networks.contains(address)) && is_at && is_through {
            Ok(())
        } else {
            let denied = (Verdict::Hide, &"other networks" as &dyn fmt::Display);
            Err(access_denied(self.info, parts, denied))
        }
    }

    async fn refuse_token_in_url(&self, parts: &Parts) -> Result<(), Response> {
        let path_and_query = parts.uri.path_and_query().map(PathAndQuery::as_str);
        if path_and_query.is_some_and(|text| text.contains(TOKEN_PREFIX)) {
            Box::pin(bearer::refuse_in_url(self.info, parts)).await?;
        }
        Ok(())
    }

    async fn authenticate_bearer(&self, parts: &mut Parts) -> Result<(), Response> {
        if self.is_call && self.rule.access.takes_tokens() {
            let found = Box::pin(bearer::authenticate(self.info, parts, self.actor)).await;
            // a wrong token must not reveal a hidden route
            found.map_err(|refusal| match self.rule.access.hides() {
                true => self.deny(parts, Verdict::Hide),
                false => refusal,
            })?;
        }
        Ok(())
    }

    /// A hidden page is refused before its CSRF token is validated, because a 403 would reveal it.
    async fn check_visibility(&self, parts: &Parts) -> Result<(), Response> {
        if self.rule.access.hides() && self.judge(parts).await? == Verdict::Hide {
            return Err(self.deny(parts, Verdict::Hide));
        }
        Ok(())
    }

    /// Here and not in the router: middleware of the site must not answer before authorization.
    fn check_method(&self, parts: &Parts) -> Result<(), Response> {
        if self.rule.has(&parts.method) {
            Ok(())
        } else {
            Err(method_not_allowed(self.rule))
        }
    }

    /// A member of staff who views the site as a user changes nothing, and sees no account pages.
    async fn check_viewer(&self, parts: &Parts) -> Result<(), Response> {
        let path = parts.uri.path();
        let is_account = path == "/account" || path.starts_with("/account/");
        let is_open = is_safe(&parts.method) && !is_account;
        if is_open || path == END_VIEW || self.visitor.session().cookie_key().is_none() {
            return Ok(());
        }
        match self.visitor.viewer().await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => {
                let denied = (
                    Verdict::Forbid,
                    &"a view as another user" as &dyn fmt::Display,
                );
                Err(access_denied(self.info, parts, denied))
            }
            Err(error) => Err(error.into_response()),
        }
    }

    fn is_csrf_checked(&self, parts: &Parts) -> bool {
        let is_exempt = self.rule.extras.takes_reports && is_report(&parts.headers);
        self.rule.is_csrf_checked && !is_safe(&parts.method) && !is_exempt && !self.is_call
    }

    /// Before the rate limits: cross-site requests must not use up the limit of other clients
    /// behind the same address.
    fn check_csrf_source(&self, parts: &Parts) -> Result<(), Response> {
        if !self.is_csrf_checked(parts) {
            return Ok(());
        }
        let checked = self.info.site.csrf.check_source(parts, self.info.scheme);
        checked.map_err(|refusal| csrf_failed(self.info, parts, refusal))
    }

    /// The limits of the route, and that of the API.
    async fn check_route_limits(&self, parts: &Parts) -> Result<(), Response> {
        let extras = &self.rule.extras;
        if !extras.limits.is_empty() || extras.is_api {
            let of_api = extras.is_api.then_some(&self.info.site.limits.api);
            let limits = extras.limits.iter().chain(of_api);
            let checked = rate_limit::check_route(limits, self.info, self.visitor, parts);
            if let Some(left) = Box::pin(checked).await? {
                // set once, here
                let _ = self.left.set(left);
            }
        }
        Ok(())
    }

    async fn verify_webhook(&self, parts: &mut Parts, body: &mut Body) -> Result<(), Response> {
        match self.rule.access.signed_source() {
            Some(source) => Box::pin(webhook::verify(self.info, parts, (body, source))).await,
            None => Ok(()),
        }
    }

    async fn check_csrf_token(&self, parts: &Parts, body: &mut Body) -> Result<(), Response> {
        if !self.is_csrf_checked(parts) {
            return Ok(());
        }
        let (csrf, scheme) = (&self.info.site.csrf, self.info.scheme);
        match Box::pin(csrf.check(parts, body, self.tokens, scheme)).await {
            Ok(Ok(())) => Ok(()),
            // a login form that was loaded before the login in another tab
            Ok(Err(refusal @ Refusal::WrongToken))
                if is_repeated_login(self.visitor, parts).await =>
            {
                record_csrf_failure(self.info, parts, refusal);
                Err(redirect_to("/account/login?entered=on"))
            }
            Ok(Err(refusal)) => match Box::pin(self.keep_overdue(parts, body)).await {
                Some(response) => {
                    record_csrf_failure(self.info, parts, refusal);
                    Err(response)
                }
                None => Err(csrf_failed(self.info, parts, refusal)),
            },
            Err(status) => Err(status.into_response()),
        }
    }

    async fn check_field_limits(&self, parts: &Parts, body: &mut Body) -> Result<(), Response> {
        let limits = &self.rule.extras.limits;
        if rate_limit::has_field_limits(limits) {
            Box::pin(rate_limit::check_fields(limits, self.info, parts, body)).await?;
        }
        Ok(())
    }

    async fn check_access_rule(&self, parts: &mut Parts, body: &mut Body) -> Result<(), Response> {
        match self.judge(parts).await? {
            Verdict::Allow => {
                act_on_behalf(parts);
                Ok(())
            }
            verdict @ (Verdict::LogIn | Verdict::Reauthenticate) if !is_safe(&parts.method) => {
                Err(Box::pin(self.keep_and_deny(parts, body, verdict)).await)
            }
            verdict => Err(self.deny(parts, verdict)),
        }
    }

    /// Counts an export, and marks its request for the handler.
    async fn admit_export(&self, parts: &mut Parts) -> Result<(), Response> {
        if !self.rule.access.is_export() {
            return Ok(());
        }
        Box::pin(rate_limit::check_route(
            std::iter::once(&*EXPORTS),
            self.info,
            self.visitor,
            parts,
        ))
        .await?;
        parts.extensions.insert(ExportRule);
        Ok(())
    }

    /// Refuses a form that needs a login, and keeps its input.
    async fn keep_and_deny(&self, parts: &Parts, body: &mut Body, verdict: Verdict) -> Response {
        let denied = self.deny(parts, verdict);
        if self.info.context.wants_problem() {
            return denied;
        }
        match unsent::keep(self.info, self.visitor, parts, body).await {
            Some(cookie) => to_kept_form(verdict, cookie),
            None => denied,
        }
    }

    /// A form whose token is that of a session that has ended: where a login is missing anyway, it
    /// is kept. `None` to refuse it.
    async fn keep_overdue(&self, parts: &Parts, body: &mut Body) -> Option<Response> {
        let needs_login = self.judge(parts).await.ok() == Some(Verdict::LogIn);
        if !needs_login || self.info.context.wants_problem() {
            return None;
        }
        let cookie = unsent::keep(self.info, self.visitor, parts, body).await?;
        self.deny(parts, Verdict::LogIn);
        Some(to_kept_form(Verdict::LogIn, cookie))
    }

    fn deny(&self, parts: &Parts, verdict: Verdict) -> Response {
        access_denied(self.info, parts, (verdict, &self.rule.access))
    }

    async fn judge(&self, parts: &Parts) -> Result<Verdict, Response> {
        let question = Question {
            visitor: self.visitor,
            actor: self.actor,
            request: parts,
        };
        let judged = self.rule.access.judge(question);
        judged.await.map_err(IntoResponse::into_response)
    }
}

/// The handler of a request with a token acts for its user, where the rule has allowed that.
fn act_on_behalf(parts: &mut Parts) {
    let granted = parts.extensions.get::<OnBehalf>();
    if let Some(user) = granted.filter(|user| user.is_granted()).cloned() {
        parts.extensions.insert(user.actor.visitor().clone());
        parts.extensions.insert(user.actor);
    }
}

/// Whether a request is to a host; the name was checked before.
fn is_host(parts: &Parts, host: &str) -> bool {
    let requested = parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let requested = requested.and_then(RequestHost::parse);
    requested.is_some_and(|requested| requested.domain() == host)
}

async fn is_repeated_login(visitor: &Visitor, parts: &Parts) -> bool {
    parts.uri.path() == "/account/login" && visitor.user().await.is_ok_and(|user| user.is_some())
}
