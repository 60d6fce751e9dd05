//! Clients that disconnect mid-request: at every await point, a change is complete or did not happen.

mod accounts;
mod others;

use crate::attacks::oidc_provider::Provider;
use crate::site::{Notes, app};
use accounts::ann;
use axum::body::Body;
use http::Method;
use palisade::prelude::*;
use palisade::testing::{Client, TestDatabase, TestSite, connect, interrupt_after, ran};
use sea_orm::{EntityTrait, PaginatorTrait};
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

const PASSWORD: &str = "correct horse battery staple";

async fn notes(site: &TestSite) -> u64 {
    Notes::find()
        .count(&site.site().database().handle())
        .await
        .unwrap()
}

// Finding 1; ASVS 2.3.3: no connection comes back to the pool inside a transaction, wherever its future is dropped
async fn dropped_at_each_poll(kind: TestDatabase) {
    // one connection, so that the next statement meets what the last one left
    let Some(site) = TestSite::start_on(kind, app(), &[("database.write_connections", "1")]).await
    else {
        return;
    };
    let db = site.site().database().handle();
    let mut kept = 0;
    for polls in 1..60 {
        let title = format!("note {polls}");
        let writing = async {
            let tx = db.begin().await?;
            tx.execute_sql(sql!("INSERT INTO note (title) VALUES (?)", title.as_str()))
                .await?;
            tx.commit().await
        };
        let ended = interrupt_after(polls, writing).await;
        kept += u64::from(ended.as_ref().is_some_and(Result::is_ok));
        // what is written next is kept, and takes nothing along
        let tx = db.begin().await.unwrap();
        tx.execute_sql(sql!(
            "INSERT INTO note (title) VALUES (?)",
            format!("after {polls}")
        ))
        .await
        .unwrap();
        tx.commit().await.unwrap();
        kept += 1;
        let found = notes(&site).await;
        assert!(
            found == kept || (ended.is_none() && found == kept + 1),
            "{polls}: {found} and not {kept}: committed or not, never in between"
        );
        kept = found;
        if ended.is_some() {
            break;
        }
        assert!(polls < 59, "it ends");
    }
    if kind == TestDatabase::Postgres {
        let (stuck,): (i64,) = db
            .fetch_one(sql!(
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
            ))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stuck, 0);
    }
    ran(&format!("transactions that are dropped on {kind:?}"));
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing_on_sqlite() {
    dropped_at_each_poll(TestDatabase::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_transaction_leaves_nothing_on_postgres() {
    dropped_at_each_poll(TestDatabase::Postgres).await;
}

// Finding 1: new sessions are kept while other clients disconnect
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_kept_beside_clients_that_hang_up_on_postgres() {
    let Some(site) = TestSite::start_on(
        TestDatabase::Postgres,
        app(),
        &[("throttle.changes", "off")],
    )
    .await
    else {
        return;
    };
    let mut honest = site.client();
    honest.sign_up("ann").await;
    for round in 0..60_u8 {
        let mut rude = site.client().from_address([192, 0, 2, round].into());
        let token = rude.get("/account/reset").await.token().unwrap();
        let fields = [
            ("email", format!("{round}@example.org")),
            ("csrfmiddlewaretoken", token),
        ];
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        rude.post_and_hang_up("/account/reset", &fields, usize::from(round % 6) + 1)
            .await;
        let mut visitor = site.client();
        assert_eq!(visitor.log_in("ann", PASSWORD).await.status, 303);
        assert_eq!(
            visitor.get("/mine").await.body,
            "ann",
            "round {round}: the session that was said to be made is there"
        );
    }
    ran("sessions beside clients that hang up");
}

/// What a route may change, as numbers: rows of each table, epochs and flags of users, mails, and events.
async fn state(site: &TestSite) -> BTreeMap<String, i64> {
    let db = site.site().database().handle();
    let tables: Vec<(String,)> = db
        .fetch_all(sql!(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ))
        .await
        .unwrap();
    let mut state = BTreeMap::new();
    for (table,) in tables {
        let rows = connection(site).await;
        let count = count(&rows, &format!("SELECT COUNT(*) FROM \"{table}\"")).await;
        state.insert(format!("rows of {table}"), count);
    }
    let rows = connection(site).await;
    for (name, query) in [
        (
            "epochs",
            "SELECT COALESCE(SUM(epoch), 0) FROM palisade_session_epoch",
        ),
        (
            "open accounts",
            "SELECT COUNT(*) FROM auth_user WHERE is_active",
        ),
        (
            "addresses",
            "SELECT COUNT(*) FROM auth_user WHERE email = 'new@example.org'",
        ),
        (
            "confirmed apps",
            "SELECT COUNT(*) FROM palisade_totp WHERE is_confirmed",
        ),
        (
            "trusted browsers",
            "SELECT COUNT(*) FROM palisade_device WHERE trusted_until > 0",
        ),
        (
            "passwords",
            "SELECT COUNT(DISTINCT password) FROM auth_user",
        ),
        (
            "lifted locks",
            "SELECT COUNT(*) FROM palisade_lock WHERE is_lifted",
        ),
    ] {
        state.insert(name.into(), count(&rows, query).await);
    }
    state
}

async fn connection(site: &TestSite) -> sea_orm::DatabaseConnection {
    let file = site.folder().join("site.sqlite3");
    connect(format!("sqlite://{}?mode=ro", file.display())).await
}

async fn count(connection: &sea_orm::DatabaseConnection, query: &str) -> i64 {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};
    let row = connection
        .query_one_raw(Statement::from_string(DbBackend::Sqlite, query))
        .await
        .unwrap()
        .unwrap();
    row.try_get_by_index(0).unwrap()
}

/// A site where every page of the framework is there, and a provider that its users may come from.
struct World {
    site: TestSite,
    provider: Arc<Provider>,
}

impl Deref for World {
    type Target = TestSite;

    fn deref(&self) -> &TestSite {
        &self.site
    }
}

/// A client that is ready to send, the path, and the fields of its form; without fields it is a GET.
type Ready<'a> = Pin<Box<dyn Future<Output = (Client, String, Vec<(&'static str, String)>)> + 'a>>;
/// A route, and what comes before it is asked.
type Case = (&'static str, for<'a> fn(&'a World) -> Ready<'a>);

/// Routes that have no case, and why.
const WITHOUT_CASE: [(&str, &str); 4] = [
    (
        "/account/view/end",
        "changes the session only, in one transaction (`SessionStore::replace`)",
    ),
    (
        "/account/reauthenticate",
        "changes the session only, in one transaction (`SessionStore::replace`)",
    ),
    ("/account/export", "changes nothing"),
    ("/csp-report", "changes nothing"),
];

async fn start(app: App, provider: &Provider) -> TestSite {
    let corp = format!("corp desk secret {}", provider.issuer);
    let settings = [
        ("social.providers", corp.as_str()),
        ("client.private_networks", "127.0.0.0/8"),
        ("login.by_mail", "true"),
    ];
    let site = TestSite::start(app, &settings).await;
    provider.behaviour().seconds = site.site().accounts().now().timestamp();
    site
}

/// The state before a route was asked, and after its answer was hung up on after so many steps. Whether the answer came.
async fn outcome(
    (_, ready): Case,
    provider: &Arc<Provider>,
    polls: usize,
) -> (BTreeMap<String, i64>, BTreeMap<String, i64>, bool) {
    let site = start(app(), provider).await;
    let world = World {
        site,
        provider: provider.clone(),
    };
    let (mut client, path, fields) = ready(&world).await;
    let before = state(&world).await;
    let answer = match fields.is_empty() {
        true => {
            let request = client.request(Method::GET, &path);
            client.send_and_hang_up(request, Body::empty(), polls).await
        }
        false => {
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            client.post_and_hang_up(&path, &fields, polls).await
        }
    };
    (before, state(&world).await, answer.is_some())
}

// every route of the framework that may change something has a case, or says why it has none
#[tokio::test]
async fn every_route_that_changes_something_has_a_case() {
    let provider = Provider::start().await;
    let site = start(App::new(), &provider).await;
    let has_case = |path: &str| {
        cases().any(|(name, _)| name.split([',', ' ']).any(|part| part == path))
            || WITHOUT_CASE.iter().any(|(name, _)| *name == path)
    };
    let missing: Vec<&str> = (site.site().routes().iter())
        .filter(|route| route.csrf != "-" || route.path.ends_with("/callback"))
        .map(|route| route.path.as_str())
        .filter(|path| !has_case(path))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn cases() -> impl Iterator<Item = Case> {
    accounts::CASES.into_iter().chain(others::CASES)
}

// Finding 2; ASVS 2.3.3: every route that changes an account x hung up at each step
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_an_account_is_whole_or_not_there() {
    let provider = Arc::new(Provider::start().await);
    let mut interruptions = 0;
    for case in cases() {
        let (before, whole, came) = outcome(case, &provider, usize::MAX).await;
        assert!(
            came && before != whole,
            "{} changes something: {whole:?}",
            case.0
        );
        for polls in 1.. {
            let (before, after, came) = outcome(case, &provider, polls).await;
            assert!(
                after == whole || after == before,
                "{} hung up after {polls}: {after:?} is neither {before:?} nor {whole:?}",
                case.0
            );
            assert!(
                after == whole,
                "{} hung up after {polls}: what was sent whole is done",
                case.0
            );
            if came || polls > 20 {
                break;
            }
            interruptions += 1;
        }
    }
    // on a busy machine an answer may be there at once
    assert!(interruptions >= cases().count() / 2, "{interruptions}");
    println!("{} routes, {interruptions} interruptions", cases().count());
}

// links are looked at with GET, which may be dropped: the session is there with its old key or with its new one
#[tokio::test]
async fn a_link_that_is_hung_up_on_loses_no_session() {
    for polls in 1..40 {
        let site = TestSite::start(app(), &[]).await;
        let mut ann = ann(&site).await;
        ann.submit(
            "/account/reset",
            "/account/reset",
            &[("email", "ann@example.org")],
        )
        .await;
        let mail = ann.mail_to("ann@example.org").await.unwrap();
        let link = mail
            .text
            .lines()
            .find(|line| line.contains("?token="))
            .unwrap();
        let path = &link[link.find("/account/").unwrap()..];
        let sessions = async || {
            let rows: Option<(i64,)> = site
                .site()
                .database()
                .handle()
                .fetch_one(sql!("SELECT COUNT(*) FROM django_session"))
                .await
                .unwrap();
            rows.unwrap().0
        };
        let before = sessions().await;
        let request = ann.request(Method::GET, path);
        let answer = ann.send_and_hang_up(request, Body::empty(), polls).await;
        assert_eq!(sessions().await, before, "after {polls}");
        if answer.is_some() {
            assert_eq!(ann.get("/mine").await.body, "ann");
            return;
        }
    }
    panic!("the link is answered");
}

// the stop of the server waits for a change whose client is gone
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_changes_whose_clients_are_gone() {
    use crate::server::Served;
    use tokio::io::AsyncWriteExt;
    async fn slow(db: Db) -> Result<&'static str> {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        let tx = db.begin().await?;
        tx.execute_sql(sql!("INSERT INTO note (title) VALUES ('slow')"))
            .await?;
        tx.commit().await?;
        Ok("written")
    }
    let routes = Routes::new().route(
        "/slow",
        public()
            .post(slow)
            .dangerous_without_csrf(Reason::new("a test of slow changes")),
    );
    let app = App::new()
        .migrations::<crate::site::Migrator>()
        .routes(routes);
    let site = TestSite::start(app, &[("server.address", "127.0.0.1:0")]).await;
    let database = site.site().database().clone();
    let served = Served::of(site).await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    drop(stream);
    assert_eq!(served.stop().await.cut_off, 0);
    assert_eq!(
        Notes::find().count(&database.handle()).await.unwrap(),
        1,
        "it was done"
    );
}

// Finding 3: what a change holds counts until its end, and not until its client is gone
#[tokio::test]
async fn who_hangs_up_takes_nothing_out_of_the_budget() {
    use axum::body::Bytes;
    async fn slow(body: Bytes) -> &'static str {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        if body.is_empty() { "nothing" } else { "kept" }
    }
    let route = public()
        .post(slow)
        .dangerous_without_csrf(Reason::new("a test of what is held"));
    let site = TestSite::start(App::new().routes(Routes::new().route("/slow", route)), &[]).await;
    let mut client = site.client();
    let request = client.request(Method::POST, "/slow");
    let sending = client.send(request, Body::from(vec![b'x'; 200_000]));
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(150), sending)
            .await
            .is_err(),
        "it hung up"
    );
    let held = site.site().held_bytes();
    assert!(held >= 200_000, "{held}");
    site.site().changes_ended().await;
    assert_eq!(site.site().held_bytes(), 0);
}
