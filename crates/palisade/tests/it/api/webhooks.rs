//! Attacks on webhooks of other sites: forged, late, replayed, and repeated after a failure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use palisade::api::{Signed, WebhookScheme};
use palisade::axum::body::Body;
use palisade::crypto::webhook::sign_webhook;
use palisade::crypto::{Secret, hex, hmac_sha256};
use palisade::db::Migration;
use palisade::prelude::*;
use palisade::serde::Deserialize;
use palisade::testing::{Answer, TestDatabase, TestSite};
use sea_orm_migration::prelude::Table;
use sea_orm_migration::schema::{integer, pk_auto};
use std::sync::atomic::{AtomicBool, Ordering};

const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD: &str = "C8onvSOyZ1oUeN5/CVByEVqqt6lwwyE+";

#[derive(Deserialize)]
#[serde(crate = "palisade::serde")]
struct Paid {
    order: i32,
}

static IS_DOWN: AtomicBool = AtomicBool::new(false);

async fn paid(db: Db, event: Signed<Paid>) -> Result<Response> {
    let effect = async |tx: &Tx, paid: Paid| {
        let made = sql!("INSERT INTO paid (number) VALUES (?)", paid.order);
        tx.execute_sql(made).await?;
        match paid.order == 13 && IS_DOWN.load(Ordering::Relaxed) {
            true => Err(Error::bug("on purpose")),
            false => Ok(format!("order {}", paid.order)),
        }
    };
    event.once(&db, effect).await
}

fn app() -> App {
    App::new()
        .schema(|| {
            let mut table = Table::create();
            let table = table.table("paid").col(pk_auto("id"));
            let table = table.col(integer("number")).take();
            vec![Migration::new("paid_0001").create_table(table)]
        })
        .webhook_source("pay", WebhookScheme::Standard)
        .webhook_source("git", WebhookScheme::GitHub)
        .webhook_source("stripe", WebhookScheme::Stripe)
        .routes(
            Routes::new()
                .route("/hooks/pay", signed_by("pay").post(paid))
                .route("/hooks/second", signed_by("pay").post(paid))
                .route("/hooks/git", signed_by("git").post(paid))
                .route("/hooks/stripe", signed_by("stripe").post(paid)),
        )
}

const SECRETS: &str = "pay whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, pay whsec_C8onvSOyZ1oUeN5/CVByEVqqt6lwwyE+, git ohuZVmagSwfHrkxHnN9m0Rq3, stripe whsec_Pp9mT5LKFpKkPA89KIqpCCPsox1o6N4G";

async fn site_on(database: TestDatabase) -> Option<TestSite> {
    TestSite::start_on(database, app(), &[("webhooks.secrets", SECRETS)]).await
}

async fn site() -> TestSite {
    site_on(TestDatabase::Sqlite).await.unwrap()
}

/// A delivery: id, seconds from now, key and body.
async fn deliver(site: &TestSite, (id, shift, key): (&str, i64, &str), body: &str) -> Answer {
    let at = site.site().accounts().now().timestamp() + shift;
    let signature = sign_webhook(&Secret::new(key.to_owned()), (id, at), body.as_bytes()).unwrap();
    let headers = [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", signature),
    ];
    send(site, "/hooks/pay", &headers, body).await
}

async fn send(site: &TestSite, path: &str, headers: &[(&str, String)], body: &str) -> Answer {
    let mut client = site.client();
    let request = client
        .request(Method::POST, path)
        .header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, value)
    });
    client.send(request, Body::from(body.to_owned())).await
}

async fn count(site: &TestSite) -> i64 {
    let count = sql!("SELECT COUNT(*) FROM paid");
    let row: Option<(i64,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(count)
        .await
        .unwrap();
    row.unwrap().0
}

const BODY: &str = "{\"order\":7}";

#[tokio::test]
async fn each_delivery_has_its_effect_once() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = site_on(database).await else {
            continue;
        };
        let first = deliver(&site, ("msg_1", 0, KEY), BODY).await;
        assert_eq!(
            (first.status.as_u16(), first.body.as_str()),
            (200, "order 7")
        );
        // an attempt with another timestamp and the key that is being replaced
        for (shift, key) in [(0, KEY), (60, KEY), (-200, OLD)] {
            let again = deliver(&site, ("msg_1", shift, key), BODY).await;
            assert_eq!(
                (again.status.as_u16(), again.body.as_str()),
                (200, "order 7")
            );
        }
        assert_eq!(count(&site).await, 1);
        assert_eq!(deliver(&site, ("msg_2", 0, KEY), BODY).await.status, 200);
        assert_eq!(count(&site).await, 2);
        // at once
        let all = (0..20).map(|_| deliver(&site, ("msg_3", 0, KEY), BODY));
        for answer in futures_util::future::join_all(all).await {
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        assert_eq!(count(&site).await, 3);
        palisade::testing::ran("webhooks");
    }
}

#[tokio::test]
async fn a_delivery_whose_handler_failed_runs_again() {
    let site = site().await;
    let body = "{\"order\":13}";
    IS_DOWN.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(deliver(&site, ("msg_1", 0, KEY), body).await.status, 500);
    }
    assert_eq!(count(&site).await, 0, "rolled back");
    IS_DOWN.store(false, Ordering::Relaxed);
    assert_eq!(deliver(&site, ("msg_1", 0, KEY), body).await.status, 200);
    assert_eq!(deliver(&site, ("msg_1", 0, KEY), body).await.status, 200);
    assert_eq!(count(&site).await, 1);
}

#[tokio::test]
async fn forged_and_late_deliveries_are_refused() {
    let site = site().await;
    let other = STANDARD.encode([7; 24]);
    for (id, shift, key) in [
        ("msg", 0, other.as_str()),
        ("msg", -301, KEY),
        ("msg", 301, KEY),
        ("a.b", 0, KEY),
    ] {
        let answer = deliver(&site, (id, shift, key), BODY).await;
        assert_eq!(answer.status, 401, "{id} {shift}");
        assert!(
            answer
                .events()
                .iter()
                .any(|event| event.contains("webhook_refused")),
            "{:?}",
            answer.events()
        );
    }
    let at = site.site().accounts().now().timestamp();
    let good = sign_webhook(&Secret::new(KEY.into()), ("m", at), BODY.as_bytes()).unwrap();
    let rows: [&[(&str, String)]; 6] = [
        &[],
        &[
            ("webhook-id", "m".into()),
            ("webhook-timestamp", at.to_string()),
        ],
        &[
            ("webhook-id", "m".into()),
            ("webhook-signature", good.clone()),
        ],
        &[
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", good.clone()),
        ],
        &[
            ("webhook-id", "m".into()),
            ("webhook-id", "m".into()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", good.clone()),
        ],
        &[
            ("webhook-id", "m".into()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", "v1,".into()),
        ],
    ];
    for headers in rows {
        assert_eq!(
            send(&site, "/hooks/pay", headers, BODY).await.status,
            401,
            "{headers:?}"
        );
    }
    let whole = [
        ("webhook-id", "m".into()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", good),
    ];
    assert_eq!(
        send(&site, "/hooks/pay", &whole, "{\"order\":8}")
            .await
            .status,
        401,
        "another body"
    );
    assert_eq!(
        send(&site, "/hooks/git", &whole, BODY).await.status,
        401,
        "another source"
    );
    assert_eq!(count(&site).await, 0);
    assert_eq!(send(&site, "/hooks/pay", &whole, BODY).await.status, 200);
    // another route of the source has its own effect
    assert_eq!(send(&site, "/hooks/second", &whole, BODY).await.status, 200);
    assert_eq!(send(&site, "/hooks/second", &whole, BODY).await.status, 200);
    assert_eq!(count(&site).await, 2);
    // a body that is no event is named, and is no success
    assert_eq!(deliver(&site, ("msg_9", 0, KEY), "{}").await.status, 400);
    assert_eq!(count(&site).await, 2);
}

#[tokio::test]
async fn deliveries_of_github_and_stripe_are_known_by_signed_parts() {
    let site = site().await;
    let signature = |body: &str| hex(&hmac_sha256(b"ohuZVmagSwfHrkxHnN9m0Rq3", body.as_bytes()));
    let git = |body: &str, id: &str| {
        [
            ("x-hub-signature-256", format!("sha256={}", signature(body))),
            ("x-github-delivery", id.to_owned()),
        ]
    };
    assert_eq!(
        send(&site, "/hooks/git", &git(BODY, "1"), BODY)
            .await
            .status,
        200
    );
    // the id is no part of the signature: an attacker can choose it
    assert_eq!(
        send(&site, "/hooks/git", &git(BODY, "2"), BODY)
            .await
            .status,
        200
    );
    assert_eq!(count(&site).await, 1);
    let stripe = |body: &str, shift: i64| {
        let at = site.site().accounts().now().timestamp() + shift;
        let mac = hmac_sha256(
            b"whsec_Pp9mT5LKFpKkPA89KIqpCCPsox1o6N4G",
            format!("{at}.{body}").as_bytes(),
        );
        [("stripe-signature", format!("t={at},v1={}", hex(&mac)))]
    };
    let event = "{\"id\":\"evt_1\",\"order\":1,\"pending_webhooks\":2}";
    let later = "{\"id\":\"evt_1\",\"order\":1,\"pending_webhooks\":1}";
    assert_eq!(
        send(&site, "/hooks/stripe", &stripe(event, 0), event)
            .await
            .status,
        200
    );
    assert_eq!(
        send(&site, "/hooks/stripe", &stripe(later, 5), later)
            .await
            .status,
        200
    );
    assert_eq!(
        send(&site, "/hooks/stripe", &stripe(event, -301), event)
            .await
            .status,
        401
    );
    assert_eq!(count(&site).await, 2);
}

#[tokio::test]
async fn a_session_is_no_signature() {
    let site = site().await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let posted = ann
        .submit("/account", "/hooks/pay", &[("order", "7")])
        .await;
    assert_eq!(posted.status, 401);
    assert_eq!(count(&site).await, 0);
    let too_long = format!("{{\"order\":7,\"x\":\"{}\"}}", "y".repeat(2 * 1024 * 1024));
    assert_eq!(
        deliver(&site, ("long", 0, KEY), &too_long).await.status,
        413
    );
}

#[tokio::test]
async fn a_source_without_a_secret_stops_the_start() {
    for secrets in [
        "",
        "pay whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "pay short, git ohuZVmagSwfHrkxHnN9m0Rq3",
    ] {
        let settings = [("webhooks.secrets", secrets), ("profile", "production")];
        let error = TestSite::try_start(app(), &settings).await.err();
        let error = error.expect("no start").to_string();
        assert!(error.contains("secret"), "{error}");
        assert!(
            !error.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            "{error}"
        );
    }
    let mixed = Routes::new().route("/x", signed_by("pay").or(signed_in()).post(paid));
    let mixed = TestSite::try_start(app().routes(mixed), &[("webhooks.secrets", SECRETS)]).await;
    assert!(
        mixed
            .err()
            .expect("no start")
            .to_string()
            .contains("mixes a signature")
    );
}
