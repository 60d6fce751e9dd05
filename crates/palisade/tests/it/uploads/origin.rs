//! Files on an origin of their own.

use super::{app, files_of, png, send};
use palisade::chrono::TimeDelta;
use palisade::testing::{Client, TestSite};

const ORIGIN: &str = "http://127.0.0.1:8001";

async fn site() -> (TestSite, Client) {
    let settings = [
        ("uploads.origin", ORIGIN),
        ("uploads.min_free_bytes", "1"),
        ("http.allowed_hosts", "localhost,testserver"),
    ];
    let site = TestSite::start(app(), &settings).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    (site, ann)
}

/// A client of the origin of files.
fn elsewhere(site: &TestSite) -> Client {
    site.client().with_header("host", "127.0.0.1:8001")
}

// F083: no cookie, no session, and nothing but the file
#[tokio::test]
async fn a_file_is_served_by_its_own_origin() {
    let (site, mut ann) = site().await;
    let created = send(&mut ann, ("plain", "a.txt", "text/plain"), b"hello").await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let answer = ann.get(&url).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (303, "no-store")
    );
    let link = answer.header("location").to_owned();
    let path = link.strip_prefix(ORIGIN).unwrap().to_owned();
    let file = elsewhere(&site).get(&path).await;
    assert_eq!((file.status.as_u16(), file.body.as_str()), (200, "hello"));
    let expected = [
        ("content-disposition", "attachment; filename=\"a.txt\""),
        (
            "content-security-policy",
            "sandbox; default-src 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("set-cookie", ""),
        ("access-control-allow-origin", ""),
    ];
    for (name, value) in expected {
        assert_eq!(file.header(name), value, "{name}");
    }
    let client = elsewhere(&site);
    let request = client
        .request(http::Method::GET, &path)
        .header("range", "bytes=1-2");
    let part = elsewhere(&site)
        .send(request, axum::body::Body::empty())
        .await;
    assert_eq!((part.status.as_u16(), part.body.as_str()), (206, "el"));
}

// links of others, changed ones, and those of an earlier minute
#[tokio::test]
async fn a_link_opens_one_file_for_a_minute() {
    let (site, mut ann) = site().await;
    let mut paths = Vec::new();
    for content in ["one", "two"] {
        let created = send(
            &mut ann,
            ("plain", "a.txt", "text/plain"),
            content.as_bytes(),
        )
        .await;
        let url = files_of(&mut ann, &created).await.remove(0);
        let link = ann.get(&url).await.header("location").to_owned();
        paths.push(link.strip_prefix(ORIGIN).unwrap().to_owned());
    }
    let (first, signature) = paths[0].split_once('?').unwrap();
    let (second, _) = paths[1].split_once('?').unwrap();
    let refused = [
        first.to_owned(),
        format!("{second}?{signature}"),
        format!("{first}?{signature}x"),
        format!("{first}?s="),
        format!("{first}?s=1:"),
        format!("{first}/x?{signature}"),
        format!("/uploaded/..%2f?{signature}"),
    ];
    for path in refused {
        let answer = elsewhere(&site).get(&path).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 404),
            "{path}: {}",
            answer.status
        );
    }
    site.clock().advance(TimeDelta::seconds(60));
    assert_eq!(elsewhere(&site).get(&paths[0]).await.status, 200);
    site.clock().advance(TimeDelta::seconds(1));
    assert_eq!(elsewhere(&site).get(&paths[0]).await.status, 404);
    // the host of the site asks for the session, and not for a signature
    assert_eq!(site.client().get(&paths[0]).await.status, 404);
}

// F083 V3.5.4: no page of the site, and no cookie, on the origin of files
#[tokio::test]
async fn the_origin_of_files_has_no_pages() {
    let (site, ann) = site().await;
    let mut there = ann.clone().with_header("host", "127.0.0.1:8001");
    for path in [
        "/",
        "/notes/new",
        "/account/login",
        "/static/palisade.css",
        "/health/live",
        "/uploaded/",
        "/.well-known/security.txt",
    ] {
        let answer = there.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("set-cookie"), "", "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = there.request(method.parse().unwrap(), "/account/login");
        let answer = there.send(request, axum::body::Body::empty()).await;
        assert_eq!(answer.status, 404, "{method}");
    }
    // another host than these two is still refused
    let mut other = site.client().with_header("host", "files.example.net");
    assert_eq!(other.get("/").await.status, 400);
}

#[tokio::test]
async fn pages_may_show_pictures_of_the_origin() {
    let (site, mut ann) = site().await;
    let page = ann.get("/notes/new").await;
    let policy = page.header("content-security-policy").to_owned();
    assert!(
        policy.contains(&format!("img-src 'self' {ORIGIN};")),
        "{policy}"
    );
    let created = send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let link = ann.get(&url).await.header("location").to_owned();
    let picture = elsewhere(&site)
        .get(link.strip_prefix(ORIGIN).unwrap())
        .await;
    assert_eq!(picture.status, 200);
    assert!(picture.header("content-disposition").starts_with("inline"));
}

#[tokio::test]
async fn check_refuses_the_own_host_as_origin() {
    let start = async |origin: &str| {
        let settings = [
            ("profile", "production"),
            ("http.allowed_hosts", "desk.example.org"),
            ("http.trusted_proxies", "127.0.0.1/32"),
            ("site.migrate_at_start", "true"),
            (
                "keys.secret",
                "a-secret-key-of-the-test-that-is-long-enough-0123456789",
            ),
            ("site.allow_dangerous", "unscanned_files,any_file"),
            ("uploads.origin", origin),
        ];
        let app = app().dangerous_unscanned_files(palisade::prelude::Reason::new(
            "a test has no scanner of viruses",
        ));
        TestSite::try_start(app, &settings).await.map(drop)
    };
    let refused = start("https://desk.example.org")
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("uploads.origin_is_site"), "{refused}");
    assert!(start("https://files.example.net").await.is_ok());
}
