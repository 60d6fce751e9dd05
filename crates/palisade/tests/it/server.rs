//! Connections by hand: slow, greedy and broken clients, and those beside them. Times are settings, so that the tests are short; what is
//! asserted is that one client is disconnected and another is not, never how fast.

use palisade::app::{Server, Stopped};
use palisade::prelude::*;
use palisade::testing::{TestSite, events};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A site on a socket of its own.
pub struct Served {
    pub address: SocketAddr,
    _site: TestSite,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Stopped>,
}

impl Served {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let base = [
            ("server.address", "127.0.0.1:0"),
            ("site.allow_dangerous", "without_csrf /echo"),
        ];
        Self::of(TestSite::start(app(), &[&base[..], settings].concat()).await).await
    }

    pub async fn of(site: TestSite) -> Self {
        let server = Server::listen(site.site().clone()).unwrap();
        let address = server.url().split("//").nth(1).unwrap().parse().unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async { stopped.await.unwrap_or_default() }));
        Self {
            address,
            _site: site,
            stop: Some(stop),
            running,
        }
    }

    pub fn site(&self) -> &TestSite {
        &self._site
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        raw(self.address, bytes).await
    }

    pub async fn get(&self, path: &str) -> String {
        self.raw(
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )
        .await
    }

    pub async fn stop(mut self) -> Stopped {
        self.stop.take().map(|stop| stop.send(()));
        self.running.await.unwrap()
    }
}

/// Sends bytes to a listener, and reads until it closes.
pub async fn raw(address: impl ToSocketAddrs, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// A port for a program that is started later. Outside of the range that the system gives to others meanwhile (`ip_local_port_range`).
pub fn free_port() -> u16 {
    loop {
        let port = 20_000 + u16::from_be_bytes(palisade::crypto::random::bytes::<2>()) % 10_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What comes until the server closes, which it must.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes")
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

const BIG: usize = 32 * 1024 * 1024;

pub fn app() -> App {
    let routes = Routes::new()
        .route("/", public().get(async || "front\n"))
        .route("/big", public().get(async || vec![b'x'; BIG]))
        .route("/slow", public().get(slow))
        .route(
            "/echo",
            public()
                .post(async |text: String| text)
                .dangerous_without_csrf(Reason::new("a test of bodies")),
        );
    App::new().routes(routes)
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(3)).await;
    "slow\n"
}

// D38, F117; ASVS 13.1.3: slowloris
#[tokio::test]
async fn headers_that_never_end_get_408_and_others_are_served() {
    let served = Served::start(&[("server.header_timeout_secs", "1")]).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = served.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: local")
            .await
            .unwrap();
        slow.push(stream);
    }
    assert!(
        served.get("/").await.starts_with("HTTP/1.1 200"),
        "beside them"
    );
    // one that sends a byte now and then is no better
    let mut drip = served.connect().await;
    let dripping = tokio::spawn(async move {
        for byte in
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                .iter()
                .cycle()
                .take(200)
        {
            if drip.write_all(&[*byte]).await.is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    });
    for mut stream in slow {
        let answer = rest(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 408") && answer.contains("connection: close"),
            "{answer}"
        );
    }
    assert!(dripping.await.unwrap(), "cut off in the middle");
    assert!(!events("on=headers").is_empty(), "and it was recorded");
}

#[tokio::test]
async fn connections_without_a_request_are_closed() {
    let served = Served::start(&[
        ("server.header_timeout_secs", "1"),
        ("server.keep_alive_secs", "1"),
    ])
    .await;
    assert_eq!(
        rest(&mut served.connect().await).await,
        "",
        "no request was sent"
    );
    let answer = served
        .raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("front\n"),
        "answered, then closed: {answer}"
    );
    let mut kept = served.connect().await;
    for _ in 0..3 {
        kept.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut buffer = [0; 4096];
        assert!(kept.read(&mut buffer).await.unwrap() > 0);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

// F117: R-U-Dead-Yet
#[tokio::test]
async fn bodies_that_drip_get_408() {
    let settings = [
        ("server.slow_grace_secs", "1"),
        ("server.min_bytes_per_second", "1000"),
    ];
    let served = Served::start(&settings).await;
    let head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n";
    for body in ["", "abc"] {
        let answer = served.raw(format!("{head}{body}").as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 408") && answer.contains("connection: close"),
            "{answer}"
        );
    }
    // in pieces that are fast enough
    let mut stream = served.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000\r\nConnection: close\r\n\r\n").await.unwrap();
    for _ in 0..8 {
        stream.write_all(&[b'y'; 1000]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(
        rest(&mut stream).await.starts_with("HTTP/1.1 200"),
        "2.4 seconds, at more than 1000 bytes a second"
    );
    // in chunks that never end
    let chunked = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n";
    assert!(
        served
            .raw(chunked.as_bytes())
            .await
            .starts_with("HTTP/1.1 408")
    );
}

// F117: slow read
#[tokio::test]
async fn answers_that_nobody_takes_are_given_up() {
    let settings = [
        ("server.slow_grace_secs", "1"),
        ("server.min_bytes_per_second", "100000"),
    ];
    let served = Served::start(&settings).await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut taken = Vec::new();
    let ended = timeout(Duration::from_secs(20), slow.read_to_end(&mut taken))
        .await
        .expect("it ends");
    assert!(
        ended.is_err() || taken.len() < BIG,
        "cut off after {} bytes",
        taken.len()
    );
    assert!(!events("on=an answer").is_empty());
    let whole = served.get("/big").await;
    assert!(whole.len() > BIG, "who reads gets all: {}", whole.len());
}

// F117: 200 kB a second is fair, however much the kernel would take at once
#[tokio::test]
async fn whoever_reads_slowly_but_fast_enough_is_not_cut_off() {
    let settings = [
        ("server.slow_grace_secs", "2"),
        ("server.min_bytes_per_second", "1000"),
        ("server.keep_alive_secs", "1"),
    ];
    let served = Served::start(&settings).await;
    for connection in ["close", "keep-alive"] {
        let mut slow = served.connect().await;
        slow.write_all(
            format!("GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n")
                .as_bytes(),
        )
        .await
        .unwrap();
        let mut buffer = vec![0; 50_000];
        for _ in 0..24 {
            slow.read_exact(&mut buffer).await.expect("still there");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let mut rest = Vec::new();
        slow.read_to_end(&mut rest).await.expect("to the end");
        assert!(
            rest.len() > BIG - 24 * 50_000,
            "{connection}: {}",
            rest.len()
        );
    }
}

// F117: each budget, its status, and the connection that is closed
#[tokio::test]
async fn budgets_have_their_statuses() {
    let served = Served::start(&[
        ("http.max_url_bytes", "1000"),
        ("http.max_body_bytes", "1000"),
        ("http.max_json_bytes", "100"),
    ])
    .await;
    let host = "Host: localhost\r\n";
    let long = "a".repeat(1100);
    let rows = [
        ("414", format!("GET /{long} HTTP/1.1\r\n{host}\r\n")),
        (
            "431",
            format!("GET / HTTP/1.1\r\n{host}{}\r\n", "X-A: b\r\n".repeat(101)),
        ),
        (
            "431",
            format!("GET / HTTP/1.1\r\n{host}{}\r\n", "X-A: b\r\n".repeat(5000)),
        ),
        (
            "431",
            format!(
                "GET / HTTP/1.1\r\n{host}X-A: {}\r\n\r\n",
                "b".repeat(66_000)
            ),
        ),
        (
            "431",
            format!(
                "GET / HTTP/1.1\r\n{host}X-A: {}\r\n\r\n",
                "b".repeat(200_000)
            ),
        ),
        (
            "413",
            format!("POST /echo HTTP/1.1\r\n{host}Content-Length: 1001\r\n\r\n"),
        ),
        (
            "413",
            format!(
                "POST /echo HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
                "b".repeat(1001)
            ),
        ),
        (
            "413",
            format!(
                "POST /echo HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: 101\r\n\r\n"
            ),
        ),
    ];
    for (status, request) in rows {
        let answer = served.raw(request.as_bytes()).await;
        let shown: String = request.chars().take(80).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{shown:?}: {answer}"
        );
        assert!(
            answer.to_lowercase().contains("connection: close"),
            "{shown:?}: {answer}"
        );
    }
    let fits = format!(
        "POST /echo HTTP/1.1\r\n{host}Content-Length: 1000\r\nConnection: close\r\n\r\n{}",
        "b".repeat(1000)
    );
    assert!(served.raw(fits.as_bytes()).await.ends_with("bbb"));
}

// F117
#[tokio::test]
async fn connections_are_counted_in_all_and_for_each_client() {
    let served = Served::start(&[("server.max_connections_per_address", "3")]).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut stream = served.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        kept.push(stream);
    }
    assert!(
        rest(&mut served.connect().await)
            .await
            .starts_with("HTTP/1.1 429")
    );
    drop(kept.pop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        served.get("/").await.starts_with("HTTP/1.1 200"),
        "there is room again"
    );

    // all connections are busy: new clients are refused, except for health checks
    let served = Served::start(&[
        ("server.max_connections", "2"),
        ("http.trusted_proxies", "127.0.0.1/32"),
    ])
    .await;
    let mut kept = [served.connect().await, served.connect().await];
    for stream in &mut kept {
        stream
            .write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = served.get("/").await;
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after"),
        "{refused}"
    );
    assert!(
        served.get("/health/live").await.starts_with("HTTP/1.1 200"),
        "a balancer still hears"
    );
    drop(kept);
}

// Finding 7: connections that are kept idle make room for a newcomer, the longest idle one first
#[tokio::test]
async fn idle_connections_make_room() {
    let served = Served::start(&[
        ("server.max_connections", "8"),
        ("server.keep_alive_secs", "60"),
    ])
    .await;
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut stream = served.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        held.push(stream);
    }
    for newcomer in 0..20 {
        assert!(
            served.get("/").await.starts_with("HTTP/1.1 200"),
            "newcomer {newcomer}"
        );
    }
    // the one that was used last is the last to go
    let first = timeout(Duration::from_secs(5), held[0].read(&mut [0; 16])).await;
    assert!(
        matches!(first, Ok(Ok(0) | Err(_))),
        "the longest idle one is closed"
    );
    let last = held.last_mut().unwrap();
    last.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert!(
        last.read(&mut [0; 4096]).await.unwrap() > 0,
        "and it is served"
    );
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_says_what_it_cut() {
    let served = Served::start(&[]).await;
    let mut idle = served.connect().await;
    let mut working = served.connect().await;
    working
        .write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let address = served.address;
    let stopping = tokio::spawn(served.stop());
    assert!(rest(&mut working).await.ends_with("slow\n"), "finished");
    assert_eq!(rest(&mut idle).await, "", "closed at once");
    assert_eq!(stopping.await.unwrap(), Stopped { cut_off: 0 });
    assert!(
        TcpStream::connect(address).await.is_err(),
        "the port is closed"
    );

    let served = Served::start(&[("server.drain_secs", "1")]).await;
    let mut working = served.connect().await;
    working
        .write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(served.stop().await, Stopped { cut_off: 1 });
}
