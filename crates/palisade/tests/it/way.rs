//! The way of a request: each step comes before the next. A request that fails two of them gets the answer of the first.

use crate::site::app;
use axum::body::Body;
use http::{Method, StatusCode};
use palisade::testing::{Answer, Client, TestSite, vectors};

const SETTINGS: [(&str, &str); 3] = [
    ("site.allow_dangerous", "without_csrf /hook"),
    ("http.blocked_networks", "198.51.100.0/24"),
    ("throttle.changes", "5/d"),
];

/// A POST that is wrong in every way that is asked for.
#[derive(Clone, Copy)]
struct Wrong {
    host: bool,
    method: bool,
    plain_http: bool,
    blocked: bool,
    token: bool,
}

const FINE: Wrong = Wrong {
    host: false,
    method: false,
    plain_http: false,
    blocked: false,
    token: false,
};

async fn send(site: &TestSite, path: &str, wrong: Wrong) -> Answer {
    let mut client = site.client();
    let token = client.get("/account/login").await.token().unwrap();
    let forwarded = if wrong.blocked {
        "198.51.100.7"
    } else {
        "203.0.113.7"
    };
    let method = if wrong.method {
        Method::from_bytes(b"BREW").unwrap()
    } else {
        Method::POST
    };
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("x-forwarded-for", forwarded);
    request = request.header(
        "host",
        if wrong.host {
            "evil.example"
        } else {
            "desk.example.org"
        },
    );
    if !wrong.plain_http {
        request = request.header("x-forwarded-proto", "https");
    }
    request = request
        .header("origin", "https://desk.example.org")
        .header("content-type", "application/x-www-form-urlencoded");
    let token = if wrong.token { "" } else { &token };
    client
        .send(
            request,
            Body::from(format!("title=x&csrfmiddlewaretoken={token}")),
        )
        .await
}

// ARCHITECTURE.md: the way of a request, steps 2 to 11
#[tokio::test]
async fn the_steps_are_in_order() {
    let site = TestSite::production(app(), &SETTINGS).await;
    let all = Wrong {
        host: true,
        method: true,
        plain_http: true,
        blocked: true,
        token: true,
    };
    let refused = send(&site, "/mine", all).await;
    assert_eq!(
        refused.status,
        StatusCode::BAD_REQUEST,
        "4: the host before the method, HTTPS, lists, token and access"
    );
    assert!(
        refused
            .events()
            .iter()
            .any(|event| event.contains("host_refused") && event.contains("evil.example")),
        "3 came before 4"
    );
    assert!(
        refused
            .events()
            .iter()
            .any(|event| event.contains("198.51.100.7")),
        "3: the client's address, not the proxy's"
    );
    assert_eq!(
        refused.header("x-request-id").len(),
        22,
        "2: every answer has its id"
    );
    let answer = send(&site, "/mine", Wrong { host: false, ..all }).await;
    assert_eq!(
        answer.status,
        StatusCode::NOT_IMPLEMENTED,
        "4: an unknown method before HTTPS"
    );
    let answer = send(
        &site,
        "/mine",
        Wrong {
            host: false,
            method: false,
            ..all
        },
    )
    .await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (
            StatusCode::PERMANENT_REDIRECT,
            "https://desk.example.org/mine"
        ),
        "5 before 6"
    );
    let answer = send(
        &site,
        "/mine",
        Wrong {
            blocked: true,
            token: true,
            ..FINE
        },
    )
    .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer
            .events()
            .iter()
            .any(|event| event.contains("event.action=blocked")),
        "6 before 9: {:?}",
        answer.events()
    );
    let answer = send(
        &site,
        "/mine",
        Wrong {
            token: true,
            ..FINE
        },
    )
    .await;
    assert!(
        answer
            .events()
            .iter()
            .any(|event| event.contains("event.action=csrf_refused")),
        "9 before 10: {:?}",
        answer.events()
    );
    let answer = send(&site, "/mine", FINE).await;
    let to_login = "/account/login?lost=on&next=";
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, to_login),
        "10 before 11"
    );
    let answer = send(&site, "/notes", FINE).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "written"),
        "11"
    );
    for answer in [refused, answer] {
        assert_eq!(
            answer.header("x-frame-options"),
            "DENY",
            "7: every response has the headers"
        );
    }
    let mut last = StatusCode::OK;
    for _ in 0..10 {
        let answer = send(
            &site,
            "/notes",
            Wrong {
                token: true,
                ..FINE
            },
        )
        .await;
        last = answer.status;
        assert!(last == StatusCode::FORBIDDEN || !answer.header("retry-after").is_empty());
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "6: the limit before 9");
}

// F009, F010; ASVS 4.1.3
#[tokio::test]
async fn hosts_are_checked_on_every_request() {
    let site = TestSite::production(app(), &SETTINGS).await;
    let rows = [
        ("desk.example.org", 200),
        ("DESK.example.org:443", 200),
        ("desk.example.org.", 200),
        ("evil.example", 400),
        ("desk.example.org.evil.example", 400),
        ("desk.example.org@evil.example", 400),
        ("desk.example.org:80:80", 400),
        ("", 400),
    ];
    for (host, status) in rows {
        let mut client = site
            .client()
            .with_header("host", host)
            .with_header("x-forwarded-host", "desk.example.org");
        for path in ["/", "/static/palisade.css", "/health/detail"] {
            let status = if path == "/health/detail" && status == 200 {
                404
            } else {
                status
            };
            assert_eq!(client.get(path).await.status, status, "{host:?} {path}");
        }
    }
    let mut client: Client = site.client();
    let absolute = client.request(Method::GET, "https://evil.example/");
    assert_eq!(
        client.send(absolute, Body::empty()).await.status,
        400,
        "absolute form with another host"
    );
}

// F005, F006; ASVS 4.1.2, 3.4.1; D22
#[tokio::test]
async fn security_headers_vectors_of_redirects() {
    for case in vectors::cases("security_headers.json")
        .iter()
        .filter(|case| case["status"] == 301 || case["settings"]["SECURE_SSL_REDIRECT"] == true)
    {
        let settings = &case["settings"];
        let host = settings["SECURE_SSL_HOST"].as_str().unwrap_or("");
        let exempt = if settings["SECURE_REDIRECT_EXEMPT"].is_null() {
            "/none"
        } else {
            "/health"
        };
        let own = [
            ("site.allow_dangerous", "without_csrf /hook"),
            ("http.allowed_hosts", "www.example.com"),
            ("http.https_host", host),
            ("http.https_redirect_exempt", exempt),
        ];
        let site = TestSite::production(app(), &own).await;
        let proto = if case["secure"] == true {
            "https"
        } else {
            "http"
        };
        let request = http::Request::builder()
            .uri(vectors::text(case, "path"))
            .header("host", "www.example.com")
            .header("x-forwarded-proto", proto);
        let answer = site.client().send(request, Body::empty()).await;
        let is_redirect = case["status"] == 301;
        assert_eq!(answer.status == 301, is_redirect, "{case}");
        if is_redirect {
            assert_eq!(
                answer.header("location"),
                vectors::text(&case["headers"], "location"),
                "{case}"
            );
        }
        assert_eq!(
            answer.header("strict-transport-security").is_empty(),
            proto == "http",
            "never on plain HTTP: {case}"
        );
    }
    let site = TestSite::production(app(), &SETTINGS).await;
    let spoofed = site
        .client()
        .from_address([192, 0, 2, 9].into())
        .get("/")
        .await;
    assert_eq!(
        spoofed.status, 301,
        "a stranger's X-Forwarded-Proto is nothing"
    );
    let program = http::Request::builder()
        .uri("/")
        .header("host", "desk.example.org")
        .header("accept", "application/json");
    assert_eq!(
        site.client().send(program, Body::empty()).await.status,
        403,
        "a program is not led on"
    );
}

// D32
#[tokio::test]
async fn blocked_networks_hold_for_every_spelling_of_an_address() {
    let site = TestSite::start(
        app(),
        &[("http.blocked_networks", "198.51.100.0/24,2001:db8:bad::/48")],
    )
    .await;
    let rows = [
        ("198.51.100.1", 403),
        ("::ffff:198.51.100.1", 403),
        ("2001:db8:bad::1", 403),
        ("198.51.101.1", 200),
        ("2001:db8::1", 200),
    ];
    for (address, status) in rows {
        let mut client = site
            .client()
            .from_address(address.parse().unwrap())
            .with_header("x-forwarded-for", "203.0.113.1");
        assert_eq!(client.get("/").await.status, status, "{address}");
    }
}

#[tokio::test]
async fn staging_asks_not_to_be_indexed() {
    let site = TestSite::production(
        app(),
        &[
            ("profile", "staging"),
            ("site.allow_dangerous", "without_csrf /hook"),
        ],
    )
    .await;
    assert_eq!(
        site.client().get("/").await.header("x-robots-tag"),
        "noindex"
    );
}

// D01, D02: a layer that answers for itself gets nothing that was not checked
#[tokio::test]
async fn a_layer_cannot_answer_a_method_that_no_route_declares() {
    use palisade::prelude::*;
    let answers_all = axum::middleware::from_fn(
        async |_: axum::extract::Request, _: axum::middleware::Next| "changed something",
    );
    let routes = Routes::new()
        .route("/read", public().get(async || "read"))
        .route("/write", public().post(async || "write"));
    let site = TestSite::start(App::new().routes(routes.layer(answers_all)), &[]).await;
    for (path, method, status) in [
        ("/read", "GET", 200),
        ("/read", "POST", 405),
        ("/read", "DELETE", 405),
        ("/write", "POST", 403),
        ("/write", "PUT", 405),
    ] {
        let mut client = site.client();
        let answer = client
            .send(client.request(method.parse().unwrap(), path), Body::empty())
            .await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn any_tower_layer_and_extractor_works() {
    use axum::extract::{MatchedPath, State};
    use palisade::prelude::*;
    let stamp = axum::middleware::map_response(async |mut response: Response| {
        response
            .headers_mut()
            .insert("x-stamp", http::HeaderValue::from_static("site"));
        response
    });
    let routes = Routes::new()
        .route(
            "/hello/{name}",
            public().get(
                async |State(word): State<&'static str>,
                       path: MatchedPath,
                       Path(name): Path<String>| {
                    format!("{word} {name} {}", path.as_str())
                },
            ),
        )
        .with_state("Hello");
    let site = TestSite::start(App::new().routes(routes).layer(stamp), &[]).await;
    let answer = site.client().get("/hello/ann").await;
    assert_eq!(
        (answer.body.as_str(), answer.header("x-stamp")),
        ("Hello ann /hello/{name}", "site")
    );
}
