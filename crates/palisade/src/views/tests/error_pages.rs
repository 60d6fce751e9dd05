//! Attacks on error pages: disclosure of the cause, injection into page and log, and pages that
//! fail themselves.

use super::super::*;
use crate::app::{App, Routes};
use crate::auth::Rank;
use crate::permissions::{public, signed_in, staff};
use crate::sessions::Session;
use crate::testing::{Answer, TestSite, events_of_this_thread};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use palisade_template::{Layer, context};

fn desk() -> App {
    async fn shout(Path(text): Path<String>) -> Result<&'static str> {
        Err(Error::new(ErrorKind::Conflict, text))
    }
    async fn json() -> Response {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (StatusCode::CONFLICT, kind, "{\"own\":true}").into_response()
    }
    async fn own(page: Page) -> Result<Response> {
        page.render_as(StatusCode::NOT_FOUND, "own.html", context! {})
            .await
    }
    async fn busy() -> Result<&'static str> {
        Err(Error::new(ErrorKind::Busy, "Two minutes, please."))
    }
    async fn remember(session: Session) -> Result<&'static str> {
        session.insert("tried", true).await?;
        Err(Error::new(ErrorKind::BadRequest, "Not like this."))
    }
    let own_page = "{% extends \"base.html\" %}{% block main %}<h1>No such seat</h1>{% endblock %}";
    let routes = Routes::new()
        .route("/shout/{text}", public().get(shout))
        .route("/json", public().get(json))
        .route("/own", public().get(own))
        .route("/busy", public().get(busy))
        .route("/remember", public().get(remember))
        .route(
            "/plain",
            public().get(async || (StatusCode::BAD_REQUEST, "the cause, in plain text")),
        )
        .route(
            "/bug",
            public().get(async || -> Result<&'static str> { Err(Error::bug("secret cause")) }),
        )
        .route("/queue", staff().get(async || "the queue"))
        .route("/mine", signed_in().get(async || "mine"))
        .route(
            "/file/{*path}",
            public().get(async || StatusCode::NOT_FOUND),
        );
    App::new()
        .templates(Layer::embedded(&[("own.html", own_page)]))
        .routes(routes)
}

async fn ask(site: &TestSite, method: Method, path: &str, accept: &str) -> Answer {
    let mut client = site.client();
    let request = client.request(method, path).header(header::ACCEPT, accept);
    client.send(request, Body::empty()).await
}

/// The body of a problem document.
fn problem(answer: &Answer) -> serde_json::Value {
    assert_eq!(answer.header("content-type"), "application/problem+json");
    serde_json::from_str(&answer.body).unwrap()
}

// RFC 9457: programs get a problem document, browsers get a page
#[tokio::test]
async fn the_format_follows_the_accept_header() {
    let site = TestSite::start(desk(), &[]).await;
    for (accept, is_problem) in [
        ("application/json", true),
        ("application/problem+json", true),
        ("application/json, */*;q=0.1", true),
        ("text/html,application/xhtml+xml,*/*;q=0.8", false),
        ("text/html, application/json", false),
        ("*/*", false),
        ("", false),
    ] {
        let answer = ask(&site, Method::GET, "/nowhere", accept).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let is_json = answer.header("content-type") == "application/problem+json";
        assert_eq!(is_json, is_problem, "{accept:?}");
    }
}

// V16.5.1: status, title, sentence and request id, and no field more
#[tokio::test]
async fn a_problem_document_names_no_cause() {
    let site = TestSite::production(desk(), &[]).await;
    for (path, status, detail) in [
        ("/nowhere", 404, "This page does not exist."),
        ("/bug", 500, "Something went wrong on our side."),
        ("/plain", 400, "The request could not be understood."),
        ("/busy", 503, "Two minutes, please."),
    ] {
        let answer = ask(&site, Method::GET, path, "application/json").await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        let problem = problem(&answer);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["detail"], detail);
        assert_eq!(problem["request_id"], answer.header("x-request-id"));
        assert_eq!(problem.as_object().unwrap().len(), 5, "{problem}");
        assert!(!answer.body.contains("cause"), "{path}");
    }
}

// V16.5.1, D30: the cause is in the log, once, with the request id, and not in the page
#[tokio::test]
async fn a_cause_is_logged_once_and_not_shown() {
    let site = TestSite::start(desk(), &[]).await;
    for (path, line) in [
        ("/bug", "request failed"),
        ("/plain", "request refused"),
        ("/busy", "request refused"),
        ("/nowhere", "request refused"),
    ] {
        let answer = ask(&site, Method::GET, path, "application/json").await;
        let logged = events_of_this_thread(answer.header("x-request-id"));
        let about = logged.iter().filter(|logged| logged.contains(line));
        assert_eq!(about.count(), 1, "{path}: {logged:?}");
    }
    let plain = ask(&site, Method::GET, "/plain", "text/html").await;
    assert!(!plain.body.contains("in plain text"));
    let id = plain.header("x-request-id");
    assert!(events_of_this_thread(id)[0].contains("the cause, in plain text"));
}

// F071: a message with markup is text, in the page and in the document
#[tokio::test]
async fn messages_are_escaped() {
    let site = TestSite::start(desk(), &[]).await;
    let path = "/shout/%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let page = ask(&site, Method::GET, path, "text/html").await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(
        page.body.contains("&lt;script&gt;alert(1)"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("<script>alert"));
    let document = ask(&site, Method::GET, path, "application/json").await;
    assert_eq!(problem(&document)["detail"], "<script>alert(1)</script>");
    assert_eq!(document.header("x-content-type-options"), "nosniff");
}

// D30, V16.4.1: log injection. A line break in the path stays on its line, a long path is cut
#[tokio::test]
async fn a_path_cannot_forge_log_lines() {
    let site = TestSite::start(desk(), &[]).await;
    let forged = "/file/a%0A2026-01-01%20ERROR%20forged%1B[31m";
    let long = format!("/file/{}", "a/".repeat(400));
    let secret = format!("/file/{}", "s3cr3t".repeat(8));
    for path in [forged, &long, &secret] {
        let answer = ask(&site, Method::GET, path, "text/html").await;
        let logged = events_of_this_thread(answer.header("x-request-id"));
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert!(!logged[0].contains(['\n', '\u{1b}']), "{logged:?}");
        assert!(logged[0].len() < 500, "{logged:?}");
        assert!(!logged[0].contains(&"s3cr3t".repeat(2)), "{logged:?}");
    }
}

// the site's own pages and documents are not replaced
#[tokio::test]
async fn own_error_responses_are_kept() {
    let site = TestSite::start(desk(), &[]).await;
    let own = ask(&site, Method::GET, "/own", "application/json").await;
    assert_eq!(own.status, StatusCode::NOT_FOUND);
    assert!(own.body.contains("<h1>No such seat</h1>"));
    let json = ask(&site, Method::GET, "/json", "text/html").await;
    assert_eq!(
        (json.status, json.body.as_str()),
        (StatusCode::CONFLICT, "{\"own\":true}")
    );
}

// headers of the response survive the page
#[tokio::test]
async fn headers_of_an_error_are_kept() {
    let site = TestSite::start(desk(), &[]).await;
    let busy = ask(&site, Method::GET, "/busy", "text/html").await;
    assert_eq!(busy.header("retry-after"), "5");
    assert!(busy.body.contains("Two minutes, please."));
    let put = ask(&site, Method::PUT, "/own", "text/html").await;
    assert!(put.status.is_client_error(), "{}", put.status);
    let saved = ask(&site, Method::GET, "/remember", "text/html").await;
    assert_eq!(saved.status, StatusCode::BAD_REQUEST);
    assert!(
        saved.header("set-cookie").starts_with("session="),
        "the session is saved"
    );
    for answer in [&busy, &saved] {
        assert!(
            answer
                .header("content-security-policy")
                .contains("default-src")
        );
        assert!(
            answer
                .header("content-length")
                .parse::<usize>()
                .is_ok_and(|length| length == answer.body.len())
                || answer.header("content-length").is_empty()
        );
    }
}

#[tokio::test]
async fn head_has_no_body() {
    let site = TestSite::start(desk(), &[]).await;
    for path in ["/nowhere", "/bug", "/own"] {
        let answer = ask(&site, Method::HEAD, path, "text/html").await;
        assert!(
            answer.status.as_u16() >= 400 && answer.body.is_empty(),
            "{path}"
        );
    }
}

// a hidden page and a page that does not exist have the same error page
#[tokio::test]
async fn a_hidden_page_looks_like_none() {
    let site = TestSite::start(desk(), &[]).await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    let same = |answer: &Answer| {
        let body = answer.body.replace(answer.header("x-request-id"), "ID");
        // nonces and tokens differ in each response
        let text = body.split("<main").nth(1).unwrap_or_default().to_owned();
        (answer.status, text)
    };
    let (hidden, none) = (ann.get("/queue").await, ann.get("/nowhere").await);
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    assert_eq!(same(&hidden), same(&none));
    assert!(same(&hidden).1.contains("This page does not exist."));
}

// the site's layout with the user's navigation; a response of one user is not cached for others
#[tokio::test]
async fn error_pages_of_users_are_personal() {
    let site = TestSite::start(desk(), &[]).await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    let page = ann.get("/nowhere").await;
    assert!(page.body.contains("/account/"), "{}", page.body);
    assert!(page.header("cache-control").contains("no-store"));
    let stranger = site.client().get("/nowhere").await;
    assert!(!stranger.body.contains("Log out"));
}

// a template of the site that fails must not hide the error, nor leak its own
#[tokio::test]
async fn an_error_page_that_fails_is_replaced() {
    let broken = "<main>{{ title }} {{ seats.first.number }}</main>";
    let app = desk().templates(Layer::embedded(&[("error.html", broken)]));
    let site = TestSite::production(app, &[]).await;
    let answer = ask(&site, Method::GET, "/nowhere", "text/html").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(
        answer.body,
        "<!doctype html><title>Not Found</title><p>Not Found"
    );
    let logged = events_of_this_thread(answer.header("x-request-id"));
    let about = |logged: &&String| logged.contains("error page cannot be rendered");
    assert_eq!(logged.iter().filter(about).count(), 1, "{logged:?}");
}

// a site may bring its own; the framework's values are there
#[tokio::test]
async fn a_site_replaces_the_error_page() {
    let own = "<main class=\"ours\">{{ status }} {{ message }} {{ request_id }}</main>";
    let app = desk().templates(Layer::embedded(&[("error.html", own)]));
    let site = TestSite::start(app, &[]).await;
    let answer = ask(&site, Method::GET, "/nowhere", "text/html").await;
    let id = answer.header("x-request-id");
    let expected = format!("<main class=\"ours\">404 This page does not exist. {id}</main>");
    assert_eq!(answer.body, expected);
}

// V14.3.2: pages that use the visitor are private, others may be cached
#[tokio::test]
async fn only_personal_pages_are_private() {
    let site = TestSite::start(desk(), &[]).await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    assert!(
        ann.get("/mine")
            .await
            .header("cache-control")
            .contains("no-store")
    );
    let json = ask(&site, Method::GET, "/json", "*/*").await;
    assert!(!json.header("cache-control").contains("no-store"));
}
