//! Static files on a running site: names with hashes, compression, what browsers keep, parts, and what is not served.

use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite};

const PAGE: &str = "<!doctype html><title>x</title><link rel=stylesheet href=\"/static/site.css\"><script src=\"/static/site.js\"></script>\
                    <img alt=\"\" src=\"/static/pictures/dot.svg\">";

fn site() -> App {
    App::new()
        .static_files(include_static!("tests/static"))
        .templates(palisade::template::Layer::embedded(&[("page.html", PAGE)]))
        .routes(Routes::new().route(
            "/",
            public().get(async |page: Page| page.render("page.html", context! {}).await),
        ))
}

/// The URL in a page that begins like this.
fn named(page: &str, beginning: &str) -> String {
    let from = page
        .find(beginning)
        .unwrap_or_else(|| panic!("{beginning} in {page}"));
    page[from..]
        .split(['"', '>', ' '])
        .next()
        .unwrap()
        .to_owned()
}

async fn with(client: &Client, headers: &[(&str, &str)], path: &str) -> Answer {
    let client = client.clone();
    headers
        .iter()
        .fold(client, |client, (name, value)| {
            client.with_header(name, value)
        })
        .get(path)
        .await
}

// F086
#[tokio::test]
async fn pages_name_files_by_their_content_and_browsers_keep_them_for_a_year() {
    let site = TestSite::production(site(), &[]).await;
    let mut client = site.client();
    let page = client.get("/").await.body;
    let (style, script, picture) = (
        named(&page, "/static/site."),
        named(&page, "/static/site.").replace(".css", ""),
        named(&page, "/static/pictures/dot."),
    );
    assert!(
        style.len() == "/static/site..css".len() + 16 && style.ends_with(".css"),
        "{page}"
    );
    assert_ne!(script, style);
    assert!(
        picture.ends_with(".svg") && picture != "/static/pictures/dot.svg",
        "{page}"
    );
    assert_eq!(page.matches("integrity=\"sha384-").count(), 2, "{page}");
    for path in [&style, &picture] {
        let file = client.get(path).await;
        assert_eq!(
            (file.status.as_u16(), file.header("cache-control")),
            (200, "public, max-age=31536000, immutable"),
            "{path}"
        );
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert!(
            !file.headers.contains_key("access-control-allow-origin")
                && !file.headers.contains_key("set-cookie")
        );
    }
    assert_eq!(
        client.get(&style).await.header("content-type"),
        "text/css; charset=utf-8"
    );
    assert_eq!(
        client.get(&picture).await.header("content-type"),
        "image/svg+xml; charset=utf-8"
    );
    assert_eq!(
        client.get("/static/site.js").await.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(
        client.get("/static/notes").await.header("content-type"),
        "application/octet-stream"
    );
    let plain = client.get("/static/site.css").await;
    assert_eq!(
        (plain.status.as_u16(), plain.header("cache-control")),
        (200, "public, no-cache")
    );
    let old = style.replace(&style[13..29], "0123456789abcdef");
    assert_eq!(
        client.get(&old).await.status,
        404,
        "another version is another file: {old}"
    );
}

// F086
#[tokio::test]
async fn each_coding_is_made_once_and_has_its_own_tag() {
    let site = TestSite::production(site(), &[]).await;
    let client = site.client();
    let whole = with(&client, &[], "/static/site.css").await;
    assert_eq!(
        (whole.header("content-encoding"), whole.header("vary")),
        ("", "Accept-Encoding")
    );
    let rows = [
        ("br", "br"),
        ("gzip, deflate, br, zstd", "smallest"),
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("GZIP;q=1.0, br;q=0.1", "gzip"),
        ("br;q=0, gzip;q=0, *", "zstd"),
        ("*;q=0", ""),
        ("identity", ""),
        ("gzip;q=nonsense", ""),
        ("", ""),
    ];
    let mut tags = vec![whole.header("etag").to_owned()];
    for (accepted, expected) in rows {
        let answer = with(
            &client,
            &[("accept-encoding", accepted)],
            "/static/site.css",
        )
        .await;
        let coding = answer.header("content-encoding");
        let is_expected = if expected == "smallest" {
            !coding.is_empty()
        } else {
            coding == expected
        };
        assert!(is_expected, "{accepted:?} gets {coding:?}");
        assert_eq!(coding.is_empty(), answer.body == whole.body, "{accepted:?}");
        if !coding.is_empty() {
            assert!(
                answer.header("content-length").parse::<usize>().unwrap() < whole.body.len() / 4,
                "{accepted:?}"
            );
        }
        tags.push(answer.header("etag").to_owned());
        let known = with(
            &client,
            &[
                ("accept-encoding", accepted),
                ("if-none-match", answer.header("etag")),
            ],
            "/static/site.css",
        )
        .await;
        assert_eq!(
            (known.status.as_u16(), known.body.as_str()),
            (304, ""),
            "{accepted:?}"
        );
        assert_eq!(
            (known.header("etag"), known.header("vary")),
            (answer.header("etag"), "Accept-Encoding")
        );
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "one for each: {tags:?}");
    let small = with(&client, &[("accept-encoding", "br")], "/static/site.js").await;
    assert_eq!(
        (small.header("content-encoding"), small.header("vary")),
        ("", ""),
        "not worth it"
    );
}

// F086
#[tokio::test]
async fn parts_are_counted_in_bytes_of_the_file_itself() {
    let site = TestSite::production(site(), &[]).await;
    let client = site.client();
    let whole = with(&client, &[], "/static/site.css").await;
    let (length, tag) = (whole.body.len(), whole.header("etag").to_owned());
    let rows = [
        ("bytes=0-9", 206, 0..10),
        ("bytes=10-", 206, 10..length),
        ("bytes=-7", 206, length - 7..length),
        ("bytes=-999999", 206, 0..length),
        ("bytes=5-5", 206, 5..6),
        ("bytes=10-999999", 206, 10..length),
        ("bytes=0-1, 5-6", 200, 0..length),
        ("bytes=9-5", 416, 0..0),
        ("bytes=999999-", 416, 0..0),
        ("bytes=-0", 416, 0..0),
        ("lines=1-2", 200, 0..length),
        ("bytes=abc", 416, 0..0),
        ("bytes=0-18446744073709551615", 206, 0..length),
        ("bytes=18446744073709551615-", 416, 0..0),
    ];
    for (range, status, part) in rows {
        let answer = with(
            &client,
            &[("range", range), ("accept-encoding", "br")],
            "/static/site.css",
        )
        .await;
        assert_eq!(answer.status.as_u16(), status, "{range}");
        match status {
            206 => {
                assert_eq!(
                    answer.header("content-range"),
                    format!("bytes {}-{}/{length}", part.start, part.end - 1),
                    "{range}"
                );
                assert_eq!(answer.body, whole.body[part], "{range}");
            }
            416 => {
                assert_eq!(
                    answer.header("content-range"),
                    format!("bytes */{length}"),
                    "{range}"
                );
                assert_eq!(
                    answer.header("cache-control"),
                    "no-store",
                    "{range}: or a cache would serve it to all clients"
                );
            }
            _ => assert!(
                !answer.headers.contains_key("content-range") && !answer.body.is_empty(),
                "{range}"
            ),
        }
    }
    let newer = with(
        &client,
        &[("range", "bytes=0-3"), ("if-range", "\"older\"")],
        "/static/site.css",
    )
    .await;
    assert_eq!(
        (newer.status.as_u16(), newer.body.len()),
        (200, length),
        "what it has a part of is no more"
    );
    let same = with(
        &client,
        &[("range", "bytes=0-3"), ("if-range", &tag)],
        "/static/site.css",
    )
    .await;
    assert_eq!(same.status, 206);
    let mut head = client.clone();
    let request = head.request(http::Method::HEAD, "/static/site.css");
    let head = head.send(request, axum::body::Body::empty()).await;
    assert_eq!(
        (head.header("content-length"), head.body.as_str()),
        (length.to_string().as_str(), "")
    );
}

// F086: files are served without a session, with any cookie, and set none
#[tokio::test]
async fn files_are_the_same_for_everybody_and_open_no_session() {
    let site = TestSite::start(site(), &[]).await;
    let (mut ann, mut forger, mut anonymous) = (site.client(), site.client(), site.client());
    ann.sign_up("ann").await;
    let key = ann.cookies()["session"].clone();
    forger.cookies().insert("session".into(), "x".repeat(43));
    site.site().database().close().await.unwrap();
    for path in ["/static/site.css", "/health/live"] {
        let plain = anonymous.get(path).await;
        for client in [&mut ann, &mut forger, &mut anonymous] {
            let answer = client.get(path).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body),
                (200, &plain.body),
                "{path}"
            );
            assert!(
                !answer.headers.contains_key("set-cookie")
                    && !answer.header("vary").contains("Cookie"),
                "{path}"
            );
        }
    }
    assert_eq!(ann.cookies()["session"], key);
}

// F004, F086, V13.4.1, V13.4.5
#[tokio::test]
async fn nothing_else_is_served() {
    let site = TestSite::production(site(), &[]).await;
    let mut client = site.client();
    let nothing = [
        "/static/",
        "/static",
        "/static/pictures",
        "/static/pictures/",
        "/static/.hidden",
        "/static/%2ehidden",
        "/static/Cargo.toml",
        "/static/..%2f..%2fCargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/pictures/../site.css",
        "/static//site.css",
        "/static/site.css/",
        "/static/SITE.CSS",
        "/static/site%2ecss",
        "/static/site.css%00.js",
        "/static/site.css;x",
        "/static/site.css.br",
        "/static/..\\site.css",
        "/static/pictures%5cdot.svg",
        "/static//etc/passwd",
    ];
    for path in nothing {
        let answer = client.get(path).await;
        assert!(
            [400, 404].contains(&answer.status.as_u16()),
            "{path}: {}",
            answer.status
        );
        assert!(
            !answer.body.contains("not to be served") && !answer.body.contains("[package]"),
            "{path}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let request = client.request(method.parse().unwrap(), "/static/site.css");
        assert_eq!(
            client.send(request, axum::body::Body::empty()).await.status,
            405,
            "{method}"
        );
    }
}
