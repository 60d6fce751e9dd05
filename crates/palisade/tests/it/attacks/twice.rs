//! Two clicks on a button whose form rotates the key of the session.

use crate::site::app;
use http::{Method, StatusCode};
use palisade::testing::{Answer, Client, TestSite};

const PASSWORD: &str = "correct horse battery staple";
const CONFIRM: &str = "/account/factors/app/confirm";

fn codes(answer: &Answer) -> &str {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer
        .body
        .split_once("class=\"codes\"")
        .and_then(|(_, rest)| rest.split("</ul>").next())
        .unwrap_or_else(|| panic!("no codes: {}", answer.body))
}

async fn form(ann: &mut Client) -> Vec<(&'static str, String)> {
    ann.submit("/account/factors", "/account/factors/app", &[])
        .await;
    let page = ann.get("/account/factors/app").await;
    let secret = page
        .body
        .split_once("id=\"secret\">")
        .unwrap()
        .1
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    vec![
        ("csrfmiddlewaretoken", page.token().unwrap()),
        ("code", ann.code(&secret)),
    ]
}

// Finding 21; F029: the codes are shown to the second click as well, and to nothing else
#[tokio::test]
async fn two_clicks_on_a_new_factor_show_the_same_codes() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let typed = form(&mut ann).await;
    let fields: Vec<(&str, &str)> = typed
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let before = ann.clone();
    let (mut one, mut two) = (before.clone(), before.clone());
    let (first, second) = tokio::join!(one.post(CONFIRM, &fields), two.post(CONFIRM, &fields));
    assert_eq!(codes(&first), codes(&second));
    let nonce = second
        .body
        .split_once("nonce=\"")
        .map(|(_, rest)| rest.split('"').next().unwrap());
    assert!(
        nonce.is_none_or(|nonce| second.header("content-security-policy").contains(nonce)),
        "its scripts run"
    );
    assert_eq!(
        second.header("cache-control"),
        first.header("cache-control")
    );
    for client in [&mut one, &mut two] {
        assert_eq!(
            client.get("/mine").await.body,
            "ann",
            "both hold the new key"
        );
    }
    let mut late = before.clone();
    assert_eq!(
        codes(&late.post(CONFIRM, &fields).await),
        codes(&first),
        "a click a moment later"
    );

    // the old key alone opens nothing, and neither does the form alone
    let mut thief = before.clone();
    assert_eq!(thief.get("/mine").await.status, StatusCode::SEE_OTHER);
    assert_ne!(
        thief.post(CONFIRM, &fields[..1]).await.status,
        StatusCode::OK
    );
    let mut other = site.client();
    other.sign_up("bob").await;
    assert!(
        !other
            .post(CONFIRM, &fields)
            .await
            .body
            .contains("class=\"codes\"")
    );
    let foreign = before
        .request(Method::POST, CONFIRM)
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(
        before.clone().form(foreign, &fields).await.status,
        StatusCode::FORBIDDEN
    );
}

// a wrong code is judged and counted each time
#[tokio::test]
async fn what_rotates_nothing_is_answered_anew() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    ann.add_factor().await;
    let mut client = site.client();
    client.log_in("ann", PASSWORD).await;
    let token = client.get("/account/login/second").await.token().unwrap();
    let fields = [("csrfmiddlewaretoken", token.as_str()), ("code", "000000")];
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(client.post("/account/login/second", &fields).await.status);
    }
    assert_eq!(answers[0], StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answers[11], StatusCode::TOO_MANY_REQUESTS, "{answers:?}");
}

/// A short form that never comes.
struct Never;

impl http_body::Body for Never {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(100)
    }
}

// D09: a page that is hidden waits for a body no longer than one that does not exist
#[tokio::test]
async fn a_hidden_page_waits_for_no_form() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    for path in ["/staff", "/nothing"] {
        let request = ann
            .request(Method::POST, path)
            .header("origin", "http://localhost")
            .header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = ann.send(request, axum::body::Body::new(Never));
        let answer = tokio::time::timeout(std::time::Duration::from_secs(5), answer)
            .await
            .expect("an answer without the form");
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}
