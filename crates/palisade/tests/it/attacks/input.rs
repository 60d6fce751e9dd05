use crate::site::{Notes, app};
use axum::body::Body;
use http::{Method, StatusCode};
use palisade::prelude::*;
use palisade::testing::TestSite;
use sea_orm::{EntityTrait, PaginatorTrait};

// D10, D28; F073
#[tokio::test]
async fn names_and_numbers_from_the_address_are_known_or_400() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    assert_eq!(
        client.get("/list?order=oldest&page_size=100").await.body,
        "Oldest 100"
    );
    assert_eq!(
        client.get("/list?utm_source=letter").await.body,
        "Newest 20",
        "undeclared names are ignored"
    );
    let hostile = [
        "order=title",
        "order=id)--",
        "order=newest%3BDROP%20TABLE%20note",
        "order=NEWEST",
        "page_size=0",
        "page_size=101",
        "page_size=-1",
        "page_size=1e9",
        "page_size=99999999999999999999",
        "page_size=1%00",
        "order=%ff",
        "order=newest&order=oldest",
        "page_size=%2531",
    ];
    for query in hostile {
        let answer = client.get(&format!("/list?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

// D10: for any number, never a 500
#[tokio::test]
async fn paging_is_fuzzed() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..500 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let number = (random as i64) >> (random % 60);
        let answer = client.get(&format!("/list?page_size={number}")).await;
        let expected = if (1..=100).contains(&number) {
            200
        } else {
            400
        };
        assert_eq!(answer.status, expected, "{number}");
    }
}

// F114; ASVS 2.2.2, 1.5.2
#[tokio::test]
async fn a_form_takes_its_own_fields_once_and_nothing_else() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    let token = client.get("/account/login").await.token().unwrap();
    let sent = |fields: &[(&str, &str)]| {
        [fields, &[("csrfmiddlewaretoken", token.as_str())]]
            .concat()
            .iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect::<Vec<_>>()
    };
    let rows: [(&str, Vec<(String, String)>, u16); 4] = [
        ("its own field", sent(&[("title", "fine")]), 200),
        (
            "a field of the model",
            sent(&[("title", "x"), ("id", "7")]),
            400,
        ),
        ("twice", sent(&[("title", "x"), ("title", "y")]), 400),
        ("a control character", sent(&[("title", "a\u{0}b")]), 422),
    ];
    for (name, fields, status) in rows {
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(
            client.post("/notes", &fields).await.status,
            status,
            "{name}"
        );
    }
    let evil_user = [
        ("username", "eve"),
        ("email", "e@example.org"),
        ("password", "correct horse battery staple"),
        ("password_again", "correct horse battery staple"),
        ("is_superuser", "on"),
    ];
    assert_eq!(
        client
            .submit("/account/signup", "/account/signup", &evil_user)
            .await
            .status,
        400
    );
    assert_eq!(site.site().accounts().list().await.unwrap().len(), 0);
    let signed = |client: &palisade::testing::Client| {
        client
            .request(Method::POST, "/notes")
            .header("origin", "http://localhost")
    };
    let program = signed(&client)
        .header("accept", "application/json")
        .header("x-csrftoken", &token);
    let problem = client.form(program, &[("title", "")]).await;
    assert_eq!(
        (problem.status.as_u16(), problem.header("content-type")),
        (422, "application/problem+json")
    );
    assert!(
        problem
            .body
            .contains("\"title\":[\"This field is required.\"]"),
        "{}",
        problem.body
    );
    let parts = signed(&client).header("content-type", "multipart/form-data; boundary=x");
    let refused = client.send(parts, Body::from("--x--")).await;
    assert!(
        refused.status == 403 && refused.body.contains("X-CSRFToken"),
        "{}",
        refused.body
    );
    let broken = signed(&client).header("content-type", "application/x-www-form-urlencoded");
    let pieces = futures_util::stream::iter([
        Ok(b"title=x".to_vec()),
        Err(std::io::Error::other("cut off")),
    ]);
    assert_eq!(
        client.send(broken, Body::from_stream(pieces)).await.status,
        400,
        "cut off is not too much"
    );
    let json = client
        .request(Method::POST, "/notes")
        .header("content-type", "application/json")
        .header("x-csrftoken", &token)
        .header("origin", "http://localhost");
    assert_eq!(
        client
            .send(json, Body::from("{\"title\":\"x\"}"))
            .await
            .status,
        415
    );
    let text = client
        .request(Method::POST, "/notes")
        .header("content-type", "text/plain")
        .header("x-csrftoken", &token)
        .header("origin", "http://localhost");
    assert_eq!(
        client.send(text, Body::from("title=x")).await.status,
        415,
        "ASVS 3.5.2: no preflight, no form"
    );
    assert_eq!(
        Notes::find()
            .count(&site.site().database().handle())
            .await
            .unwrap(),
        1
    );
}

// ASVS 5.2.1, 1.1.1; F117
#[tokio::test]
async fn too_much_and_too_odd_gets_the_quiet_page() {
    let site = TestSite::start(
        app(),
        &[
            ("http.max_body_bytes", "1000"),
            ("http.max_url_bytes", "200"),
            ("http.response_timeout_secs", "1"),
        ],
    )
    .await;
    let mut client = site.client();
    let token = client.get("/account/login").await.token().unwrap();
    let long = "x".repeat(2000);
    let declared = client
        .post(
            "/notes",
            &[("title", &long), ("csrfmiddlewaretoken", &token)],
        )
        .await;
    assert_eq!(declared.status, 413);
    let request = client
        .request(Method::POST, "/notes/json")
        .header("x-csrftoken", &token)
        .header("origin", "http://localhost");
    let pieces =
        futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 100])));
    assert_eq!(
        client.send(request, Body::from_stream(pieces)).await.status,
        413,
        "without a declared length"
    );
    let rows = [
        ("/nowhere", 404),
        (&format!("/{}", "a".repeat(300)), 414),
        ("/echo/%ff", 400),
        ("/echo/%00", 400),
        ("/echo/..%2f..%2fetc/passwd", 400),
        ("/echo/%2e%2e/x", 400),
        ("/echo/a%5cb", 400),
        ("//evil.example", 400),
        ("/echo//x", 400),
        ("/slow", 503),
    ];
    for (path, status) in rows {
        let answer = client.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(
            answer.body.contains(answer.header("x-request-id")),
            "the quiet page of {path}: {}",
            answer.body
        );
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    }
    assert_eq!(
        client.get("/echo/%252e%252e/x").await.body,
        "%2e%2e/x",
        "decoded once"
    );
    assert_eq!(
        Notes::find()
            .count(&site.site().database().handle())
            .await
            .unwrap(),
        0
    );
}

// ASVS 4.1.4, 13.4.4
#[tokio::test]
async fn only_declared_methods_exist() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    for (method, status) in [
        ("GET", 200),
        ("HEAD", 200),
        ("POST", 405),
        ("PUT", 405),
        ("DELETE", 405),
        ("PATCH", 405),
        ("OPTIONS", 405),
        ("TRACE", 501),
        ("PROPFIND", 501),
        ("get", 501),
    ] {
        let answer = client
            .send(client.request(method.parse().unwrap(), "/"), Body::empty())
            .await;
        assert_eq!(answer.status, status, "{method}");
        assert_eq!(
            answer.header("allow"),
            if status == 405 { "GET,HEAD" } else { "" },
            "{method}"
        );
    }
}

// D39; ASVS 3.7.2
#[tokio::test]
async fn redirects_stay_here_and_headers_stay_whole() {
    let site = TestSite::start(app(), &[]).await;
    let rows = [
        ("/tickets", "/tickets"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ];
    for (to, lands) in rows {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        assert_eq!(
            site.client()
                .get(&format!("/go?to={to}"))
                .await
                .header("location"),
            lands,
            "{to}"
        );
    }
    let split = site.client().get("/go?to=/x%0d%0aset-cookie:%20a=b").await;
    assert_eq!(
        split.status, 400,
        "control characters do not get past a field"
    );
    assert!(split.headers.get("set-cookie").is_none());
    let named = site.client().log_in("ann\r\nevent.action=login", "x").await;
    assert!(
        !named.events().iter().any(|event| event.contains('\n')),
        "no log line of the attacker's own: {:?}",
        named.events()
    );
}
