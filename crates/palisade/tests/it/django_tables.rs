//! Our tables are Django's: real Django makes them in one database, we in another, and the catalogs are compared.
//!
//! Django comes from a virtual environment that `scripts/django` makes; `PALISADE_TEST_DJANGO` names its Python.

use palisade::prelude::*;
use palisade::testing::{self, TestDatabase, TestSite};
use std::path::Path;
use std::process::Command;

fn python() -> Option<String> {
    testing::server("PALISADE_TEST_DJANGO")
}

fn catalog(python: &str, command: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/django_tables.py");
    let output = Command::new(python)
        .arg(script)
        .args(command)
        .output()
        .expect("Python runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn sqlite_tables_are_djangos() {
    let Some(python) = python() else { return };
    let site = TestSite::start(App::new(), &[("database.url", "sqlite:ours.sqlite3")]).await;
    let theirs = site.folder().join("theirs.sqlite3").display().to_string();
    catalog(&python, &["migrate-sqlite", &theirs]);
    let ours = catalog(
        &python,
        &[
            "catalog-sqlite",
            &site.folder().join("ours.sqlite3").display().to_string(),
        ],
    );
    assert_eq!(ours, catalog(&python, &["catalog-sqlite", &theirs]));
    testing::ran(&format!(
        "{} lines of catalog are equal on SQLite",
        ours.lines().count()
    ));
}

#[tokio::test]
async fn postgres_tables_are_djangos() {
    let Some(python) = python() else { return };
    let (Some(ours), Some(theirs)) = (
        TestSite::start_on(TestDatabase::Postgres, App::new(), &[]).await,
        std::env::var("PALISADE_TEST_POSTGRES").ok(),
    ) else {
        return;
    };
    let (name,): (String,) = ours
        .site()
        .database()
        .handle()
        .fetch_one(sql!("SELECT current_database()::text"))
        .await
        .unwrap()
        .unwrap();
    let django = format!("{name}_django");
    catalog(&python, &["migrate-postgres", &theirs, &django]);
    let (left, right) = (
        catalog(&python, &["catalog-postgres", &theirs, &name]),
        catalog(&python, &["catalog-postgres", &theirs, &django]),
    );
    assert_eq!(left, right);
    testing::ran(&format!(
        "{} lines of catalog are equal on PostgreSQL",
        left.lines().count()
    ));
}

// a database that Django made is adopted, rows and all
#[tokio::test]
async fn tables_of_django_are_adopted() {
    let Some(python) = python() else { return };
    let folder = std::env::temp_dir().join(format!(
        "palisade-adopt-{}",
        palisade::crypto::random::nonce()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("django.sqlite3").display().to_string();
    catalog(&python, &["migrate-sqlite", &path]);
    catalog(
        &python,
        &[
            "user-sqlite",
            &path,
            "django.user",
            "correct horse battery staple",
        ],
    );
    let before = catalog(&python, &["catalog-sqlite", &path]);
    let site = TestSite::start(App::new(), &[("database.url", &format!("sqlite:{path}"))]).await;
    assert_eq!(
        before,
        catalog(&python, &["catalog-sqlite", &path]),
        "nothing of Django's was changed"
    );
    assert_eq!(
        site.client()
            .log_in("django.user", "correct horse battery staple")
            .await
            .status,
        303
    );
    assert_eq!(
        site.client().log_in("django.user", "wrong").await.status,
        422
    );
    std::fs::remove_dir_all(folder).unwrap();
    testing::ran("a database of Django was adopted");
}
