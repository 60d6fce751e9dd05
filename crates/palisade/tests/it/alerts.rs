//! Alerts: what is sent, how often, and with which values of an attacker.

use axum::body::Bytes;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use http::HeaderMap;
use palisade::alerts::Rule;
use palisade::audit_log::{self, Entry, Event, Severity};
use palisade::crypto::hmac_sha256;
use palisade::prelude::*;
use palisade::testing::{TestDatabase, TestSite};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

const SECRET: &str = "canary-secret-of-a-fault";

async fn fault() -> Result<String> {
    Err(Error::bug(SECRET))
}

async fn note() -> Result<String> {
    let detail = "<!channel> @here \"]\\ \r\nBcc: all@example.org";
    audit_log::record(Entry::new(Event::Site("test.note")).detail(detail));
    Ok("noted".into())
}

fn app() -> App {
    App::new()
        .alert(Rule::new("notes", "test.note").severity(Severity::High))
        .alert(Rule::new("many", "test.many").within("3/h"))
        .routes(
            Routes::new()
                .route("/fault", public().get(fault))
                .route("/note", public().get(note)),
        )
}

const MAILED: [(&str, &str); 2] = [
    ("alerts.mail_to", "ops@example.org"),
    ("throttle.requests", "1000000/m"),
];

/// The mails that were sent so far to an address.
async fn mails(site: &TestSite) -> Vec<palisade::mail::Mail> {
    site.site().audit_stored().await.unwrap();
    site.site().alerts_sent().await;
    while site.site().mail().deliver().await.unwrap() > 0 {}
    let sent = site.site().mail().outbox();
    sent.into_iter()
        .filter(|mail| mail.to == "ops@example.org")
        .collect()
}

// F107 F108 D30: one fault 7,700 times gives few mails, with the number of the others, and no secret
#[tokio::test]
async fn one_fault_7700_times_gives_few_mails_and_no_secret() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &MAILED).await else {
            continue;
        };
        let mut client = site.client();
        for _ in 0..11 {
            for _ in 0..700 {
                assert_eq!(client.get("/fault").await.status, 500);
            }
            site.site().alerts_sent().await;
            site.clock().advance(TimeDelta::hours(2));
        }
        let mails = mails(&site).await;
        assert!((5..=20).contains(&mails.len()), "{}", mails.len());
        let all = mails
            .iter()
            .map(|mail| format!("{}\n{}", mail.subject, mail.text));
        let all = all.collect::<Vec<_>>().join("\n");
        assert!(!all.contains(SECRET), "{all}");
        // the rate of errors, judged each minute, may have a mail of its own between them
        let is_about_errors = |subject: &str| subject.contains("[high] errors: error_raised");
        let about_errors = mails.iter().filter(|mail| is_about_errors(&mail.subject));
        let texts: Vec<_> = about_errors.map(|mail| mail.text.as_str()).collect();
        assert!(is_about_errors(&mails[0].subject), "{}", mails[0].subject);
        assert!(
            texts[1].contains("more of these since the last message"),
            "{}",
            texts[1]
        );
    }
}

// F107: a flood of different alerts is capped, and the last mail says so
#[tokio::test]
async fn mails_of_a_day_are_capped() {
    let site = TestSite::start(app(), &MAILED).await;
    for number in 0..60 {
        let database = site.site().database();
        let detail = format!("number {number}");
        let write = async |tx: &Tx| {
            let entry = Entry::new(Event::RightGranted).about(number).detail(detail);
            audit_log::record_in(tx, entry).await
        };
        database.write(write).await.unwrap();
        site.site().alerts_sent().await;
        // each is due: the interval is over
        site.clock().advance(TimeDelta::minutes(20));
    }
    let sent = mails(&site).await;
    let per_day = sent.len();
    assert!(per_day <= 20, "{per_day}");
    let site = TestSite::start(
        app(),
        &[&MAILED[..], &[("alerts.most_mails_per_day", "2")]].concat(),
    )
    .await;
    let mut client = site.client();
    client.get("/fault").await;
    client.get("/note").await;
    site.client().sign_up("ann").await;
    let tx = site.site().database().handle().begin().await.unwrap();
    audit_log::record_in(&tx, Event::KeysChanged).await.unwrap();
    tx.commit().await.unwrap();
    let sent = mails(&site).await;
    assert_eq!(sent.len(), 2);
    assert!(
        sent[1]
            .text
            .contains("This is the last alert by mail today"),
        "{}",
        sent[1].text
    );
}

// F107: below a threshold nothing is sent; a quiet rule is not sent
#[tokio::test]
async fn thresholds_and_quiet_rules_are_kept() {
    let site = TestSite::start(app(), &[&MAILED[..], &[("alerts.quiet", "notes")]].concat()).await;
    site.client().get("/note").await;
    for _ in 0..2 {
        audit(&site, "test.many").await;
    }
    assert!(mails(&site).await.is_empty());
    audit(&site, "test.many").await;
    let sent = mails(&site).await;
    assert_eq!(sent.len(), 1);
    assert!(
        sent[0].text.contains("Rule: many (3 events)"),
        "{}",
        sent[0].text
    );
}

async fn audit(site: &TestSite, name: &'static str) {
    let write = async |tx: &Tx| audit_log::record_in(tx, Event::Site(name)).await;
    site.site().database().write(write).await.unwrap();
}

type Received = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A receiver that fails once, and the requests that it got.
async fn receiver() -> (String, Received) {
    let received = Received::default();
    let answer = async |State(received): State<Received>, headers: HeaderMap, body: Bytes| {
        let mut received = received.lock().unwrap();
        received.push((headers, String::from_utf8(body.to_vec()).unwrap()));
        match received.len() {
            1 => http::StatusCode::BAD_GATEWAY,
            _ => http::StatusCode::NO_CONTENT,
        }
    };
    let router = axum::Router::new()
        .route("/hook", axum::routing::post(answer))
        .with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// F108: the webhook is signed, and tried again with the same id
#[tokio::test]
async fn a_webhook_is_signed_and_tried_again() {
    let (url, received) = receiver().await;
    let settings = [
        ("alerts.webhook_url", url.as_str()),
        (
            "alerts.webhook_secret",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ),
        ("client.private_networks", "127.0.0.1/32"),
    ];
    let site = TestSite::start(app(), &settings).await;
    site.client().get("/note").await;
    site.site().alerts_sent().await;
    until("it is delivered", || received.lock().unwrap().len() == 2).await;
    let received = received.lock().unwrap();
    let of = |at: usize, name: &str| received[at].0[name].to_str().unwrap().to_owned();
    assert_eq!(of(0, "webhook-id"), of(1, "webhook-id"));
    let (id, time) = (of(1, "webhook-id"), of(1, "webhook-timestamp"));
    let body = &received[1].1;
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mac = hmac_sha256(&key, format!("{id}.{time}.{body}").as_bytes());
    assert_eq!(
        of(1, "webhook-signature"),
        format!("v1,{}", STANDARD.encode(mac))
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["event"]),
        (&"alert".into(), &"test.note".into())
    );
    // the path of a webhook may be a secret
    let shown = site.site().settings().effective.iter();
    let shown = shown
        .map(|one| one.value.clone())
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        !shown.contains("/hook") && !shown.contains("MfKQ"),
        "{shown}"
    );
}

// F108 V16.2.5: the path of a webhook, which may be a secret, is in no line of the log
#[tokio::test]
async fn a_failed_delivery_names_no_secret() {
    let marker = palisade::crypto::random::nonce();
    let url = format!("http://127.0.0.1:9/{marker}");
    let site = TestSite::start(app(), &[("alerts.chat_url", url.as_str())]).await;
    site.client().get("/note").await;
    site.site().alerts_sent().await;
    // three tries
    tokio::time::sleep(Duration::from_secs(23)).await;
    assert!(palisade::testing::events(&marker).is_empty());
    let with_password = [("alerts.chat_url", "https://a:b@chat.example.org/x")];
    assert!(TestSite::try_start(app(), &with_password).await.is_err());
}

// F108: a chat gets no mention and no link of an attacker
#[tokio::test]
async fn a_chat_gets_no_mention_of_an_attacker() {
    let (url, received) = receiver().await;
    let settings = [
        ("alerts.chat_url", url.as_str()),
        ("client.private_networks", "127.0.0.1/32"),
    ];
    let site = TestSite::start(app(), &settings).await;
    site.client().get("/note").await;
    site.site().alerts_sent().await;
    until("it is delivered", || received.lock().unwrap().len() == 2).await;
    let received = received.lock().unwrap();
    let body: serde_json::Value = serde_json::from_str(&received[1].1).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(
        text.contains("test.note") && text.contains("&lt;!channel&gt;"),
        "{text}"
    );
    assert!(
        !text.contains('<') && !text.contains("@here") && !text.contains("\nBcc"),
        "{text}"
    );
}

// F108: syslog gets one line of RFC 5424 for any values
#[tokio::test]
async fn syslog_gets_one_line_for_any_values() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("tcp://{}", listener.local_addr().unwrap());
    let site = TestSite::start(app(), &[("alerts.syslog", &target)]).await;
    site.client().get("/note").await;
    site.site().alerts_sent().await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (length, message) = text.split_once(' ').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), message.len());
    assert!(
        message.starts_with("<83>1 ") && !message.contains(['\r', '\n']),
        "{message}"
    );
    assert!(
        message.contains("detail=\"<!channel> @here \\\"\\]\\\\   Bcc: all@example.org\""),
        "{message}"
    );
    // and on a unix socket, as a daemon on this machine has it
    let path = site.folder().join("log.sock");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let target = format!("unix:{}", path.display());
    let other = TestSite::start(app(), &[("alerts.syslog", &target)]).await;
    other.client().get("/note").await;
    other.site().alerts_sent().await;
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer).await.unwrap();
    assert!(String::from_utf8_lossy(&buffer[..length]).starts_with("<83>1 "));
}

// F108: a receiver that does not answer delays no page, and fills no memory
#[tokio::test]
async fn a_receiver_that_hangs_delays_no_page() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let settings = [
        ("alerts.webhook_url", url.as_str()),
        ("client.private_networks", "127.0.0.1/32"),
        ("throttle.requests", "1000000/m"),
    ];
    let site = TestSite::start(app(), &settings).await;
    let mut client = site.client();
    let begun = Instant::now();
    for _ in 0..300 {
        assert_eq!(client.get("/note").await.status, 200);
        site.site().alerts_sent().await;
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
    drop(listener);
}

/// Number of stored entries of an event.
async fn stored(site: &TestSite, event: &str) -> i64 {
    site.site().audit_stored().await.unwrap();
    let count = sql!("SELECT COUNT(*) FROM palisade_audit WHERE event = ?", event);
    let count: Option<(i64,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(count)
        .await
        .unwrap();
    count.unwrap().0
}

// F107: more than five per cent of at least a hundred requests failed
#[tokio::test]
async fn a_high_rate_of_errors_is_one_event() {
    let site = TestSite::start(app(), &MAILED).await;
    let mut client = site.client();
    for _ in 0..99 {
        client.get("/fault").await;
    }
    site.site().minute_ended().await;
    assert_eq!(stored(&site, "error_rate_high").await, 0, "too few to say");
    client.get("/note").await;
    site.site().minute_ended().await;
    assert_eq!(stored(&site, "error_rate_high").await, 1);
    for _ in 0..200 {
        client.get("/note").await;
    }
    client.get("/fault").await;
    site.site().minute_ended().await;
    assert_eq!(stored(&site, "error_rate_high").await, 1, "half a per cent");
    let rate = mails(&site)
        .await
        .into_iter()
        .find(|mail| mail.subject.contains("error rate"));
    assert!(
        rate.unwrap()
            .text
            .contains("99 per cent of the requests of 5 minutes")
    );
}

/// A MaxMind DB file with two places, written by another program.
fn geo_file(folder: &std::path::Path) -> Option<String> {
    let python = palisade::testing::server("PALISADE_TEST_SMTP")?;
    let file = folder.join("places.mmdb").display().to_string();
    let script = "\
import sys
from mmdb_writer import MMDBWriter
from netaddr import IPSet
writer = MMDBWriter(4, 'GeoLite2-City', languages=['en'], description='places of a test')
for network, latitude, longitude, radius in [
    ('192.0.2.0/24', 47.4, 8.5, 20), ('198.51.100.0/24', 38.7, -9.1, 20), ('203.0.113.0/24', 38.7, -9.1, 1000),
]:
    place = {'location': {'latitude': latitude, 'longitude': longitude, 'accuracy_radius': radius}}
    writer.insert_network(IPSet([network]), place)
writer.to_db_file(sys.argv[1])
";
    let made = std::process::Command::new(python)
        .args(["-c", script, &file])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    Some(file)
}

// F107: two logins that no traveller makes, and each condition that excuses them
#[tokio::test]
async fn an_impossible_journey_is_a_note_if_all_conditions_hold() {
    let folder = tempfile::tempdir().unwrap();
    let Some(file) = geo_file(folder.path()) else {
        return;
    };
    let settings = [("alerts.geo_file", file.as_str())];
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &settings).await else {
            continue;
        };
        const FIREFOX: &str =
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        const SAFARI: &str =
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1";
        let accounts = site.site().accounts();
        for name in ["ann", "bob", "eve", "joe", "kim"] {
            let email = format!("{name}@example.org");
            let new = palisade::auth::NewUser {
                username: name,
                email: &email,
                password: palisade::testing::PASSWORD,
                rank: palisade::auth::Rank::Plain,
            };
            accounts.sign_up(new).await.unwrap();
        }
        let log_in = async |name: &str, address: &str, agent: &str| {
            let client = site.client().from_address(address.parse().unwrap());
            let mut client = client.with_header("user-agent", agent);
            let answer = client.log_in(name, palisade::testing::PASSWORD).await;
            assert_eq!(answer.status, 303, "{name}");
            site.site().audit_stored().await.unwrap();
            site.site().minute_ended().await;
        };
        for name in ["ann", "bob", "eve", "joe", "kim"] {
            log_in(name, "192.0.2.7", FIREFOX).await;
        }
        site.clock().advance(TimeDelta::hours(1));
        log_in("bob", "198.51.100.7", FIREFOX).await;
        log_in("eve", "203.0.113.7", SAFARI).await;
        log_in("joe", "10.1.2.3", SAFARI).await;
        assert_eq!(
            stored(&site, "impossible_travel").await,
            0,
            "known browser, inaccurate, unknown"
        );
        log_in("ann", "198.51.100.7", SAFARI).await;
        assert_eq!(stored(&site, "impossible_travel").await, 1);
        site.clock().advance(TimeDelta::hours(2));
        log_in("kim", "198.51.100.7", SAFARI).await;
        assert_eq!(
            stored(&site, "impossible_travel").await,
            1,
            "three hours are enough"
        );
    }
    let wrong = folder.path().join("wrong.mmdb");
    std::fs::write(&wrong, "no places").unwrap();
    let wrong = wrong.display().to_string();
    let Err(error) = TestSite::try_start(app(), &[("alerts.geo_file", &wrong)]).await else {
        panic!("a wrong file stops the start");
    };
    assert!(
        error.to_string().contains("name a MaxMind DB file"),
        "{error}"
    );
}

struct Stopped(std::process::Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real syslog daemon, which writes each message as JSON with the parts that it has parsed.
fn rsyslog(folder: &std::path::Path) -> Option<(Stopped, u16)> {
    let program = palisade::testing::server("PALISADE_TEST_RSYSLOG")?;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let configuration = format!(
        "module(load=\"imtcp\")\n\
         template(name=\"parts\" type=\"list\" option.jsonf=\"on\") {{\n\
         property(outname=\"pri\" name=\"pri\" format=\"jsonf\")\n\
         property(outname=\"version\" name=\"protocol-version\" format=\"jsonf\")\n\
         property(outname=\"app\" name=\"app-name\" format=\"jsonf\")\n\
         property(outname=\"id\" name=\"msgid\" format=\"jsonf\")\n\
         property(outname=\"data\" name=\"structured-data\" format=\"jsonf\")\n\
         property(outname=\"text\" name=\"msg\" format=\"jsonf\")\n}}\n\
         ruleset(name=\"keep\") {{ action(type=\"omfile\" file=\"{0}/received\" template=\"parts\" asyncWriting=\"off\") }}\n\
         input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"keep\")\n",
        folder.display()
    );
    let file = folder.join("rsyslog.conf");
    std::fs::write(&file, configuration).unwrap();
    let child = std::process::Command::new(program)
        .args(["-n", "-f"])
        .arg(&file)
        .arg("-i")
        .arg(folder.join("pid"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    Some((Stopped(child.unwrap()), port))
}

// F108 F113: rsyslog parses alerts with any values; a checkpoint that left by syslog, webhook and mail
// verifies the log
#[tokio::test]
async fn alerts_and_checkpoints_leave_by_syslog_webhook_and_mail() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_daemon, port)) = rsyslog(folder.path()) else {
        return;
    };
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (url, hooks) = receiver().await;
    let target = format!("tcp://127.0.0.1:{port}");
    let settings = [
        ("alerts.syslog", target.as_str()),
        ("alerts.webhook_url", &url),
        ("alerts.mail_to", "ops@example.org"),
        ("client.private_networks", "127.0.0.1/32"),
    ];
    let site = TestSite::start(app(), &settings).await;
    site.client().get("/note").await;
    site.site().audit_stored().await.unwrap();
    site.site().checkpoint_sent().await.unwrap();
    let mails = mails(&site).await;
    let received = folder.path().join("received");
    let is_checkpoint = |(_, body): &(HeaderMap, String)| body.contains("\"type\":\"checkpoint\"");
    let mut lines = Vec::new();
    for _ in 0..100 {
        let text = std::fs::read_to_string(&received).unwrap_or_default();
        lines = text.lines().map(str::to_owned).collect();
        if lines.len() >= 2 && hooks.lock().unwrap().iter().any(is_checkpoint) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let parts: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(parts.len(), 2, "one message each: {parts:#?}");
    let of = |id: &str| parts.iter().find(|part| part["id"] == id).unwrap();
    let alert = of("test.note");
    assert_eq!(
        (&alert["pri"], &alert["version"], &alert["app"]),
        (&"83".into(), &"1".into(), &"palisade".into())
    );
    assert!(
        alert["data"]
            .as_str()
            .unwrap()
            .contains("detail=\"<!channel> @here"),
        "{alert}"
    );
    let by_syslog = of("checkpoint")["data"].as_str().unwrap().to_owned();
    let by_hook = {
        let hooks = hooks.lock().unwrap();
        let (_, body) = hooks.iter().find(|hook| is_checkpoint(hook)).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        body["data"]["note"].as_str().unwrap().to_owned()
    };
    let by_mail = mails
        .iter()
        .map(|mail| mail.text.clone())
        .find(|text| text.contains("Checkpoint of the audit log:"));
    // an attacker who owns the database cuts the log, and every copy says so
    let kept = [by_syslog, by_hook, by_mail.unwrap()];
    for note in &kept {
        assert_eq!(
            site.site().audit_tampering(note).await.unwrap(),
            None,
            "{note}"
        );
    }
    let owner = palisade::testing::connect(format!(
        "sqlite:{}",
        site.folder().join("site.sqlite3").display()
    ))
    .await;
    use palisade::sea_orm::ConnectionTrait;
    owner
        .execute_unprepared("DELETE FROM palisade_audit")
        .await
        .unwrap();
    for note in &kept {
        assert!(
            site.site().audit_tampering(note).await.unwrap().is_some(),
            "{note}"
        );
    }
}
