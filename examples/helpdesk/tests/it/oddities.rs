//! Odd input, odd clients, and a desk whose database breaks.

use crate::attacks::{PASSWORD, desk};
use crate::process::{Folder, Server};
use crate::wire::{Visitor, get, raw};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

// D07: the table of users goes away under the running desk
#[tokio::test]
async fn a_desk_without_its_database_says_so() {
    use palisade::sql;
    let (folder, server, mut ann) = desk(&[]);
    let url = format!("sqlite:{}", folder.0.join("helpdesk.sqlite3").display())
        .parse()
        .unwrap();
    let settings = palisade::db::DatabaseSettings {
        url,
        ..Default::default()
    };
    let database = palisade::db::Database::connect(&settings, &folder.0)
        .await
        .unwrap();
    let tx = database.handle().begin().await.unwrap();
    tx.execute_sql(sql!("ALTER TABLE auth_user RENAME TO gone"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut other = Visitor::new(server.address);
    let login = other.submit(
        "/account/login",
        "/account/login",
        &[("username", "ann"), ("password", PASSWORD)],
    );
    for reply in [ann.get("/tickets"), login] {
        assert!(
            reply.status >= 500,
            "a fault of ours, not a wrong password: {}",
            reply.status
        );
    }
    assert_eq!(get(server.address, "/health/live").status, 200);
    assert!(
        server.stop().contains("no such table"),
        "and the log says which"
    );
}

// D10, D28, D33, D39; V3.7.2
#[test]
fn odd_input_is_400_or_404_and_never_500() {
    let (_folder, server, mut ann) = desk(&[]);
    let odd = [
        "/tickets?page=0",
        "/tickets?page=-1",
        "/tickets?order=subject;DROP",
        "/tickets?q=%ff",
        "/tickets?q=a%0d%0aSet-Cookie:x",
        "/tickets/abc",
        "/tickets/-1",
        "/tickets/1%00",
        "/tickets/../queue",
        "/tickets/%2e%2e/queue",
        "/tickets//1",
        "/queue",
        "/.env",
        "/.git/HEAD",
        "/static/../x",
        "/tickets/99999999999999999999",
        "/tickets/1/",
        "/TICKETS",
        "/tickets;x=1",
        "/tickets/1?page=%00",
    ];
    for path in odd {
        let reply = ann.get(path);
        let is_fine = matches!(reply.status, 400 | 404) || path == "/tickets/1?page=%00";
        assert!(is_fine, "{path} is {}", reply.status);
        assert!(
            reply
                .header("content-security-policy")
                .contains("default-src 'none'")
                && !reply.head.contains("x: "),
            "{path}"
        );
    }
    for next in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/%0d%0aSet-Cookie:x=y",
    ] {
        let mut visitor = Visitor::new(server.address);
        let reply = visitor.submit(
            "/account/login",
            "/account/login",
            &[("username", "ann"), ("password", PASSWORD), ("next", next)],
        );
        assert_eq!(reply.status, 303);
        assert!(
            reply.header("location").starts_with('/')
                && !reply.header("location").contains("evil.example")
                || reply.header("location") == "/tickets",
            "{next}"
        );
    }
    let email = "eve@example.org\r\nBcc: all@example.org";
    let fields = [
        ("username", "eve\nevent.action=login"),
        ("email", email),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ];
    assert_eq!(
        Visitor::new(server.address)
            .submit("/account/signup", "/account/signup", &fields)
            .status,
        422
    );
}

// D38; F003, F117; ASVS 13.4.6
#[test]
fn slow_and_broken_clients_are_cut_off_and_others_served() {
    let folder = Folder::new();
    let server = Server::start(
        &folder,
        &[
            ("PALISADE_SERVER__HEADER_TIMEOUT_SECS", "1"),
            ("PALISADE_SERVER__MAX_CONNECTIONS", "64"),
        ],
    );
    let mut slow: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    }
    assert_eq!(
        get(server.address, "/health/ready").status,
        200,
        "beside them"
    );
    let started = Instant::now();
    for stream in &mut slow {
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert!(started.elapsed() < Duration::from_secs(9), "cut off");
    for broken in [
        "GET / HTTP/9.9\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    ] {
        if let Some(reply) = raw(server.address, broken.as_bytes()) {
            assert!(reply.status >= 400, "{broken:?}: {reply:?}");
            assert_eq!(reply.header("server"), "");
        }
    }
    let both = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /queue HTTP/1.1\r\n\r\n";
    assert!(
        raw(server.address, both.as_bytes()).is_none_or(|reply| reply.status >= 400),
        "two lengths"
    );
    assert_eq!(get(server.address, "/").status, 200);
}
