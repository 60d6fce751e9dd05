//! Metrics: who may read them, which series there are, and what changes their number.

use http::{Method, StatusCode};
use palisade::axum::body::Body;
use palisade::prelude::*;
use palisade::testing::{TestDatabase, TestSite, server};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

async fn slow(db: Db) -> Result<String> {
    let rows: Vec<(i64,)> = db
        .fetch_all(sql!(
            "SELECT COUNT(*) FROM auth_user WHERE username = ?",
            "canary-value"
        ))
        .await?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(format!("{rows:?}"))
}

async fn fault() -> Result<String> {
    Err(Error::bug("a fault"))
}

fn app() -> App {
    App::new().routes(
        Routes::new()
            .route("/", public().get(async || "front"))
            .route("/slow", public().get(slow))
            .route("/fault", public().get(fault))
            .route("/orders/{id}", public().get(async || "order")),
    )
}

const ON: [(&str, &str); 5] = [
    ("metrics.from", "127.0.0.0/8"),
    ("metrics.slow_request_ms", "10"),
    ("metrics.slow_query_ms", "0"),
    ("throttle.requests", "1000000/m"),
    ("throttle.changes", "1000000/m"),
];

async fn metrics(site: &TestSite) -> String {
    let answer = site.client().get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    answer.body
}

/// Names and labels of all samples, without their values.
fn series(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let names = samples.filter_map(|line| line.rsplit_once(' '));
    names.map(|(name, _)| name.to_owned()).collect()
}

fn value(text: &str, series: &str) -> f64 {
    let sample = text.lines().find_map(|line| line.strip_prefix(series));
    let sample = sample.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    sample.trim().parse().unwrap()
}

#[tokio::test]
async fn metrics_count_requests_statements_and_events_by_route() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &ON).await else {
            continue;
        };
        let mut client = site.client();
        for id in 0..3 {
            client.get(&format!("/orders/{id}")).await;
        }
        client.get("/fault").await;
        client.get("/slow").await;
        client.get("/none").await;
        client.log_in("unknown", "wrong password").await;
        let text = metrics(&site).await;
        for (series, least) in [
            (
                r#"palisade_http_requests_total{method="GET",route="/orders/{id}",status="2xx"}"#,
                3.0,
            ),
            (
                r#"palisade_http_requests_total{method="GET",route="/fault",status="5xx"}"#,
                1.0,
            ),
            (
                r#"palisade_http_requests_total{method="other",route="none",status="4xx"}"#,
                1.0,
            ),
            (r#"palisade_http_slow_requests_total{route="/slow"}"#, 1.0),
            (
                r#"palisade_http_request_duration_seconds_count{route="/orders/{id}"}"#,
                3.0,
            ),
            (r#"palisade_db_slow_queries_total{route="/slow"}"#, 1.0),
            (r#"palisade_events_total{event="login_failed"}"#, 1.0),
            (r#"palisade_events_total{event="error_raised"}"#, 1.0),
            ("palisade_http_requests_in_flight", 1.0),
            ("palisade_database_up", 1.0),
        ] {
            assert!(value(&text, series) >= least, "{series}\n{text}");
        }
        assert_eq!(
            value(
                &text,
                r#"palisade_http_slow_requests_total{route="/orders/{id}"}"#
            ),
            0.0
        );
        assert_eq!(value(&text, "palisade_read_only"), 0.0);
        assert!(!text.contains("canary-value"), "{text}");
        assert!(value(&metrics(&site).await, "palisade_http_requests_in_flight") < 2.0);
    }
}

// CVE-2023-45142: a scanner with many paths, methods and agents adds no series
#[tokio::test]
async fn ten_thousand_random_paths_and_methods_add_no_series() {
    let site = TestSite::start(app(), &ON).await;
    let before = series(&metrics(&site).await);
    let mut client = site.client();
    for number in 0..10_000 {
        let method = match number % 5 {
            0 => Method::from_bytes(format!("SCAN{number}").as_bytes()).unwrap(),
            1 => Method::POST,
            _ => Method::GET,
        };
        let path = match number % 3 {
            0 => format!("/orders/{number}"),
            1 => format!("/scan/{number}?query={number}"),
            _ => format!("/orders/{number}/%22%0a{number}"),
        };
        let request = client
            .request(method, &path)
            .header("user-agent", format!("scanner {number}"));
        client.send(request, Body::empty()).await;
    }
    let text = metrics(&site).await;
    assert_eq!(series(&text), before);
    let counted: f64 = text
        .lines()
        .filter(|line| line.starts_with("palisade_http_requests_total"))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum();
    assert!(counted >= 10_000.0, "{counted}");
}

#[tokio::test]
async fn other_networks_and_sites_without_the_setting_have_no_metrics() {
    let without = TestSite::start(app(), &[]).await;
    let answer = without.client().get("/metrics").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let unknown = without.client().get("/no-such-page").await;
    assert_eq!(answer.body.len(), unknown.body.len());
    let site = TestSite::start(app(), &[("metrics.from", "10.0.7.0/24")]).await;
    let mut outside = site.client();
    assert_eq!(outside.get("/metrics").await.status, StatusCode::NOT_FOUND);
    let mut forger = site.client().with_header("x-forwarded-for", "10.0.7.9");
    assert_eq!(forger.get("/metrics").await.status, StatusCode::NOT_FOUND);
    let mut monitor = site.client().from_address("10.0.7.9".parse().unwrap());
    assert_eq!(monitor.get("/metrics").await.status, StatusCode::OK);
}

#[tokio::test]
async fn promtool_finds_nothing_to_correct() {
    let Some(promtool) = server("PALISADE_TEST_PROMTOOL") else {
        return;
    };
    let site = TestSite::start(app(), &ON).await;
    site.client().get("/orders/1").await;
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = metrics(&site).await;
    check
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let said = check.wait_with_output().unwrap();
    assert!(said.status.success(), "{said:?}");
    assert!(said.stdout.is_empty() && said.stderr.is_empty(), "{said:?}");
}
