//! What this site does not serve goes on to Django, and comes back, as it is.

use super::browser::Browser;
use super::journeys::page;
use super::pair::{PASSWORD, Pair, VARIANTS};
use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use http::{Method, Request, StatusCode, header};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// An answer of Django's behind this site, to a request that is written as it stands here.
fn raw(pair: &Pair, request: &str) -> String {
    let mut stream = TcpStream::connect(pair.front.trim_start_matches("http://")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn seen(answer: &str) -> Value {
    let body = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{answer}"))
        .1;
    let body =
        &body[body.find('{').unwrap_or_else(|| panic!("{answer}"))..=body.rfind('}').unwrap()];
    serde_json::from_str(body).unwrap()
}

// F010; D22: what a visitor says of proxies is not passed on, and neither is what belongs to one connection
#[tokio::test]
async fn headers_of_one_hop_and_of_proxies_are_not_passed_on() {
    let Some(pair) = Pair::start(VARIANTS[0]) else {
        return;
    };
    let request = "GET /me.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close, X-Secret-Hop\r\nX-Secret-Hop: 1\r\nKeep-Alive: 5\r\n\
                   TE: trailers\r\nUpgrade: h2c\r\nProxy-Authorization: Basic eA==\r\nX-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n\
                   X-Forwarded-Proto: https\r\nX_Forwarded_For: 203.0.113.9\r\nX_Forwarded_Proto: https\r\nX-Real-IP: 203.0.113.9\r\nX-Forwarded-Host: evil.example\r\n\
                   Via: 1.1 evil\r\nX-Custom: kept\r\n\r\n";
    let answer = raw(&pair, request);
    let seen = crate::forwarding::seen(&answer);
    assert_eq!(
        (&seen["client"], &seen["is_secure"]),
        (&Value::from("127.0.0.1"), &Value::from(false)),
        "{answer}"
    );
    let names: Vec<&str> = seen["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    for gone in [
        "x-secret-hop",
        "keep-alive",
        "te",
        "upgrade",
        "proxy-authorization",
        "forwarded",
        "x-real-ip",
        "via",
    ] {
        assert!(!names.contains(&gone), "{gone}: {names:?}");
    }
    assert!(
        names.contains(&"x-custom") && names.contains(&"x-request-id"),
        "{names:?}"
    );
    let head = answer.split_once("\r\n\r\n").unwrap().0.to_lowercase();
    assert!(
        !head.contains("\r\nserver:") && !head.contains("gunicorn"),
        "{head}"
    );
    for name in [
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "referrer-policy: same-origin",
        "content-security-policy: ",
        "permissions-policy: ",
    ] {
        assert_eq!(head.matches(name).count(), 1, "{name}: {head}");
    }
    // a host that is not served, a path with tricks and a forged method never reach Django
    assert!(
        raw(
            &pair,
            "GET /me.json HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        .starts_with("HTTP/1.1 400")
    );
    assert!(
        raw(
            &pair,
            "GET /static/../me.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        .starts_with("HTTP/1.1 400")
    );
    assert!(
        raw(
            &pair,
            "TRACE /me.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        .starts_with("HTTP/1.1 501")
    );
    // what has moved has moved under every spelling: Django's old page is not reached by another one
    for (other, to) in [
        ("/%6Datest", "/matest"),
        ("/%6catest", "/latest"),
        ("/latest/", "/latest"),
        ("/latest/7/answer/?a=1", "/latest/7/answer?a=1"),
    ] {
        let answer = raw(
            &pair,
            &format!("GET {other} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"),
        );
        assert!(
            answer.starts_with("HTTP/1.1 308") && answer.contains(&format!("location: {to}\r\n")),
            "{other}: {answer}"
        );
    }
    for hidden in ["/latest%2f", "/me.json%0a", "/%00", "/me%5cjson"] {
        let answer = raw(
            &pair,
            &format!("GET {hidden} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"),
        );
        assert!(answer.starts_with("HTTP/1.1 400"), "{hidden}: {answer}");
    }
    // `Connection` takes nothing off that belongs to the message, and cookies that came one by one are one line
    let answer = raw(
        &pair,
        "GET /me.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close, host, cookie\r\nCookie: a=1\r\nCookie: choice=x\r\n\r\n",
    );
    let names = crate::forwarding::seen(&answer)["headers"].to_string();
    assert!(
        names.contains("\"host\"")
            && names.contains("\"cookie\"")
            && names.contains("x-forwarded-host"),
        "{names}"
    );
    assert_eq!(
        crate::forwarding::seen(&answer)["cookies"],
        serde_json::json!(["a", "choice"]),
        "{answer}"
    );
    // two lengths: never passed on to be read differently there
    let smuggled = "POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /me.json HTTP/1.1\r\nHost: x\r\n\r\n";
    assert!(raw(&pair, smuggled).starts_with("HTTP/1.1 400"));
}

// F086: bodies are passed on as they come, in both directions, within the limits; who is away is said
#[tokio::test]
async fn bodies_stream_both_ways_within_limits() {
    let Some(mut pair) = Pair::start(VARIANTS[0]) else {
        return;
    };
    let mut browser = Browser::new();
    assert!(pair.log_in_there(&mut browser, "ann", PASSWORD).await);
    let token = browser
        .get(&format!("{}/topics/1/", pair.front))
        .await
        .token();
    let upload = |size: usize| {
        let head = "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\ncontent-type: application/octet-stream\r\n\r\n";
        let parts = [
            head.as_bytes().to_vec(),
            vec![b'x'; size],
            b"\r\n--edge--\r\n".to_vec(),
        ];
        let chunks = parts
            .concat()
            .chunks(16 * 1024)
            .map(Bytes::copy_from_slice)
            .collect::<Vec<_>>();
        Body::from_stream(stream::iter(
            chunks.into_iter().map(Ok::<_, std::io::Error>),
        ))
    };
    let request = || {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/upload", pair.front))
            .header("x-csrftoken", &token);
        request
            .header("origin", &pair.front)
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge")
    };
    let answer = browser.send(request(), upload(1_000_000)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "{\"bytes\": 1000000}"),
        "in chunks, of no length"
    );
    let whole = axum::body::to_bytes(upload(1_000_000), usize::MAX)
        .await
        .unwrap();
    let answer = browser.send(request(), Body::from(whole)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "{\"bytes\": 1000000}"),
        "of a known length"
    );
    assert_eq!(
        browser.send(request(), upload(4_000_000)).await.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "http.max_body_bytes holds"
    );
    // lines arrive one by one
    let begun = Instant::now();
    let answer = browser
        .begin(
            Request::get(format!("{}/slowly", pair.front)),
            Body::empty(),
        )
        .await;
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    assert!(
        first.starts_with(b"line 0") && begun.elapsed() < Duration::from_millis(900),
        "{:?}",
        begun.elapsed()
    );
    let mut rest = Vec::new();
    while let Some(chunk) = body.next().await {
        rest.extend_from_slice(&chunk.unwrap());
    }
    assert!(
        String::from_utf8_lossy(&rest).contains("line 2")
            && begun.elapsed() > Duration::from_millis(900)
    );
    // Django's own pages for errors, and ours where it is away
    let missing = page(&pair, "/nowhere").await;
    assert!(
        missing.status == StatusCode::NOT_FOUND && missing.body.contains("Not Found"),
        "{}",
        missing.body
    );
    pair.stop_django();
    let away = page(&pair, "/me.json").await;
    assert_eq!(away.status, StatusCode::BAD_GATEWAY);
    assert!(
        away.body.contains("id")
            && !away.body.contains("Connection refused")
            && !away.body.contains(&pair.django),
        "{}",
        away.body
    );
    assert_eq!(
        browser.get(&format!("{}/latest", pair.front)).await.status,
        StatusCode::OK,
        "what has moved is still served"
    );
    assert!(pair.log().contains("the upstream does not answer"));
    pair.start_django(&pair.keys.clone());
}
