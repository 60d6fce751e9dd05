//! Framing, smuggling and hosts, byte by byte on a socket ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)).

use crate::server::{Served, app};
use futures_util::future::join_all;
use palisade::testing::{TestSite, events, events_of_this_thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A name, the statuses of all answers on the connection, and what is sent. `{tail}` is a request that must never be one of its own.
const ROWS: [(&str, &str, &str); 43] = [
    (
        "two lengths, the same",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde{tail}",
    ),
    (
        "two lengths",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde{tail}",
    ),
    (
        "a list of lengths",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 5\r\n\r\nabcde{tail}",
    ),
    (
        "a sign",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nabcde{tail}",
    ),
    (
        "a negative length",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\nabcde{tail}",
    ),
    (
        "a hexadecimal length",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x5\r\n\r\nabcde{tail}",
    ),
    (
        "a length past 64 bits",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\nabcde{tail}",
    ),
    (
        "a length and chunks",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "chunks and a length",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "identity",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n{tail}",
    ),
    (
        "a coding we do not undo",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "chunked, and then not",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "two codings",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "almost chunked",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "chunks, after which the connection is closed",
        "200",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "a vertical tab before chunked",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "chunks in HTTP/1.0",
        "400",
        "POST /echo HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "a space before the colon",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "a folded header",
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c\r\n\r\n",
    ),
    (
        "a folded coding",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{tail}",
    ),
    (
        "lines without CR",
        "400",
        "GET / HTTP/1.1\nHost: localhost\n\n",
    ),
    (
        "one line without CR",
        "400",
        "GET / HTTP/1.1\r\nX: y\nHost: localhost\r\n\r\n",
    ),
    (
        "a CR in a line",
        "400",
        "GET / HTTP/1.1\r\nX: y\rHost: localhost\r\n\r\n",
    ),
    (
        "a NUL in a line",
        "400",
        "GET / HTTP/1.1\r\nX: y\0\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an extension of a chunk",
        "200",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nabcde\r\n0\r\n\r\n{tail}",
    ),
    (
        "a chunk size without CR",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\nabcde\r\n0\r\n\r\n{tail}",
    ),
    (
        "an extension without CR",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;\nabcde\r\n0\r\n\r\n{tail}",
    ),
    (
        "a chunk size with 0x",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n{tail}",
    ),
    (
        "a chunk size past 64 bits",
        "400",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nabcde\r\n0\r\n\r\n{tail}",
    ),
    (
        "absolute form",
        "200",
        "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "absolute form of another site",
        "400",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "CONNECT",
        "400",
        "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "asterisk form",
        "400",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    ("no host", "400", "GET / HTTP/1.1\r\n\r\n"),
    (
        "two hosts",
        "400",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    ),
    ("no host in HTTP/1.0", "400", "GET / HTTP/1.0\r\n\r\n"),
    ("HTTP/0.9", "400", "GET /\r\n\r\n"),
    (
        "empty lines first",
        "200",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a body of GET, and a request behind it",
        "200 404",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde{tail}",
    ),
    (
        "a fragment",
        "200",
        "GET /#a HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "bytes that are no ASCII in the path",
        "404",
        "GET /ü HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an upgrade to HTTP/2",
        "200",
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
    ),
    (
        "a length in a trailer",
        "200",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n{tail}",
    ),
];

// V4.2.1; D22 of requests that hide in others
#[tokio::test]
async fn a_request_ends_where_everybody_thinks_it_ends() {
    let settings = [
        ("server.header_timeout_secs", "2"),
        ("server.keep_alive_secs", "1"),
        ("server.slow_grace_secs", "2"),
    ];
    let served = Served::start(&settings).await;
    let answers = ROWS.map(|(name, expected, request)| {
        let request = request.replace(
            "{tail}",
            "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n",
        );
        let served = &served;
        async move {
            let answer = served.raw(request.as_bytes()).await;
            let statuses: Vec<&str> = answer
                .split("HTTP/1.")
                .skip(1)
                .map(|answer| &answer[2..5])
                .collect();
            assert_eq!(statuses.join(" "), expected, "{name}: {request:?}");
        }
    });
    join_all(answers).await;
    assert!(
        !events("ambiguous message framing (request smuggling)").is_empty()
            || !events("found=two lengths of one body").is_empty()
    );
}

// F010, D22; V4.1.3, V15.3.4
#[tokio::test]
async fn forwarding_headers_count_from_proxies_only() {
    let spoofed = "X-Forwarded-For: 198.51.100.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n\
                   Forwarded: for=198.51.100.9;proto=https;host=evil.example\r\nX-Real-IP: 198.51.100.9\r\nX-Original-URL: /big\r\n";
    let request =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{spoofed}Connection: close\r\n\r\n");
    for (proxies, expected) in [("", "200"), ("127.0.0.1/32", "403")] {
        let settings = [
            ("http.blocked_networks", "198.51.100.0/24"),
            ("http.trusted_proxies", proxies),
            ("server.address", "127.0.0.1:0"),
        ];
        let settings = [
            &settings[..],
            &[("site.allow_dangerous", "without_csrf /echo")],
        ]
        .concat();
        let served = Served::of(TestSite::start(app(), &settings).await).await;
        let answer = served.raw(request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{proxies}: {answer}"
        );
        assert!(
            !answer.contains("evil.example") && !answer.contains("xxxx"),
            "neither host nor path changes"
        );
    }
    assert_eq!(
        events_of_this_thread("not in http.trusted_proxies").len(),
        1,
        "logged once, for an operator who did not configure the proxy"
    );
}

/// A header of version 2 with this command, for a client at 198.51.100.9.
fn version_2(command: u8) -> Vec<u8> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    [
        &signature[..],
        &[0x20 | command, 0x11, 0, 12],
        &[198, 51, 100, 9, 127, 0, 0, 1, 0x12, 0x34, 0, 80],
    ]
    .concat()
}

// F010
#[tokio::test]
async fn the_proxy_protocol_is_spoken_with_proxies_only() {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n";
    let settings = [
        ("server.address", "127.0.0.1:0"),
        ("server.proxy_protocol", "true"),
        ("server.header_timeout_secs", "1"),
        ("http.blocked_networks", "198.51.100.0/24"),
        ("site.allow_dangerous", "without_csrf /echo"),
    ];
    let site = TestSite::start(
        app(),
        &[&settings[..], &[("http.trusted_proxies", "127.0.0.1/32")]].concat(),
    )
    .await;
    let proxied = Served::of(site).await;
    let (other, blocked) = (
        "PROXY TCP4 203.0.113.9 127.0.0.1 4660 80\r\n",
        "PROXY TCP4 198.51.100.9 127.0.0.1 4660 80\r\n",
    );
    let rows: [(&str, &[u8], &str); 11] = [
        ("version 1", other.as_bytes(), "HTTP/1.1 200"),
        (
            "version 1, a blocked client",
            blocked.as_bytes(),
            "HTTP/1.1 403",
        ),
        (
            "version 1, v6",
            b"PROXY TCP6 2001:db8::9 ::1 4660 80\r\n",
            "HTTP/1.1 200",
        ),
        ("version 1, unknown", b"PROXY UNKNOWN\r\n", "HTTP/1.1 200"),
        ("version 2, a blocked client", &version_2(1), "HTTP/1.1 403"),
        ("version 2, the proxy itself", &version_2(0), "HTTP/1.1 200"),
        ("no header", b"", ""),
        ("half a header", b"PROXY TCP4 203.0.", ""),
        ("junk", b"PROXY TCP4 junk 127.0.0.1 1 2\r\n", ""),
        (
            "two headers",
            &[other.as_bytes(), blocked.as_bytes()].concat(),
            "HTTP/1.1 400",
        ),
        (
            "a port that is none",
            b"PROXY TCP4 203.0.113.9 127.0.0.1 99999 80\r\n",
            "",
        ),
    ];
    for (name, header, expected) in rows {
        let answer = proxied.raw(&[header, &request[..]].concat()).await;
        assert!(
            answer.starts_with(expected) && (!expected.is_empty() || answer.is_empty()),
            "{name}: {answer}"
        );
    }
    // a TCP load balancer: forwarding headers are the client's, from any peer
    let spoofed =
        b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.9\r\nConnection: close\r\n\r\n";
    assert!(proxied.raw(spoofed).await.starts_with("HTTP/1.1 200"));
    // in pieces
    let mut stream = proxied.connect().await;
    for piece in version_2(1).chunks(5).chain([&request[..]]) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    // from an untrusted peer it is not HTTP
    let stranger = Served::of(TestSite::start(app(), &settings).await).await;
    assert!(
        stranger
            .raw(&[other.as_bytes(), &request[..]].concat())
            .await
            .starts_with("HTTP/1.1 400")
    );
    assert!(stranger.raw(request).await.starts_with("HTTP/1.1 200"));
}

// V4.2.2
#[tokio::test]
async fn an_answer_is_as_long_as_it_says() {
    let served = Served::start(&[]).await;
    let answer = async |request: &str| {
        let answer = served
            .raw(format!("{request}Host: localhost\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let lengths: Vec<usize> = head
            .lines()
            .filter_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")
                    .map(|length| length.parse().unwrap())
            })
            .collect();
        (head.to_owned(), lengths, body.len())
    };
    for path in [
        "/",
        "/nothing",
        "/account/login",
        "/static/palisade.css",
        "/health/live",
    ] {
        let (head, lengths, length) = answer(&format!("GET {path} HTTP/1.1\r\n")).await;
        assert_eq!(lengths, [length], "{path}: {head}");
        let (head, lengths, length) = answer(&format!("HEAD {path} HTTP/1.1\r\n")).await;
        assert!(length == 0 && lengths.len() <= 1, "{path}: {head}");
    }
    let (head, ..) = answer("GET /static/palisade.css HTTP/1.1\r\n").await;
    let tag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap();
    let (head, lengths, length) = answer(&format!(
        "GET /static/palisade.css HTTP/1.1\r\nIf-None-Match: {tag}\r\n"
    ))
    .await;
    assert!(
        head.starts_with("HTTP/1.1 304")
            && length == 0
            && lengths.iter().all(|length| *length == 0),
        "{head}"
    );
}
