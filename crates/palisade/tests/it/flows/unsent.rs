//! D82: a form that is sent after the session has ended comes back after the login, once, for the
//! same user only.

use super::site::{on_both, order_of, payments, token};
use http::StatusCode;
use palisade::auth::Rank;
use palisade::testing::{Answer, Client, PASSWORD, TestSite, events};

const CANARY: &str = "canary of the form";

/// A form of Ann's, sent after her session has ended.
async fn overdue(site: &TestSite) -> (Client, Answer, String) {
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    let id = order_of(site, site.id_of("ann").await).await;
    let path = format!("/orders/{id}/edit");
    let page = ann.get(&path).await;
    let (token, seen) = (page.token().unwrap(), page.hidden_field("seen").unwrap());
    site.clock().advance(chrono::TimeDelta::days(30));
    let fields = [
        ("csrfmiddlewaretoken", token.as_str()),
        ("title", CANARY),
        ("note", "two\r\nlines <b>\"&"),
        ("seen", seen.as_str()),
    ];
    let answer = ann.post(&path, &fields).await;
    (ann, answer, path)
}

#[tokio::test]
async fn what_was_typed_comes_back_after_the_login_and_is_sent() {
    on_both(async |site| {
        let (mut ann, answer, path) = overdue(site).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let location = answer.header("location").to_owned();
        assert!(
            location.starts_with("/account/login?kept=on&next="),
            "{location}"
        );
        assert!(!location.contains("canary"));
        let login = ann.get(&location).await;
        assert!(
            login.body.contains("What you typed is kept"),
            "{}",
            login.body
        );
        let next = login.hidden_field("next").unwrap();
        let fields = [
            ("username", "ann"),
            ("password", PASSWORD),
            ("next", next.as_str()),
        ];
        let entered = ann.submit(&location, "/account/login", &fields).await;
        assert_eq!(entered.header("location"), "/account/unsent");
        let page = ann.get("/account/unsent").await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.header("cache-control"), "no-store");
        for shown in [
            CANARY,
            "two\r\nlines &lt;b&gt;",
            "Send it",
            &format!("action=\"{path}\""),
        ] {
            assert!(page.body.contains(shown), "{shown}: {}", page.body);
        }
        // sent from there, it does what it would have done
        let (token, seen) = (page.token().unwrap(), page.hidden_field("seen").unwrap());
        let fields = [
            ("csrfmiddlewaretoken", token.as_str()),
            ("title", CANARY),
            ("note", "two\r\nlines"),
            ("seen", seen.as_str()),
        ];
        let sent = ann.post(&path, &fields).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
        assert!(ann.get(&path).await.body.contains(CANARY));
        // once
        let again = ann.get("/account/unsent").await;
        assert_eq!(again.status, StatusCode::SEE_OTHER);
        assert!(events(CANARY).is_empty(), "in no log");
    })
    .await;
}

#[tokio::test]
async fn another_user_of_the_browser_does_not_see_it() {
    on_both(async |site| {
        site.sign_in("eve", Rank::Plain).await;
        let (mut browser, ..) = overdue(site).await;
        browser.log_in("eve", PASSWORD).await;
        let page = browser.get("/account/unsent").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        // and the owner still does, within half an hour
        browser.submit("/pay", "/account/logout", &[]).await;
        browser.log_in("ann", PASSWORD).await;
        assert!(browser.get("/account/unsent").await.body.contains(CANARY));
    })
    .await;
}

#[tokio::test]
async fn it_is_kept_for_half_an_hour_and_encrypted() {
    use sea_orm::ConnectionTrait;
    let site = TestSite::start(super::site::app(), &[]).await;
    let (mut ann, ..) = overdue(&site).await;
    let url = format!("sqlite://{}/site.sqlite3", site.folder().display());
    let db = palisade::testing::connect(url).await;
    let all = "SELECT sealed FROM palisade_unsent";
    let all = sea_orm::Statement::from_string(db.get_database_backend(), all);
    let rows = db.query_all_raw(all).await.unwrap();
    let sealed: String = rows[0].try_get("", "sealed").unwrap();
    assert!(sealed.starts_with("s1."), "{sealed}");
    db.close().await.unwrap();
    site.clock().advance(chrono::TimeDelta::minutes(31));
    ann.log_in("ann", PASSWORD).await;
    let page = ann.get("/account/unsent").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
}

// the sneaky: a page of another site, a browser that no user has logged in with, a form with a
// password, an upload
#[tokio::test]
async fn only_forms_of_a_known_user_from_this_site_are_kept() {
    let site = TestSite::start(super::site::app(), &[]).await;
    let mut stranger = site.client();
    let login = stranger.get("/account/login").await.token().unwrap();
    let fields = [("csrfmiddlewaretoken", login.as_str()), ("amount", "5")];
    let answer = stranger.post("/pay", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(
        !answer.header("set-cookie").contains("unsent"),
        "{}",
        answer.header("set-cookie")
    );
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    let token = token(&mut ann).await;
    site.clock().advance(chrono::TimeDelta::days(30));
    let foreign = ann
        .request(http::Method::POST, "/pay")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site");
    let body = format!("csrfmiddlewaretoken={token}&amount=5");
    let answer = ann.send(foreign, body.clone().into()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    for (kind, body) in [
        (
            "application/x-www-form-urlencoded",
            format!("{body}&new_password=hunter2"),
        ),
        (
            "application/x-www-form-urlencoded",
            format!("{body}&long={}", "x".repeat(70_000)),
        ),
        ("multipart/form-data; boundary=x", "--x--".into()),
    ] {
        let request = ann
            .request(http::Method::POST, "/pay")
            .header("content-type", kind);
        let answer = ann.send(request, body.into()).await;
        assert!(!answer.header("set-cookie").contains("unsent"), "{kind}");
    }
    ann.log_in("ann", PASSWORD).await;
    assert_eq!(
        ann.get("/account/unsent").await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(payments(&site).await, 0);
}

// after a logout the next person at the browser may be another one
#[tokio::test]
async fn nothing_is_kept_after_a_logout() {
    let site = TestSite::start(super::site::app(), &[]).await;
    let mut browser = site.sign_in("ann", Rank::Plain).await;
    browser.submit("/pay", "/account/logout", &[]).await;
    let token = browser.get("/account/login").await.token().unwrap();
    let fields = [("csrfmiddlewaretoken", token.as_str()), ("amount", "5")];
    let answer = browser.post("/pay", &fields).await;
    assert!(
        !answer.header("location").contains("kept"),
        "{}",
        answer.header("location")
    );
    browser.log_in("ann", PASSWORD).await;
    assert_eq!(
        browser.get("/account/unsent").await.status,
        StatusCode::SEE_OTHER
    );
}
