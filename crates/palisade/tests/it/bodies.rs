//! JSON and forms of parts: what is read, what is refused, and how much of it.

use axum::body::Body;
use http::Method;
use palisade::forms::Multipart;
use palisade::prelude::*;
use palisade::serde::{Deserialize, Serialize};
use palisade::testing::{Answer, Client, TestSite};

#[derive(Deserialize, Serialize, JsonBody, Debug)]
#[serde(crate = "palisade::serde")]
struct Order {
    title: Line<100_000>,
    count: u8,
    #[serde(default)]
    tags: Vec<Line<20>>,
    #[serde(default)]
    inner: Option<Box<Order>>,
}

async fn parts(mut form: Multipart) -> Result<String> {
    let mut told = Vec::new();
    while let Some(part) = form.next().await? {
        let (name, file) = (
            part.name().to_owned(),
            part.file_name().unwrap_or("-").to_owned(),
        );
        told.push(format!("{name} {file} {}", part.bytes(10).await?.len()));
    }
    Ok(told.join(", "))
}

#[derive(Form)]
struct Small {
    #[expect(dead_code, reason = "only its presence matters")]
    a: Option<Line<10>>,
}

fn app() -> App {
    let order = async |Json(order): Json<Order>| Json(order);
    let small = async |_: Form<Small>| "read";
    let routes = Routes::new()
        .route("/order", public().post(order))
        .route("/parts", public().post(parts))
        .route("/small", public().post(small));
    App::new().routes(routes)
}

/// Sends a body as a script of this site would.
async fn sent(client: &mut Client, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
    let token = client.get("/account/login").await.token().unwrap();
    let request = client
        .request(Method::POST, path)
        .header("x-csrftoken", token)
        .header("content-type", kind);
    client
        .send(
            request
                .header("accept", "application/json")
                .header("sec-fetch-site", "same-origin"),
            body.into(),
        )
        .await
}

// F114, V2.2.1, V1.5.2
#[tokio::test]
async fn json_takes_what_is_named_and_nothing_else() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    let fine = sent(
        &mut client,
        "/order",
        "application/json; charset=utf-8",
        r#"{"title": "a[[[{\"", "count": 2}"#,
    )
    .await;
    assert_eq!(
        (fine.status.as_u16(), fine.header("content-type")),
        (200, "application/json"),
        "{}",
        fine.body
    );
    assert_eq!(
        fine.body,
        r#"{"title":"a[[[{\"","count":2,"tags":[],"inner":null}"#
    );
    assert_eq!(
        sent(
            &mut client,
            "/order",
            "application/merge+json",
            r#"{"title": "a", "count": 2}"#
        )
        .await
        .status,
        200
    );
    let long = format!(r#"{{"title": "a", "count": "{}"}}"#, "x".repeat(100_000));
    let rows = [
        (
            r#"{"title": "a", "count": 2, "is_superuser": true}"#,
            "\\\"is_superuser\\\" is an unknown field",
        ),
        (
            r#"{"title": "a", "count": 2, "inner": {"title": "b", "count": 1, "id": 7}}"#,
            "inner.?.id\\\" is an unknown field",
        ),
        (
            r#"{"title": "a", "title": "b", "count": 2}"#,
            "duplicate field `title` at line 1 column 22",
        ),
        (r#"{"title": "a"}"#, "missing field `count`"),
        (r#"{"title": "a", "count": 256}"#, "invalid value"),
        (r#"{"title": "a", "count": -1}"#, "invalid value"),
        (r#"{"title": "a", "count": 2} {}"#, "trailing characters"),
        (r#"{"title": "a", "count": 2,}"#, "trailing comma"),
        ("{\"title\": \"\u{0}\", \"count\": 2}", "control character"),
        ("", "EOF"),
        ("[", "EOF"),
        ("NaN", "expected"),
        (&long, "invalid type"),
    ];
    for (body, words) in rows {
        let answer = sent(&mut client, "/order", "application/json", body.to_owned()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (400, "application/problem+json"),
            "{body:.80}"
        );
        assert!(
            answer.body.contains(words) && answer.body.len() < 600,
            "{body:.80}: {}",
            answer.body
        );
    }
    assert_eq!(
        sent(
            &mut client,
            "/order",
            "application/json",
            b"{\"title\": \"\xff\", \"count\": 2}".to_vec()
        )
        .await
        .status,
        400
    );
    for kind in [
        "text/plain",
        "application/x-json",
        "text/json",
        "application/jsonp",
        "json",
        "",
    ] {
        assert_eq!(
            sent(&mut client, "/order", kind, r#"{"title": "a", "count": 2}"#)
                .await
                .status,
            415,
            "{kind}"
        );
    }
}

// V3.5.2: a page of another site cannot send JSON, with any content type
#[tokio::test]
async fn json_needs_the_token_like_every_change() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ] {
        let request = client
            .request(Method::POST, "/order")
            .header("content-type", kind)
            .header("origin", "https://evil.example");
        let answer = client
            .send(request, Body::from(r#"{"title": "a", "count": 2}"#))
            .await;
        assert_eq!(answer.status, 403, "{kind}");
        assert!(
            answer
                .events()
                .iter()
                .any(|event| event.contains("csrf_refused")),
            "{kind}"
        );
    }
}

// F093, F117
#[tokio::test]
async fn depth_length_fields_and_parts_are_bounded() {
    let settings = [
        ("http.max_json_depth", "4"),
        ("http.max_json_bytes", "2000"),
        ("http.max_form_fields", "3"),
        ("http.max_parts", "2"),
    ];
    let site = TestSite::start(app(), &settings).await;
    let mut client = site.client();
    let nested = |depth: usize| {
        let open = r#"{"title": "[", "count": 1, "inner": "#;
        format!("{}null{}", open.repeat(depth), "}".repeat(depth))
    };
    assert_eq!(
        sent(&mut client, "/order", "application/json", nested(4))
            .await
            .status,
        200
    );
    let deep = sent(&mut client, "/order", "application/json", nested(5)).await;
    assert_eq!(deep.status, 413);
    assert!(deep.body.contains("deeper than 4 levels"), "{}", deep.body);
    assert_eq!(
        sent(&mut client, "/order", "application/json", "[".repeat(1900))
            .await
            .status,
        413
    );
    assert_eq!(
        sent(&mut client, "/order", "application/json", " ".repeat(2001))
            .await
            .status,
        413
    );
    let form = "application/x-www-form-urlencoded";
    assert_eq!(sent(&mut client, "/small", form, "a=b").await.status, 200);
    assert_eq!(
        sent(&mut client, "/small", form, "a=1&b=2&c=3&d=4")
            .await
            .status,
        413
    );
    let part = |name: &str, content: &str| {
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}.txt\"\r\n\r\n{content}\r\n"
        )
    };
    let parts = |count: usize, content: &str| {
        (0..count)
            .map(|number| part(&format!("p{number}"), content))
            .collect::<String>()
            + "--x--\r\n"
    };
    let multipart = "multipart/form-data; boundary=x";
    let fine = sent(&mut client, "/parts", multipart, parts(2, "hello")).await;
    assert_eq!(
        (fine.status.as_u16(), fine.body.as_str()),
        (200, "p0 p0.txt 5, p1 p1.txt 5")
    );
    let many = sent(&mut client, "/parts", multipart, parts(3, "hello")).await;
    assert_eq!(many.status, 413);
    assert!(many.body.contains("too many parts"), "{}", many.body);
    assert_eq!(
        sent(
            &mut client,
            "/parts",
            multipart,
            parts(1, "more than ten bytes")
        )
        .await
        .status,
        413
    );
    assert_eq!(
        sent(&mut client, "/parts", multipart, part("a", "no end"))
            .await
            .status,
        400
    );
    assert_eq!(
        sent(&mut client, "/parts", multipart, "nonsense")
            .await
            .status,
        400
    );
    for kind in [
        "multipart/form-data",
        "multipart/mixed; boundary=x",
        "application/json",
    ] {
        let status = sent(&mut client, "/parts", kind, parts(1, "a"))
            .await
            .status
            .as_u16();
        assert!([400, 415].contains(&status), "{kind}: {status}");
    }
}

// F093: one limit for all, and never a fault of ours
#[tokio::test]
async fn the_default_depth_is_enough_and_the_deepest_text_does_no_harm() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    for text in [
        "[".repeat(500_000),
        "{\"inner\":".repeat(60_000),
        format!("{}{}", "[".repeat(32), "]".repeat(32)),
    ] {
        let status = sent(&mut client, "/order", "application/json", text)
            .await
            .status
            .as_u16();
        assert!([400, 413].contains(&status), "{status}");
    }
}

/// A part of a form.
fn field(name: &str, content: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

const UPLOAD: &str = "<form method=\"post\" action=\"/parts\" enctype=\"multipart/form-data\"><input type=\"file\" name=\"file\"></form>";

// a form of parts in plain HTML carries its token as its first part, where the template engine puts it
#[tokio::test]
async fn the_token_of_a_multipart_form_is_its_first_part() {
    let page = async |page: Page| page.render("upload.html", context! {}).await;
    let app = App::new()
        .templates(palisade::template::Layer::embedded(&[(
            "upload.html",
            UPLOAD,
        )]))
        .routes(
            Routes::new()
                .route("/upload", public().get(page))
                .route("/parts", public().post(parts)),
        );
    let site = TestSite::start(app, &[("http.max_body_bytes", "100000")]).await;
    let (mut client, mut eve) = (site.client(), site.client());
    let page = client.get("/upload").await;
    let token = page.token().unwrap();
    let of_eve = eve.get("/upload").await.token().unwrap();
    let inputs = page.body.find("name=\"csrfmiddlewaretoken\"").unwrap();
    assert!(
        inputs < page.body.find("name=\"file\"").unwrap(),
        "{}",
        page.body
    );
    let token_part = field("csrfmiddlewaretoken", &token);
    let file = field("file", "hello");
    let end = "--x--\r\n";
    let multipart = "multipart/form-data; boundary=x";
    for (case, content_type, body, status, said) in [
        (
            "as a browser sends it",
            multipart,
            format!("{token_part}{file}{end}"),
            200,
            "file - 5",
        ),
        (
            "a quoted boundary",
            "Multipart/Form-Data; boundary=\"x\"",
            format!("{token_part}{end}"),
            200,
            "",
        ),
        (
            "without a token",
            multipart,
            format!("{file}{end}"),
            403,
            "",
        ),
        (
            "the token of another visitor",
            multipart,
            format!("{}{file}{end}", field("csrfmiddlewaretoken", &of_eve)),
            403,
            "",
        ),
        (
            "the token as a second part",
            multipart,
            format!("{file}{token_part}{end}"),
            403,
            "",
        ),
        (
            "the token in the name of a file",
            multipart,
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{token}\"\r\n\r\n\r\n{end}"
            ),
            403,
            "",
        ),
        (
            "a first part that never ends",
            multipart,
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{token}"
            ),
            403,
            "",
        ),
        (
            "a long first part",
            multipart,
            format!(
                "{}{file}{end}",
                field("csrfmiddlewaretoken", &"a".repeat(50_000))
            ),
            403,
            "",
        ),
        (
            "the token behind a long part",
            multipart,
            format!("{}{token_part}{end}", field("file", &"a".repeat(50_000))),
            403,
            "",
        ),
        (
            "another boundary",
            "multipart/form-data; boundary=y",
            format!("{token_part}{file}{end}"),
            403,
            "",
        ),
        (
            "no boundary",
            "multipart/form-data",
            format!("{token_part}{file}{end}"),
            403,
            "",
        ),
        (
            "another kind",
            "multipart/mixed; boundary=x",
            format!("{token_part}{file}{end}"),
            403,
            "",
        ),
        (
            "text/plain, which a form can send",
            "text/plain",
            format!("{token_part}{file}{end}"),
            403,
            "",
        ),
    ] {
        let request = client
            .request(Method::POST, "/parts")
            .header("content-type", content_type);
        let answer = client.send(request, Body::from(body)).await;
        assert_eq!(answer.status, status, "{case}: {}", answer.body);
        if status == 200 {
            assert_eq!(answer.body, said, "{case}");
        } else {
            assert!(
                answer.events().iter().any(|event| event.contains("csrf")),
                "{case}: {:?}",
                answer.events()
            );
        }
    }
    // with the header the whole body is the handler's
    let request = client
        .request(Method::POST, "/parts")
        .header("content-type", multipart)
        .header("x-csrftoken", &token);
    let answer = client
        .send(request, Body::from(format!("{file}{end}")))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, "file - 5")
    );
}

/// Pieces of a body that were taken from its client.
static TAKEN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

// D52: the file of a client that is faster than the disk stays with the client, and not in memory
#[tokio::test]
async fn a_fast_client_fills_no_memory() {
    let first = async |mut form: Multipart| -> Result<String> {
        let part = form.next().await?;
        let mut part = part.ok_or_else(|| Error::bug("no part"))?;
        while part.chunk().await?.is_none_or(|piece| piece.is_empty()) {}
        Ok(TAKEN.load(std::sync::atomic::Ordering::SeqCst).to_string())
    };
    let app = App::new().routes(Routes::new().route("/first", public().post(first)));
    let site = TestSite::start(app, &[("http.max_body_bytes", "20000000")]).await;
    let head = field("file", "").trim_end().to_owned() + "\r\n\r\n";
    let pieces = (0..1_000).map(move |at| {
        TAKEN.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let piece = match at {
            0 => head.clone(),
            _ => "x".repeat(10_000),
        };
        Ok::<_, std::io::Error>(piece)
    });
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let kind = "multipart/form-data; boundary=x";
    let answer = sent(&mut site.client(), "/first", kind, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let taken: usize = answer.body.parse().unwrap();
    assert!(taken < 20, "{taken} pieces of 10,000 bytes");
}
