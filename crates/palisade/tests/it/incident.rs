//! Measures of operators: read-only, paused, blocked.

use chrono::TimeDelta;
use futures_util::future::join_all;
use http::StatusCode;
use palisade::api::{Grant, Tokens};
use palisade::auth::Rank;
use palisade::db::Migration;
use palisade::prelude::*;
use palisade::sea_orm_migration::prelude::Table;
use palisade::sea_orm_migration::schema::{integer, pk_auto};
use palisade::testing::{TestDatabase, TestSite};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

fn migrations() -> Vec<Migration> {
    let table = Table::create()
        .table("written")
        .col(pk_auto("id"))
        .col(integer("number"))
        .take();
    vec![Migration::new("incident_0001_written").create_table(table)]
}

async fn write(db: Db) -> Result<String> {
    let row = sql!("INSERT INTO written (number) VALUES (?)", 1);
    db.write(async |tx| tx.execute_sql(row).await).await?;
    Ok("written".into())
}

/// Opened by the test, while the handler holds a written row that is not committed.
static GATE: Semaphore = Semaphore::const_new(0);
static IN_HANDLER: Semaphore = Semaphore::const_new(0);

async fn write_slowly(db: Db, _: User) -> Result<String> {
    let tx = db.begin().await?;
    tx.execute_sql(sql!("INSERT INTO written (number) VALUES (?)", 7))
        .await?;
    IN_HANDLER.add_permits(1);
    GATE.acquire().await.unwrap().forget();
    tx.commit().await?;
    Ok("written".into())
}

async fn give(user: User, tokens: Tokens) -> Result<String> {
    let grant = Grant {
        audience: "https://localhost",
        user: &user,
        scopes: &["write"],
        minutes: 10,
    };
    tokens.issue(&grant).await
}

/// The same for a program with an access token.
async fn write_by_program(db: Db, _: Caller) -> Result<String> {
    let tx = db.begin().await?;
    tx.execute_sql(sql!("INSERT INTO written (number) VALUES (?)", 8))
        .await?;
    IN_PROGRAM.add_permits(1);
    PROGRAM_GATE.acquire().await.unwrap().forget();
    tx.commit().await?;
    Ok("written".into())
}

static PROGRAM_GATE: Semaphore = Semaphore::const_new(0);
static IN_PROGRAM: Semaphore = Semaphore::const_new(0);

async fn nothing() -> &'static str {
    "nothing"
}

fn app() -> App {
    App::new()
        .setting("api.issue", "true")
        .schema(migrations)
        .routes(
            Routes::new()
                .route("/", public().get(nothing))
                .route("/write", public().post(write))
                .route("/slow", signed_in().post(write_slowly))
                .route("/token", signed_in().post(give))
                .route("/api/slow", token("write").post(write_by_program))
                .route("/nothing", public().post(nothing))
                .route("/files/{name}", public().get(nothing)),
        )
}

async fn on_both(test: impl AsyncFn(&TestSite)) {
    let settings = [
        ("throttle.requests", "1000000/m"),
        ("throttle.changes", "1000000/m"),
    ];
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        if let Some(site) = TestSite::start_on(database, app(), &settings).await {
            test(&site).await;
        }
    }
}

/// Stores a measure as `incident` does, and applies it.
async fn put(site: &TestSite, (kind, value): (&str, &str), until: i64) {
    let id = format!("{kind}{value}");
    let id: String = id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(30)
        .collect();
    let row = sql!(
        "INSERT INTO palisade_posture (id, kind, value, reason, since, until, hits) \
         VALUES (?, ?, ?, 'test', 1, ?, 0)",
        id,
        kind,
        value,
        until
    );
    site.site()
        .database()
        .write(async |tx| tx.execute_sql(row).await)
        .await
        .unwrap();
    site.site().posture_refreshed().await.unwrap();
}

async fn count(site: &TestSite) -> i64 {
    let all = sql!("SELECT COUNT(*) FROM written");
    let found: Option<(i64,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(all)
        .await
        .unwrap();
    found.unwrap().0
}

async fn post(site: &TestSite, path: &str) -> (StatusCode, String) {
    let answer = site.client().submit("/account/login", path, &[]).await;
    let retry = answer.header("retry-after").to_owned();
    (answer.status, retry)
}

// F111: the guard refuses a change that would write nothing, and the database a write without the guard
#[tokio::test]
async fn read_only_is_enforced_twice() {
    on_both(async |site| {
        let database = site.site().database();
        let open = database.handle().begin().await.unwrap();
        let row = sql!("INSERT INTO written (number) VALUES (?)", 2);
        open.execute_sql(row).await.unwrap();
        // SQLite has one writer
        let early = match site.owner_url() {
            Some(_) => {
                put(site, ("read-only", ""), 0).await;
                Some(open)
            }
            None => {
                drop(open);
                put(site, ("read-only", ""), 0).await;
                None
            }
        };
        assert_eq!(
            post(site, "/nothing").await,
            (StatusCode::SERVICE_UNAVAILABLE, "60".into())
        );
        assert_eq!(
            post(site, "/write").await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(site.client().get("/").await.status, 200);
        let refused = database.handle().begin().await.unwrap_err();
        assert!(
            refused.to_string().contains("the site is read-only"),
            "{refused}"
        );
        let row = sql!("INSERT INTO written (number) VALUES (?)", 3);
        let refused = database.write(async |tx| tx.execute_sql(row).await).await;
        assert!(refused.is_err());
        if let Some(early) = early {
            let refused = early.commit().await.unwrap_err();
            assert!(
                refused.to_string().contains("the site is read-only"),
                "{refused}"
            );
        }
        assert_eq!(count(site).await, 0);
    })
    .await;
}

// F111: logins and logouts work, so that staff can work on the incident
#[tokio::test]
async fn staff_log_in_and_out_while_the_site_is_read_only() {
    on_both(async |site| {
        site.sign_in("ann", Rank::Plain).await;
        put(site, ("read-only", ""), 0).await;
        let mut ann = site.client();
        let login = ann.log_in("ann", palisade::testing::PASSWORD).await;
        assert_eq!(login.status, 303, "{}", login.body);
        assert_eq!(ann.get("/account/sessions").await.status, 200);
        let changed = ann
            .submit("/account/sessions", "/account/sessions", &[])
            .await;
        assert_eq!(changed.status, 503);
        assert_eq!(
            ann.submit("/account", "/account/logout", &[]).await.status,
            303
        );
        assert_eq!(ann.get("/account/sessions").await.status, 303);
    })
    .await;
}

// F111: 100 writers in flight on two instances: nothing lands after the instances have applied it
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_lands_after_read_only_is_applied() {
    on_both(async |site| {
        let other = site
            .start_beside(app(), &[("throttle.changes", "1000000/m")])
            .await;
        let is_over = AtomicBool::new(false);
        let work = async |number: usize| {
            let database = [site, &other][number % 2].site().database();
            while !is_over.load(Ordering::SeqCst) {
                let row = sql!("INSERT INTO written (number) VALUES (?)", 1);
                let _ = database.write(async |tx| tx.execute_sql(row).await).await;
                tokio::task::yield_now().await;
            }
        };
        let switch = async {
            while count(site).await < 200 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let on = sql!(
                "INSERT INTO palisade_posture (id, kind, value, reason, since, until, hits) \
                 VALUES ('r', 'read-only', '', 'test', 1, 0, 0)"
            );
            site.site()
                .database()
                .write(async |tx| tx.execute_sql(on).await)
                .await
                .unwrap();
            let (one, two) = tokio::join!(
                site.site().posture_refreshed(),
                other.site().posture_refreshed()
            );
            one.and(two).unwrap();
            let applied = count(site).await;
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            assert_eq!(count(site).await, applied);
            is_over.store(true, Ordering::SeqCst);
        };
        tokio::join!(join_all((0..100).map(work)), switch);
    })
    .await;
}

// F092: a rule refuses the requests that it names, is counted and recorded, and ends by itself
#[tokio::test]
async fn a_blocked_request_is_refused_counted_and_free_again_after_the_end() {
    on_both(async |site| {
        let until = site.site().now().timestamp() + 60;
        let rule = "{\"method\":\"GET\",\"path\":\"/files/{name}\",\"parameter\":\"x\"}";
        put(site, ("block", rule), until).await;
        let mut client = site.client();
        let refused = client.get("/files/a?x=1").await;
        assert_eq!(refused.status, 403);
        let event = refused
            .events()
            .into_iter()
            .find(|event| event.contains("event.action=blocked"));
        assert!(event.unwrap().contains("rule block"));
        // encoded in another way, it is the same
        assert_eq!(client.get("/files/%61?%78=2").await.status, 403);
        let head = client.request(http::Method::HEAD, "/files/a?x=1");
        assert_eq!(
            client.send(head, axum::body::Body::empty()).await.status,
            403,
            "the handler of GET answers HEAD"
        );
        for path in ["/files/a", "/files/a?y=1", "/?x=1"] {
            assert_eq!(client.get(path).await.status, 200, "{path}");
        }
        site.clock().advance(TimeDelta::seconds(61));
        site.site().posture_refreshed().await.unwrap();
        assert_eq!(client.get("/files/a?x=1").await.status, 200);
        let hits = sql!("SELECT hits FROM palisade_posture WHERE kind = 'block'");
        let hits: Option<(i64,)> = site
            .site()
            .database()
            .handle()
            .fetch_one(hits)
            .await
            .unwrap();
        assert_eq!(hits, Some((3,)));
        let by_header = "{\"header\":\"x-evil\"}";
        put(site, ("block", by_header), 0).await;
        let mut evil = site.client().with_header("X-Evil", "1");
        assert_eq!(evil.get("/").await.status, 403);
        let by_address = "{\"address\":\"192.0.2.0/24\"}";
        put(site, ("block", by_address), 0).await;
        let mut other = site.client().from_address("192.0.2.9".parse().unwrap());
        assert_eq!(other.get("/").await.status, 403);
        assert_eq!(site.client().get("/").await.status, 200);
    })
    .await;
}

// F111: sign-ups and logins are paused, pages are not
#[tokio::test]
async fn a_part_of_the_site_is_paused() {
    on_both(async |site| {
        put(site, ("pause", "signup"), 0).await;
        assert_eq!(post(site, "/account/signup").await.0, 503);
        assert_ne!(post(site, "/account/login").await.0, 503);
        put(site, ("pause", "login"), 0).await;
        assert_eq!(post(site, "/account/login").await.0, 503);
        assert_eq!(post(site, "/write").await.0, 200);
        let mut client = site.client().with_header("authorization", "Bearer x");
        assert_eq!(client.get("/").await.status, 200);
        put(site, ("pause", "tokens"), 0).await;
        assert_eq!(client.get("/").await.status, 503);
    })
    .await;
}

// F111: while the database is away, the last measures hold
#[tokio::test]
async fn the_last_measures_hold_without_the_database() {
    let site = TestSite::start(app(), &[]).await;
    put(&site, ("read-only", ""), 0).await;
    site.site().database().close().await.unwrap();
    assert!(site.site().posture_refreshed().await.is_err());
    assert_eq!(post(&site, "/nothing").await.0, 503);
}

// F111: a request of the frozen account that was past every check stores nothing
#[tokio::test]
async fn a_request_that_runs_while_its_account_is_frozen_stores_nothing() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let mut bob = site.sign_in("bob", Rank::Plain).await;
        let in_flight = async |client: &mut palisade::testing::Client, name: Option<&str>| {
            let request = client.submit("/account", "/slow", &[]);
            let freeze = async {
                IN_HANDLER.acquire().await.unwrap().forget();
                if let Some(name) = name {
                    let id = site.id_of(name).await.to_string();
                    // SQLite has one writer, and it is the request: the measure is of another process
                    put_beside(&site, &id).await;
                }
                GATE.add_permits(1);
            };
            tokio::join!(request, freeze).0
        };
        assert_eq!(in_flight(&mut bob, None).await.status, 200);
        assert_eq!(count(&site).await, 1, "the control");
        assert_eq!(in_flight(&mut ann, Some("ann")).await.status, 503);
        assert_eq!(count(&site).await, 1);
        assert_eq!(in_flight(&mut bob, None).await.status, 200, "others go on");
        assert_eq!(count(&site).await, 2);
    }
}

/// Freezes an account beside a transaction that is open. On SQLite the measure waits in memory, as
/// it would for a running instance that has read it before the transaction began.
async fn put_beside(site: &TestSite, id: &str) {
    match site.owner_url() {
        Some(_) => put(site, ("freeze", id), 0).await,
        None => site.site().posture_with_frozen(id.parse().unwrap()),
    }
}

// F111: the same for a program that acts with an access token of the account
#[tokio::test]
async fn a_program_of_a_frozen_account_stores_nothing() {
    on_both(async |site| {
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let token = ann.submit("/account", "/token", &[]).await.body;
        let call = async |freezes: Option<i32>| {
            let header = format!("Bearer {token}");
            let mut program = site.client().with_header("authorization", &header);
            let request = program.request(http::Method::POST, "/api/slow");
            let request = program.send(request, axum::body::Body::empty());
            let freeze = async {
                IN_PROGRAM.acquire().await.unwrap().forget();
                if let Some(id) = freezes {
                    put_beside(site, &id.to_string()).await;
                }
                PROGRAM_GATE.add_permits(1);
            };
            tokio::join!(request, freeze).0.status
        };
        assert_eq!(call(None).await, 200);
        assert_eq!(count(site).await, 1, "the control");
        let id = site.id_of("ann").await;
        assert_eq!(call(Some(id)).await, 503);
        assert_eq!(count(site).await, 1);
    })
    .await;
}

// F111: uploads are refused, forms are not
#[tokio::test]
async fn uploads_are_paused() {
    let site = TestSite::start(app(), &[]).await;
    put(&site, ("pause", "uploads"), 0).await;
    assert_eq!(post(&site, "/write").await.0, 200);
    let mut client = site.client();
    for kind in [
        "multipart/form-data; boundary=x",
        "Multipart/Mixed; boundary=x",
    ] {
        let request = client
            .request(http::Method::POST, "/write")
            .header("content-type", kind);
        let answer = client.send(request, axum::body::Body::from("--x--")).await;
        assert_eq!(answer.status, 503, "{kind}");
    }
}

// F107: a name that no user has and a path that no page links to
#[tokio::test]
async fn a_touched_canary_is_an_event_and_the_request_is_answered_as_always() {
    on_both(async |site| {
        let failed = |answer: &palisade::testing::Answer| {
            let events = answer.events();
            let of = |name: &str| {
                let action = format!("event.action={name} ");
                events
                    .iter()
                    .filter(|event| event.contains(&action))
                    .count()
            };
            (of("login_failed"), of("canary_touched"))
        };
        let before = site.client().log_in("backup-admin", "guess").await;
        assert_eq!(failed(&before), (1, 0));
        put(site, ("canary", "backup-admin"), 0).await;
        put(site, ("canary", "/old/admin.php"), 0).await;
        let after = site.client().log_in(" Backup-Admin", "guess").await;
        assert_eq!((after.status, before.status), (before.status, after.status));
        assert_eq!(failed(&after), (1, 1), "{:?}", after.events());
        assert_eq!(failed(&site.client().log_in("ann", "guess").await), (1, 0));
        let path = site.client().get("/old/admin.php").await;
        assert_eq!(path.status, 404);
        assert_eq!(failed(&path), (0, 1));
        // an empty value would be that of every event without a name
        put(site, ("canary", " "), 0).await;
        assert_eq!(failed(&site.client().log_in("ann", "guess").await), (1, 0));
        // a scanner that used up its share of refusals is seen
        let mut scanner = site.client().from_address("192.0.2.99".parse().unwrap());
        for number in 0..70 {
            scanner.get(&format!("/scan/..%2f{number}")).await;
        }
        let encoded = scanner.get("/old/%61dmin.php").await;
        assert_eq!(failed(&encoded), (0, 1), "{:?}", encoded.events());
        site.site().audit_stored().await.unwrap();
        let stored = sql!("SELECT COUNT(*) FROM palisade_audit WHERE event = 'canary_touched'");
        let stored: Option<(i64,)> = site
            .site()
            .database()
            .handle()
            .fetch_one(stored)
            .await
            .unwrap();
        assert_eq!(stored, Some((3,)));
    })
    .await;
}
