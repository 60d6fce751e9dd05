//! The database role that serves: every suite on PostgreSQL runs with it (ASVS 13.2.2).

use palisade::db::{RawSql, Tx};
use palisade::prelude::*;
use palisade::testing::{TestDatabase, TestSite, ran};

// F051, V13.2.2: a test site on PostgreSQL reads and writes rows, and changes no table
#[tokio::test]
async fn a_test_site_has_no_right_to_change_tables() {
    let app = palisade::app::App::new();
    let Some(site) = TestSite::start_on(TestDatabase::Postgres, app, &[]).await else {
        return;
    };
    site.client().sign_up("ann").await;
    let database = site.site().database();
    let run = async |statement: RawSql| {
        let run = async |tx: &Tx| tx.execute_sql(statement).await;
        database.write(run).await.map(drop)
    };
    for statement in [
        sql!("DROP TABLE auth_user CASCADE"),
        sql!("TRUNCATE palisade_membership"),
        sql!("ALTER TABLE auth_user ADD COLUMN x int"),
        sql!("CREATE TABLE mine (id int)"),
        sql!("CREATE INDEX mine ON auth_user (email)"),
        sql!("DELETE FROM palisade_access_report"),
        sql!("UPDATE palisade_migrations SET version = ''"),
        sql!("SET ROLE postgres"),
        sql!("COPY auth_user TO PROGRAM 'cat'"),
    ] {
        let refused = run(statement).await.unwrap_err().to_string();
        let is_refused = ["permission denied", "must be owner", "must be superuser"];
        let is_refused = is_refused.iter().any(|text| refused.contains(text));
        assert!(is_refused, "{refused}");
    }
    run(sql!("UPDATE auth_user SET first_name = 'Ann'"))
        .await
        .unwrap();
    let owner = palisade::testing::connect(site.owner_url().unwrap()).await;
    let migrate = "ALTER TABLE auth_user ADD COLUMN x int";
    sea_orm::ConnectionTrait::execute_unprepared(&owner, migrate)
        .await
        .unwrap();
    ran("a site on PostgreSQL as a role without DDL");
}
