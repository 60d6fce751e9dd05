//! The database: one suite for SQLite and PostgreSQL.

use crate::site::{NewNote, NoteColumn, Notes, app};
use palisade::prelude::*;
use palisade::testing::{TestDatabase, TestSite};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, Set,
    Statement,
};

async fn notes(site: &TestSite) -> u64 {
    Notes::find()
        .count(&site.site().database().handle())
        .await
        .unwrap()
}

async fn add(site: &TestSite, title: &str) {
    let tx = site.site().database().handle().begin().await.unwrap();
    NewNote {
        title: Set(title.into()),
        ..Default::default()
    }
    .insert(&tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

async fn token(client: &mut palisade::testing::Client) -> String {
    client.get("/account/login").await.token().unwrap()
}

// F071; ASVS 3.5.3
async fn reading_cannot_write(site: &TestSite) {
    let mut client = site.client();
    for path in ["/write-in-get", "/write-in-get?x=1"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 500);
        assert!(
            answer.events().iter().any(|event| event
                .contains("answers GET or HEAD, so its database connection is read-only")),
            "{:?}",
            answer.events()
        );
    }
    let fields = [("csrfmiddlewaretoken", token(&mut client).await)];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = client.post("/write-without-transaction", &fields).await;
    assert!(
        answer.status == 500
            && answer
                .events()
                .iter()
                .any(|event| event.contains("db.begin()")),
        "{:?}",
        answer.events()
    );
    assert_eq!(notes(site).await, 0);
}

// ASVS 2.3.3
async fn what_is_not_committed_is_undone(site: &TestSite) {
    let mut client = site.client();
    let token = token(&mut client).await;
    for path in ["/half-done", "/panic"] {
        assert_eq!(
            client
                .post(path, &[("csrfmiddlewaretoken", &token)])
                .await
                .status,
            500
        );
    }
    let db = site.site().database().handle();
    {
        let tx = db.begin().await.unwrap();
        tx.execute_sql(sql!("INSERT INTO note (title) VALUES ('dropped')"))
            .await
            .unwrap();
    }
    assert_eq!(notes(site).await, 0);
    add(site, "kept").await;
    assert_eq!(notes(site).await, 1, "and the connection writes again");
}

// F073, F074; ASVS 1.2.4
async fn values_are_data(site: &TestSite) {
    let db = site.site().database().handle();
    for title in [
        "100% sure",
        "100 percent",
        "under_score",
        "underXscore",
        "back\\slash",
        "'; DROP TABLE note; --",
        "?",
        "Ünïcode",
    ] {
        add(site, title).await;
    }
    let found = async |text: &str| {
        Notes::find()
            .filter(contains(NoteColumn::Title, text))
            .count(&db)
            .await
            .unwrap()
    };
    let rows = [
        ("%", 1),
        ("_", 1),
        ("100%", 1),
        ("under_s", 1),
        ("\\", 1),
        ("' OR 1=1 --", 0),
        ("DROP TABLE", 1),
        ("SCORE", 2),
        ("?", 1),
        ("Ünïc", 1),
    ];
    for (text, expected) in rows {
        assert_eq!(found(text).await, expected, "{text}");
    }
    let hostile = "x' OR '1'='1";
    let by_raw: Vec<(i32, String)> = db
        .fetch_all(sql!(
            "SELECT id, title FROM note WHERE title = ? AND '?' = '?' AND id > ?",
            hostile,
            0
        ))
        .await
        .unwrap();
    assert!(by_raw.is_empty());
    let one: Option<(String,)> = db
        .fetch_one(sql!(
            "SELECT title FROM note WHERE title = ?",
            "'; DROP TABLE note; --"
        ))
        .await
        .unwrap();
    assert_eq!(one.unwrap().0, "'; DROP TABLE note; --");
}

async fn strings_are_no_statements(site: &TestSite) {
    let db = site.site().database().handle();
    let tx = db.begin().await.unwrap();
    let name = "x'; DELETE FROM note; --";
    let statement = || {
        Statement::from_string(
            DbBackend::Sqlite,
            format!("SELECT * FROM note WHERE title = '{name}'"),
        )
    };
    assert!(
        db.query_all_raw(statement()).await.is_err()
            && tx.query_all_raw(statement()).await.is_err()
    );
    assert!(
        db.query_one_raw(statement()).await.is_err()
            && tx.query_one_raw(statement()).await.is_err()
    );
    assert!(
        db.execute_raw(statement()).await.is_err() && tx.execute_raw(statement()).await.is_err()
    );
    for stacked in ["DROP TABLE note", "SELECT 1; DROP TABLE note"] {
        let error = tx
            .execute_unprepared(stacked)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("sql!") && !error.contains("DROP"), "{error}");
        assert!(db.execute_unprepared(stacked).await.is_err());
    }
    drop(tx);
    assert_eq!(notes(site).await, 8);
}

async fn accounts_and_permissions_work(site: &TestSite) {
    let mut client = site.client();
    client.sign_up("ann").await;
    assert_eq!(client.get("/work").await.status, 403);
    let tx = site.site().database().handle().begin().await.unwrap();
    tx.execute_sql(sql!("INSERT INTO auth_group (name) VALUES ('workers')"))
        .await
        .unwrap();
    tx.execute_sql(sql!("INSERT INTO auth_user_groups (user_id, group_id) SELECT u.id, g.id FROM auth_user u, auth_group g"))
        .await
        .unwrap();
    tx.execute_sql(sql!("INSERT INTO auth_group_permissions (group_id, permission_id) SELECT g.id, p.id FROM auth_group g, auth_permission p WHERE p.codename = ?", "work")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(client.get("/work").await.status, 200, "by the group");
    assert_eq!(
        client
            .log_in("ann", "correct horse battery staple")
            .await
            .status,
        303
    );
    let taken = [
        ("username", "ann"),
        ("email", "x@example.org"),
        ("password", "correct horse battery staple"),
        ("password_again", "correct horse battery staple"),
    ];
    let again = site
        .client()
        .submit("/account/signup", "/account/signup", &taken)
        .await;
    assert_eq!(
        (again.status.as_u16(), again.header("location")),
        (303, "/account/signup/sent"),
        "{}",
        again.body
    );
    assert!(
        site.client()
            .mail_to("x@example.org")
            .await
            .unwrap()
            .text
            .contains("This name is not free.")
    );
}

async fn suite(database: TestDatabase) {
    let Some(site) = TestSite::start_on(database, app(), &[]).await else {
        return;
    };
    reading_cannot_write(&site).await;
    what_is_not_committed_is_undone(&site).await;
    let Some(site) = TestSite::start_on(database, app(), &[]).await else {
        return;
    };
    values_are_data(&site).await;
    strings_are_no_statements(&site).await;
    accounts_and_permissions_work(&site).await;
    palisade::testing::ran(&format!("data on {database:?}"));
}

#[tokio::test]
async fn the_suite_holds_on_sqlite() {
    suite(TestDatabase::Sqlite).await;
}

#[tokio::test]
async fn the_suite_holds_on_postgres() {
    suite(TestDatabase::Postgres).await;
}

// ASVS 12.3.2: a server that is not this machine must prove its name
#[tokio::test]
async fn a_remote_postgres_must_show_a_certificate_that_is_valid() {
    use palisade::db::{Database, DatabaseSettings, DatabaseUrl};
    let rows = [
        ("postgres://u:p@127.0.0.1/x", true),
        ("postgres://u:p@localhost:5433/x?sslmode=disable", true),
        ("postgres://u:p@[::1]/x", true),
        ("postgres:///x?host=/var/run/postgresql", true),
        ("postgres://u:p@db.example.org/x?sslmode=disable", false),
        ("postgres://u:p@127.0.0.1/x?host=db.example.org", false),
        ("postgres://u:p@127.0.0.1/x?hostaddr=192.0.2.1", false),
        ("postgres://u:p@127.0.0.1.example.org/x", false),
    ];
    for (url, is_local) in rows {
        let Ok(DatabaseUrl::Postgres(parsed)) = url.parse::<DatabaseUrl>() else {
            panic!("{url}")
        };
        assert_eq!(parsed.is_local(), is_local, "{url}");
        assert!(
            !format!("{parsed:?}{}", DatabaseUrl::Postgres(parsed.clone())).contains(":p@"),
            "the password is not shown"
        );
    }
    // `hostaddr` is where to connect, and makes the server one that must prove its name, though it is on this machine
    let refused = async |url: String| {
        let settings = DatabaseSettings {
            url: url.parse().unwrap(),
            ..Default::default()
        };
        Database::connect(&settings, std::path::Path::new("."))
            .await
            .expect_err("must be refused")
            .to_string()
    };
    // a server that speaks no TLS is told nothing but the question
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 8];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(b"N").await.unwrap();
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    let error = refused(format!(
        "postgres://ann:hunter2@db.example.org:{port}/x?hostaddr=127.0.0.1&sslmode=disable"
    ))
    .await;
    assert!(error.to_lowercase().contains("tls"), "{error}");
    assert_eq!(
        heard.await.unwrap(),
        [0, 0, 0, 8, 4, 210, 22, 47],
        "the question for TLS, and no name and no password after it"
    );
    // PostgreSQL as Debian installs it has a self-signed certificate
    let Some(server) = palisade::testing::server("PALISADE_TEST_POSTGRES") else {
        return;
    };
    let port = url::Url::parse(&server).unwrap().port().unwrap_or(5432);
    let error = refused(format!(
        "postgres://postgres@db.example.org:{port}/postgres?hostaddr=127.0.0.1"
    ))
    .await;
    assert!(
        ["certificate", "tls"]
            .iter()
            .any(|word| error.to_lowercase().contains(word)),
        "{error}"
    );
    palisade::testing::ran(&format!(
        "a server with a bad certificate is refused: {error}"
    ));
}
