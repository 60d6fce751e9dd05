use crate::server::free_port;
use crate::site::app;
use chrono::TimeDelta;
use palisade::mail::Mail;
use palisade::prelude::*;
use palisade::testing::{TestDatabase, TestSite, events, ran, server};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A real server, which keeps what it gets as files.
pub(crate) struct Smtp {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Smtp {
    pub(crate) fn start(python: &str, address: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = format!("{address}:{port}");
        let keep = folder.path().join("mail").display().to_string();
        let arguments = [
            "-m",
            "aiosmtpd",
            "-n",
            "-l",
            &listen,
            "-c",
            "aiosmtpd.handlers.Mailbox",
            &keep,
        ];
        let child = Command::new(python)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if std::net::TcpStream::connect((address, port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Self {
            child,
            folder,
            port,
        }
    }

    pub(crate) fn kept(&self) -> Vec<String> {
        let new = std::fs::read_dir(self.folder.path().join("mail/new"));
        new.into_iter()
            .flatten()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn put(site: &TestSite, mail: &Mail) {
    let tx = site.site().database().handle().begin().await.unwrap();
    site.site().mail().put(&tx, mail, 3600).await.unwrap();
    tx.commit().await.unwrap();
}

async fn waiting(site: &TestSite) -> i64 {
    let row: Option<(i64,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(sql!("SELECT COUNT(*) FROM palisade_mail"))
        .await
        .unwrap();
    row.unwrap().0
}

fn mail(to: &str, subject: &str) -> Mail {
    Mail::plain(to, subject, "Grüße\n.\nlast line")
}

// an unreachable server delays no request; queued mail survives the process; the real server gets the message without added headers or recipients
#[tokio::test]
async fn mail_waits_for_its_server() {
    let Some(python) = server("PALISADE_TEST_SMTP") else {
        return;
    };
    let port = free_port();
    let url = format!("smtp://127.0.0.1:{port}");
    let site = TestSite::start(
        app(),
        &[
            ("mail.url", &url),
            ("mail.from", "Help desk <desk@example.org>"),
        ],
    )
    .await;
    let asked = site
        .client()
        .submit(
            "/account/reset",
            "/account/reset",
            &[("email", "ann@example.org")],
        )
        .await;
    assert_eq!(
        asked.status.as_u16(),
        303,
        "the server is unreachable, and no request waits for it"
    );
    for strange in [
        "not an address",
        "a@example.org\r\nBcc: eve@example.org",
        "a@example.org, eve@example.org",
    ] {
        put(&site, &mail(strange, "x")).await;
    }
    put(
        &site,
        &mail(
            "ann@example.org",
            "Hello\r\nBcc: eve@example.org\r\n\r\nforged text",
        ),
    )
    .await;
    assert_eq!(site.site().mail().deliver().await.unwrap(), 0);
    let given_up = events("a mail was discarded");
    assert_eq!(
        waiting(&site).await,
        2,
        "what can never be sent is given up, the rest waits: {given_up:?}"
    );
    let smtp = Smtp::start(&python, "127.0.0.1", port);
    let again = site
        .start_beside(
            app(),
            &[
                ("mail.url", &url),
                ("mail.from", "Help desk <desk@example.org>"),
            ],
        )
        .await;
    assert_eq!(
        again.site().mail().deliver().await.unwrap(),
        0,
        "a minute has not passed"
    );
    again.clock().advance(TimeDelta::seconds(61));
    assert_eq!(
        again.site().mail().deliver().await.unwrap(),
        2,
        "by another process"
    );
    assert_eq!(
        (waiting(&site).await, smtp.kept().len(), smtp.port),
        (0, 2, port)
    );
    for text in smtp.kept() {
        let (head, body) = text.split_once("\n\n").unwrap();
        assert!(
            head.contains("desk@example.org") && head.contains("To: ann@example.org"),
            "{head}"
        );
        assert!(
            !text.contains("no account") || !body.contains("=\n"),
            "no line of ASCII text is broken: {text}"
        );
        // F2 of the reports: whole by RFC 5322 and RFC 2045
        let id = head
            .lines()
            .find_map(|line| line.strip_prefix("Message-ID: "))
            .unwrap_or_default();
        assert!(id.ends_with("@example.org>") && id.len() > 40, "{head}");
        assert!(
            head.contains("MIME-Version: 1.0") && head.contains("Auto-Submitted: auto-generated"),
            "{head}"
        );
        assert!(
            !head
                .to_lowercase()
                .lines()
                .any(|line| line.starts_with("bcc"))
                && !body.starts_with("forged"),
            "{text}"
        );
        assert!(
            !head.contains("RcptTo: eve") && !head.contains("X-RcptTo: eve"),
            "{head}"
        );
    }
    ran("SMTP");
}

// a server on another machine that offers no TLS gets nothing
#[tokio::test]
async fn nothing_is_sent_in_clear_to_another_machine() {
    let Some(python) = server("PALISADE_TEST_SMTP") else {
        return;
    };
    let Some(address) = own_address() else { return };
    let smtp = Smtp::start(&python, &address, free_port());
    let site = TestSite::start(
        app(),
        &[("mail.url", &format!("smtp://{address}:{}", smtp.port))],
    )
    .await;
    put(&site, &mail("ann@example.org", "secret link")).await;
    assert_eq!(site.site().mail().deliver().await.unwrap(), 0);
    assert!(smtp.kept().is_empty() && waiting(&site).await == 1);
    let plain = TestSite::start(
        app(),
        &[("mail.url", &format!("smtp://127.0.0.1:{}", free_port()))],
    )
    .await;
    assert_eq!(waiting(&plain).await, 0);
}

/// An address of this machine that is not loopback.
fn own_address() -> Option<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    socket
        .local_addr()
        .ok()
        .map(|address| address.ip().to_string())
}

// two instances: each mail is sent by one of them
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_send_each_mail_once() {
    let Some(site) = TestSite::start_on(TestDatabase::Postgres, app(), &[]).await else {
        return;
    };
    let other = site.start_beside(app(), &[]).await;
    for number in 0..15 {
        put(&site, &mail(&format!("user{number}@example.org"), "hello")).await;
    }
    let (one, two) = tokio::join!(site.site().mail().deliver(), other.site().mail().deliver());
    assert_eq!(one.unwrap() + two.unwrap(), 15);
    let mut to: Vec<String> = [&site, &other]
        .iter()
        .flat_map(|site| site.site().mail().outbox())
        .map(|mail| mail.to)
        .collect();
    to.sort();
    to.dedup();
    assert_eq!((to.len(), waiting(&site).await), (15, 0));
    ran("mail of two instances");
}

// a link that is too old is not sent; a site that cannot send says so, and prints no link into the log of a machine
#[tokio::test]
async fn mail_that_is_late_or_goes_nowhere_is_given_up() {
    let site = TestSite::start(app(), &[]).await;
    put(&site, &mail("late@example.org", "late")).await;
    site.clock().advance(TimeDelta::seconds(3600));
    assert_eq!(
        (
            site.site().mail().deliver().await.unwrap(),
            waiting(&site).await
        ),
        (0, 0)
    );
    assert!(site.site().mail().outbox().is_empty());

    let site = TestSite::production(
        app(),
        &[
            ("mail.url", "console:"),
            ("site.allow_dangerous", "without_csrf /hook"),
        ],
    )
    .await;
    assert!(!events("mail.url is not set: sign-up").is_empty());
    for (page, fields) in [
        ("/account/reset", vec![("email", "ann@example.org")]),
        (
            "/account/signup",
            vec![
                ("username", "ann"),
                ("email", "ann@example.org"),
                ("password", "correct horse battery staple"),
                ("password_again", "correct horse battery staple"),
            ],
        ),
    ] {
        let answer = site.client().submit(page, page, &fields).await;
        assert!(
            answer.status.as_u16() == 503 && answer.body.contains("cannot send mail"),
            "{page}: {}",
            answer.body
        );
    }
    assert_eq!(waiting(&site).await, 0);
}
