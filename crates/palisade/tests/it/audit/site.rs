use palisade::audit_log::{self, Entry, Event};
use palisade::prelude::*;
use palisade::testing::{TestDatabase, TestSite};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, Statement};

pub fn app() -> App {
    App::new().routes(
        Routes::new()
            .route("/", public().get(async || "home"))
            .route("/staff/{id}", staff().get(async || "staff")),
    )
}

/// Runs a test on SQLite and on PostgreSQL.
pub async fn on_both(settings: &[(&str, &str)], test: impl AsyncFn(&TestSite)) {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), settings).await else {
            continue;
        };
        test(&site).await;
    }
}

/// A connection with the rights of the database's owner.
pub async fn owner(site: &TestSite) -> DatabaseConnection {
    let url = match site.owner_url() {
        Some(url) => url.to_owned(),
        None => format!("sqlite://{}/site.sqlite3", site.site().settings().site.data),
    };
    sea_orm::Database::connect(url).await.unwrap()
}

pub async fn run(owner: &DatabaseConnection, statements: &str) {
    for statement in statements.split(';').filter(|text| !text.trim().is_empty()) {
        let done = owner.execute_unprepared(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

#[derive(FromQueryResult)]
struct One {
    text: String,
}

/// The texts that a query selects as `text`.
pub async fn texts(owner: &DatabaseConnection, sql: &str) -> Vec<String> {
    let query = Statement::from_string(owner.get_database_backend(), sql.to_owned());
    let rows = One::find_by_statement(query).all(owner).await.unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

/// Records effects, each in its transaction.
pub async fn effects(site: &TestSite, numbers: std::ops::RangeInclusive<i32>) {
    for number in numbers {
        effect(site, number).await.unwrap();
    }
}

pub async fn effect(site: &TestSite, number: i32) -> Result<(), DbErr> {
    let entry = Entry::new(Event::Site("test.effect")).detail(format!("number {number}"));
    let write = async |tx: &Tx| audit_log::record_in(tx, entry).await;
    site.site().database().write(write).await
}
