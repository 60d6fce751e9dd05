//! Reports of errors and traces: what leaves the site, and what never does.

use crate::peers::{run, script};
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use palisade::axum;
use palisade::prelude::*;
use palisade::testing::{TestSite, server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CANARY: &str = "canary-4111111111111111";

async fn fault(Path(id): Path<String>, body: Bytes) -> Result<String> {
    Err(Error::bug(format!("{id} {body:?} {CANARY}")))
}

async fn panics() -> Result<String> {
    panic!("{CANARY} of ann@example.org");
}

async fn queries(db: Db) -> Result<String> {
    let wrong: Option<(i32,)> = db
        .fetch_one(sql!(
            "SELECT username FROM auth_user WHERE username = ?",
            CANARY
        ))
        .await?;
    let wrong = wrong.map(|_| ()).or(Some(()));
    let none: Option<(i32,)> = db
        .fetch_one(sql!("SELECT x FROM no_such_table WHERE y = ?", CANARY))
        .await?;
    Ok(format!("{wrong:?} {none:?}"))
}

fn app() -> App {
    App::new().routes(
        Routes::new()
            .route("/", public().get(async || "front"))
            .route("/fault/{id}", public().post(fault))
            .route("/mine", signed_in().get(panics))
            .route("/query", public().get(queries)),
    )
}

type Received = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

/// A server that keeps requests and gives one answer.
async fn receiver(status: StatusCode, delay: Duration) -> (String, Received) {
    let received = Received::default();
    let keep = async move |State(received): State<Received>,
                           uri: http::Uri,
                           headers: HeaderMap,
                           body: Bytes| {
        received
            .lock()
            .unwrap()
            .push((uri.path().to_owned(), headers, body));
        tokio::time::sleep(delay).await;
        (status, "{}")
    };
    let router = axum::Router::new()
        .fallback(keep)
        .with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address.to_string(), received)
}

async fn start(settings: &[(&str, &str)]) -> TestSite {
    let base = [
        ("client.private_networks", "127.0.0.0/8"),
        ("site.allow_dangerous", "without_csrf /fault"),
        ("throttle.requests", "1000000/m"),
        ("throttle.changes", "1000000/m"),
        ("sentry.release", "2027.4"),
    ];
    TestSite::start(app(), &[&base[..], settings].concat()).await
}

/// Requests that fail, with a canary in every part that a client or the database controls.
async fn fail_everywhere(site: &TestSite) {
    let mut ann = site.sign_in("ann", palisade::auth::Rank::Plain).await;
    assert_eq!(ann.get(&format!("/mine?card={CANARY}")).await.status, 500);
    let mut client = site
        .client()
        .from_address("203.0.113.77".parse().unwrap())
        .with_header("user-agent", CANARY)
        .with_header("authorization", &format!("Basic {CANARY}"))
        .with_header("cookie", &format!("other={CANARY}"))
        .with_header("x-api-key", CANARY);
    assert_eq!(client.get("/query").await.status, 500);
    let form = [("password", CANARY)];
    let page = format!("/fault/{CANARY}?token={CANARY}");
    let answer = client.submit("/account/login", &page, &form).await;
    assert_eq!(answer.status, 500);
}

/// The events of envelopes.
fn events(received: &Received) -> Vec<Value> {
    let all = received.lock().unwrap();
    let event = |(path, headers, body): &(String, HeaderMap, Bytes)| {
        assert_eq!(path, "/api/7/envelope/");
        assert_eq!(headers["content-type"], "application/x-sentry-envelope");
        let auth = headers["x-sentry-auth"].to_str().unwrap();
        assert!(
            auth.contains("sentry_key=0123456789abcdef0123456789abcdef"),
            "{auth}"
        );
        let text = std::str::from_utf8(body).unwrap();
        let [_, _, event] = text
            .trim_end()
            .splitn(3, '\n')
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        serde_json::from_str(event).unwrap()
    };
    all.iter().map(event).collect()
}

fn dsn(address: &str) -> String {
    format!("http://0123456789abcdef0123456789abcdef@{address}/7")
}

// F109: a report has the fields of the list, and no value of a client, a row or a message
#[tokio::test]
async fn a_report_has_the_fields_of_the_list_and_no_value_of_a_client() {
    let (address, received) = receiver(StatusCode::OK, Duration::ZERO).await;
    let site = start(&[("sentry.dsn", &dsn(&address))]).await;
    fail_everywhere(&site).await;
    assert_eq!(site.site().telemetry_sent().await, 3);
    let events = events(&received);
    for event in &events {
        let text = event.to_string();
        for secret in [
            "canary",
            "4111",
            "203.0.113.77",
            "ann",
            "example.org",
            "no_such_table",
        ] {
            let allowed = secret == "ann" && !text.contains("\"ann");
            assert!(allowed || !text.contains(secret), "{secret}: {text}");
        }
        let names: Vec<&str> = event
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        for name in names {
            let known = [
                "event_id",
                "fingerprint",
                "transaction",
                "logger",
                "platform",
                "timestamp",
                "release",
                "environment",
                "user",
                "exception",
                "tags",
                "sdk",
            ];
            assert!(known.contains(&name), "{name}: {text}");
        }
    }
    let [panicked, query, bug] = &events[..] else {
        panic!("{events:#?}")
    };
    assert_eq!(panicked["exception"]["values"][0]["type"], "panic");
    assert_eq!(panicked["transaction"], "/mine");
    assert_eq!(panicked["user"]["id"].as_str().unwrap().len(), 16);
    assert_eq!(
        query["exception"]["values"][0]["type"],
        "sea_orm::error::DbErr"
    );
    assert!(query["tags"]["db_code"].is_string(), "{query}");
    assert!(query["user"].is_null());
    let frame = &bug["exception"]["values"][0]["stacktrace"]["frames"][0];
    assert!(
        frame["filename"]
            .as_str()
            .unwrap()
            .ends_with("tests/it/telemetry.rs")
            && frame["lineno"].is_u64()
    );
    assert_eq!(bug["tags"]["route"], "/fault/{id}");
    assert_eq!(
        (&bug["tags"]["method"], &bug["tags"]["status"]),
        (&json!("POST"), &json!("500"))
    );
    assert_eq!(
        (&bug["release"], &bug["environment"]),
        (&json!("2027.4"), &json!("development"))
    );
}

// F109: the scrubber of Sentry's own Relay finds nothing to remove
#[tokio::test]
async fn the_scrubber_of_relay_finds_nothing() {
    let Some(python) = server("PALISADE_TEST_PEERS") else {
        return;
    };
    let (address, received) = receiver(StatusCode::OK, Duration::ZERO).await;
    let site = start(&[("sentry.dsn", &dsn(&address))]).await;
    fail_everywhere(&site).await;
    site.site().telemetry_sent().await;
    for event in events(&received) {
        let result = run(&python, "relay.py", event.to_string().as_bytes());
        assert_eq!(result["normalized"], result["stripped"]);
        assert!(result["normalized"]["errors"].is_null(), "{result}");
        assert_eq!(result["normalized"]["transaction"], event["transaction"]);
    }
    // the oracle is awake: an event with a header is changed
    let leaky =
        json!({ "platform": "native", "request": { "headers": [["Authorization", "Basic abc"]] } });
    let result = run(&python, "relay.py", leaky.to_string().as_bytes());
    assert_ne!(result["normalized"], result["stripped"]);
}

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

// F109: a real server of the protocol takes the reports and shows route, place and release
#[tokio::test]
async fn a_real_server_of_the_protocol_receives_reports() {
    let Some(python) = server("PALISADE_TEST_PEERS") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = Command::new(python)
        .arg(script("error_server.py"))
        .arg(folder.path())
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Stopped(child.unwrap());
    let mut said = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let site = start(&[("sentry.dsn", line.trim())]).await;
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    fail_everywhere(&site).await;
    site.site().telemetry_sent().await;
    let mut events = Vec::<Value>::new();
    for _ in 0..100 {
        writeln!(child.0.stdin.as_mut().unwrap()).unwrap();
        line.clear();
        said.read_line(&mut line).unwrap();
        events = serde_json::from_str(&line).unwrap();
        if events.len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(events.len(), 3, "{events:#?}");
    let routes: Vec<&Value> = events.iter().map(|event| &event["transaction"]).collect();
    assert_eq!(routes, ["/mine", "/query", "/fault/{id}"]);
    assert!(events.iter().all(|event| event["release"] == "2027.4"));
    assert!(!line.contains(CANARY));
}

// D30: one fault 7,700 times, at a server that hangs, delays no page and is not sent 7,700 times
#[tokio::test]
async fn a_flood_of_faults_is_capped_and_a_hanging_server_delays_no_page() {
    let (address, received) = receiver(StatusCode::OK, Duration::from_secs(60)).await;
    let site = start(&[("sentry.dsn", &dsn(&address))]).await;
    let sending = tokio::spawn({
        let site = site.site().clone();
        async move { site.telemetry_sent().await }
    });
    let begun = Instant::now();
    let mut client = site.client();
    for _ in 0..200 {
        assert_eq!(client.get("/query").await.status, 500);
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
    sending.abort();
    assert!(received.lock().unwrap().len() <= 30);
    let waiting =
        tokio::time::timeout(Duration::from_millis(500), site.site().telemetry_sent()).await;
    assert!(waiting.is_err(), "the server hangs");
}

#[tokio::test]
async fn a_dsn_is_validated_and_its_key_is_not_printed() {
    let key = "0123456789abcdef0123456789abcdef";
    for wrong in [
        "errors.example.org/1",
        "https://errors.example.org/1",
        "https://key@errors.example.org/",
    ] {
        assert!(
            TestSite::try_start(app(), &[("sentry.dsn", wrong)])
                .await
                .is_err(),
            "{wrong}"
        );
    }
    let site = start(&[("sentry.dsn", &format!("https://{key}@errors.example.org/1"))]).await;
    let shown = site
        .site()
        .settings()
        .effective
        .iter()
        .find(|one| one.key == "sentry.dsn")
        .unwrap();
    assert_eq!(shown.value, "https://***@errors.example.org/1");
}

// OTLP: a strict parser reads the spans; the trace of a trusted proxy goes on, that of a client does not
#[tokio::test]
async fn spans_are_read_by_a_strict_parser() {
    let Some(python) = server("PALISADE_TEST_PEERS") else {
        return;
    };
    let (address, received) = receiver(StatusCode::OK, Duration::ZERO).await;
    let url = format!("http://{address}/v1/traces");
    let site = start(&[
        ("traces.url", &url),
        ("http.trusted_proxies", "127.0.0.1/32"),
    ])
    .await;
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let traceparent = format!("00-{trace}-{parent}-01");
    let mut client = site.client();
    client.get(&format!("/?secret={CANARY}")).await;
    site.client()
        .with_header("traceparent", &traceparent)
        .get("/query")
        .await;
    let outside = site.client().from_address("203.0.113.9".parse().unwrap());
    outside
        .with_header("traceparent", &traceparent)
        .get(&format!("/none/{CANARY}"))
        .await;
    let odd = http::Method::from_bytes(CANARY.replace('-', "").as_bytes()).unwrap();
    let request = client.request(odd, "/");
    client.send(request, axum::body::Body::empty()).await;
    assert_eq!(site.site().telemetry_sent().await, 4);
    let body = {
        let all = received.lock().unwrap();
        assert_eq!((all.len(), all[0].0.as_str()), (1, "/v1/traces"));
        assert_eq!(all[0].1["content-type"], "application/json");
        String::from_utf8(all[0].2.to_vec()).unwrap()
    };
    assert!(
        !body.contains("canary") && !body.contains("203.0.113"),
        "{body}"
    );
    let spans = run(&python, "otlp.py", body.as_bytes());
    let names: Vec<&str> = spans
        .as_array()
        .unwrap()
        .iter()
        .map(|span| span["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["GET /", "GET /query", "GET", "_OTHER"]);
    assert_eq!(
        (&spans[1]["trace"], &spans[1]["parent"]),
        (&json!(trace), &json!(parent))
    );
    assert_eq!(
        (&spans[1]["status"], &spans[0]["status"]),
        (&json!(2), &json!(0))
    );
    assert_ne!(spans[2]["trace"], trace);
    assert_eq!(spans[2]["parent"], "");
    let attributes = json!({ "http.request.method": "GET", "http.route": "/", "http.response.status_code": 200 });
    assert_eq!(spans[0]["attributes"], attributes);
    assert!(
        spans
            .as_array()
            .unwrap()
            .iter()
            .all(|span| span["kind"] == 2)
    );
}

#[tokio::test]
async fn nothing_is_sent_without_the_settings() {
    let site = start(&[]).await;
    let mut ann = site.sign_in("ann", palisade::auth::Rank::Plain).await;
    assert_eq!(ann.get("/mine").await.status, 500);
    assert_eq!(site.site().telemetry_sent().await, 0);
}
