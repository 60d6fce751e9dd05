#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use sea_orm::DbBackend;

#[tokio::test]
async fn a_file_that_took_the_place_of_another_is_opened_in_time() {
    let folder = std::env::temp_dir().join(format!(
        "palisade-sqlite-{}",
        palisade_crypto::random::nonce()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let (file, other) = (folder.join("site.sqlite3"), folder.join("restored.sqlite3"));
    let open = async |path: &std::path::Path, lifetime: Duration| {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        let mut pool = SqlitePool::open(options, 1).await.unwrap();
        Arc::get_mut(&mut pool.0).unwrap().lifetime = lifetime;
        pool
    };
    let statement = |text: &str| Statement::from_string(DbBackend::Sqlite, text);
    let restored = open(&other, LIFETIME).await;
    restored
        .execute(statement("CREATE TABLE restored (id INTEGER)"))
        .await
        .unwrap();
    restored.close().await.unwrap();
    for (lifetime, is_seen) in [(LIFETIME, false), (Duration::ZERO, true)] {
        let pool = open(&file, lifetime).await;
        pool.ping().await.unwrap();
        std::fs::copy(&other, folder.join("copy")).unwrap();
        std::fs::rename(folder.join("copy"), &file).unwrap();
        assert_eq!(
            pool.query_one(statement("SELECT COUNT(*) FROM restored"))
                .await
                .is_ok(),
            is_seen,
            "{lifetime:?}"
        );
        std::fs::remove_file(&file).unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn only_sqlite_itself_says_that_a_transaction_is_open() {
    let mut connection = SqliteConnectOptions::new()
        .in_memory(true)
        .connect()
        .await
        .unwrap();
    assert!(!is_open(&run(&mut connection, "BEGIN").await));
    assert!(is_open(&run(&mut connection, "BEGIN").await));
    assert!(!is_open(&run(&mut connection, "NO STATEMENT").await));
    assert!(
        !is_open(&Err(Error::WorkerCrashed)),
        "who says nothing proves nothing"
    );
}
