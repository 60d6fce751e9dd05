//! The connections to an SQLite file: failed, cancelled and waiting statements leave no state behind, and block no other request.

use crate::site::{NewNote, Notes, app};
use palisade::db::{DbFailure, Tx, failure};
use palisade::prelude::*;
use palisade::testing::TestSite;
use sea_orm::{EntityTrait, PaginatorTrait, Set};
use std::time::Duration;

async fn titles(site: &TestSite) -> Vec<String> {
    let mut titles: Vec<String> = Notes::find()
        .all(&site.site().database().handle())
        .await
        .unwrap()
        .into_iter()
        .map(|note| note.title)
        .collect();
    titles.sort();
    titles
}

async fn begun(site: &TestSite) -> Tx {
    site.site().database().handle().begin().await.unwrap()
}

async fn add(tx: &Tx, title: &str) -> Result<u64, sea_orm::DbErr> {
    tx.execute_sql(sql!("INSERT INTO note (title) VALUES (?)", title))
        .await
}

/// A note for each number: long work in one statement, which is what a client leaves.
async fn very_many(tx: &Tx) -> Result<u64, sea_orm::DbErr> {
    tx.execute_sql(sql!(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) INSERT INTO note (title) SELECT 'n' || x FROM n"
    ))
    .await
}

/// How often the site's file is open in this process.
fn connections(site: &TestSite) -> usize {
    let file = site.folder().join("site.sqlite3");
    let links = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| *link == file).count()
}

// ASVS 2.3.3
#[tokio::test]
async fn a_transaction_whose_first_statement_fails_goes_on_as_one() {
    let site = TestSite::start(app(), &[]).await;
    let tx = begun(&site).await;
    assert_eq!(add(&tx, "there").await.unwrap(), 1);
    tx.commit().await.unwrap();

    let tx = begun(&site).await;
    let taken = add(&tx, "there").await.unwrap_err();
    assert_eq!(failure(&taken), DbFailure::Duplicate, "{taken}");
    add(&tx, "after a failure").await.unwrap();
    assert_eq!(
        Notes::find().count(&tx).await.unwrap(),
        2,
        "the transaction sees what it wrote"
    );
    assert_eq!(titles(&site).await, ["there"], "and no other does");
    drop(tx);
    assert_eq!(
        titles(&site).await,
        ["there"],
        "dropped, all of it is undone"
    );

    let tx = begun(&site).await;
    assert!(add(&tx, "there").await.is_err());
    add(&tx, "kept").await.unwrap();
    assert!(add(&tx, "kept").await.is_err(), "a later one fails alone");
    tx.commit().await.unwrap();
    assert_eq!(titles(&site).await, ["kept", "there"]);

    let tx = begun(&site).await;
    tx.commit()
        .await
        .expect("nothing was done, and nothing is kept");
    assert_eq!(add(&begun(&site).await, "next").await.unwrap(), 1);
}

#[tokio::test]
async fn a_statement_counts_its_own_rows() {
    let site = TestSite::start(app(), &[]).await;
    let tx = begun(&site).await;
    let three = tx
        .execute_sql(sql!("INSERT INTO note (title) VALUES ('a'), ('b'), ('c')"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // the same connection, and the first statement of another transaction
    let tx = begun(&site).await;
    let none = tx
        .execute_sql(sql!("UPDATE note SET title = 'd' WHERE id < ?", 0))
        .await
        .unwrap();
    let one = tx
        .execute_sql(sql!("UPDATE note SET title = 'd' WHERE title = ?", "a"))
        .await
        .unwrap();
    assert_eq!((three, none, one), (3, 0, 1));
    drop(tx);
    let tx = begun(&site).await;
    let row = sea_orm::ActiveModelTrait::insert(
        NewNote {
            title: Set("e".into()),
            ..Default::default()
        },
        &tx,
    )
    .await
    .unwrap();
    assert_eq!(
        row.title, "e",
        "what the first statement returns is its own, too"
    );
}

// ASVS 2.3.3, 16.5.2: a failed write is reported, and has no effect
#[tokio::test]
async fn another_program_that_writes_is_waited_for_and_then_nothing_is_half_done() {
    let site = TestSite::start(app(), &[]).await;
    let other = site.start_beside(app(), &[]).await;
    let theirs = begun(&other).await;
    add(&theirs, "theirs").await.unwrap();

    let tx = begun(&site).await;
    let asked = std::time::Instant::now();
    let error = add(&tx, "too early")
        .await
        .expect_err("the other one writes for longer than the timeout");
    assert!(asked.elapsed() > Duration::from_secs(4), "{error}");
    assert_eq!(failure(&error), DbFailure::Unavailable, "{error}");
    assert!(
        titles(&site).await.is_empty(),
        "reading goes on, and sees what is kept"
    );
    theirs.commit().await.unwrap();
    add(&tx, "first of a transaction").await.unwrap();
    assert_eq!(
        titles(&other).await,
        ["theirs"],
        "what is written after a failure is no less in a transaction"
    );
    drop(tx);

    let theirs = begun(&other).await;
    add(&theirs, "theirs again").await.unwrap();
    let tx = begun(&site).await;
    let waiting = tokio::spawn(async move {
        add(&tx, "ours").await.unwrap();
        tx.commit().await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished(), "it waits");
    theirs.commit().await.unwrap();
    waiting.await.unwrap();
    assert_eq!(titles(&other).await, ["ours", "theirs", "theirs again"]);
}

// ASVS 2.3.3: what SQLite undoes by itself is not followed by statements in no transaction
#[tokio::test]
async fn a_transaction_that_sqlite_undid_does_nothing_more() {
    let site = TestSite::start(app(), &[]).await;
    let tx = begun(&site).await;
    add(&tx, "first").await.unwrap();
    let undone = tx
        .execute_sql(sql!(
            "INSERT OR ROLLBACK INTO note (title) VALUES ('first')"
        ))
        .await;
    assert_eq!(failure(&undone.unwrap_err()), DbFailure::Duplicate);
    let error = add(&tx, "outside").await.unwrap_err().to_string();
    assert!(error.contains("this transaction has ended"), "{error}");
    assert!(Notes::find().count(&tx).await.is_err() && tx.commit().await.is_err());
    assert!(titles(&site).await.is_empty());
    let tx = begun(&site).await;
    add(&tx, "next").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(titles(&site).await, ["next"]);
}

#[test]
fn a_transaction_that_outlives_its_runtime_is_undone() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let site = first.block_on(TestSite::start(app(), &[]));
    let tx = first.block_on(async {
        let tx = begun(&site).await;
        add(&tx, "half").await.unwrap();
        tx
    });
    drop(first);
    drop(tx);
    runtime().block_on(async {
        let tx = begun(&site).await;
        add(&tx, "whole").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(titles(&site).await, ["whole"]);
    });
}

// ASVS 2.3.3: the client is gone, or its time is up, in the middle of a statement
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_is_cut_off_is_undone_before_the_next_writes() {
    let site = TestSite::start(app(), &[]).await;
    for earlier in [None, Some("earlier in the transaction")] {
        let tx = begun(&site).await;
        if let Some(title) = earlier {
            add(&tx, title).await.unwrap();
        }
        let cut_off = tokio::time::timeout(Duration::from_millis(20), very_many(&tx)).await;
        assert!(cut_off.is_err(), "200,000 rows in 20 ms");
        let error = add(&tx, "after it").await.unwrap_err().to_string();
        assert!(
            error.contains("this transaction has ended") && tx.commit().await.is_err(),
            "{error}"
        );
        let tx = begun(&site).await;
        assert_eq!(Notes::find().count(&tx).await.unwrap(), 0);
        drop(tx);
    }
    let tx = begun(&site).await;
    add(&tx, "kept").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(titles(&site).await, ["kept"]);
}

// ASVS 15.4.4: abandoned queries occupy only their own connections
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_questions_that_are_given_up_do_not_pile_up() {
    let site = TestSite::start(app(), &[("database.read_connections", "2")]).await;
    let db = site.site().database().handle();
    let slow = || {
        db.fetch_one::<(i64,)>(sql!(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000) SELECT COUNT(*) FROM n"
        ))
    };
    let before = connections(&site); // one that reads and one that writes, and those of the start that SQLite has not let go of
    let mut most = before;
    for _ in 0..12 {
        assert!(
            tokio::time::timeout(Duration::from_millis(5), slow())
                .await
                .is_err()
        );
        most = most.max(connections(&site));
    }
    assert!(
        most <= before + 1,
        "a second one that reads, and no third: {before}, {most}"
    );
    assert_eq!(
        slow().await.unwrap(),
        Some((1_000_000,)),
        "the next one gets a place, and its own answer"
    );
    assert!(titles(&site).await.is_empty());
    assert!(connections(&site) <= most);
}

#[tokio::test]
async fn a_closed_database_answers_nobody() {
    let site = TestSite::start(app(), &[]).await;
    let tx = begun(&site).await;
    add(&tx, "before").await.unwrap();
    let database = site.site().database().clone();
    let closing = tokio::spawn(async move { database.close().await });
    tokio::task::yield_now().await;
    let error = Notes::find()
        .count(&site.site().database().handle())
        .await
        .unwrap_err();
    assert_eq!(
        failure(&error),
        DbFailure::Unavailable,
        "at once, while something is under way: {error}"
    );
    let again =
        tokio::time::timeout(Duration::from_millis(20), site.site().database().close()).await;
    assert!(again.is_err(), "closing waits for that as well");
    tx.commit().await.unwrap();
    closing.await.unwrap().unwrap();
    site.site().database().close().await.unwrap();
    assert_eq!(
        connections(&site),
        0,
        "what was under way has ended, and everything is closed"
    );
    let db = site.site().database().handle();
    let error = Notes::find().count(&db).await.unwrap_err();
    assert_eq!(failure(&error), DbFailure::Unavailable, "{error}");
    assert!(db.begin().await.is_err());
    assert_eq!(
        site.client().get("/account/login").await.status,
        200,
        "a page that asks nothing is still there"
    );
}
