//! HTTP/1.1 by hand, so that a test can send what no client library would.

use crate::process::Server;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        let line = self
            .head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        line.map_or("", |(_, value)| value.trim())
    }

    pub fn hidden_field(&self, name: &str) -> Option<&str> {
        self.body
            .split_once(&format!("name=\"{name}\" value=\""))?
            .1
            .split('"')
            .next()
    }
}

/// Sends bytes and reads one answer.
pub fn raw(address: SocketAddr, request: &[u8]) -> Option<Reply> {
    raw_within(Duration::from_secs(30), address, request)
}

fn raw_within(silence: Duration, address: SocketAddr, request: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(silence)).ok()?;
    stream.write_all(request).ok()?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(reply) = parse(&bytes) {
            return Some(reply);
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return parse_until_end(&bytes),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn head(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((
        String::from_utf8_lossy(&bytes[..end]).into_owned(),
        &bytes[end + 4..],
    ))
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let (head, body) = head(bytes)?;
    let reply = Reply {
        status: head.get(9..12)?.parse().ok()?,
        head,
        body: String::new(),
    };
    let length: usize = reply.header("content-length").parse().ok()?;
    (body.len() >= length).then(|| Reply {
        body: String::from_utf8_lossy(&body[..length]).into_owned(),
        ..reply
    })
}

fn parse_until_end(bytes: &[u8]) -> Option<Reply> {
    let (head, body) = head(bytes)?;
    Some(Reply {
        status: head.get(9..12)?.parse().ok()?,
        head,
        body: String::from_utf8_lossy(body).into_owned(),
    })
}

/// A request with a body, closed after the answer.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let text = written(address, method, path, headers, body);
    raw(address, text.as_bytes()).unwrap_or_else(|| panic!("{method} {path} was not answered"))
}

/// A WebDriver command. A page load may take as long as the driver allows ([`crate::driver`]).
pub fn command(address: SocketAddr, method: &str, path: &str, body: &str) -> Reply {
    let headers = [("Content-Type", "application/json")];
    let text = written(address, method, path, &headers, body);
    raw_within(Duration::from_secs(150), address, text.as_bytes())
        .unwrap_or_else(|| panic!("{method} {path} was not answered"))
}

fn written(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        text.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{text}\r\n{body}")
}

pub fn get(address: SocketAddr, path: &str) -> Reply {
    request(address, "GET", path, &[], "")
}

/// A visitor of a real server, with cookies.
pub struct Visitor {
    pub address: SocketAddr,
    pub cookies: Vec<(String, String)>,
}

impl Visitor {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cookies: Vec::new(),
        }
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, "", "")
    }

    /// Fills in the form of `page` and sends it to `action`.
    pub fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self
            .get(page)
            .hidden_field("csrfmiddlewaretoken")
            .unwrap_or_default()
            .to_owned();
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect::<String>()
        };
        let pairs = fields
            .iter()
            .copied()
            .chain([("csrfmiddlewaretoken", token.as_str())]);
        let body: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        self.send(
            "POST",
            action,
            "application/x-www-form-urlencoded",
            &body.join("&"),
        )
    }

    fn send(&mut self, method: &str, path: &str, kind: &str, body: &str) -> Reply {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let reply = request(
            self.address,
            method,
            path,
            &[("Cookie", &cookies.join("; ")), ("Content-Type", kind)],
            body,
        );
        for line in reply
            .head
            .lines()
            .filter_map(|line| line.strip_prefix("set-cookie: "))
        {
            let (name, rest) = line.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !line.contains("Max-Age=0") {
                self.cookies
                    .push((name.into(), rest.split(';').next().unwrap().into()));
            }
        }
        reply
    }

    /// Adds an authenticator app, and says its secret.
    pub fn add_factor(&mut self) -> String {
        self.submit("/account/factors", "/account/factors/app", &[]);
        let page = self.get("/account/factors/app").body;
        let secret = page
            .split_once("id=\"secret\">")
            .and_then(|(_, rest)| rest.split('<').next())
            .unwrap()
            .to_owned();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let code = palisade::mfa::code_at(&secret, now as i64).unwrap();
        let added = self.submit(
            "/account/factors/app",
            "/account/factors/app/confirm",
            &[("code", &code)],
        );
        assert_eq!(added.status, 200, "{}", added.body);
        secret
    }

    /// Signs up, with the link that the server prints in place of sending it.
    pub fn sign_up(&mut self, server: &Server, name: &str) {
        let password = "correct horse battery staple";
        let email = format!("{name}@example.org");
        let fields = [
            ("username", name),
            ("email", email.as_str()),
            ("password", password),
            ("password_again", password),
        ];
        let reply = self.submit("/account/signup", "/account/signup", &fields);
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, "/account/signup/sent"),
            "{}",
            reply.body
        );
        let page = self
            .get(&server.link_to(&email))
            .header("location")
            .to_owned();
        let reply = self.submit(&page, "/account/confirm", &[("password", password)]);
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, "/tickets"),
            "{}",
            reply.body
        );
    }
}
