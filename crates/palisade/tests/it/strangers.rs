//! Unauthenticated clients, other sites and clients behind the same address: what they cause must not affect other users.

use crate::server::Served;
use crate::site::app;
use axum::body::Body;
use http::{Method, StatusCode};
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite, events_of_this_thread};
use std::net::IpAddr;

const PASSWORD: &str = "correct horse battery staple";

// Finding 11
#[tokio::test]
async fn foreign_cookies_log_nobody_out() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let session = ann.cookies()["session"].clone();
    let read = async |line: &[u8]| {
        let mut client = site.client();
        let value = http::HeaderValue::from_bytes(line).unwrap();
        let request = client.request(Method::GET, "/mine").header("cookie", value);
        client.send(request, Body::empty()).await.body
    };
    let with = |around: &str| {
        around
            .replace("{}", &format!("session={session}"))
            .into_bytes()
    };
    for line in [
        "{}; city=München",
        "city=München; {}",
        "{};a=\u{1F600}",
        "\u{e9}=x; {} ;",
        "a;{}",
        "=; {}",
        "{}; session2=x; xsession=y",
    ] {
        assert_eq!(read(&with(line)).await, "ann", "{line}");
    }
    let latin = [
        b"city=M\xfcnchen; ".as_slice(),
        format!("session={session}").as_bytes(),
    ]
    .concat();
    assert_eq!(read(&latin).await, "ann", "bytes that are no UTF-8");
    // a duplicate cookie name is cookie injection; non-ASCII white space is part of the name
    for line in [
        "{}; session=other",
        "session=München; {}",
        "\u{a0}{}",
        "Session=x",
    ] {
        assert_ne!(read(&with(line)).await, "ann", "{line}");
    }
}

// links are decorated on their way
#[tokio::test]
async fn decorated_links_work() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    for (query, status) in [
        ("?page_size=3&utm_source=x&utm_source=y", 200),
        ("?fbclid=1&fbclid=2&fbclid=3", 200),
        ("?x=%ff%fe&page_size=3", 200),
        ("?%ff=1", 200),
        ("?page_size=3&page_size=4", 400),
        ("?page_size=%ff", 400),
        ("?page_size=0", 400),
    ] {
        assert_eq!(
            client.get(&format!("/list{query}")).await.status,
            status,
            "{query}"
        );
    }
}

fn echo() -> App {
    let headers = async |headers: http::HeaderMap| {
        headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    App::new().routes(Routes::new().route("/headers", public().get(headers)))
}

// F14 of axum's examples; F010: what a client says of itself in place of a proxy reaches no handler
#[tokio::test]
async fn forwarding_headers_of_clients_reach_no_handler() {
    let forged = [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-ssl",
        "x-forwarded-anything",
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-original-url",
        "x-rewrite-url",
    ];
    for (proxies, kept) in [
        ("", ""),
        ("127.0.0.1/32", "x-forwarded-for x-forwarded-proto"),
    ] {
        let site = TestSite::start(echo(), &[("http.trusted_proxies", proxies)]).await;
        let client = forged.iter().fold(site.client(), |client, name| {
            client.with_header(name, "203.0.113.9")
        });
        let mut client = client.with_header("x-own", "1");
        let seen = client.get("/headers").await.body;
        let seen: Vec<&str> = seen
            .split(' ')
            .filter(|name| forged.contains(name))
            .collect();
        assert_eq!(seen.join(" "), kept, "proxies {proxies:?}");
    }
}

// F1 of axum's examples: a WebSocket handshake gets a clear refusal, not an upgraded connection without a handler
#[tokio::test]
async fn a_websocket_is_refused_with_words() {
    let served = Served::start(&[]).await;
    for origin in ["http://localhost", "https://evil.example"] {
        let handshake = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        let answer = served.raw(handshake.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 501") && !answer.contains("101"),
            "{answer}"
        );
        assert!(
            answer.contains("HTTP/1.1 200"),
            "and the connection goes on: {answer}"
        );
    }
}

// F2 of axum's examples: a layer that makes bodies longer takes no limit away
#[tokio::test]
async fn a_body_that_grows_in_a_layer_keeps_its_limit() {
    use axum::extract::Request;
    // as a decompression layer does: a little was sent, and gigabytes come out
    let grow = axum::middleware::map_request(async |request: Request| {
        let (parts, body) = request.into_parts();
        drop(body);
        let endless =
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024]));
        Request::from_parts(parts, Body::from_stream(endless))
    });
    let whole = async |bytes: axum::body::Bytes| format!("{}", bytes.len());
    let routes = Routes::new()
        .route(
            "/bytes",
            public()
                .post(whole)
                .dangerous_without_csrf(Reason::new("a test of bodies")),
        )
        .route(
            "/form",
            public()
                .post(async |form: Form<Title>| form.into_parts().0.is_some().to_string())
                .dangerous_without_csrf(Reason::new("a test of bodies")),
        )
        .layer(grow.clone());
    for app in [
        App::new().routes(routes),
        App::new()
            .routes(
                Routes::new().route(
                    "/bytes",
                    public()
                        .post(whole)
                        .dangerous_without_csrf(Reason::new("a test of bodies")),
                ),
            )
            .layer(grow),
    ] {
        let site = TestSite::start(app, &[]).await;
        let mut client = site.client();
        for path in ["/bytes", "/form", "/account/login"] {
            let request = client
                .request(Method::POST, path)
                .header("content-type", "application/x-www-form-urlencoded");
            let request = request.header("origin", "http://localhost");
            let answer = client.send(request, Body::from("a=b")).await;
            let is_refused = [
                StatusCode::PAYLOAD_TOO_LARGE,
                StatusCode::FORBIDDEN,
                StatusCode::NOT_FOUND,
            ]
            .contains(&answer.status);
            assert!(
                is_refused || (path == "/form" && answer.body == "false"),
                "{path}: {} {}",
                answer.status,
                answer.body
            );
            assert!(answer.body.len() < 10_000, "{path}");
        }
        assert_eq!(site.site().held_bytes(), 0, "nothing is held afterwards");
    }
}

#[derive(Form)]
struct Title {
    #[expect(dead_code, reason = "only its length matters here")]
    title: Line<100>,
}

// Finding 8: cross-site requests do not use up the limit of other clients behind the same address
#[tokio::test]
async fn other_sites_use_up_no_limit_of_an_office() {
    let site = TestSite::start(
        app(),
        &[("throttle.changes", "5/d"), ("throttle.requests", "20/d")],
    )
    .await;
    let mut office = site.client();
    let token = office.get("/account/login").await.token().unwrap();
    let mut statuses = Vec::new();
    for number in 0..40 {
        let mut lured = site.client();
        let method = if number % 2 == 0 {
            Method::POST
        } else {
            Method::GET
        };
        let request = lured
            .request(method, "/account/login")
            .header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site");
        let request = request
            .header("sec-fetch-mode", "no-cors")
            .header("content-type", "application/x-www-form-urlencoded");
        statuses.push(
            lured
                .send(request, Body::from("username=x&password=y"))
                .await
                .status
                .as_u16(),
        );
    }
    assert!(
        statuses.contains(&403) && statuses.contains(&429),
        "refused, and bounded by a limit of their own: {statuses:?}"
    );
    let fields = [
        ("csrfmiddlewaretoken", token.as_str()),
        ("title", "from the office"),
    ];
    assert_eq!(office.post("/notes", &fields).await.status, 200);
    // and the shipped filter takes none of these lines
    let filter = include_str!("../../src/command/deploy/fail2ban.conf");
    let pattern = filter
        .lines()
        .find(|line| line.starts_with("failregex"))
        .unwrap();
    assert!(
        !pattern.contains("rate_limited")
            && !pattern.contains("csrf_refused")
            && !pattern.contains("callback_refused")
    );
}

// Finding 8: looking at forms is free, and no page uses up another's limit
#[tokio::test]
async fn looking_at_forms_uses_up_nothing() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let secret = ann.add_factor().await;
    site.clock().advance(chrono::TimeDelta::seconds(30));
    let mut stranger = site.client();
    for page in [
        "/account/login/second",
        "/account/reset",
        "/account/signup",
        "/account/confirm?token=x",
    ] {
        for _ in 0..70 {
            assert_ne!(stranger.get(page).await.status, 429, "{page}");
        }
    }
    let mut again = site.client();
    again.log_in("ann", PASSWORD).await;
    let code = again.code(&secret);
    assert_eq!(
        again
            .submit(
                "/account/login/second",
                "/account/login/second",
                &[("code", &code)]
            )
            .await
            .status,
        303
    );
}

async fn reset(client: &mut Client, address: &str) -> Answer {
    client
        .submit("/account/reset", "/account/reset", &[("email", address)])
        .await
}

// Finding 9; D37: password resets cannot be blocked by an attacker's requests
#[tokio::test]
async fn strangers_keep_nobody_from_a_new_password() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let mut stranger = site.client().from_address([203, 0, 113, 9].into());
    let mut last = StatusCode::OK;
    for spelling in [
        "ann@example.org",
        "ANN@example.org",
        "Ann@Example.org",
        "ann@example.org",
        "ann@example.org",
        "ann@example.org",
        "ann@EXAMPLE.org",
    ] {
        last = reset(&mut stranger, spelling).await.status;
    }
    assert_eq!(
        last,
        StatusCode::TOO_MANY_REQUESTS,
        "one network may ask five times for one address, however it is spelt"
    );
    let mut elsewhere = site.client().from_address([198, 51, 100, 7].into());
    assert_eq!(
        reset(&mut elsewhere, "ann@example.org").await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        reset(&mut ann, "ann@example.org").await.status,
        StatusCode::SEE_OTHER,
        "and her own browser is counted for itself"
    );
    // all of the links work until the password changes
    site.site().mail().deliver().await.unwrap();
    let links: Vec<String> = site
        .site()
        .mail()
        .outbox()
        .iter()
        .filter(|mail| mail.to == "ann@example.org")
        .filter_map(|mail| {
            let link = mail
                .text
                .lines()
                .find(|line| line.contains("reset/new?token="))?;
            Some(link[link.find("/account/").unwrap()..].to_owned())
        })
        .collect();
    assert_eq!(links.len(), 7);
    for link in &links {
        assert_eq!(
            site.client().get(link).await.status,
            StatusCode::SEE_OTHER,
            "an older link lives"
        );
    }
    let mut reader = site.client();
    reader.get(&links[0]).await;
    let new = [
        ("new_password", "another fine phrase"),
        ("new_password_again", "another fine phrase"),
    ];
    assert_eq!(
        reader
            .submit("/account/reset/new", "/account/reset/new", &new)
            .await
            .header("location"),
        "/account/login"
    );
    for link in &links {
        assert_eq!(
            site.client().get(link).await.status,
            StatusCode::GONE,
            "and none outlives the password"
        );
    }
}

// mail to addresses without an account has a site-wide ceiling, which the response does not show
#[tokio::test]
async fn mail_to_unknown_addresses_has_a_ceiling() {
    let site = TestSite::start(app(), &[("mail.max_unknown_per_hour", "3")]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    for number in 0..8_u8 {
        let mut stranger = site.client().from_address([203, 0, 113, number].into());
        let answer = reset(&mut stranger, &format!("{number}@example.org")).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::SEE_OTHER, "/account/reset/sent")
        );
    }
    site.site().mail().deliver().await.unwrap();
    let unknown = site
        .site()
        .mail()
        .outbox()
        .iter()
        .filter(|mail| mail.text.contains("no account has it"))
        .count();
    assert_eq!(unknown, 3);
    assert!(
        events_of_this_thread("a mail was discarded").is_empty(),
        "what is not sent is no failure"
    );
    reset(&mut ann, "ann@example.org").await;
    assert!(
        ann.mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("To choose one"),
        "accounts get theirs"
    );
}

// IPv6: one customer has many networks, and is one client more and more
#[tokio::test]
async fn a_household_of_ipv6_is_counted_as_one() {
    let site = TestSite::start(app(), &[("throttle.requests", "10/d")]).await;
    let served = async |addresses: Vec<String>| {
        let mut count = 0;
        for address in addresses {
            let mut client = site
                .client()
                .from_address(address.parse::<IpAddr>().unwrap());
            count += usize::from(client.get("/").await.status == 200);
        }
        count
    };
    assert_eq!(
        served(
            (0..20)
                .map(|host| format!("2001:db8:1::{host:x}"))
                .collect()
        )
        .await,
        10,
        "a /64"
    );
    assert_eq!(
        served(
            (0..200)
                .map(|network| format!("2001:db8:2:{network:x}::1"))
                .collect()
        )
        .await,
        40,
        "a /56 has four times as much"
    );
    assert_eq!(
        served(
            (0..256)
                .map(|network| format!("2001:db8:3:{:x}::1", network * 256))
                .collect()
        )
        .await,
        160,
        "a /48 sixteen times"
    );
    assert_eq!(
        served(
            (0..20)
                .map(|network| format!("2001:db8:{:x}::1", 256 + network))
                .collect()
        )
        .await,
        20,
        "others are others"
    );
}

// Finding 12: requests that are refused early are counted, and fill no log
#[tokio::test]
async fn refused_requests_are_counted_and_fill_no_log() {
    let site = TestSite::start(app(), &[("throttle.requests", "300/d")]).await;
    let begun = std::time::Instant::now();
    let mut statuses = std::collections::BTreeMap::new();
    let (mut lines, mut bytes) = (0, 0);
    for number in 0..400_u32 {
        let mut client = site.client().with_header("host", "evil.example");
        let answer = client.get(&format!("/{}", "x".repeat(4000))).await;
        *statuses.entry(answer.status.as_u16()).or_insert(0) += 1;
        let events = answer.events();
        lines += events.len();
        bytes += events.iter().map(String::len).sum::<usize>();
        assert!(
            events.iter().all(|line| line.len() < 600),
            "{number}: {events:?}"
        );
    }
    assert_eq!(statuses, [(400, 300), (429, 100)].into());
    // two lines for each of 60 requests, and of one more in a second
    let most = 2 * (60 + usize::try_from(begun.elapsed().as_secs()).unwrap() + 1);
    assert!(
        lines <= most && bytes < 60_000,
        "{lines} lines, {bytes} bytes"
    );
    let mut other = site.client().from_address([192, 0, 2, 77].into());
    assert_eq!(other.get("/").await.status, 200);
    assert!(
        !events_of_this_thread("requests were refused without log lines of their own").is_empty()
            || lines < 140
    );
}

// Findings 3 and 12: a client that holds its share is refused, which fills no log, and health is answered while all is held
#[tokio::test]
async fn refusals_for_lack_of_memory_fill_no_log() {
    let settings = [
        ("server.max_held_bytes", "65536"),
        ("server.max_held_bytes_per_address", "32768"),
    ];
    let slow = public().get(async || {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        "slow"
    });
    let site = TestSite::start(app().routes(Routes::new().route("/held", slow)), &settings).await;
    let mut holding = tokio::task::JoinSet::new();
    for number in 0..2_u8 {
        let mut client = site.client().from_address([192, 0, 2, number].into());
        holding.spawn(async move { client.get("/held").await.status });
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let mut client = site.client().from_address([192, 0, 2, 0].into());
    for _ in 0..300 {
        assert_eq!(client.get("/").await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    let lines = events_of_this_thread("out of memory budget").len();
    assert!((1..=100).contains(&lines), "{lines} lines of 300 refusals");
    let mut other = site.client().from_address([198, 51, 100, 1].into());
    assert_eq!(other.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(other.get("/health/live").await.status, StatusCode::OK);
    assert_eq!(holding.join_all().await, [StatusCode::OK; 2]);
    assert_eq!(other.get("/").await.status, StatusCode::OK);
}

// Finding 3: what was typed comes back no longer than its field
#[tokio::test]
async fn typed_text_comes_back_no_longer_than_its_field() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    let long = "'".repeat(20_000);
    let answer = client
        .submit(
            "/account/login",
            "/account/login",
            &[("username", &long), ("password", "x")],
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.len() < 10_000, "{} bytes", answer.body.len());
    let answer = client
        .submit(
            "/account/login",
            "/account/login",
            &[("username", "anna"), ("password", "")],
        )
        .await;
    assert!(
        answer.body.contains("value=\"anna\""),
        "what fits comes back: {}",
        answer.body
    );
    let longer = "x".repeat(80_000);
    let answer = client
        .submit(
            "/account/login",
            "/account/login",
            &[("username", &longer), ("password", "x")],
        )
        .await;
    assert_eq!(
        answer.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "longer than its fields allow"
    );
}

// a form takes as much as its fields can hold, in any alphabet
#[tokio::test]
async fn a_long_field_holds_what_it_says_in_every_alphabet() {
    #[derive(Form)]
    struct Letter {
        body: Text<30_000>,
    }
    let routes = Routes::new().route(
        "/letters",
        public()
            .get(async |page: Page| {
                page.render(
                    "account/login.html",
                    context! { form => Form::<Letter>::blank() },
                )
                .await
            })
            .post(async |form: Form<Letter>| {
                Ok::<_, Error>(
                    form.valid_or_show("account/login.html")
                        .await?
                        .body
                        .chars()
                        .count()
                        .to_string(),
                )
            }),
    );
    let site = TestSite::start(App::new().routes(routes), &[]).await;
    let mut client = site.client();
    for letter in ["x", "ä", "漢", "\u{1F600}"] {
        let answer = client
            .submit("/letters", "/letters", &[("body", &letter.repeat(30_000))])
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, "30000"),
            "{letter}"
        );
    }
    let answer = client
        .submit("/letters", "/letters", &[("body", &"x".repeat(30_001))])
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = client
        .submit("/letters", "/letters", &[("body", &"x".repeat(500_000))])
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

// Finding 20: a connection that ends says so
#[tokio::test]
async fn the_end_of_a_connection_is_announced() {
    let served = Served::start(&[]).await;
    for path in ["/nothing-here", "/", "/account/login"] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = served.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nContent-Length: 10\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "{path} is answered");
            answer.extend_from_slice(&buffer[..count]);
        }
        let head = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(head.contains("connection: close"), "{path}: {head}");
    }
}
