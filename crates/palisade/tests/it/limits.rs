//! Rate limits on a site: the keys that are counted, the responses, and an outage of Redis under load.

use palisade::app::Server;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite, events};
use palisade::throttle::{By, Limit, WhenUnreachable};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A site with a limit of each kind, and how often its handlers were called.
fn app() -> (App, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = || {
        let calls = calls.clone();
        async move || {
            calls.fetch_add(1, Ordering::Relaxed);
            "done\n"
        }
    };
    let find = |parts: &http::request::Parts| parts.uri.query().map(str::to_owned);
    let group = Routes::new()
        .route("/one", public().get(counted()))
        .route("/two", public().get(counted()))
        .limit(&Limit::new("group", By::Address, "3/h"));
    let routes = Routes::new()
        .route(
            "/address",
            public()
                .get(counted())
                .limit(Limit::new("address", By::Address, "3/m, 100/d")),
        )
        .route(
            "/header",
            public()
                .get(counted())
                .limit(Limit::new("header", By::Header("x-key"), "2/h")),
        )
        .route(
            "/query",
            public()
                .get(counted())
                .limit(Limit::new("query", By::Value(Arc::new(find)), "2/h")),
        )
        .route(
            "/user",
            signed_in()
                .get(counted())
                .limit(Limit::new("user", By::User, "2/h")),
        )
        .route(
            "/either",
            public()
                .get(counted())
                .limit(Limit::new("either", By::UserOrAddress, "2/h")),
        )
        .route(
            "/field",
            public()
                .post(counted())
                .limit(Limit::new("field", By::Field("email"), "2/h")),
        )
        .route(
            "/hidden",
            staff()
                .get(counted())
                .limit(Limit::new("hidden", By::Address, "1/h")),
        )
        .route("/strict", public().get(counted()).limit(refusing()))
        .nest("/group", group);
    (App::new().routes(routes), calls)
}

fn refusing() -> Limit {
    Limit::new("strict", By::Address, "1000/h").when_unreachable(WhenUnreachable::Refuse)
}

async fn statuses(client: &mut Client, path: &str, times: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(client.get(path).await.status.as_u16());
    }
    statuses
}

fn from(site: &TestSite, address: &str) -> Client {
    site.client().from_address(address.parse().unwrap())
}

// F090, F091; V2.4.1
#[tokio::test]
async fn whoever_asks_too_often_gets_429_and_nothing_happens() {
    let (app, calls) = app();
    let site = TestSite::start(app, &[]).await;
    let mut client = from(&site, "192.0.2.1");
    assert_eq!(statuses(&mut client, "/address", 3).await, [200; 3]);
    let refused = client.get("/address").await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((15..=22).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit-policy"), "\"address\";q=3;w=60");
    assert_eq!(
        refused.header("ratelimit"),
        format!("\"address\";r=0;t={wait}")
    );
    assert!(
        refused.body.contains("<h1") && refused.body.contains("Too many requests"),
        "a page for people"
    );
    assert!(
        refused
            .events()
            .iter()
            .any(|event| event.contains("rate_limited") && event.contains("192.0.2.1")),
        "it is recorded"
    );
    assert_eq!(
        calls.load(Ordering::Relaxed),
        3,
        "the handler was not called"
    );
    let program = client.get_as_program("/address").await;
    assert_eq!(
        (program.status.as_u16(), program.header("content-type")),
        (429, "application/problem+json")
    );
    // a spoofed header does not change the client; another address does
    let mut spoofing = from(&site, "192.0.2.1").with_header("x-forwarded-for", "203.0.113.9");
    assert_eq!(statuses(&mut spoofing, "/address", 1).await, [429]);
    assert_eq!(
        statuses(&mut from(&site, "192.0.2.2"), "/address", 4).await,
        [200, 200, 200, 429]
    );
    // a whole /64 is one client
    let mut neighbours = Vec::new();
    for number in 1..=5 {
        neighbours.extend(
            statuses(
                &mut from(&site, &format!("2001:db8::{number}")),
                "/address",
                1,
            )
            .await,
        );
    }
    assert_eq!(neighbours, [200, 200, 200, 429, 429]);
}

trait AsProgram {
    async fn get_as_program(&mut self, path: &str) -> Answer;
}

impl AsProgram for Client {
    async fn get_as_program(&mut self, path: &str) -> Answer {
        let request = self
            .request(http::Method::GET, path)
            .header("accept", "application/json");
        self.send(request, axum::body::Body::empty()).await
    }
}

// F090: the keys
#[tokio::test]
async fn each_key_counts_its_own() {
    let (app, _) = app();
    let site = TestSite::start(app, &[]).await;
    let mut keyed = site.client().with_header("x-key", "a");
    assert_eq!(statuses(&mut keyed, "/header", 3).await, [200, 200, 429]);
    assert_eq!(
        statuses(&mut site.client().with_header("x-key", "b"), "/header", 1).await,
        [200]
    );
    assert_eq!(
        statuses(&mut site.client(), "/header", 4).await,
        [200; 4],
        "requests without the header are not counted"
    );
    assert_eq!(
        statuses(&mut site.client(), "/query?a", 3).await,
        [200, 200, 429]
    );
    assert_eq!(statuses(&mut site.client(), "/query?b", 1).await, [200]);
    assert_eq!(
        statuses(&mut site.client(), "/group/one", 2).await,
        [200, 200]
    );
    assert_eq!(
        statuses(&mut site.client(), "/group/two", 2).await,
        [200, 429],
        "a group counts together"
    );

    let sign_up = async |name: &str, address: &str| {
        let mut client = from(&site, address);
        client.sign_up(name).await;
        client
    };
    let (mut ann, mut bob) = (
        sign_up("ann", "192.0.2.1").await,
        sign_up("bob", "192.0.2.1").await,
    );
    assert_eq!(statuses(&mut ann, "/user", 3).await, [200, 200, 429]);
    assert_eq!(
        statuses(&mut bob, "/user", 1).await,
        [200],
        "another user at the same address"
    );
    assert_eq!(statuses(&mut ann, "/either", 3).await, [200, 200, 429]);
    let mut stranger = from(&site, "192.0.2.1");
    assert_eq!(
        statuses(&mut stranger, "/either", 3).await,
        [200, 200, 429],
        "the address of strangers is counted apart from users"
    );
}

// F090: what is typed, from anywhere
#[tokio::test]
async fn a_field_is_counted_from_every_address() {
    let (app, calls) = app();
    let site = TestSite::start(app, &[]).await;
    let post = async |address: &str, email: &str| {
        let mut client = from(&site, address);
        client
            .submit("/account/login", "/field", &[("email", email)])
            .await
            .status
            .as_u16()
    };
    assert_eq!(post("192.0.2.1", "ann@example.org").await, 200);
    assert_eq!(post("192.0.2.2", " Ann@Example.org ").await, 200);
    assert_eq!(post("192.0.2.3", "ann@example.org").await, 429);
    assert_eq!(post("192.0.2.3", "bob@example.org").await, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    // a forged request is refused before it is counted
    let mut forger = from(&site, "192.0.2.4");
    for _ in 0..5 {
        let request = forger
            .request(http::Method::POST, "/field")
            .header("origin", "https://evil.example");
        assert_eq!(
            forger
                .form(request, &[("email", "carl@example.org")])
                .await
                .status,
            403
        );
    }
    assert_eq!(post("192.0.2.4", "carl@example.org").await, 200);
    // a body of another type would not be counted, and is refused
    let mut sneaky = from(&site, "192.0.2.5");
    let token = sneaky.get("/account/login").await.token().unwrap();
    let part = |name: &str, value: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts =
        part("csrfmiddlewaretoken", &token) + &part("email", "ann@example.org") + "--x--\r\n";
    for (kind, body) in [
        ("multipart/form-data; boundary=x", parts.as_str()),
        ("application/json", r#"{"email": "ann@example.org"}"#),
    ] {
        let request = sneaky
            .request(http::Method::POST, "/field")
            .header("content-type", kind)
            .header("x-csrftoken", &token);
        let body = axum::body::Body::from(body.to_owned());
        assert_eq!(sneaky.send(request, body).await.status, 415, "{kind}");
    }
    // nor does one without a type
    let request = sneaky.request(http::Method::POST, "/field");
    let request = request.header("x-csrftoken", &token);
    let body = axum::body::Body::from("email=ann@example.org");
    assert_eq!(sneaky.send(request, body).await.status, 415);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    let names = ["ann@example.org", "bob@example.org"];
    assert!(
        names.iter().all(|name| events("rate_limited")
            .iter()
            .all(|event| !event.contains(name))),
        "no names in the log"
    );
}

#[tokio::test]
async fn a_hidden_page_stays_hidden_and_a_limit_of_settings_holds_everywhere() {
    let (app, _) = app();
    let site = TestSite::start(
        app,
        &[("throttle.requests", "5/h"), ("throttle.changes", "2/h")],
    )
    .await;
    assert_eq!(
        statuses(&mut from(&site, "192.0.2.1"), "/hidden", 4).await,
        [404; 4],
        "429 would give it away"
    );
    assert_eq!(
        statuses(&mut from(&site, "192.0.2.2"), "/nothing", 6).await,
        [404, 404, 404, 404, 404, 429]
    );
    let mut client = from(&site, "192.0.2.3");
    for expected in [405, 405, 429] {
        assert_eq!(
            client.post("/address", &[]).await.status.as_u16(),
            expected,
            "changes are counted on their own"
        );
    }
}

/// A Redis of the test's own, which it may stop.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start(port: u16) -> Self {
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (scripts/servers)");
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

// F090: Redis goes away and comes back while requests come in
#[tokio::test]
async fn each_limit_keeps_its_policy_while_redis_is_away() {
    let Some(_) = palisade::testing::server("PALISADE_TEST_REDIS") else {
        return;
    };
    let redis = Redis::start(free_port());
    let port = redis.port;
    let (app, _) = app();
    let site = TestSite::start(app, &[("cache.url", &format!("redis://127.0.0.1:{port}"))]).await;
    let mut client = from(&site, "192.0.2.1");
    assert_eq!(statuses(&mut client, "/strict", 3).await, [200; 3]);
    assert_eq!(client.get("/health/ready").await.status, 200);
    drop(redis);
    assert_eq!(
        statuses(&mut client, "/strict", 5).await,
        [503; 5],
        "it says refuse"
    );
    assert_eq!(
        statuses(&mut client, "/address", 4).await,
        [200, 200, 200, 429],
        "it says pass: counted here alone"
    );
    assert_eq!(
        client.get("/health/ready").await.status,
        200,
        "a site serves without Redis"
    );
    assert_eq!(client.get("/health/live").await.status, 200);
    assert!(
        !events("the rate limit store is unavailable").is_empty(),
        "it is logged"
    );
    let _back = Redis::start(port);
    let mut answers = Vec::new();
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        answers.push(client.get("/strict").await.status.as_u16());
        if answers.ends_with(&[200, 200]) {
            break;
        }
    }
    assert!(
        answers.ends_with(&[200, 200]),
        "served again without a restart: {answers:?}"
    );
    assert!(!events("is available again").is_empty());
    palisade::testing::ran("limits::each_limit_keeps_its_policy_while_redis_is_away");
}

// F090: two servers over one Redis
#[tokio::test]
async fn two_instances_count_together() {
    let Some(_) = palisade::testing::server("PALISADE_TEST_REDIS") else {
        return;
    };
    let redis = Redis::start(free_port());
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let mut sites = Vec::new();
    for _ in 0..2 {
        let site = TestSite::start(
            app().0,
            &[("cache.url", &url), ("server.address", "127.0.0.1:0")],
        )
        .await;
        assert!(Server::listen(site.site().clone()).is_ok());
        sites.push(site);
    }
    let mut all = Vec::new();
    for number in 0..8 {
        all.extend(statuses(&mut from(&sites[number % 2], "192.0.2.1"), "/group/one", 1).await);
    }
    assert_eq!(all, [200, 200, 200, 429, 429, 429, 429, 429]);
    palisade::testing::ran("limits::two_instances_count_together");
}
