//! wrk, and what the system says of a process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};

/// Seconds of one round.
const SECONDS: u32 = 4;

fn headers(cookie: Option<&str>) -> Vec<String> {
    let mut headers = vec![format!("Host: {}", super::HOST), "X-Forwarded-Proto: https".into()];
    headers.extend(cookie.map(|cookie| format!("Cookie: {cookie}")));
    headers
}

pub fn requests_per_second(port: u16, path: &str, cookie: Option<&str>) -> f64 {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c16", &format!("-d{SECONDS}s")]);
    for header in headers(cookie) {
        command.args(["-H", &header]);
    }
    let output = command.arg(format!("http://127.0.0.1:{port}{path}")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx"), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    line.unwrap_or_else(|| panic!("wrk says how many: {text}")).trim().parse().unwrap()
}

/// Fails unless the page is answered with 200, so that nothing else is measured.
pub fn expect_page(port: u16, path: &str, cookie: Option<&str>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n{}\r\n\r\n", headers(cookie).join("\r\n")).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && (path == "/" || text.contains("Ticket number 7")), "{text}");
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub fn memory_mb(process: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn wait_for(port: u16) {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("nothing listens on {port}");
}
