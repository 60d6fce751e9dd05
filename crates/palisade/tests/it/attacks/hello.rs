//! The smallest site has everything.

#[path = "../../../../../examples/hello/src/main.rs"]
#[allow(dead_code, reason = "its main is not called")]
mod site;

use palisade::testing::TestSite;

// D18, D31, D40; ASVS 3.4.3 to 3.4.8, 13.4.6; F003, F058 to F063
#[tokio::test]
async fn twenty_lines_have_every_header() {
    let lines = include_str!("../../../../../examples/hello/src/main.rs")
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("//"))
        .count();
    assert!(lines <= 20, "{lines} lines");
    let site = TestSite::production(site::app(), &[]).await;
    let mut client = site.client();
    client.sign_up("ann").await;
    let mut nonces = std::collections::HashSet::new();
    for path in [
        "/",
        "/mine",
        "/nowhere",
        "/account/login",
        "/static/palisade.css",
        "/health/live",
        "/.git/HEAD",
        "/.env",
        "/admin",
    ] {
        let answer = client.get(path).await;
        let policy = answer.header("content-security-policy").to_owned();
        for part in [
            "default-src 'none'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(
            answer
                .headers
                .get_all("content-security-policy")
                .iter()
                .count(),
            1
        );
        assert!(nonces.insert(policy), "{path}: a nonce came twice");
        let expected = [
            (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            ),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-xss-protection", "0"),
        ];
        for (name, value) in expected {
            assert_eq!(answer.header(name), value, "{name} of {path}");
        }
        assert!(answer.header("permissions-policy").contains("camera=()"));
        for name in [
            "server",
            "x-powered-by",
            "via",
            "access-control-allow-origin",
        ] {
            assert!(!answer.headers.contains_key(name), "{path} has {name}");
        }
        assert!(
            answer.header("content-type").contains("charset=utf-8"),
            "ASVS 4.1.1: {path}"
        );
    }
    assert_eq!(client.get("/.git/HEAD").await.status, 404, "ASVS 13.4.1");
}

// D27; ASVS 14.2.2, 14.2.5
#[tokio::test]
async fn pages_that_looked_at_the_session_are_kept_by_nobody() {
    let site = TestSite::production(site::app(), &[]).await;
    let mut client = site.client();
    assert_eq!(
        client.get("/").await.header("cache-control"),
        "no-cache",
        "a page that looked at nothing"
    );
    for (path, signed_in) in [
        ("/account/login", false),
        ("/mine", false),
        ("/mine", true),
        ("/account/password", true),
    ] {
        if signed_in {
            client.sign_up(&format!("ann{}", path.len())).await;
        }
        let answer = client.get(path).await;
        assert_eq!(
            (answer.header("cache-control"), answer.header("vary")),
            ("no-store", "Cookie"),
            "{path}"
        );
    }
    assert_eq!(
        client.get("/mine/x.css").await.status,
        404,
        "cache deception"
    );
}

// ASVS 3.3.1 to 3.3.4, 3.4.2; F039 to F041
#[tokio::test]
async fn cookies_of_production_are_bound_to_the_host() {
    let site = TestSite::production(site::app(), &[]).await;
    let mut client = site.client().with_header("origin-of-nobody", "x");
    client.sign_up("ann").await;
    let again = client.log_in("ann", "correct horse battery staple").await;
    let names: Vec<_> = client.cookies().keys().cloned().collect();
    assert_eq!(names, ["__Host-device", "__Host-forms", "__Host-session"]);
    for cookie in again.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(
            !cookie.contains("Domain") && !cookie.contains("Max-Age"),
            "gone when the browser closes: {cookie}"
        );
    }
    let kept = TestSite::production(
        site::app(),
        &[
            ("sessions.expire_at_browser_close", "false"),
            ("sessions.absolute_secs", "7200"),
        ],
    )
    .await;
    let mut keeper = kept.client();
    keeper.sign_up("ann").await;
    let login = keeper.log_in("ann", "correct horse battery staple").await;
    assert!(
        login.header("set-cookie").contains("; Max-Age=7200"),
        "F038: kept as long as the session may live, if the site wants that"
    );
    let session = client.cookies()["__Host-session"].clone();
    assert_eq!(session.len(), 43, "256 bits");
    assert!(!client.get("/mine").await.body.contains(&session));
}
