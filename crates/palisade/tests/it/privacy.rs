//! Personal data: how long it is kept, and its traces after a deletion.

use chrono::{DateTime, TimeDelta, Utc};
use palisade::auth::{Kept, NewUser, PersonalRows, Rank};
use palisade::db::{Migration, RawSql, Tx, references};
use palisade::prelude::*;
use palisade::sea_orm::{ConnectionTrait, Statement};
use palisade::sea_orm_migration::prelude::Table;
use palisade::sea_orm_migration::schema::{
    integer_null, pk_auto, string, timestamp_with_time_zone,
};
use palisade::testing::{PASSWORD, TestDatabase, TestSite, connect};
use std::path::Path as FilePath;

mod note {
    use palisade::entity::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: Option<i32>,
        pub text: String,
        pub made: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod invoice {
    use palisade::entity::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoice")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: Option<i32>,
        pub text: String,
        pub made: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Columns)]
#[columns(entity = note::Entity)]
struct Note {
    text: String,
}

#[derive(Columns)]
#[columns(entity = invoice::Entity)]
struct Invoice {
    text: String,
}

fn migrations() -> Vec<Migration> {
    let table = |name: &'static str| {
        Table::create()
            .table(name)
            .col(pk_auto("id"))
            .col(integer_null("owner_id"))
            .col(string("text"))
            .col(timestamp_with_time_zone("made"))
            .foreign_key(&mut references(name, "owner_id", "auth_user"))
            .take()
    };
    vec![
        Migration::new("privacy_0001_note").create_table(table("note")),
        Migration::new("privacy_0002_invoice").create_table(table("invoice")),
    ]
}

fn app() -> App {
    let notes = PersonalRows::<note::Entity, Note>::of("notes", note::Column::OwnerId);
    let invoices =
        PersonalRows::<invoice::Entity, Invoice>::of("invoices", invoice::Column::OwnerId);
    App::new()
        .schema(migrations)
        .personal_data(notes.kept_days(30, note::Column::Made))
        .personal_data(invoices.kept_by_law(10, "accounts of a trader", invoice::Column::Made))
        .routes(Routes::new().route("/", public().get(async || "front")))
}

async fn insert(site: &TestSite, owner: i32, (text, made): (&str, DateTime<Utc>)) {
    let note = sql!(
        "INSERT INTO note (owner_id, text, made) VALUES (?, ?, ?)",
        owner,
        text,
        made
    );
    let invoice = sql!(
        "INSERT INTO invoice (owner_id, text, made) VALUES (?, 'no name', ?)",
        owner,
        made
    );
    let write = async |tx: &Tx| {
        tx.execute_sql(note).await?;
        tx.execute_sql(invoice).await
    };
    site.site().database().write(write).await.unwrap();
}

async fn count(site: &TestSite, sql: RawSql) -> i64 {
    let db = site.site().database().handle();
    let found: Option<(i64,)> = db.fetch_one(sql).await.unwrap();
    found.unwrap().0
}

/// All rows of all tables as text.
async fn dump(site: &TestSite) -> String {
    let (url, tables) = match site.owner_url() {
        Some(url) => (
            url.to_owned(),
            "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'",
        ),
        None => (
            format!("sqlite:{}", database_file(site.folder()).display()),
            "SELECT name FROM sqlite_master WHERE type = 'table'",
        ),
    };
    let is_postgres = site.owner_url().is_some();
    let owner = connect(url).await;
    let all = async |sql: String, column: &str| -> Vec<String> {
        let statement = Statement::from_string(owner.get_database_backend(), sql);
        let rows = owner.query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| row.try_get("", column).unwrap())
            .collect()
    };
    let mut text = String::new();
    for table in all(tables.into(), "name").await {
        let sql = if is_postgres {
            format!("SELECT CAST(t.* AS text) AS line FROM \"{table}\" t")
        } else {
            let columns = all(
                format!("SELECT name FROM pragma_table_info('{table}')"),
                "name",
            )
            .await;
            let cast = |name: &String| format!("COALESCE(CAST(\"{name}\" AS text), '')");
            let columns: Vec<String> = columns.iter().map(cast).collect();
            format!(
                "SELECT {} AS line FROM \"{table}\"",
                columns.join(" || ' ' || ")
            )
        };
        for line in all(sql, "line").await {
            text.push_str(&format!("{table}: {line}\n"));
        }
    }
    owner.close().await.unwrap();
    text
}

fn files(folder: &FilePath) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let below = |path: std::path::PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    };
    entries
        .flat_map(|entry| below(entry.unwrap().path()))
        .collect()
}

fn database_file(folder: &FilePath) -> std::path::PathBuf {
    let all = files(folder);
    let is_database = |path: &&std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3"))
    };
    all.iter().find(is_database).unwrap().clone()
}

/// Files below a folder that contain a text.
fn files_with(folder: &FilePath, wanted: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(folder) {
        let bytes = std::fs::read(&path).unwrap();
        let holds = |text: &&&str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        let traces = wanted.iter().filter(holds);
        found.extend(traces.map(|text| format!("{}: {text}", path.display())));
    }
    found
}

const TRACES: [&str; 5] = [
    "canaryname",
    "canary-mailbox",
    "canary-agent",
    "203.0.113.77",
    "canary-of-a-note",
];

// F121: after the deletion neither database, files, mail queue nor audit log have a trace, and the
// log verifies
#[tokio::test]
async fn a_deleted_account_leaves_no_trace() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let client = || {
            site.client()
                .from_address("203.0.113.77".parse().unwrap())
                .with_header("user-agent", "Mozilla/5.0 (X11; Linux) canary-agent/1.0")
        };
        let new = NewUser {
            username: "canaryname",
            email: "canary-mailbox@example.org",
            password: PASSWORD,
            rank: Rank::Plain,
        };
        let user = site.site().accounts().sign_up(new).await.unwrap();
        insert(&site, user.id, ("canary-of-a-note", site.site().now())).await;
        for _ in 0..6 {
            client()
                .log_in("canaryname", "a wrong password of the owner")
                .await;
        }
        // the address in the field of the name
        client()
            .log_in(
                "canary-mailbox@example.org",
                "a wrong password of the owner",
            )
            .await;
        let reset = [("email", "canary-mailbox@example.org")];
        client()
            .submit("/account/reset", "/account/reset", &reset)
            .await;
        site.clock().advance(TimeDelta::days(1));
        let mut owner = client();
        owner.log_in("canaryname", PASSWORD).await;
        let proof = [("current_password", PASSWORD)];
        let exported = owner
            .submit("/account/export", "/account/export", &proof)
            .await;
        assert!(
            exported.body.contains("canary-of-a-note"),
            "{}",
            exported.body
        );
        site.site().audit_stored().await.unwrap();
        let before = dump(&site).await;
        for trace in TRACES {
            assert!(
                before.contains(trace) || trace == "canary-agent",
                "{trace} is planted\n{before}"
            );
        }
        let deleted = owner
            .submit("/account/delete", "/account/delete", &proof)
            .await;
        assert_eq!(deleted.status, 303, "{}", deleted.body);
        site.site().audit_stored().await.unwrap();
        while site.site().mail().deliver().await.unwrap() > 0 {}
        let after = dump(&site).await;
        let left: Vec<&str> = after
            .lines()
            .filter(|line| TRACES.iter().any(|trace| line.contains(trace)))
            .collect();
        assert!(left.is_empty(), "{left:#?}");
        assert_eq!(site.site().audit_tampering("").await.unwrap(), None);
        // rows that a law keeps have no link to the user
        let unlinked = sql!("SELECT COUNT(*) FROM invoice WHERE owner_id IS NULL");
        assert_eq!(count(&site, unlinked).await, 1);
        assert_eq!(count(&site, sql!("SELECT COUNT(*) FROM note")).await, 0);
        let found = files_with(site.folder(), &TRACES);
        assert!(found.is_empty(), "{found:#?}");
    }
}

// F121: rows whose time is over are deleted, others are not; each deletion is an event
#[tokio::test]
async fn rows_are_deleted_after_their_time() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        site.sign_in("ann", Rank::Plain).await;
        let (id, now) = (site.id_of("ann").await, site.site().now());
        for days in [0, 29, 31, 400, 4000] {
            insert(&site, id, ("a note", now - TimeDelta::days(days))).await;
        }
        let deleted = site.site().retention_run().await.unwrap();
        let of = |part: &str| deleted.iter().find(|(name, _)| *name == part).unwrap().1;
        assert_eq!((of("notes"), of("invoices")), (3, 1));
        assert_eq!(count(&site, sql!("SELECT COUNT(*) FROM note")).await, 2);
        assert_eq!(count(&site, sql!("SELECT COUNT(*) FROM invoice")).await, 4);
        let again = site.site().retention_run().await.unwrap();
        assert!(again.iter().all(|(_, count)| *count == 0), "{again:?}");
        site.site().audit_stored().await.unwrap();
        let events = sql!("SELECT COUNT(*) FROM palisade_audit WHERE event = 'retention_run'");
        assert_eq!(count(&site, events).await, 2);
    }
}

#[test]
fn times_of_retention() {
    let now = "2028-02-29T12:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let end = |kept: Kept| kept.end(now).map(|end| end.to_rfc3339());
    assert_eq!(end(Kept::UntilErased), None);
    assert_eq!(end(Kept::Days(60)).unwrap(), "2027-12-31T12:00:00+00:00");
    let law = Kept::Law {
        years: 10,
        reason: "a law",
    };
    assert_eq!(end(law).unwrap(), "2018-02-28T12:00:00+00:00");
    assert_eq!(law.to_string(), "10 years without the user: a law");
}
