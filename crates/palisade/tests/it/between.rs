//! Real programs between the site and its clients or its database: HAProxy, PgBouncer.

use crate::server::{Served, free_port};
use palisade::app::BootError;
use palisade::db::{Database, DatabaseSettings};
use palisade::testing::{TestSite, ran, server};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A program that runs until the end of the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, port: u16) -> Self {
        let running = Self(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return running;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{command:?} does not listen");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write(path: &Path, text: &str) {
    std::fs::File::create(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

// M6: a pooler in transaction mode is refused with words; in session mode it serves, and what only reads stays read-only
#[tokio::test]
async fn pgbouncer_serves_sessions_and_is_refused_otherwise() {
    let (Some(pgbouncer), Some(url)) = (
        server("PALISADE_TEST_PGBOUNCER"),
        server("PALISADE_TEST_POSTGRES"),
    ) else {
        return;
    };
    let direct: url::Url = url.parse().unwrap();
    let ignoring = "ignore_startup_parameters = options\n";
    for (mode, ignored, is_refused) in [
        ("transaction", ignoring, true),
        ("statement", ignoring, true),
        ("transaction", "", true),
        ("session", "", true),
        ("session", ignoring, false),
    ] {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let (host, to) = (direct.host_str().unwrap(), direct.port().unwrap_or(5432));
        let file = folder.path().join("pgbouncer.ini");
        let users = folder.path().join("users.txt");
        write(&users, &format!("\"{}\" \"\"\n", direct.username()));
        let settings = format!(
            "[databases]\n* = host={host} port={to}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {}\npool_mode = {mode}\n{ignored}",
            users.display()
        );
        write(&file, &settings);
        let mut command = Command::new(&pgbouncer);
        // it does not run as root
        if std::fs::metadata("/proc/self")
            .is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
        {
            for path in [folder.path(), &file, &users] {
                std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
                    .unwrap();
            }
            command.args(["-u", "nobody"]);
        }
        let _pooler = Running::start(command.arg(&file), port);
        let through = format!(
            "postgres://{}@127.0.0.1:{port}{}",
            direct.username(),
            direct.path()
        );
        let settings = DatabaseSettings {
            url: through.parse().unwrap(),
            ..DatabaseSettings::default()
        };
        match Database::connect(&settings, folder.path()).await {
            Err(error) if is_refused => {
                let said = BootError::Database(error).to_string();
                assert!(said.contains("pool_mode = session"), "{mode}: {said}");
            }
            Ok(database) if !is_refused => {
                let read_only: Option<(String,)> = database
                    .handle()
                    .fetch_one(palisade::prelude::sql!(
                        "SHOW default_transaction_read_only"
                    ))
                    .await
                    .unwrap();
                assert_eq!(read_only.unwrap().0, "on");
            }
            outcome => panic!(
                "{mode}: {:?}",
                outcome.map(drop).map_err(|error| error.to_string())
            ),
        }
    }
    ran("PgBouncer");
}

// F7, F10: HAProxy ends TLS, says so, and asks for the health by an address
#[tokio::test]
async fn haproxy_ends_tls_and_asks_for_health() {
    let Some(haproxy) = server("PALISADE_TEST_HAPROXY") else {
        return;
    };
    let authority = crate::tls::Authority::new();
    let pem = ["cert.pem", "key.pem"]
        .map(|name| std::fs::read_to_string(authority.path(name)).unwrap())
        .concat();
    let settings = [
        ("server.address", "127.0.0.1:0"),
        ("http.trusted_proxies", "127.0.0.1"),
        ("http.https_redirect", "true"),
        ("site.allow_dangerous", "without_csrf /echo"),
    ];
    let served = Served::of(TestSite::start(crate::server::app(), &settings).await).await;
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (file, bundle) = (
        folder.path().join("haproxy.cfg"),
        folder.path().join("site.pem"),
    );
    write(&bundle, &pem);
    let text = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 10s\n timeout server 10s\n option forwardfor\n\
         frontend in\n bind 127.0.0.1:{port} ssl crt {}\n http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}\n default_backend site\n\
         backend site\n option httpchk GET /health/ready\n server one {} check inter 200ms\n",
        bundle.display(),
        served.address
    );
    write(&file, &text);
    let _proxy = Running::start(Command::new(haproxy).arg("-f").arg(&file).arg("-db"), port);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let mut stream = authority.over(stream, "http/1.1").await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("front\n"),
        "no redirect, no 503: {answer}"
    );
    ran("HAProxy");
}
