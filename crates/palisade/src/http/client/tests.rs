#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::settings::Secs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

// F119, V13.2.4, V15.3.2
#[test]
fn only_addresses_of_the_internet_at_large_are_public() {
    for public in [
        "9.9.9.9",
        "192.0.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "198.20.0.1",
        "2620:fe::fe",
        "2606:4700::1111",
        "64:ff9b::909:909",
    ] {
        assert!(is_public(public.parse().unwrap()), "{public}");
    }
    let refused = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "168.63.129.16",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.19.255.255",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    for private in refused {
        assert!(!is_public(private.parse().unwrap()), "{private}");
    }
}

/// A server that responds to each path as the table says, and counts requests.
async fn server(
    address: &str,
    answers: &'static [(&'static str, &'static str)],
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let (local, seen) = (
        listener.local_addr().unwrap(),
        Arc::new(AtomicUsize::new(0)),
    );
    let count = seen.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let (mut request, mut piece) = (String::new(), [0; 4096]);
                while !request.contains("\r\n\r\n") {
                    let read = stream.read(&mut piece).await.unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    request.push_str(&String::from_utf8_lossy(&piece[..read]));
                }
                let path = request.split(' ').nth(1).unwrap();
                let answer = answers
                    .iter()
                    .find(|(known, _)| *known == path)
                    .map_or("404 Not Found\r\n\r\n", |(_, answer)| answer);
                let answer = answer
                    .replace("{port}", &local.port().to_string())
                    .replace("{request}", &request.replace("\r\n", "|"));
                let _ = stream
                    .write_all(format!("HTTP/1.1 {answer}").as_bytes())
                    .await;
                if path == "/slow" {
                    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
                }
            });
        }
    });
    (local, seen)
}

fn client(networks: &[&str]) -> Client {
    let private_networks = networks
        .iter()
        .map(|network| network.parse().unwrap())
        .collect();
    Client::new(&ClientSettings {
        private_networks,
        timeout_secs: Secs(1),
        max_bytes: 1000,
        ..ClientSettings::default()
    })
    .unwrap()
}

const ANSWERS: &[(&str, &str)] = &[
    (
        "/",
        "200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
    ),
    ("/echo", "200 OK\r\nconnection: close\r\n\r\n{request}"),
    (
        "/once",
        "302 Found\r\nconnection: close\r\nlocation: /echo\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "/elsewhere",
        "302 Found\r\nconnection: close\r\nlocation: \
            http://localhost:{port}/echo\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "/inside",
        "302 Found\r\nconnection: close\r\nlocation: http://127.0.0.2:{port}/\r\ncontent-length: \
            0\r\n\r\n",
    ),
    (
        "/inside6",
        "307 Temporary\r\nconnection: close\r\nlocation: \
            http://[::ffff:169.254.169.254]/\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "/file",
        "301 Moved\r\nconnection: close\r\nlocation: file:///etc/passwd\r\ncontent-length: \
            0\r\n\r\n",
    ),
    (
        "/round",
        "302 Found\r\nconnection: close\r\nlocation: /round\r\ncontent-length: 0\r\n\r\n",
    ),
    ("/slow", "200 OK\r\nconnection: close\r\n\r\nbegun"),
    (
        "/long",
        "200 OK\r\nconnection: close\r\ncontent-length: 5000000\r\n\r\nbegun",
    ),
];

async fn kind(client: &Client, url: &str) -> FetchErrorKind {
    let error = client
        .get(url)
        .await
        .err()
        .unwrap_or_else(|| panic!("{url} is refused"));
    assert!(!error.to_string().contains("secret"), "{error}");
    error.kind()
}

// F119, V1.3.6, V13.2.4
#[tokio::test]
async fn what_only_this_machine_reaches_is_refused_however_it_is_written() {
    let (address, seen) = server("127.0.0.1", ANSWERS).await;
    let (client, port) = (client(&[]), address.port());
    let refused = [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
    ];
    for host in refused {
        assert_eq!(
            kind(&client, &format!("http://{host}:{port}/?secret")).await,
            FetchErrorKind::Refused,
            "{host}"
        );
    }
    for url in [
        "file:///etc/passwd",
        "gopher://example.org/",
        "ftp://example.org/",
        "http://user:secret@example.org/",
        "//example.org/",
        "/",
        "http://",
        "nonsense",
    ] {
        assert_eq!(kind(&client, url).await, FetchErrorKind::Address, "{url}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0, "no connection was made");
}

// F119
#[tokio::test]
async fn redirects_are_judged_like_the_first_address() {
    let (address, _) = server("127.0.0.1", ANSWERS).await;
    let port = address.port();
    let listener = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let asked = client(&["127.0.0.1/32"]);
    let client = asked.following_redirects();
    let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
    assert_eq!(client.get(&at("/")).await.unwrap().body().as_ref(), b"hi");
    assert_eq!(
        client.get(&at("/nothing")).await.unwrap().status(),
        404,
        "an answer is an answer"
    );
    assert_eq!(kind(&client, &at("/inside")).await, FetchErrorKind::Refused);
    assert_eq!(
        kind(&client, &at("/inside6")).await,
        FetchErrorKind::Refused
    );
    assert_eq!(kind(&client, &at("/file")).await, FetchErrorKind::Address);
    assert_eq!(
        kind(&client, &at("/round")).await,
        FetchErrorKind::TooManyRedirects
    );
    let accepted =
        tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await;
    assert!(accepted.is_err(), "no connection was made");
    assert_eq!(
        asked.get(&at("/inside")).await.unwrap().status(),
        302,
        "nothing is followed unless the code says so"
    );
    // credentials are sent to the first origin only
    let request = |path: &str| {
        http::Request::get(at(path))
            .header("authorization", "secret")
            .header("accept", "text/plain")
            .body(bytes::Bytes::new())
    };
    let same = client.send(request("/once").unwrap()).await.unwrap();
    assert!(String::from_utf8_lossy(same.body()).contains("authorization: secret"));
    let other = client.send(request("/elsewhere").unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(other.body()).into_owned();
    assert!(
        !told.contains("secret")
            && told.contains("accept: text/plain")
            && !told.contains("referer"),
        "{told}"
    );
    let with_body = http::Request::get(at("/elsewhere"))
        .body(bytes::Bytes::from_static(b"secret"))
        .unwrap();
    let told = client.send(with_body).await.unwrap();
    assert!(
        !String::from_utf8_lossy(told.body()).contains("content-length: 6"),
        "what was sent neither"
    );
    let post = http::Request::post(at("/once"))
        .body(bytes::Bytes::new())
        .unwrap();
    assert_eq!(
        client.send(post).await.unwrap().status(),
        302,
        "a change is sent once"
    );
}

// F119, V13.2.4
#[tokio::test]
async fn a_site_that_knows_whom_it_asks_reaches_nobody_else() {
    let (address, seen) = server("127.0.0.1", ANSWERS).await;
    let settings = ClientSettings {
        private_networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        only_hosts: vec![
            "127.0.0.1".parse().unwrap(),
            ".example.org".parse().unwrap(),
        ],
        ..ClientSettings::default()
    };
    let client = Client::new(&settings).unwrap().following_redirects();
    assert_eq!(
        client
            .get(&format!("http://{address}/"))
            .await
            .unwrap()
            .status(),
        200
    );
    let before = seen.load(Ordering::SeqCst);
    for host in ["localhost", "127.0.0.2", "example.org.evil.example"] {
        assert_eq!(
            kind(&client, &format!("http://{host}:{}/", address.port())).await,
            FetchErrorKind::Refused,
            "{host}"
        );
    }
    assert_eq!(seen.load(Ordering::SeqCst), before);
    assert_eq!(
        kind(&client, &format!("http://{address}/elsewhere")).await,
        FetchErrorKind::Refused,
        "nor by a redirect"
    );
}

// F117, F119
#[tokio::test]
async fn answers_end_in_time_and_at_their_limit() {
    let (address, _) = server("127.0.0.1", ANSWERS).await;
    let client = client(&["127.0.0.0/8"]);
    let at = |path: &str| format!("http://{address}{path}");
    let begun = std::time::Instant::now();
    assert_eq!(kind(&client, &at("/slow")).await, FetchErrorKind::TooSlow);
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!(kind(&client, &at("/long")).await, FetchErrorKind::TooLarge);
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = client
        .get(&format!("http://{closed}/?secret"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Unreachable);
    assert!(
        error.to_string().starts_with("127.0.0.1 does not answer: ")
            && !error.to_string().contains("secret"),
        "{error}"
    );
}

// F119
#[test]
fn settings_that_reach_too_far_are_findings() {
    let found = |network: &str| {
        let settings = ClientSettings {
            private_networks: vec![network.parse().unwrap()],
            ..ClientSettings::default()
        };
        crate::checks::run(CHECKS, &settings)
            .iter()
            .map(|finding| finding.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(found("10.0.7.0/24"), ["client.private_reachable"]);
    for wide in [
        "0.0.0.0/0",
        "169.254.169.254/32",
        "::/0",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "fd00::/8",
        "192.0.0.0/24",
    ] {
        assert_eq!(found(wide)[0], "client.everything_reachable", "{wide}");
    }
    assert!(crate::checks::run(CHECKS, &ClientSettings::default()).is_empty());
    let missing = ClientSettings {
        certificate_authority: Some("/nowhere/ca.pem".into()),
        ..ClientSettings::default()
    };
    assert!(
        Client::new(&missing)
            .err()
            .unwrap()
            .to_string()
            .contains("client.certificate_authority: /nowhere/ca.pem")
    );
}
