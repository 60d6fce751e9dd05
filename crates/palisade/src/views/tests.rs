#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod error_pages;

use super::*;
use crate::app::{App, Routes};
use crate::permissions::public;
use crate::testing::TestSite;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use palisade_template::{Layer, context};
use sea_orm::DbErr;

const KINDS: [(ErrorKind, StatusCode); 10] = [
    (ErrorKind::BadRequest, StatusCode::BAD_REQUEST),
    (ErrorKind::Forbidden, StatusCode::FORBIDDEN),
    (ErrorKind::NotFound, StatusCode::NOT_FOUND),
    (ErrorKind::Conflict, StatusCode::CONFLICT),
    (ErrorKind::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
    (
        ErrorKind::UnsupportedType,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
    ),
    (ErrorKind::TooMany, StatusCode::TOO_MANY_REQUESTS),
    (ErrorKind::Internal, StatusCode::INTERNAL_SERVER_ERROR),
    (ErrorKind::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
    (ErrorKind::Busy, StatusCode::SERVICE_UNAVAILABLE),
];

// V16.5.1: the visitor sees a status and a sentence; cause and place are for the log
#[test]
fn each_kind_has_its_status_and_its_sentence() {
    for (kind, status) in KINDS {
        let error = Error::new(kind, "a seat is taken");
        assert_eq!((error.kind(), error.status()), (kind, status));
        assert_eq!(error.public_message(), "a seat is taken");
        let again = matches!(
            kind,
            ErrorKind::Busy | ErrorKind::TooMany | ErrorKind::Unavailable
        );
        let response = error.into_response();
        assert_eq!(response.status(), status);
        let retry = response.headers().contains_key(header::RETRY_AFTER);
        assert_eq!(retry, again, "{kind:?}");
    }
}

// V16.5.1: no cause reaches the visitor, and none is lost for the log
#[test]
fn a_cause_is_logged_and_not_shown() {
    let failed = || -> Result<()> {
        "twelve".parse::<i32>()?;
        Ok(())
    };
    let error = failed().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(error.public_message(), "Something went wrong on our side.");
    let logged = format!("{error:?}");
    assert!(
        logged.contains("invalid digit") && logged.contains("views/tests.rs"),
        "{logged}"
    );
    let bug = Error::bug("the seat map has no row 7");
    assert!(!bug.public_message().contains("row 7"));
    assert!(bug.to_string().contains("row 7"));
}

#[test]
fn a_missing_row_is_404() {
    assert_eq!(Some(7).or_404().unwrap(), 7);
    let error = None::<i32>.or_404().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        Error::not_found().public_message(),
        "This page does not exist."
    );
    assert_eq!(Error::forbidden().status(), StatusCode::FORBIDDEN);
}

// an unknown result is 503 and not a refusal, a duplicate is 409
#[test]
fn database_errors_have_their_kinds() {
    let lost = DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout);
    assert_eq!(Error::from(lost).kind(), ErrorKind::Unavailable);
    let bug = DbErr::Custom("no such column".into());
    assert_eq!(Error::from(bug).kind(), ErrorKind::Internal);
}

#[test]
fn a_page_replaces_the_response() {
    let page = (StatusCode::UNPROCESSABLE_ENTITY, "the form again").into_response();
    let error = Error::page(page);
    assert_eq!(error.kind(), ErrorKind::Page);
    assert_eq!(error.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let response = error.into_response();
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

fn site() -> App {
    async fn greet(page: Page, Path(name): Path<String>) -> Result<Response> {
        page.render("greet.html", context! { name }).await
    }
    async fn teapot(page: Page) -> Result<Response> {
        page.render_as(
            StatusCode::IM_A_TEAPOT,
            "greet.html",
            context! { name => "tea" },
        )
        .await
    }
    async fn number(Path(id): Path<i32>) -> String {
        format!("ticket {id}")
    }
    let template =
        "{% extends \"base.html\" %}{% block main %}<h1>Hello {{ name }}</h1>{% endblock %}";
    App::new()
        .templates(Layer::embedded(&[("greet.html", template)]))
        .routes(
            Routes::new()
                .route("/greet/{name}", public().get(greet))
                .route("/teapot", public().get(teapot))
                .route(
                    "/missing",
                    public().get(async |page: Page| page.render("none.html", context! {}).await),
                )
                .route(
                    "/fails",
                    public()
                        .get(async || -> Result<&'static str> { Err(Error::bug("secret cause")) }),
                )
                .route("/tickets/{id}", public().get(number)),
        )
}

// values are escaped, and the content type is not sniffed
#[tokio::test]
async fn pages_are_rendered_with_status_and_escaped_values() {
    let site = TestSite::start(site(), &[]).await;
    let mut client = site.client();
    let page = client.get("/greet/%3Cb%3Eann").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("<h1>Hello &lt;b&gt;ann</h1>"),
        "{}",
        page.body
    );
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let teapot = client.get("/teapot").await;
    assert_eq!(teapot.status, StatusCode::IM_A_TEAPOT);
    assert!(
        teapot.body.contains("Hello tea"),
        "the page, not the error page"
    );
}

// a path parameter of another type is a page that does not exist
#[tokio::test]
async fn an_invalid_path_parameter_is_404() {
    let site = TestSite::start(site(), &[]).await;
    let mut client = site.client();
    assert_eq!(client.get("/tickets/7").await.body, "ticket 7");
    for path in ["/tickets/seven", "/tickets/99999999999", "/tickets/1.5"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

// V16.5.1: in production a failure shows the request id, and neither template, cause nor source
#[tokio::test]
async fn a_failure_in_production_shows_no_cause() {
    let site = TestSite::production(site(), &[]).await;
    let mut client = site.client();
    for path in ["/fails", "/missing"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        for word in ["secret cause", "none.html", ".rs:", "panicked"] {
            assert!(!answer.body.contains(word), "{path}: {word}");
        }
        let id = answer.header("x-request-id");
        assert!(!id.is_empty() && answer.body.contains(id), "{path}");
    }
}
