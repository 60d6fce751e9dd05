//! The generic error page: a status, a sentence, a request id. The cause is logged, once.

#[cfg(debug_assertions)]
use super::reload::with_reload;
use super::{ErrorKind, Failure, RequestContext, UserLookup, page::html};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use palisade_template::{Value, context};
use serde_json::json;

/// Marks a response whose error was logged and rendered already.
#[derive(Clone)]
pub(crate) struct Explained;

/// Whether a response is an error without a page: from our [`Error`](super::Error), an extractor or
/// the router.
pub(crate) fn is_bare_error(response: &Response) -> bool {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes);
    let is_bare = content_type.is_none_or(|kind| kind.starts_with(b"text/plain"));
    is_error
        && response.extensions().get::<Explained>().is_none()
        && (is_bare || response.extensions().get::<Failure>().is_some())
}

/// Renders the generic error page for a bare error; its headers are kept.
pub(crate) async fn render_error(context: &RequestContext, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let failure = parts.extensions.remove::<Failure>();
    let cause = match &failure {
        Some(failure) => format!("{} at {}", failure.error(), failure.place()),
        None => axum::body::to_bytes(body, 1024)
            .await
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default(),
    };
    if context.is_logged() {
        let kind = failure.as_ref().map(|failure| failure.error().kind());
        log(context, parts.status, &cause, kind);
    }
    #[cfg(feature = "sentry")]
    observe(context, parts.status, failure.as_ref());
    let message = failure.as_ref().map_or_else(
        || sentence(parts.status),
        |failure| failure.error().public_message(),
    );
    let explained = explain(context, parts.status, message, failure.as_ref()).await;
    let (mut page, body) = explained.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    page.headers.extend(parts.headers);
    page.extensions = parts.extensions;
    page.extensions.insert(Explained);
    Response::from_parts(page, body)
}

/// A function that gets the errors of requests.
#[cfg(feature = "sentry")]
#[derive(Clone)]
pub(crate) struct FaultObserver(
    pub(crate) std::sync::Arc<dyn Fn(&RequestContext, StatusCode, Option<&Failure>) + Send + Sync>,
);

#[cfg(feature = "sentry")]
fn observe(context: &RequestContext, status: StatusCode, failure: Option<&Failure>) {
    let observer = context.site().services.get::<FaultObserver>();
    if let Some(FaultObserver(observer)) =
        observer.filter(|_| status == StatusCode::INTERNAL_SERVER_ERROR)
    {
        observer(context, status, failure);
    }
}

/// An overload is expected behaviour, and any client can cause one: it is not logged as an error.
fn log(context: &RequestContext, status: StatusCode, cause: &str, kind: Option<ErrorKind>) {
    let (path, cause) = (context.logged_path(), one_line(cause));
    let (id, method) = (context.id(), context.method().as_str());
    if status.is_server_error()
        && status != StatusCode::NOT_IMPLEMENTED
        && kind != Some(ErrorKind::Busy)
    {
        tracing::error!(target: "palisade", request = id, status = status.as_u16(), method, path, cause, "request failed");
    } else {
        tracing::info!(target: "palisade", request = id, status = status.as_u16(), method, path, cause, "request refused");
    }
}

/// A cause may repeat input: control characters in it must not begin a line of the log.
fn one_line(text: &str) -> String {
    let is_control = |letter: &char| letter.is_control() || "\u{2028}\u{2029}".contains(*letter);
    let escape = |letter: char| match is_control(&letter) {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    text.chars().map(escape).collect()
}

async fn explain(
    context: &RequestContext,
    status: StatusCode,
    message: &str,
    failure: Option<&Failure>,
) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    if context.wants_problem() {
        let problem = json!({
            "type": "about:blank", "title": title, "status": status.as_u16(), "detail": message, "request_id": context.id(),
        });
        let content_type = HeaderValue::from_static("application/problem+json");
        return (
            status,
            [(header::CONTENT_TYPE, content_type)],
            Body::from(problem.to_string()),
        )
            .into_response();
    }
    #[cfg(debug_assertions)]
    if let Some(page) = super::debug_page::page(context, status, failure) {
        return html(status, with_reload(context, page));
    }
    let _ = failure;
    // a site in trouble does not query the database for an error page
    let lookup = match status.is_server_error() {
        true => UserLookup::Loaded,
        false => UserLookup::Query,
    };
    let shown = context.error_values("error.html", lookup).await;
    let values =
        || context! { status => status.as_u16(), title, message, request_id => context.id() };
    let render = |shown: Value| {
        context.site().templates.render(
            "error.html",
            context! { ..values(), ..shown },
            context.secrets(),
        )
    };
    let page = render(shown).or_else(|error| {
        tracing::error!(target: "palisade", request = context.id(), %error, "the error page cannot be rendered with the navigation of the site");
        render(context! { user => () })
    });
    html(
        status,
        page.unwrap_or_else(|_| format!("<!doctype html><title>{title}</title><p>{title}")),
    )
}

fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "This page does not exist.",
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            "This page does not support this request."
        }
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            "That was more than this site accepts."
        }
        StatusCode::REQUEST_TIMEOUT => "This took too long to arrive. Please try again.",
        StatusCode::FORBIDDEN => "You are not allowed to do this.",
        StatusCode::UNAUTHORIZED => "Log in first.",
        status if status.is_client_error() => "The request could not be understood.",
        _ => "Something went wrong on our side.",
    }
}
