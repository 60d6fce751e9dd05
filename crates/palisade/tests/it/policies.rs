//! Content security policies of single pages.

use palisade::headers::{ContentSecurityPolicy, Directive, PagePolicies, Source};
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite, events};

fn app() -> App {
    let tiles = Source::origin("https://tiles.example.org").unwrap();
    let map = ContentSecurityPolicy::strict().allow(Directive::ImgSrc, tiles);
    let tried = ContentSecurityPolicy::strict().set(Directive::StyleSrc, vec![Source::NOTHING]);
    let own = PagePolicies::default()
        .enforce(&ContentSecurityPolicy::empty().allow(Directive::DefaultSrc, Source::NOTHING));
    let weak = async || {
        let headers = [
            ("content-security-policy", "default-src *"),
            ("content-security-policy-report-only", "default-src *"),
        ];
        (headers, "weak")
    };
    let routes = Routes::new()
        .route("/", public().get(async || "front"))
        .route(
            "/map",
            public().get(async || "map").content_security_policy(&map),
        )
        .route(
            "/tried",
            public()
                .get(async || "tried")
                .content_security_policy_report_only(&tried),
        )
        .route(
            "/lost",
            public()
                .get(async || http::StatusCode::NOT_FOUND)
                .content_security_policy(&map),
        )
        .route(
            "/own",
            public().get(async move || (axum::Extension(own.clone()), "own")),
        )
        .route(
            "/none",
            public()
                .get(async || "none")
                .content_security_policy(&ContentSecurityPolicy::empty()),
        )
        .route(
            "/isolated",
            public().get(async || "isolated").cross_origin_isolated(),
        )
        .route("/weak", public().get(weak));
    App::new().routes(routes)
}

// F058, V3.4.3: one header, never two
#[tokio::test]
async fn a_page_has_the_policy_of_its_route_and_only_one() {
    let site = TestSite::start(app(), &[]).await;
    let mut nonces = std::collections::BTreeSet::new();
    let rows = [
        ("/", "img-src 'self';", ""),
        ("/map", "img-src 'self' https://tiles.example.org;", ""),
        ("/tried", "style-src 'self' 'nonce-", "style-src 'none'"),
        ("/lost", "img-src 'self';", ""),
        ("/own", "default-src 'none'; script-src 'nonce-", ""),
        ("/none", "default-src 'none'; script-src 'nonce-", ""),
        ("/weak", "default-src 'none'; script-src 'nonce-", ""),
        ("/nothing-here", "img-src 'self';", ""),
    ];
    for (path, enforced, reported) in rows {
        let answer = site.client().get(path).await;
        let both = |name: &str| {
            answer
                .headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let (policies, tried) = (
            both("content-security-policy"),
            both("content-security-policy-report-only"),
        );
        assert_eq!(policies.len(), 1, "{path}: {policies:?}");
        assert!(policies[0].contains(enforced), "{path}: {policies:?}");
        // error pages are HTML, and HTML tries trusted types
        let is_page = answer.header("content-type").starts_with("text/html");
        assert_eq!(
            tried.len(),
            usize::from(!reported.is_empty() || is_page),
            "{path}: {tried:?}"
        );
        assert!(
            tried.iter().all(|policy| policy.contains(reported)),
            "{path}: {tried:?}"
        );
        if let Some((_, after)) = policies[0].split_once("'nonce-") {
            assert!(
                nonces.insert(after.split('\'').next().unwrap().to_owned()),
                "a nonce of its own"
            );
        }
    }
    // nothing is weaker for what a policy leaves out
    for path in ["/own", "/none"] {
        let policy = site
            .client()
            .get(path)
            .await
            .header("content-security-policy")
            .to_owned();
        for floor in [
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(floor), "{path}: {floor} in {policy}");
        }
    }
}

// F063
#[tokio::test]
async fn a_page_that_needs_it_is_isolated() {
    let site = TestSite::start(app(), &[]).await;
    let answer = site.client().get("/isolated").await;
    assert_eq!(
        answer.header("cross-origin-embedder-policy"),
        "require-corp"
    );
    assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
    assert!(
        !site
            .client()
            .get("/")
            .await
            .headers
            .contains_key("cross-origin-embedder-policy"),
        "no other page"
    );
}

async fn sent(client: &Client, kind: &str, body: &str) -> Answer {
    let mut client = client.clone();
    let request = client
        .request(http::Method::POST, "/csp-report")
        .header("content-type", kind);
    client
        .send(request, axum::body::Body::from(body.to_owned()))
        .await
}

// F058, V3.4.7
#[tokio::test]
async fn what_browsers_refused_is_grouped_and_logged() {
    let site = TestSite::start(app(), &[("headers.trusted_types", "report")]).await;
    let client = site.client();
    let page = client.clone().get("/account/login").await;
    for name in [
        "content-security-policy",
        "content-security-policy-report-only",
    ] {
        assert!(
            page.header(name)
                .ends_with("report-uri /csp-report; report-to csp"),
            "{name}: {}",
            page.header(name)
        );
    }
    assert!(
        page.header("content-security-policy-report-only")
            .starts_with("require-trusted-types-for 'script'; ")
    );
    assert_eq!(page.header("reporting-endpoints"), "csp=\"/csp-report\"");
    let mark = palisade::crypto::random::nonce();
    let old = |query: &str| {
        serde_json::json!({ "csp-report": {
            "document-uri": format!("https://desk.example.org/{mark}?{query}"), "blocked-uri": "https://evil.example/x.js?stolen=secret",
            "effective-directive": "script-src-elem", "disposition": "enforce", "line-number": 7, "source-file": "https://desk.example.org/p?token=secret",
        }})
        .to_string()
    };
    let new = serde_json::json!([
        { "type": "csp-violation", "age": 1, "url": "x", "user_agent": "x", "body": {
            "documentURL": format!("https://desk.example.org/{mark}-new"), "blockedURL": "inline", "effectiveDirective": "style-src-attr",
            "disposition": "report", "lineNumber": 1, "sourceFile": null, "statusCode": 200 } },
        { "type": "deprecation", "body": { "id": "x" } },
    ]);
    for number in 0..12 {
        assert_eq!(
            sent(
                &client,
                "application/csp-report",
                &old(&format!("token=secret{number}"))
            )
            .await
            .status,
            204
        );
    }
    assert_eq!(
        sent(
            &client,
            "application/reports+json; charset=utf-8",
            &new.to_string()
        )
        .await
        .status,
        204
    );
    let lines = events(&mark);
    assert_eq!(
        lines.len(),
        3,
        "the first, the tenth, and the other one: {lines:?}"
    );
    assert!(
        lines[0].contains("count=1")
            && lines[1].contains("count=10")
            && lines[0].contains("blocked=\"https://evil.example\""),
        "{lines:?}"
    );
    assert!(
        lines[2].contains("style-src-attr") && lines[2].contains("disposition=\"report\""),
        "{lines:?}"
    );
    assert!(
        lines.iter().all(|line| !line.contains("secret")),
        "no query is logged: {lines:?}"
    );
}

// F058, F117, D02, D39
#[tokio::test]
async fn reports_are_bounded_and_forms_are_no_reports() {
    let site = TestSite::start(app(), &[]).await;
    let client = site.client();
    let forged = sent(&client, "application/x-www-form-urlencoded", "a=b").await;
    assert_eq!(
        forged.status, 403,
        "what a page of another site can send needs a token"
    );
    assert!(
        forged
            .events()
            .iter()
            .any(|event| event.contains("csrf_refused"))
    );
    for (kind, body, status) in [
        ("application/csp-report", "nonsense", 400),
        ("application/csp-report", "{}", 400),
        ("application/reports+json", "[1]", 400),
        ("application/reports+json", "[]", 204),
        (
            "application/csp-report",
            &format!(
                "{{\"csp-report\": {{\"document-uri\": \"{}\"}}}}",
                "x".repeat(70_000)
            ),
            413,
        ),
        ("text/plain", "{\"csp-report\": {}}", 403),
    ] {
        assert_eq!(
            sent(&client, kind, body).await.status.as_u16(),
            status,
            "{kind} {body:.60}"
        );
    }
    let broken = "{\"csp-report\": {\"document-uri\": \"/breaks\\r\\nevent.action=login\", \"effective-directive\": \"x\\u0000\"}}";
    assert_eq!(
        sent(&client, "application/csp-report", broken).await.status,
        204
    );
    let lines = events("/breaks");
    assert!(
        lines
            .iter()
            .all(|line| !line.contains('\n') && !line.contains('\r') && !line.contains('\0')),
        "{lines:?}"
    );
    let mut refused = 0;
    for number in 0..80 {
        let report = format!("{{\"csp-report\": {{\"document-uri\": \"/flood{number}\"}}}}");
        refused += usize::from(
            sent(&client, "application/csp-report", &report)
                .await
                .status
                == 429,
        );
    }
    assert!(refused > 10, "{refused}");
}
