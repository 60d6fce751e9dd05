//! A site that shares its database with Django, without Django: what is given up for it, and what is not. Both together are in `examples/beside-django`.

use crate::site::app;
use axum::body::Body;
use http::{Method, StatusCode};
use palisade::axum;
use palisade::checks::Level;
use palisade::prelude::*;
use palisade::testing::TestSite;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BESIDE: (&str, &str) = ("django.beside", "true");

async fn keys(site: &TestSite) -> Vec<String> {
    let db = site.site().database().handle();
    let rows: Vec<(String,)> = db
        .fetch_all(sql!("SELECT session_key FROM django_session"))
        .await
        .unwrap();
    rows.into_iter().map(|(key,)| key).collect()
}

// D13; ASVS 7.2.2: keys are stored as hashes unless configured otherwise, which `check` reports, as a warning and in the ledger
#[tokio::test]
async fn keys_are_kept_as_they_are_only_where_django_reads_them() {
    let alone = TestSite::start(app(), &[]).await;
    let mut ann = alone.client();
    ann.sign_up("ann").await;
    assert!(
        !keys(&alone)
            .await
            .contains(&ann.cookies()["session"].clone())
            && !keys(&alone).await.is_empty()
    );
    let beside = TestSite::start(app(), &[BESIDE]).await;
    let mut ann = beside.client();
    ann.sign_up("ann").await;
    let key = ann.cookies()["sessionid"].clone();
    assert!(key.len() == 32 && keys(&beside).await.contains(&key));
    let rows: Vec<(String,)> = beside
        .site()
        .database()
        .handle()
        .fetch_all(sql!(
            "SELECT session_data FROM django_session WHERE session_key = ?",
            &key
        ))
        .await
        .unwrap();
    assert!(
        rows[0].0.matches(':').count() == 2,
        "signed, with a time, as Django does"
    );
    // the list of sessions shows no session key, and one can be revoked
    let mut other = beside.client();
    other.log_in("ann", "correct horse battery staple").await;
    let stolen = other.cookies()["sessionid"].clone();
    let page = ann.get("/account/sessions").await.body;
    assert!(!page.contains(&key) && !page.contains(&stolen), "{page}");
    let ids: Vec<&str> = page
        .split("name=\"id\" value=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(ids.len(), 1, "the other one: {page}");
    ann.submit("/account/sessions", "/account/sessions", &[("id", ids[0])])
        .await;
    assert_eq!(other.get("/mine").await.status, StatusCode::SEE_OTHER);
    assert_eq!(ann.get("/mine").await.status, StatusCode::OK);
    // told
    let mut sources = palisade::settings::Sources::none();
    sources.set(
        "django.beside",
        "true",
        palisade::settings::Origin::CommandLine("test"),
    );
    let report = palisade::app::Prepared::new(App::new(), sources)
        .unwrap()
        .report();
    assert!(
        report.findings.iter().any(
            |finding| finding.id == "django.shared_sessions" && finding.level == Level::Warning
        ),
        "{report}"
    );
    assert!(
        report
            .ledger
            .iter()
            .any(|weakened| weakened.name == "shared_sessions"),
        "{report}"
    );
}

// ASVS 3.3.1, 3.3.4: cookies have Django's names, and are no less secure for it but for the prefix
#[tokio::test]
async fn cookies_of_django_are_secure() {
    let site = TestSite::production(
        app(),
        &[
            BESIDE,
            ("mail.url", "memory:"),
            ("site.allow_dangerous", "without_csrf /hook"),
        ],
    )
    .await;
    let mut ann = site.client();
    let page = ann.get("/account/login").await;
    assert!(
        page.header("set-cookie").starts_with("csrftoken="),
        "{:?}",
        page.headers
    );
    ann.sign_up("ann").await;
    let mut again = site.client();
    let answer = again.log_in("ann", "correct horse battery staple").await;
    let lines: Vec<&str> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|line| line.to_str().unwrap())
        .collect();
    let line = |name: &str| {
        *lines
            .iter()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {lines:?}"))
    };
    assert!(
        line("sessionid=").contains("; HttpOnly; SameSite=Lax; Secure"),
        "{lines:?}"
    );
    assert!(
        line("csrftoken=").contains("; SameSite=Lax; Secure")
            && !line("csrftoken=").contains("HttpOnly"),
        "{lines:?}"
    );
    for (setting, value) in [
        ("sessions.store", "cookie"),
        ("sessions.store", "redis"),
        ("sessions.store", "memory"),
    ] {
        let refused = TestSite::try_start(
            app(),
            &[BESIDE, ("profile", "production"), (setting, value)],
        )
        .await
        .err()
        .unwrap()
        .to_string();
        assert!(
            refused.contains("django.session_store"),
            "{value}: {refused}"
        );
    }
    for upstream in [
        "http://203.0.113.9:80",
        "https://127.0.0.1:8001",
        "http://localhost:8001/admin",
        "http://127.0.0.1@evil.example:80",
        "evil.example",
    ] {
        assert!(
            TestSite::try_start(app(), &[("django.upstream", upstream)])
                .await
                .is_err(),
            "{upstream} is not this machine"
        );
    }
    for model in ["User", "auth.User; DROP TABLE x", "a\".b", "1.2", ""] {
        assert!(
            TestSite::try_start(app(), &[("django.user_model", model)])
                .await
                .is_err(),
            "{model}"
        );
    }
}

// D02, D03; F066: the secret of Django's cookie is as good as what is in it: planted, short, doubled or foreign, it opens nothing
#[tokio::test]
async fn a_planted_form_secret_is_good_for_nothing_after_a_login() {
    for in_session in ["false", "true"] {
        let site =
            TestSite::start(app(), &[BESIDE, ("django.csrf_use_sessions", in_session)]).await;
        let mut ann = site.client();
        ann.sign_up("ann").await;
        let mut victim = site.client();
        let planted = victim.get("/account/login").await.token().unwrap();
        let fields = [
            ("username", "ann"),
            ("password", "correct horse battery staple"),
            ("csrfmiddlewaretoken", planted.as_str()),
        ];
        assert_eq!(
            victim.post("/account/login", &fields).await.status,
            StatusCode::SEE_OTHER
        );
        let forged = victim
            .post(
                "/notes",
                &[("title", "forged"), ("csrfmiddlewaretoken", &planted)],
            )
            .await;
        assert_eq!(
            forged.status,
            StatusCode::FORBIDDEN,
            "a token from before the login, secret in session: {in_session}"
        );
        let own = victim.get("/account/password").await.token().unwrap();
        assert_eq!(
            victim
                .post("/notes", &[("title", "own"), ("csrfmiddlewaretoken", &own)])
                .await
                .status,
            StatusCode::OK
        );
        for cookie in ["", "short", &"x".repeat(33), &"-".repeat(32)] {
            victim.cookies().insert("csrftoken".into(), cookie.into());
            let token = if in_session == "true" {
                "x".repeat(64)
            } else {
                own.clone()
            };
            let forged = victim
                .post(
                    "/notes",
                    &[("title", "forged"), ("csrfmiddlewaretoken", &token)],
                )
                .await;
            assert_eq!(forged.status, StatusCode::FORBIDDEN, "{cookie:?}");
        }
        let cross = victim
            .request(Method::POST, "/notes")
            .header("origin", "https://evil.example")
            .header("x-csrftoken", &own);
        assert_eq!(
            victim.send(cross, Body::empty()).await.status,
            StatusCode::FORBIDDEN,
            "another site"
        );
    }
}

// a shared session ends with the absolute time of its key, and an invented key is not accepted
#[tokio::test]
async fn shared_sessions_end_and_are_not_guessed() {
    let site = TestSite::start(app(), &[BESIDE]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    for key in [
        "",
        "x",
        "../../etc/passwd",
        &"k".repeat(32),
        &"k".repeat(31),
        &"k".repeat(41),
    ] {
        let mut thief = site.client();
        thief.cookies().insert("sessionid".into(), key.to_owned());
        assert_eq!(
            thief.get("/mine").await.status,
            StatusCode::SEE_OTHER,
            "{key}"
        );
        assert!(
            !keys(&site).await.contains(&key.to_owned()),
            "nothing is kept under a key that came from outside"
        );
    }
    site.clock().advance(chrono::TimeDelta::hours(20));
    assert_eq!(
        ann.get("/mine").await.status,
        StatusCode::OK,
        "what is read on the other side is not written down: idle says nothing"
    );
    site.clock().advance(chrono::TimeDelta::days(7));
    assert_eq!(ann.get("/mine").await.status, StatusCode::SEE_OTHER);
}

/// A permission that Django declares, too.
#[derive(Permission, Clone, Copy)]
#[permission(app = "auth")]
enum OfDjango {
    ChangeUser,
}

// what `migrate` has made is taken back, and a permission that Django has made, and who has it, is not, though the site names it as well
#[tokio::test]
async fn an_undone_site_leaves_djangos_permissions() {
    let app = || {
        App::new()
            .permissions::<OfDjango>()
            .permissions::<crate::site::May>()
    };
    let site = TestSite::start(app(), &[]).await;
    let path = site.folder().join("site.sqlite3").display().to_string();
    let database = site.site().database();
    let tx = database.handle().begin().await.unwrap();
    for statement in [
        sql!("DELETE FROM auth_permission WHERE codename = 'change_user'"),
        sql!("INSERT INTO django_content_type (id, app_label, model) VALUES (900, 'auth', 'user')"),
        sql!(
            "INSERT INTO auth_permission (id, content_type_id, codename, name) VALUES (900, 900, 'change_user', 'Can change user')"
        ),
        sql!("INSERT INTO auth_group (id, name) VALUES (900, 'editors')"),
        sql!("INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (900, 900)"),
    ] {
        tx.execute_sql(statement).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut sources = palisade::settings::Sources::none();
    sources.set(
        "database.url",
        format!("sqlite:{path}"),
        palisade::settings::Origin::CommandLine("test"),
    );
    sources.set(
        "site.data",
        site.folder().display().to_string(),
        palisade::settings::Origin::CommandLine("test"),
    );
    let prepared = palisade::app::Prepared::new(app(), sources).unwrap();
    prepared.migrate(database).await.unwrap();
    prepared.undo(database).await.unwrap();
    let db = database.handle();
    let names: Vec<(String,)> = db
        .fetch_all(sql!(
            "SELECT codename FROM auth_permission WHERE codename IN ('change_user', 'work')"
        ))
        .await
        .unwrap();
    assert_eq!(names, [("change_user".to_owned(),)]);
    let (links,): (i64,) = db
        .fetch_one(sql!("SELECT COUNT(*) FROM auth_group_permissions"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(links, 1, "who has it");
    let tables: Vec<(String,)> = db
        .fetch_all(sql!(
            "SELECT name FROM sqlite_master WHERE name LIKE 'palisade%'"
        ))
        .await
        .unwrap();
    assert!(tables.is_empty(), "{tables:?}");
}

// session fixation: a mailed link that is opened in a planted session gives the attacker no access
#[tokio::test]
async fn a_link_opened_in_a_planted_session_stays_with_its_owner() {
    let site = TestSite::start(app(), &[BESIDE]).await;
    site.client().sign_up("ann").await;
    let mut attacker = site.client();
    // any session of one's own that holds something
    attacker.sign_up("eve").await;
    attacker.submit("/account", "/account/logout", &[]).await;
    attacker.log_in("eve", "correct horse battery staple").await;
    let planted = attacker.cookies()["sessionid"].clone();
    let mut ann = site.client();
    ann.cookies().insert("sessionid".into(), planted);
    ann.submit(
        "/account/reset",
        "/account/reset",
        &[("email", "ann@example.org")],
    )
    .await;
    let mail = ann.mail_to("ann@example.org").await.unwrap().text;
    let link = mail
        .lines()
        .find(|line| line.contains("/account/reset/"))
        .unwrap();
    let path = &link[link.find("/account/reset/").unwrap()..];
    assert_eq!(ann.get(path).await.header("location"), "/account/reset/new");
    assert_eq!(
        ann.get("/account/reset/new").await.status,
        StatusCode::OK,
        "for the user who opened it"
    );
    assert_eq!(
        attacker.get("/account/reset/new").await.status,
        StatusCode::GONE,
        "and for no other client"
    );
    let db = site.site().database().handle();
    let all: Vec<(String,)> = db
        .fetch_all(sql!("SELECT session_data FROM django_session"))
        .await
        .unwrap();
    let token = path.trim_end_matches('/').rsplit('/').next().unwrap();
    use base64::Engine;
    for (data,) in all {
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(data.split(':').next().unwrap())
            .unwrap();
        assert!(
            !String::from_utf8_lossy(&text).contains(token),
            "a database that is read does not open it"
        );
    }
}

// D21; ASVS 16.2.5: a link that a mail holds is still good when the database is away, and the log of that does not hold it
#[tokio::test]
async fn a_link_that_failed_is_not_in_the_log() {
    let site = TestSite::start(app(), &[BESIDE]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    ann.submit(
        "/account/reset",
        "/account/reset",
        &[("email", "ann@example.org")],
    )
    .await;
    let mail = ann.mail_to("ann@example.org").await.unwrap().text;
    let link = mail
        .lines()
        .find(|line| line.contains("/account/reset/"))
        .unwrap();
    let path = &link[link.find("/account/reset/").unwrap()..];
    let token = path.trim_end_matches('/').rsplit('/').next().unwrap();
    site.site().database().close().await.unwrap();
    let answer = site.client().get(path).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    let logged = answer.events().concat();
    assert!(
        logged.contains("/account/reset/") && logged.contains(&format!("{}…", &token[..6])),
        "{logged}"
    );
    assert!(palisade::testing::events(token).is_empty(), "{logged}");
}

/// What a server has read, by request line.
type Seen = Arc<Mutex<HashMap<String, usize>>>;

/// Answers one request of a connection, says that it keeps it, and closes it when the next one has been read. `/breaks` is never answered.
async fn one_answer_for_each_connection(mut stream: TcpStream, seen: Seen) {
    for number in 0..2 {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let line = head.lines().next().unwrap().to_owned();
        *seen.lock().unwrap().entry(line.clone()).or_default() += 1;
        if number > 0 || line.contains("/breaks") {
            return;
        }
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nthey",
            )
            .await
            .unwrap();
    }
}

// F010: a server behind closes a connection just when the next request is on its way: no visitor notices, and nothing that writes arrives twice
#[tokio::test]
async fn a_connection_that_ends_beneath_a_request_is_not_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let all = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(one_answer_for_each_connection(stream, Arc::clone(&all)));
        }
    });
    let site = TestSite::start(app(), &[BESIDE, ("django.upstream", &upstream)]).await;
    let mut client = site.client();
    for round in 0..20 {
        let page = client.get("/theirs").await;
        assert_eq!(
            (page.status, page.body.as_str()),
            (StatusCode::OK, "they"),
            "round {round}"
        );
        let written = client
            .post(&format!("/write/{round}"), &[("text", "x")])
            .await;
        assert_eq!(
            (written.status, written.body.as_str()),
            (StatusCode::OK, "they"),
            "round {round}"
        );
    }
    assert!(
        seen.lock().unwrap()["GET /theirs HTTP/1.1"] > 20,
        "the connection did end beneath one: {:?}",
        seen.lock().unwrap()
    );
    assert_eq!(
        client.get("/breaks").await.status,
        StatusCode::BAD_GATEWAY,
        "who never answers is not asked for ever"
    );
    assert_eq!(
        client.post("/breaks", &[]).await.status,
        StatusCode::BAD_GATEWAY
    );
    let seen = seen.lock().unwrap();
    assert!(seen["GET /breaks HTTP/1.1"] <= 2, "{seen:?}");
    for (line, times) in seen.iter().filter(|(line, _)| line.starts_with("POST")) {
        assert_eq!(*times, 1, "{line}");
    }
    assert_eq!(
        seen.keys().filter(|line| line.starts_with("POST")).count(),
        21
    );
}

const DJANGO_TIME: &str = "%Y-%m-%d %H:%M:%S%.6f";

// C1 to C4 of the trial with Django: SQLite compares times as text, so both sides write them in one way
#[tokio::test]
async fn times_are_written_as_django_writes_them() {
    let site = TestSite::start(app(), &[BESIDE]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let db = site.site().database().handle();
    let times: Vec<(String,)> = db
        .fetch_all(sql!(
            "SELECT expire_date FROM django_session UNION SELECT last_login FROM auth_user UNION SELECT date_joined FROM auth_user"
        ))
        .await
        .unwrap();
    for (time,) in &times {
        assert!(
            time.as_bytes()[10] == b' '
                && !time.contains('T')
                && !time.contains('+')
                && time.len() <= 26,
            "{time}"
        );
    }
    // sessions as Django makes them, that end later today or ended an hour ago
    let (mine,): (String,) = db
        .fetch_one(sql!("SELECT session_data FROM django_session LIMIT 1"))
        .await
        .unwrap()
        .unwrap();
    let now = site.site().accounts().now();
    for (key, hours) in [("a", 1), ("b", 200), ("c", -1)] {
        let tx = db.begin().await.unwrap();
        let until = (now + chrono::TimeDelta::hours(hours))
            .format(DJANGO_TIME)
            .to_string();
        tx.execute_sql(sql!(
            "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (?, ?, ?)",
            key.repeat(32),
            mine.as_str(),
            until
        ))
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }
    let count = async || keys(&site).await.len();
    assert_eq!(count().await, 4);
    assert_eq!(
        site.site().sessions_swept().await,
        1,
        "the one that has ended, and none that ends later today"
    );
    let open = async |key: &str| {
        let mut client = site.client();
        client.cookies().insert("sessionid".into(), key.repeat(32));
        client.get("/mine").await.status == StatusCode::OK
    };
    assert!(open("a").await && open("b").await);
    ann.submit("/account/sessions", "/account/sessions", &[])
        .await;
    assert!(
        !open("a").await && !open("b").await,
        "all others are revoked, those created by Django too"
    );
    assert_eq!(ann.get("/mine").await.status, StatusCode::OK);
}

// A2 and A3: Django reads every hash that is created here, and neither side rehashes the other's
#[tokio::test]
async fn hashes_are_made_as_django_makes_them() {
    let site = TestSite::start(app(), &[BESIDE]).await;
    site.client().sign_up("ann").await;
    let db = site.site().database().handle();
    let stored = async || {
        db.fetch_one::<(String,)>(sql!("SELECT password FROM auth_user"))
            .await
            .unwrap()
            .unwrap()
            .0
    };
    assert!(
        stored().await.starts_with("pbkdf2_sha256$1500000$"),
        "what every Django reads: {}",
        stored().await
    );
    // a Django of another version counts otherwise
    let theirs = palisade_password::Hasher::new(palisade_password::Algorithm::Pbkdf2Sha256 {
        iterations: 1_000_000,
    })
    .hash("correct horse battery staple");
    let tx = db.begin().await.unwrap();
    tx.execute_sql(sql!("UPDATE auth_user SET password = ?", theirs.as_str()))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let again = site.start_beside(app(), &[BESIDE]).await;
    assert_eq!(
        again
            .client()
            .log_in("ann", "correct horse battery staple")
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        stored().await,
        theirs,
        "a login here changes nothing that Django would change back"
    );
    let mut ann = again.client();
    ann.log_in("ann", "correct horse battery staple").await;
    let new = [
        ("current_password", "correct horse battery staple"),
        ("new_password", "another fine phrase"),
        ("new_password_again", "another fine phrase"),
    ];
    ann.submit("/account/password", "/account/password", &new)
        .await;
    assert!(
        stored().await.starts_with("pbkdf2_sha256$1000000$"),
        "{}",
        stored().await
    );
}

// A6: a second factor that only Django verifies is not skipped by logging in here
#[tokio::test]
async fn a_second_factor_of_django_is_not_skipped() {
    for (table, columns, row) in [
        ("mfa_authenticator", "user_id INTEGER", "1"),
        (
            "otp_totp_totpdevice",
            "user_id INTEGER, confirmed BOOL",
            "1, 1",
        ),
    ] {
        let first = TestSite::start(app(), &[BESIDE]).await;
        first.client().sign_up("ann").await;
        first.client().sign_up("bob").await;
        let file = first.folder().join("site.sqlite3");
        let other = palisade::testing::connect(format!("sqlite://{}", file.display())).await;
        use palisade::sea_orm::ConnectionTrait;
        other
            .execute_unprepared(&format!(
                "CREATE TABLE {table} ({columns}); INSERT INTO {table} VALUES ({row})"
            ))
            .await
            .unwrap();
        let site = first.start_beside(app(), &[BESIDE]).await;
        let mut ann = site.client();
        let refused = ann.log_in("ann", "correct horse battery staple").await;
        assert!(
            refused.status == StatusCode::FORBIDDEN && refused.body.contains("second factor"),
            "{table}: {}",
            refused.body
        );
        assert!(
            refused
                .events()
                .iter()
                .any(|event| event.contains("event.action=login_failed")),
            "{:?}",
            refused.events()
        );
        assert_eq!(
            ann.get("/mine").await.status,
            StatusCode::SEE_OTHER,
            "no session"
        );
        assert_eq!(
            site.client().log_in("ann", "wrong").await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "and only who knows the password learns it"
        );
        assert_eq!(
            site.client()
                .log_in("bob", "correct horse battery staple")
                .await
                .status,
            StatusCode::SEE_OTHER,
            "others come in"
        );
    }
}

// A7: groups of the project's own are not taken for Django's
#[tokio::test]
async fn groups_of_the_projects_own_stop_the_start() {
    use palisade::sea_orm::ConnectionTrait;
    let first = TestSite::start(app(), &[BESIDE]).await;
    let file = first.folder().join("site.sqlite3");
    let other = palisade::testing::connect(format!("sqlite://{}", file.display())).await;
    let groups = "CREATE TABLE users_group (id INTEGER PRIMARY KEY, name TEXT); DROP TABLE auth_user_groups; \
                  CREATE TABLE auth_user_groups (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES auth_user (id), group_id INTEGER REFERENCES users_group (id))";
    other.execute_unprepared(groups).await.unwrap();
    let settings = [
        BESIDE,
        ("site.data", first.site().settings().site.data.as_str()),
    ];
    let refused = TestSite::try_start(app(), &settings)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("users_group") && refused.contains("fix:"),
        "{refused}"
    );
}
