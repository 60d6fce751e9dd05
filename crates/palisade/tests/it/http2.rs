//! HTTP/2, spoken frame by frame ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113)), as only attackers do.

use crate::server::Served;
use crate::tls::Authority;
use bytes::Bytes;
use http::{Request, StatusCode, Version};
use palisade::testing::events;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// GET of a path as the static table of HPACK has it ([RFC 7541 appendix A](https://www.rfc-editor.org/rfc/rfc7541#appendix-A)).
fn get(path: &str) -> Vec<u8> {
    let text = |index: u8, text: &str| {
        [&[index, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    };
    [vec![0x82, 0x87], text(0x04, path), text(0x01, "localhost")].concat()
}

async fn begin(authority: &Authority, served: &Served, settings: &[u8]) -> TlsStream<TcpStream> {
    let mut stream = authority.connect(served, "h2").await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream
        .write_all(&frame(SETTINGS, 0, 0, settings))
        .await
        .unwrap();
    stream
}

/// Kinds of the frames that come until the server closes, which it must.
async fn kinds(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut kinds = Vec::new();
    let all = async {
        let mut head = [0; 9];
        while stream.read_exact(&mut head).await.is_ok() {
            kinds.push(head[3]);
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if stream.read_exact(&mut payload).await.is_err() {
                break;
            }
        }
    };
    let ended = timeout(Duration::from_secs(20), all).await;
    assert!(ended.is_ok(), "the server closes after {kinds:?}");
    kinds
}

async fn ask(
    authority: &Authority,
    served: &Served,
    request: Request<()>,
) -> (StatusCode, Version, Bytes) {
    let stream = authority.connect(served, "h2").await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (response, _) = client.send_request(request, true).unwrap();
    let response = response.await.unwrap();
    let (status, version) = (response.status(), response.version());
    let mut body = response.into_body();
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        whole.extend_from_slice(&data);
    }
    (status, version, whole.into())
}

async fn is_served(authority: &Authority, served: &Served) -> bool {
    let (status, _, body) = ask(
        authority,
        served,
        Request::get("https://localhost/").body(()).unwrap(),
    )
    .await;
    status == 200 && body == "front\n"
}

// F009
#[tokio::test]
async fn pages_come_over_http2_and_hosts_are_checked() {
    let authority = Authority::new();
    let served = authority.serve(&[]).await;
    let (status, version, body) = ask(
        &authority,
        &served,
        Request::get("https://localhost/").body(()).unwrap(),
    )
    .await;
    assert_eq!(
        (status, version, body),
        (StatusCode::OK, Version::HTTP_2, Bytes::from("front\n"))
    );
    let (status, ..) = ask(
        &authority,
        &served,
        Request::get("https://evil.example/").body(()).unwrap(),
    )
    .await;
    assert_eq!(status, 400, "a host that is not ours, in :authority");
    let two = Request::get("https://localhost/")
        .header("host", "evil.example")
        .body(())
        .unwrap();
    assert_eq!(ask(&authority, &served, two).await.0, 400, "two hosts");
    let (status, _, body) = ask(
        &authority,
        &served,
        Request::get("https://localhost/big").body(()).unwrap(),
    )
    .await;
    assert_eq!((status, body.len()), (StatusCode::OK, 32 * 1024 * 1024));
    // HTTP/2 is served over TLS only
    assert!(!served.raw(PREFACE).await.contains("HTTP/2"));
}

// F117: rapid reset, CVE-2023-44487
#[tokio::test]
async fn streams_that_are_opened_and_reset_end_the_connection() {
    let authority = Authority::new();
    let served = authority.serve(&[]).await;
    let mut stream = begin(&authority, &served, &[]).await;
    let mut sent = 0;
    'flood: for _ in 0..200 {
        let mut burst = Vec::new();
        for _ in 0..100 {
            let id = 2 * sent + 1;
            burst.extend(frame(HEADERS, END_STREAM | END_HEADERS, id, &get("/slow")));
            burst.extend(frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
            sent += 1;
        }
        if stream.write_all(&burst).await.is_err() {
            break 'flood;
        }
    }
    let kinds = kinds(&mut stream).await;
    assert!(
        sent < 20_000 || kinds.contains(&GOAWAY),
        "cut off: {sent} streams, {kinds:?}"
    );
    assert!(is_served(&authority, &served).await);
}

// F117: CONTINUATION flood, CVE-2024-27316
#[tokio::test]
async fn headers_that_go_on_and_on_end_the_connection() {
    let authority = Authority::new();
    let served = authority.serve(&[]).await;
    let mut stream = begin(&authority, &served, &[]).await;
    stream
        .write_all(&frame(HEADERS, END_STREAM, 1, &get("/")))
        .await
        .unwrap();
    // a header of 16 KiB in each
    let field = [
        &[0x00, 0x01, b'a', 0x7f, 0x81, 0x7e][..],
        &[b'b'; 16_256][..],
    ]
    .concat();
    let mut sent = 0;
    while sent < 1000
        && stream
            .write_all(&frame(CONTINUATION, 0, 1, &field[..16_000]))
            .await
            .is_ok()
    {
        sent += 1;
    }
    kinds(&mut stream).await;
    assert!(sent < 1000, "16 MB of headers were taken");
    assert!(is_served(&authority, &served).await);
}

// F117: headers that stop in the middle, and a connection on which nothing happens
#[tokio::test]
async fn connections_without_a_whole_request_are_closed() {
    let authority = Authority::new();
    let served = authority
        .serve(&[
            ("server.header_timeout_secs", "1"),
            ("server.keep_alive_secs", "1"),
        ])
        .await;
    let mut idle = begin(&authority, &served, &[]).await;
    let mut half = begin(&authority, &served, &[]).await;
    half.write_all(&frame(HEADERS, END_STREAM, 1, &get("/")))
        .await
        .unwrap();
    kinds(&mut idle).await;
    kinds(&mut half).await;
    let mut answered = begin(&authority, &served, &[]).await;
    answered
        .write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/")))
        .await
        .unwrap();
    assert!(
        kinds(&mut answered).await.contains(&HEADERS),
        "answered, and closed when nothing more came"
    );
}

// F117: slow read with a window of nothing
#[tokio::test]
async fn answers_that_nobody_takes_are_given_up() {
    let authority = Authority::new();
    let settings = [
        ("server.slow_grace_secs", "1"),
        ("server.min_bytes_per_second", "100000"),
    ];
    let served = authority.serve(&settings).await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    let mut stream = begin(&authority, &served, &[0, 4, 0, 0, 0, 0]).await;
    for number in 0..50 {
        stream
            .write_all(&frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                2 * number + 1,
                &get("/big"),
            ))
            .await
            .unwrap();
    }
    kinds(&mut stream).await;
    assert!(!events("on=an answer").is_empty(), "and it was recorded");
    assert!(is_served(&authority, &served).await);
}

// F117: one connection cannot take all
#[tokio::test]
async fn streams_at_once_are_bounded() {
    let authority = Authority::new();
    let served = authority.serve(&[("server.max_streams", "5")]).await;
    let mut stream = begin(&authority, &served, &[]).await;
    for number in 0..20 {
        stream
            .write_all(&frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                2 * number + 1,
                &get("/slow"),
            ))
            .await
            .unwrap();
    }
    let mut refused = 0;
    let _ = timeout(Duration::from_secs(2), async {
        let mut head = [0; 9];
        while stream.read_exact(&mut head).await.is_ok() {
            refused += usize::from(head[3] == RST_STREAM);
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            stream
                .read_exact(&mut vec![0; length as usize])
                .await
                .unwrap();
        }
    })
    .await;
    assert!(refused >= 15, "{refused} of 20 refused");
}

/// A literal header that is not indexed: a name and a value as they are.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0x00], text(name), text(value)].concat()
}

// V4.2.3, V4.2.4; RFC 9113 sections 8.2.1 and 8.2.2
#[tokio::test]
async fn headers_of_http1_and_line_breaks_are_refused() {
    let authority = Authority::new();
    let served = authority
        .serve(&[
            ("server.header_timeout_secs", "1"),
            ("server.keep_alive_secs", "1"),
        ])
        .await;
    let rows = [
        ("fine", "x-fine", "value", true),
        ("te: trailers is allowed", "te", "trailers", true),
        (
            "a line break in a value",
            "x-evil",
            "a\r\nx-injected: b",
            false,
        ),
        ("a NUL in a value", "x-evil", "a\0b", false),
        ("a line break in a name", "x-evil\r\nx-injected", "b", false),
        ("upper case", "X-Evil", "a", false),
        ("connection", "connection", "close", false),
        ("transfer-encoding", "transfer-encoding", "chunked", false),
        ("upgrade", "upgrade", "h2c", false),
        ("keep-alive", "keep-alive", "timeout=5", false),
        ("te", "te", "gzip", false),
        ("an unknown pseudo header", ":evil", "a", false),
    ];
    for (row, name, value, is_fine) in rows {
        let mut stream = begin(&authority, &served, &[]).await;
        let block = [get("/"), literal(name, value)].concat();
        stream
            .write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block))
            .await
            .unwrap();
        let kinds = kinds(&mut stream).await;
        assert_eq!(kinds.contains(&HEADERS), is_fine, "{row}: {kinds:?}");
        assert!(
            is_fine || kinds.contains(&RST_STREAM) || kinds.contains(&GOAWAY),
            "{row}: {kinds:?}"
        );
    }
    assert!(is_served(&authority, &served).await);
}

/// Grants a window to the connection and to a stream.
fn window(stream: u32, bytes: u32) -> Vec<u8> {
    const WINDOW_UPDATE: u8 = 8;
    [
        frame(WINDOW_UPDATE, 0, 0, &bytes.to_be_bytes()),
        frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()),
    ]
    .concat()
}

// F117: a client that takes nothing does not get away with asking for something small now and then
#[tokio::test]
async fn small_requests_do_not_keep_what_is_not_taken() {
    let authority = Authority::new();
    let settings = [
        ("server.slow_grace_secs", "2"),
        ("server.min_bytes_per_second", "100000"),
        ("server.keep_alive_secs", "2"),
    ];
    let served = authority.serve(&settings).await;
    let mut stream = begin(&authority, &served, &[0, 4, 0, 0, 0, 0]).await;
    for number in 0..50 {
        stream
            .write_all(&frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                2 * number + 1,
                &get("/big"),
            ))
            .await
            .unwrap();
    }
    let mut asked = 50;
    while asked < 70 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let small = [
            frame(HEADERS, END_STREAM | END_HEADERS, 2 * asked + 1, &get("/")),
            window(2 * asked + 1, 10),
        ]
        .concat();
        if stream.write_all(&small).await.is_err() {
            break;
        }
        asked += 1;
    }
    assert!(
        asked < 70,
        "cut off although it asked {} times more",
        asked - 50
    );
    assert!(is_served(&authority, &served).await);
}

// F117: a client that reads slowly but fast enough gets the whole response, for longer than a connection may be idle
#[tokio::test]
async fn a_slow_and_fair_client_gets_everything() {
    let authority = Authority::new();
    let settings = [
        ("server.slow_grace_secs", "1"),
        ("server.min_bytes_per_second", "20000"),
        ("server.keep_alive_secs", "1"),
    ];
    let served = authority.serve(&settings).await;
    // 100 bytes every 150 ms: at the end it has taken longer than the grace, and than a connection may be idle
    let mut stream = begin(&authority, &served, &[0, 4, 0, 0, 0, 100]).await;
    stream
        .write_all(&frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            1,
            &get("/account/login"),
        ))
        .await
        .unwrap();
    let (mut taken, mut is_whole) = (0, false);
    let _ = timeout(Duration::from_secs(20), async {
        let mut head = [0; 9];
        while !is_whole && stream.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            stream
                .read_exact(&mut vec![0; length as usize])
                .await
                .unwrap();
            if head[3] == 0 {
                taken += length;
                is_whole = head[4] & END_STREAM != 0;
                tokio::time::sleep(Duration::from_millis(150)).await;
                let _ = stream.write_all(&window(1, 100)).await;
            }
        }
    })
    .await;
    assert!(is_whole && taken > 1300, "{taken} bytes, whole: {is_whole}");
}

/// What this process holds in memory, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Sends so many bytes of a form, as the server takes them, and then nothing more.
async fn send_half(mut body: h2::SendStream<Bytes>, mut left: usize) {
    while left > 0 {
        body.reserve_capacity(left.min(16 * 1024));
        match std::future::poll_fn(|context| body.poll_capacity(context)).await {
            Some(Ok(room)) => {
                let piece = room.min(left);
                if body
                    .send_data(Bytes::from(vec![b'x'; piece]), false)
                    .is_err()
                {
                    break;
                }
                left -= piece;
            }
            _ => break,
        }
    }
    std::future::pending::<()>().await;
}

// Finding 3: one owner of memory. Four connections of a hundred forms that never end hold little, and another client is served
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_that_never_end_hold_little_memory() {
    let authority = Authority::new();
    let served = authority.serve(&[]).await;
    assert!(is_served(&authority, &served).await);
    let before = resident();
    let (mut sending, mut clients, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..4 {
        let stream = authority.connect(&served, "h2").await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        for number in 0..100 {
            let mut client = client.clone().ready().await.unwrap();
            let request = Request::post("https://localhost/account/login")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", "https://localhost")
                .header("content-length", "2600000");
            let (answer, body) = client
                .send_request(request.body(()).unwrap(), false)
                .unwrap();
            answers.push(answer);
            // just below what is read of a form before its token is found, or as much as the server takes
            sending.push(tokio::spawn(send_half(
                body,
                if number % 2 == 0 { 60_000 } else { 2_599_980 },
            )));
        }
        clients.push(client);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (held, grown) = (
        served.site().site().held_bytes(),
        resident().saturating_sub(before),
    );
    println!("{held} bytes held, {grown} bytes grown");
    assert!(
        held > 1024 * 1024 && held <= 17 * 1024 * 1024,
        "the share of one client: {held}"
    );
    assert!(grown < 64 * 1024 * 1024, "{grown}");
    // another client, of another address
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = authority
        .over(socket.connect(served.address).await.unwrap(), "http/1.1")
        .await
        .unwrap();
    let mut other = other;
    other
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let _ = other.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    sending.iter().for_each(tokio::task::JoinHandle::abort);
    drop((clients, answers));
}
