//! CORS: off, unless a route enables it for named origins.

use axum::body::Body;
use http::Method;
use palisade::headers::Cors;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite};

fn app() -> App {
    let partner = Cors::origins(["https://partner.example", "http://localhost:3000"])
        .allow_headers(["content-type", "x-api"]);
    let trusted =
        Cors::origins_with_credentials(["https://partner.example"]).expose_headers(["x-total"]);
    let loud = async || {
        (
            [
                ("access-control-allow-origin", "https://evil.example"),
                ("access-control-allow-credentials", "true"),
            ],
            "loud",
        )
    };
    let routes = Routes::new()
        .route("/closed", public().get(async || "closed"))
        .route("/open", public().get(async || "open").cors(&Cors::anyone()))
        .route(
            "/partner",
            public()
                .get(async || "partner")
                .post(async || "changed")
                .cors(&partner),
        )
        .route("/mine", signed_in().get(async || "mine").cors(&trusted))
        .route("/staff", staff().get(async || "staff").cors(&trusted))
        .route(
            "/office",
            public()
                .get(async || "office")
                .cors(&trusted)
                .only_from("192.0.2.0/24".parse().unwrap()),
        )
        .route("/loud", public().get(loud).cors(&partner));
    App::new().routes(routes)
}

const ALLOWED: &str = "access-control-allow-origin";
const CREDENTIALS: &str = "access-control-allow-credentials";

async fn asked(client: &Client, method: Method, origin: &str, path: &str) -> Answer {
    let mut client = client.clone();
    let request = client
        .request(method, path)
        .header("origin", origin)
        .header("sec-fetch-site", "cross-site");
    client.send(request, Body::empty()).await
}

async fn preflight(client: &Client, origin: &str, path: &str, method: &str) -> Answer {
    let mut client = client.clone();
    let request = client
        .request(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", method);
    client
        .send(
            request.header("access-control-request-headers", "content-type"),
            Body::empty(),
        )
        .await
}

// F058, F086, V3.4.2
#[tokio::test]
async fn only_named_sites_read_answers_and_nobody_is_reflected() {
    let site = TestSite::production(app(), &[]).await;
    let client = site.client();
    let strangers = [
        "https://evil.example",
        "null",
        "https://partner.example.evil.example",
        "http://partner.example",
        "https://partner.example:8443",
        "",
    ];
    for origin in strangers {
        for path in ["/closed", "/partner", "/mine", "/nothing", "/"] {
            let answer = asked(&client, Method::GET, origin, path).await;
            assert!(
                !answer.headers.contains_key(ALLOWED) && !answer.headers.contains_key(CREDENTIALS),
                "{origin} {path}"
            );
        }
        let open = asked(&client, Method::GET, origin, "/open").await;
        assert_eq!(
            (open.header(ALLOWED), open.header(CREDENTIALS)),
            ("*", ""),
            "{origin}: the anonymous view, for all origins"
        );
    }
    let partner = asked(&client, Method::GET, "https://partner.example", "/partner").await;
    assert_eq!(
        (partner.header(ALLOWED), partner.header(CREDENTIALS)),
        ("https://partner.example", "")
    );
    assert!(
        partner
            .headers
            .get_all("vary")
            .iter()
            .any(|vary| vary == "origin"),
        "a cache keeps them apart"
    );
    let stranger = asked(&client, Method::GET, "https://evil.example", "/partner").await;
    assert!(
        stranger
            .headers
            .get_all("vary")
            .iter()
            .any(|vary| vary == "origin"),
        "for origins that are not named too"
    );
    let loud = asked(&client, Method::GET, "https://evil.example", "/loud").await;
    assert!(
        !loud.headers.contains_key(ALLOWED) && !loud.headers.contains_key(CREDENTIALS),
        "a handler cannot say otherwise"
    );
}

// V3.4.2, V3.5.2
#[tokio::test]
async fn credentials_go_to_named_sites_and_access_rules_hold() {
    let site = TestSite::production(app(), &[]).await;
    let mut client = site.client();
    client.sign_up("ann").await;
    let mine = asked(&client, Method::GET, "https://partner.example", "/mine").await;
    assert_eq!(mine.body, "mine");
    assert_eq!(
        (mine.header(ALLOWED), mine.header(CREDENTIALS)),
        ("https://partner.example", "true")
    );
    assert_eq!(mine.header("access-control-expose-headers"), "x-total");
    assert_eq!(mine.header("cache-control"), "no-store");
    // what is hidden is so from scripts of named sites too
    for path in ["/staff", "/office"] {
        let hidden = [
            asked(&client, Method::GET, "https://partner.example", path).await,
            preflight(&client, "https://partner.example", path, "GET").await,
        ];
        for answer in hidden {
            assert_eq!(answer.status, 404, "{path}");
            assert!(
                !answer.headers.contains_key(ALLOWED)
                    && !answer
                        .headers
                        .get_all("vary")
                        .iter()
                        .any(|vary| vary == "origin"),
                "{path}"
            );
        }
    }
    let changed = asked(&client, Method::POST, "https://partner.example", "/partner").await;
    assert_eq!(
        changed.status, 403,
        "who may read may not yet change anything"
    );
    assert!(
        changed
            .events()
            .iter()
            .any(|event| event.contains("csrf_refused"))
    );
}

// V3.5.2
#[tokio::test]
async fn browsers_that_ask_first_are_told_what_there_is() {
    let site = TestSite::production(app(), &[]).await;
    let client = site.client();
    let answer = preflight(&client, "https://partner.example", "/partner", "POST").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    let said = |name: &str| answer.header(name).to_owned();
    assert_eq!(said(ALLOWED), "https://partner.example");
    assert_eq!(said("access-control-allow-methods"), "GET, POST");
    assert_eq!(said("access-control-allow-headers"), "content-type, x-api");
    assert_eq!(said("access-control-max-age"), "7200");
    let vary: Vec<_> = answer
        .headers
        .get_all("vary")
        .iter()
        .map(|vary| vary.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        vary,
        [
            "origin",
            "access-control-request-method",
            "access-control-request-headers"
        ]
    );
    let stranger = preflight(&client, "https://evil.example", "/partner", "POST").await;
    assert_eq!(stranger.status, 403);
    assert!(
        !stranger.headers.contains_key(ALLOWED)
            && !stranger
                .headers
                .contains_key("access-control-allow-methods")
    );
    for path in ["/closed", "/nothing"] {
        let closed = preflight(&client, "https://partner.example", path, "GET").await;
        assert!(
            !closed.status.is_success() && !closed.headers.contains_key(ALLOWED),
            "{path}: {}",
            closed.status
        );
    }
    let open = preflight(&client, "null", "/open", "GET").await;
    assert_eq!(
        (
            open.status.as_u16(),
            open.header(ALLOWED),
            open.header(CREDENTIALS)
        ),
        (204, "*", "")
    );
}

#[test]
fn what_is_no_origin_stops_the_start() {
    for wrong in [
        "*",
        "https://*.example.org",
        "https://a.example/path",
        "http://a.example",
        "null",
        "",
        "https://A.example",
        "a.example",
        "https://a.example:443",
    ] {
        assert!(
            std::panic::catch_unwind(|| Cors::origins([wrong])).is_err(),
            "{wrong}"
        );
        assert!(
            std::panic::catch_unwind(|| Cors::origins_with_credentials([wrong])).is_err(),
            "{wrong}"
        );
    }
}
