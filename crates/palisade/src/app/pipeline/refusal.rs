//! Responses to requests that the guard refuses: CSRF failures, access rules, undeclared methods.

use crate::app::pipeline::{bearer, unsent};
use crate::app::pipeline::{request_info::RequestInfo, route_rule::RouteRule};
use crate::audit_log::{self, Entry, Event};
use crate::auth::views::MAX_NEXT_BYTES;
use crate::csrf::{Refusal, is_safe};
use crate::http::{Origin, redirect_to};
use crate::permissions::Verdict;
use crate::views::{Error, ErrorKind, Explained, RequestContext};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use std::fmt;

/// 405 with the declared methods.
pub(in crate::app) fn method_not_allowed(rule: &RouteRule) -> Response {
    let names = rule.declared.iter().flat_map(|method| match *method {
        Method::GET => vec!["GET", "HEAD"],
        ref method => vec![method.as_str()],
    });
    let allow = names.collect::<Vec<_>>().join(",");
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]).into_response()
}

/// 403 for a request that fails the CSRF checks, on the site's own page if it has one.
pub(in crate::app) fn csrf_failed(info: &RequestInfo, parts: &Parts, refusal: Refusal) -> Response {
    record_csrf_failure(info, parts, refusal);
    info.context.personal().mark();
    match &info.site.csrf_refusal {
        Some(page) => {
            let mut response = page(refusal);
            *response.status_mut() = StatusCode::FORBIDDEN;
            response.extensions_mut().insert(Explained);
            response
        }
        None => Error::new(ErrorKind::Forbidden, csrf_message(refusal)).into_response(),
    }
}

/// Records `csrf_refused`, with the header that was refused.
pub(in crate::app) fn record_csrf_failure(info: &RequestInfo, parts: &Parts, refusal: Refusal) {
    let detail = describe_refusal(info, parts, refusal);
    audit_log::record(Entry::new(Event::CsrfRefused).detail(detail));
}

/// Describes a refusal for the log. A refused origin is logged with the expected one and the
/// setting that would accept it; of a Referer, only its origin.
fn describe_refusal(info: &RequestInfo, parts: &Parts, refusal: Refusal) -> String {
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
    let (scheme, host) = (info.scheme.as_str(), printable(text(header::HOST)));
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
            "This form is too old, or cookies are disabled. Go back, reload the page and send it \
                again."
        }
        Refusal::NoForm => {
            "Send this form as application/x-www-form-urlencoded, or send the token as the first \
                part of a multipart form or in the header X-CSRFToken."
        }
        _ => "This request came from another site and was refused.",
    }
}

/// The response for a verdict of the access rule: 404, 401, 403, or a redirect to the page where the
/// missing evidence is given. The log names the rule, and the client does not see it.
pub(in crate::app) fn access_denied(
    info: &RequestInfo,
    parts: &Parts,
    (verdict, rule): (Verdict, &dyn fmt::Display),
) -> Response {
    let context = &info.context;
    let detail = format!("{}, access: {rule}", context.logged_path());
    audit_log::record(Entry::new(Event::AccessDenied).detail(detail));
    match verdict {
        Verdict::Hide => Error::not_found().into_response(),
        // RFC 9110, 11.6.1: the scheme is not registered; the session is a cookie
        Verdict::LogIn if context.wants_problem() => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Session")],
        )
            .into_response(),
        Verdict::LogIn if !is_safe(&parts.method) => to_login_and_back(info, parts),
        Verdict::LogIn => to_page(context, "/account/login"),
        Verdict::AddFactor | Verdict::Reauthenticate if context.wants_problem() => {
            Error::forbidden().into_response()
        }
        Verdict::AddFactor => to_page(context, "/account/factors"),
        Verdict::Reauthenticate => to_page(context, "/account/reauthenticate"),
        Verdict::BringToken(scope) => bearer::missing_token(scope),
        Verdict::WidenScope(scope) => bearer::insufficient_scope(scope),
        Verdict::Allow | Verdict::Forbid => Error::forbidden().into_response(),
    }
}

/// Redirects a form without a session to the login page, which says that the form was not
/// processed, with the page of the form as `next`.
fn to_login_and_back(info: &RequestInfo, parts: &Parts) -> Response {
    let text = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let own = text(header::HOST).and_then(|host| Origin::of_request(info.scheme, host));
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

/// Redirects to the page that asks for a login, after which the kept form is shown.
pub(in crate::app) fn to_kept_form(verdict: Verdict, cookie: HeaderValue) -> Response {
    let page = match verdict {
        Verdict::Reauthenticate => "/account/reauthenticate?",
        _ => "/account/login?kept=on&",
    };
    let mut response = redirect_to(format!("{page}next={}", unsent::PAGE));
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
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
