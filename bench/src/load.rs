//! wrk, and the memory and CPU time of a process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

/// Seconds of one round.
const SECONDS: u32 = 4;

/// The repeated request.
pub struct Visit<'a> {
    pub port: u16,
    pub path: &'a str,
    pub cookie: Option<&'a str>,
    /// The URL of the form that is posted.
    pub token: Option<&'a str>,
}

/// The result of a round.
#[derive(Clone, Copy)]
pub struct Measured {
    pub a_second: f64,
    /// The 99th percentile of latency.
    pub slowest_ms: f64,
}

impl Measured {
    pub fn median(rounds: Vec<Self>) -> Self {
        let of = |value: fn(&Self) -> f64| median(rounds.iter().map(value).collect());
        Self {
            a_second: of(|round| round.a_second),
            slowest_ms: of(|round| round.slowest_ms),
        }
    }
}

impl Visit<'_> {
    fn headers(&self) -> Vec<String> {
        let mut headers = vec![
            format!("Host: {}", super::HOST),
            "X-Forwarded-Proto: https".into(),
        ];
        headers.extend(self.cookie.map(|cookie| format!("Cookie: {cookie}")));
        if self.token.is_some() {
            headers.push("Content-Type: application/x-www-form-urlencoded".into());
            headers.push(format!("Origin: https://{}", super::HOST));
        }
        headers
    }

    fn body(&self) -> Option<String> {
        let token = self.token?;
        Some(format!(
            "csrfmiddlewaretoken={token}&subject=Another+ticket&body=What+happened%2C+in+a+line+or+two."
        ))
    }
}

/// One round of wrk.
pub fn measured(visit: &Visit<'_>) -> Measured {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c16", "--latency", &format!("-d{SECONDS}s")]);
    for header in visit.headers() {
        command.args(["-H", &header]);
    }
    if let Some(body) = visit.body() {
        command
            .arg("-s")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("post.lua"))
            .env("BENCH_BODY", body);
    }
    let output = command
        .arg(format!("http://127.0.0.1:{}{}", visit.port, visit.path))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx"), "{}: {text}", visit.path);
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(name))
            .unwrap_or_else(|| panic!("{name} in {text}"))
    };
    Measured {
        a_second: field("Requests/sec:").trim().parse().unwrap(),
        slowest_ms: millis(field("99%").trim()),
    }
}

fn millis(text: &str) -> f64 {
    let (number, factor) = match text {
        text if text.ends_with("us") => (text.trim_end_matches("us"), 0.001),
        text if text.ends_with("ms") => (text.trim_end_matches("ms"), 1.0),
        text => (text.trim_end_matches('s'), 1000.0),
    };
    number.parse::<f64>().unwrap() * factor
}

/// Fails unless the response is the expected page.
pub fn expect(visit: &Visit<'_>, name: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", visit.port)).unwrap();
    let (method, body) = visit
        .body()
        .map_or(("GET", String::new()), |body| ("POST", body));
    let (path, length, headers) = (visit.path, body.len(), visit.headers().join("\r\n"));
    write!(stream, "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n\r\n{body}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer);
    let is_meant = match path {
        "/tickets" if method == "POST" => text.contains(" 303 ") || text.contains(" 302 "),
        "/tickets" => text.contains(" 200 ") && text.contains("Ticket number 7"),
        "/latest" => {
            text.contains(" 200 ") && text.contains("Answer number 7") && text.contains("ann")
        }
        "/topics/1/" => {
            text.contains(" 200 ")
                && text.contains("Answer number 7")
                && text.contains("Signed in as ann")
        }
        "/status" => text.contains(" 200 ") && text.contains("\"open\""),
        "/" => text.contains(" 200 ") && text.contains("How can we help?"),
        _ => text.contains(" 200 ") && text.contains("--"),
    };
    assert!(is_meant, "{name}: {text}");
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Memory of a process and its children.
pub fn memory_mb(process: u32) -> f64 {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
        .unwrap_or_default();
    let children: f64 = children
        .split_whitespace()
        .map(|child| memory_mb(child.parse().unwrap()))
        .sum();
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    // shared memory is counted once
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0 + children
}

/// Memory while a thousand clients keep a connection open after one request each.
pub fn with_idle_connections(port: u16, process: u32) -> f64 {
    let visit = Visit {
        port,
        path: "/",
        cookie: None,
        token: None,
    };
    let request = format!("GET / HTTP/1.1\r\n{}\r\n\r\n", visit.headers().join("\r\n"));
    let connections: Vec<TcpStream> = (0..1000)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut begin = [0; 512];
            assert!(
                stream.read(&mut begin).unwrap() > 12 && begin.starts_with(b"HTTP/1.1 200"),
                "each is served"
            );
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let memory = memory_mb(process);
    drop(connections);
    memory
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

pub fn wait_for(port: u16) {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nothing listens on {port}");
}

/// Stops a process with SIGTERM, so that it stops its children.
pub fn stop(child: &mut Child) {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    child.wait().unwrap();
}
