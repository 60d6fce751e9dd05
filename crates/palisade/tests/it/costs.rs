//! What an anonymous client can make a site do: statements, scans of tables that grow, memory, mail, lines of the log, bytes of the answer. The ceilings may only fall.

use crate::site::app;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestDatabase, TestSite, connect, ran};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

const PASSWORD: &str = "correct horse battery staple";

/// Tables that grow with the site's users, or with what is sent to it.
const GROWING: [&str; 14] = [
    "auth_user",
    "django_session",
    "palisade_session",
    "palisade_session_epoch",
    "palisade_token",
    "palisade_device",
    "palisade_lock",
    "palisade_totp",
    "palisade_passkey",
    "palisade_recovery_code",
    "palisade_identity",
    "palisade_ended",
    "palisade_factor_removal",
    "palisade_mail",
];

/// The most of each that one request may cost.
#[derive(Debug, Clone, Copy)]
struct Ceiling {
    statements: usize,
    mails: usize,
    log_bytes: usize,
    answer_bytes: usize,
}

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    Ceiling,
);

const fn most(statements: usize, mails: usize, log_bytes: usize, answer_bytes: usize) -> Ceiling {
    Ceiling {
        statements,
        mails,
        log_bytes,
        answer_bytes,
    }
}

/// Bytes that any of them may hold: what each request counts for, and its body.
const MOST_HELD: u64 = 36 * 1024;

const GET: &[(&str, &str)] = &[];
const NEW: &[(&str, &str)] = &[
    ("username", "bob"),
    ("email", "bob@example.org"),
    ("password", PASSWORD),
    ("password_again", PASSWORD),
];

/// Every request that an anonymous client can send: name, page of the form, path, and fields; without a page it is a GET.
const ROWS: [Row; 26] = [
    ("a page", "", "/", GET, most(0, 0, 0, 5)),
    (
        "a page that is not there",
        "",
        "/nothing",
        GET,
        most(0, 0, 130, 620),
    ),
    (
        "a file",
        "",
        "/static/palisade.css",
        GET,
        most(0, 0, 0, 5690),
    ),
    (
        "the login page",
        "",
        "/account/login",
        GET,
        most(0, 0, 0, 1800),
    ),
    (
        "the sign-up page",
        "",
        "/account/signup",
        GET,
        most(0, 0, 0, 2710),
    ),
    (
        "the reset page",
        "",
        "/account/reset",
        GET,
        most(0, 0, 0, 1320),
    ),
    (
        "the login by mail",
        "",
        "/account/login/mail",
        GET,
        most(0, 0, 0, 1390),
    ),
    (
        "the second step of no login",
        "",
        "/account/login/second",
        GET,
        most(0, 0, 0, 0),
    ),
    (
        "the code of no login",
        "",
        "/account/login/mail/code",
        GET,
        most(0, 0, 0, 1590),
    ),
    ("a page of users", "", "/mine", GET, most(0, 0, 290, 0)),
    ("a hidden page", "", "/staff", GET, most(0, 0, 460, 620)),
    (
        "an invented link to reset",
        "",
        "/account/reset/new?token=invented",
        GET,
        most(1, 0, 0, 1050),
    ),
    (
        "an invented link to confirm",
        "",
        "/account/confirm?token=invented",
        GET,
        most(1, 0, 0, 1050),
    ),
    (
        "an invented link to change an address",
        "",
        "/account/email/confirm?token=invented",
        GET,
        most(1, 0, 0, 1050),
    ),
    ("readiness", "", "/health/ready", GET, most(1, 0, 0, 6)),
    (
        "a wrong password",
        "/account/login",
        "/account/login",
        &[("username", "ann"), ("password", "wrong")],
        most(1, 0, 290, 1900),
    ),
    (
        "an unknown name",
        "/account/login",
        "/account/login",
        &[("username", "nobody"), ("password", "wrong")],
        most(1, 0, 300, 1900),
    ),
    (
        "a reset, known",
        "/account/reset",
        "/account/reset",
        &[("email", "ann@example.org")],
        most(4, 1, 280, 0),
    ),
    (
        "a reset, unknown",
        "/account/reset",
        "/account/reset",
        &[("email", "nobody@example.org")],
        most(4, 1, 280, 0),
    ),
    (
        "a login by mail, known",
        "/account/login/mail",
        "/account/login/mail",
        &[("email", "ann@example.org")],
        most(5, 1, 280, 0),
    ),
    (
        "a login by mail, unknown",
        "/account/login/mail",
        "/account/login/mail",
        &[("email", "nobody@example.org")],
        most(5, 1, 280, 0),
    ),
    (
        "a sign-up, free",
        "/account/signup",
        "/account/signup",
        NEW,
        most(5, 1, 280, 0),
    ),
    (
        "a sign-up, taken",
        "/account/signup",
        "/account/signup",
        &[
            ("username", "ann"),
            ("email", "ann@example.org"),
            ("password", PASSWORD),
            ("password_again", PASSWORD),
        ],
        most(5, 1, 280, 0),
    ),
    (
        "a form without a token",
        "-",
        "/account/login",
        &[("username", "ann"), ("password", "wrong")],
        most(0, 0, 470, 700),
    ),
    (
        "a passkey",
        "/account/login",
        "/account/login/passkey",
        &[],
        most(2, 0, 0, 0),
    ),
    (
        "a report",
        "-",
        "/csp-report",
        &[("x", "y")],
        most(0, 0, 470, 700),
    ),
];

async fn sent(client: &mut Client, (_, page, path, fields, _): Row) -> Answer {
    match page {
        "" => client.get(path).await,
        "-" => client.post(path, fields).await,
        page => {
            let token = client.get(page).await.token().unwrap();
            client
                .post(
                    path,
                    &[&[("csrfmiddlewaretoken", token.as_str())], fields].concat(),
                )
                .await
        }
    }
}

/// How the planner would find what a statement asks for: a line for each step.
async fn plan(planner: &DatabaseConnection, statement: &Statement) -> Vec<String> {
    let is_sqlite = planner.get_database_backend() == DbBackend::Sqlite;
    let (word, column) = if is_sqlite {
        ("EXPLAIN QUERY PLAN", "detail")
    } else {
        ("EXPLAIN", "QUERY PLAN")
    };
    let asked = Statement {
        sql: format!("{word} {}", statement.sql),
        ..statement.clone()
    };
    let rows = planner
        .query_all_raw(asked)
        .await
        .unwrap_or_else(|error| panic!("{error}: {}", statement.sql));
    rows.iter()
        .map(|row| row.try_get::<String>("", column).unwrap())
        .collect()
}

fn scan(step: &str) -> Option<&'static str> {
    // SQLite says SCAN, also of an index from end to end; PostgreSQL, told not to, says Seq Scan where there is no other way
    let is_scan = step.trim().starts_with("SCAN") || step.contains("Seq Scan on");
    let has_word = |table: &&str| {
        step.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .any(|word| word == *table)
    };
    GROWING
        .iter()
        .find(|table| is_scan && has_word(table))
        .copied()
}

async fn planner(site: &TestSite, kind: TestDatabase) -> DatabaseConnection {
    let db = site.site().database().handle();
    match kind {
        TestDatabase::Sqlite => {
            let file = site.folder().join("site.sqlite3");
            connect(format!("sqlite://{}?mode=ro", file.display())).await
        }
        TestDatabase::Postgres => {
            let (name,): (String,) = db
                .fetch_one(sql!("SELECT current_database()::text"))
                .await
                .unwrap()
                .unwrap();
            let mut url =
                url::Url::parse(&std::env::var("PALISADE_TEST_POSTGRES").unwrap()).unwrap();
            url.set_path(&name);
            let connection = connect(url).await;
            connection
                .execute_unprepared("SET enable_seqscan = off")
                .await
                .unwrap();
            connection
        }
    }
}

async fn costs(kind: TestDatabase) {
    let settings = [("login.by_mail", "true"), ("throttle.changes", "off")];
    let Some(site) = TestSite::start_on(kind, app(), &settings).await else {
        return;
    };
    site.client().sign_up("ann").await;
    let planner = planner(&site, kind).await;
    let recorder = site.site().database().recorder();
    let mut scans = Vec::new();
    for (number, row) in ROWS.into_iter().enumerate() {
        let ceiling = row.4;
        // each from a network of its own, so that no limit answers in place of the page
        let mut client = site
            .client()
            .from_address([198, 51, 100, u8::try_from(number).unwrap()].into());
        site.site().mail().deliver().await.unwrap();
        let mails = site.site().mail().outbox().len();
        if !matches!(row.1, "" | "-") {
            client.get(row.1).await;
        }
        site.site().held_bytes_peak();
        recorder.start();
        recorder.take();
        let answer = sent(&mut client, row).await;
        let statements = recorder.take();
        site.site().mail().deliver().await.unwrap();
        let mails = site.site().mail().outbox().len() - mails;
        let log: usize = answer.events().iter().map(String::len).sum();
        let cost = most(statements.len(), mails, log, answer.body.len());
        println!("{kind:?} {:40} {} {cost:?}", row.0, answer.status);
        let is_within = cost.statements <= ceiling.statements
            && cost.mails <= ceiling.mails
            && cost.log_bytes <= ceiling.log_bytes
            && cost.answer_bytes <= ceiling.answer_bytes;
        assert!(
            is_within,
            "{}: {cost:?} is more than {ceiling:?}: {:#?}",
            row.0,
            statements.iter().map(|s| &s.sql).collect::<Vec<_>>()
        );
        let held = site.site().held_bytes_peak();
        assert!(held <= MOST_HELD, "{}: {held} bytes were held", row.0);
        for statement in &statements {
            for step in plan(&planner, statement).await {
                scans.extend(
                    scan(&step)
                        .map(|table| format!("{}: a scan of {table} by {}", row.0, statement.sql)),
                );
            }
        }
        recorder.take();
    }
    assert!(scans.is_empty(), "{scans:#?}");
    ran(&format!("costs of anonymous requests on {kind:?}"));
}

// Findings 5 and 12: what an anonymous request may cost, and that none reads a whole table
#[tokio::test]
async fn an_anonymous_request_costs_little_on_sqlite() {
    costs(TestDatabase::Sqlite).await;
}

#[tokio::test]
async fn an_anonymous_request_costs_little_on_postgres() {
    costs(TestDatabase::Postgres).await;
}

// the planner test can fail: without the index there is a scan
#[tokio::test]
async fn without_its_index_an_address_is_looked_for_in_all_accounts() {
    let site = TestSite::start(app(), &[]).await;
    let planner = planner(&site, TestDatabase::Sqlite).await;
    let asked = Statement::from_string(
        DbBackend::Sqlite,
        "SELECT id FROM auth_user WHERE lower(email) = lower('a@b.c')",
    );
    assert!(
        plan(&planner, &asked)
            .await
            .iter()
            .all(|step| scan(step).is_none() && step.contains("palisade_user_email"))
    );
    let tx = site.site().database().handle().begin().await.unwrap();
    tx.execute_sql(sql!("DROP INDEX palisade_user_email"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let planner = self::planner(&site, TestDatabase::Sqlite).await;
    assert!(
        plan(&planner, &asked)
            .await
            .iter()
            .any(|step| scan(step) == Some("auth_user"))
    );
}
