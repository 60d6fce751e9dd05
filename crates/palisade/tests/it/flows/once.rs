use super::site::{on_both, payments, token};
use axum::body::Body;
use http::{Method, StatusCode};
use palisade::auth::Rank;
use palisade::testing::{Answer, Client, TestSite};

async fn post(client: &mut Client, key: &str, body: &str) -> Answer {
    let token = token(client).await;
    let request = client
        .request(Method::POST, "/api/pay")
        .header("content-type", "application/json")
        .header("x-csrftoken", token)
        .header("idempotency-key", key);
    client.send(request, Body::from(body.to_owned())).await
}

async fn signed_in(site: &TestSite) -> Client {
    site.sign_in("ann", Rank::Plain).await
}

// F080: the double click has one effect and the same answer
#[tokio::test]
async fn a_form_that_is_sent_twice_pays_once() {
    on_both(async |site| {
        let mut ann = signed_in(site).await;
        let token = token(&mut ann).await;
        let fields = [("csrfmiddlewaretoken", token.as_str()), ("amount", "5")];
        let first = ann.post("/pay", &fields).await;
        assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.body);
        let again = ann.post("/pay", &fields).await;
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(payments(site).await, 1);
        // another amount on the same page, and the same amount on another page, are other payments
        let other = [("csrfmiddlewaretoken", token.as_str()), ("amount", "6")];
        assert_eq!(ann.post("/pay", &other).await.status, StatusCode::SEE_OTHER);
        ann.submit("/pay", "/pay", &[("amount", "5")]).await;
        assert_eq!(payments(site).await, 3);
        // and so is another query
        let queried = ann.post("/pay?plan=2", &fields).await;
        assert_eq!(queried.header("idempotency-replayed"), "");
        assert_eq!(payments(site).await, 4);
    })
    .await;
}

// an invalid form, and a change that fails, keep nothing
#[tokio::test]
async fn what_failed_runs_again() {
    on_both(async |site| {
        let mut ann = signed_in(site).await;
        let token = token(&mut ann).await;
        for _ in 0..2 {
            let fields = [("csrfmiddlewaretoken", token.as_str()), ("amount", "5000")];
            let invalid = ann.post("/pay", &fields).await;
            assert_eq!(invalid.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(invalid.body.contains("5000"), "what was typed");
            let fields = [("csrfmiddlewaretoken", token.as_str()), ("amount", "666")];
            let refused = ann.post("/pay", &fields).await;
            assert_eq!(refused.status, StatusCode::CONFLICT);
            assert_eq!(refused.header("idempotency-replayed"), "");
        }
        assert_eq!(payments(site).await, 0);
    })
    .await;
}

// F080: Idempotency-Key, bound to user, route and body
#[tokio::test]
async fn a_key_is_bound_to_its_user_and_its_body() {
    on_both(async |site| {
        let mut ann = signed_in(site).await;
        let first = post(&mut ann, "\"k-1\"", r#"{"amount": 5}"#).await;
        assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
        // with and without quotation marks it is the same key
        let again = post(&mut ann, "k-1", r#"{"amount": 5}"#).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("content-type"), "application/json");
        assert_eq!(again.header("idempotency-replayed"), "true");
        let other = post(&mut ann, "k-1", r#"{"amount": 6}"#).await;
        assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(payments(site).await, 1);
        // of another user it is another key, which tells nothing about the first
        let mut eve = site.sign_in("eve", Rank::Plain).await;
        let theirs = post(&mut eve, "k-1", r#"{"amount": 5}"#).await;
        assert_eq!(theirs.status, StatusCode::CREATED);
        assert_ne!(theirs.body, first.body);
        assert_eq!(theirs.header("idempotency-replayed"), "");
        assert_eq!(payments(site).await, 2);
        // and after a day it is forgotten
        site.clock().advance(chrono::TimeDelta::hours(25));
        let mut ann = site.client();
        ann.log_in("ann", palisade::testing::PASSWORD).await;
        let later = post(&mut ann, "k-1", r#"{"amount": 6}"#).await;
        assert_eq!(later.status, StatusCode::CREATED, "{}", later.body);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let site = TestSite::start(super::site::app(), &[]).await;
    let mut ann = signed_in(&site).await;
    let long = "k".repeat(256);
    for key in ["", "\"", "\"open", "two words", long.as_str()] {
        let answer = post(&mut ann, key, r#"{"amount": 5}"#).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{key:?}");
        assert!(answer.body.contains("Idempotency-Key"), "{}", answer.body);
    }
    // without any key: an API says so
    let token = token(&mut ann).await;
    let request = ann
        .request(Method::POST, "/api/pay")
        .header("content-type", "application/json")
        .header("x-csrftoken", token);
    let answer = ann.send(request, Body::from(r#"{"amount": 5}"#)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.body.contains("Send the header Idempotency-Key"),
        "{}",
        answer.body
    );
    assert_eq!(payments(&site).await, 0);
}

// F080: many at once, in two instances, have one effect and one answer
#[tokio::test]
async fn a_hundred_at_once_pay_once() {
    on_both(async |site| {
        let other = site.start_beside(super::site::app(), &[]).await;
        let mut ann = signed_in(site).await;
        let token = token(&mut ann).await;
        let cookies = ann.cookies().clone();
        let send = async |number: usize| {
            let instance = if number.is_multiple_of(2) {
                site
            } else {
                &other
            };
            let mut client = instance.client();
            *client.cookies() = cookies.clone();
            let request = client
                .request(Method::POST, "/api/pay")
                .header("content-type", "application/json")
                .header("x-csrftoken", &token)
                .header("idempotency-key", "the-same");
            let answer = client.send(request, Body::from(r#"{"amount": 7}"#)).await;
            (answer.status, answer.body)
        };
        let answers = futures_util::future::join_all((0..100).map(send)).await;
        let created: Vec<_> = answers
            .iter()
            .filter(|(status, _)| *status == 201)
            .collect();
        assert_eq!(payments(site).await, 1);
        assert!(created.len() > 50, "{} of 100", created.len());
        assert!(
            created.iter().all(|answer| *answer == created[0]),
            "one answer"
        );
        // what is not answered may be asked again
        let odd: Vec<_> = answers
            .iter()
            .filter(|(status, _)| ![201, 409, 429, 503].contains(&status.as_u16()))
            .collect();
        assert!(odd.is_empty(), "{odd:?}");
    })
    .await;
}

// a client that disconnects at any point: the payment and its answer are both there, or neither
#[tokio::test]
async fn a_disconnected_client_finds_its_answer_or_pays_once() {
    on_both(async |site| {
        let mut ann = signed_in(site).await;
        for polls in 1..30 {
            let before = payments(site).await;
            let token = token(&mut ann).await;
            let fields = [("csrfmiddlewaretoken", token.as_str()), ("amount", "5")];
            ann.post_and_hang_up("/pay", &fields, polls).await;
            site.site().changes_ended().await;
            let answer = ann.post("/pay", &fields).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
            assert_eq!(payments(site).await, before + 1, "after {polls} polls");
        }
    })
    .await;
}

// the answer is stored encrypted, without cookies
#[tokio::test]
async fn a_stored_answer_shows_nothing() {
    use sea_orm::ConnectionTrait;
    let site = TestSite::start(super::site::app(), &[]).await;
    let mut ann = signed_in(&site).await;
    let first = post(&mut ann, "k-1", r#"{"amount": 5}"#).await;
    let db =
        palisade::testing::connect(format!("sqlite://{}/site.sqlite3", site.folder().display()))
            .await;
    let all = sea_orm::Statement::from_string(
        db.get_database_backend(),
        "SELECT sealed FROM palisade_once",
    );
    let rows = db.query_all_raw(all).await.unwrap();
    let sealed: String = rows[0].try_get("", "sealed").unwrap();
    assert!(sealed.starts_with("s1."), "{sealed}");
    assert!(!sealed.contains(first.body.trim_matches('"')));
    db.close().await.unwrap();
}
