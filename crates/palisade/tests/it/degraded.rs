//! A database that only reads, as with a full disk or a standby: what only reads goes on.

use crate::site::app;
use palisade::prelude::*;
use palisade::testing::{TestDatabase, TestSite, connect, events, ran};
use sea_orm::ConnectionTrait;

// Finding 13
#[tokio::test]
async fn signed_in_pages_are_read_while_nothing_can_be_written_on_sqlite() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    // a message waits, and the session is due to be written down
    assert_eq!(
        ann.submit("/account/sessions", "/account/sessions", &[])
            .await
            .status,
        303
    );
    site.clock().advance(chrono::TimeDelta::hours(1));
    // the connection that writes answers as for a file that may only be read (SQLITE_READONLY)
    let tx = site.site().database().handle().begin().await.unwrap();
    tx.execute_sql(sql!("PRAGMA query_only = ON"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for page in ["/mine", "/", "/account/login", "/account/sessions"] {
        let answer = ann.get(page).await;
        assert_eq!(
            answer.status,
            if page == "/account/sessions" {
                303
            } else {
                200
            },
            "{page}: {:?}",
            answer.events()
        );
    }
    let ready = site.client().get("/health/ready").await;
    assert_eq!(
        (ready.status.as_u16(), ready.body.as_str()),
        (200, "reads only\n")
    );
    let refused = ann
        .submit("/account/login", "/notes", &[("title", "x")])
        .await;
    assert_eq!(
        refused.status,
        503,
        "what writes says that it cannot: {:?}",
        refused.events()
    );
    assert!(!events("a session could not be saved").is_empty());
}

// a PostgreSQL that was failed over to a standby, or set read-only (25006)
#[tokio::test]
async fn signed_in_pages_are_read_while_postgres_only_reads() {
    let Some(site) = TestSite::start_on(TestDatabase::Postgres, app(), &[]).await else {
        return;
    };
    let mut ann = site.client();
    ann.sign_up("ann").await;
    site.clock().advance(chrono::TimeDelta::hours(1));
    let db = site.site().database().handle();
    let (name,): (String,) = db
        .fetch_one(sql!("SELECT current_database()::text"))
        .await
        .unwrap()
        .unwrap();
    let server = connect(std::env::var("PALISADE_TEST_POSTGRES").unwrap()).await;
    server
        .execute_unprepared(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = on"
        ))
        .await
        .unwrap();
    // connections that are open go on as they were
    let kill =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    server.execute_unprepared(&kill).await.unwrap();
    let mut status = 0;
    for _ in 0..20 {
        // the pool finds out that its connections are gone
        status = ann.get("/mine").await.status.as_u16();
        if status == 200 {
            break;
        }
    }
    assert_eq!(status, 200, "a page that only reads");
    let ready = site.client().get("/health/ready").await;
    assert_eq!(
        (ready.status.as_u16(), ready.body.as_str()),
        (200, "reads only\n")
    );
    let refused = ann
        .submit("/account/login", "/notes", &[("title", "x")])
        .await;
    assert_eq!(refused.status, 503, "{:?}", refused.events());
    ran("a PostgreSQL that only reads");
}
