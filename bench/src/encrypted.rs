//! Encrypted columns: 100 rows with two of them beside plain ones, and the re-encryption of a
//! million rows beside requests.

use crate::load::median;
use palisade::db::Migration;
use palisade::prelude::*;
use palisade::sea_orm_migration::prelude::Table;
use palisade::sea_orm_migration::schema::*;
use palisade::testing::{TestDatabase, TestSite};
use sea_orm::{EntityTrait, QuerySelect, Set};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 21;
const QUERIES: u32 = 50;
const ROWS: i32 = 1_000_000;

mod sealed {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, EncryptedFields)]
    #[sea_orm(table_name = "bench_sealed")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: Encrypted<Line<80>>,
        pub phone: Encrypted<Line<30>>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod plain {
    use palisade::entity::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "bench_plain")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        pub phone: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

fn migrations() -> Vec<Migration> {
    let table = |name: &'static str| {
        let mut table = Table::create();
        table.table(name).col(pk_auto("id"));
        table.col(text("name")).col(text("phone")).take()
    };
    vec![
        Migration::new("bench_0001_encrypted")
            .create_table(table("bench_sealed"))
            .create_table(table("bench_plain")),
    ]
}

fn app() -> App {
    let front = async |db: Db| -> Result<String> {
        let row = plain::Entity::find_by_id(1).one(&db).await?.or_404()?;
        Ok(row.name)
    };
    App::new()
        .schema(migrations)
        .encrypted::<sealed::Entity>()
        .routes(Routes::new().route("/", public().get(front)))
}

fn line<const MAX: usize>(text: &str) -> Line<MAX> {
    palisade::forms::Field::parse(Some(text)).unwrap()
}

async fn fill(site: &TestSite, from: i32, to: i32) {
    let database = site.site().database();
    let fill = async |tx: &Tx| {
        for id in from..to {
            let row = sealed::ActiveModel {
                id: Set(id),
                name: Set(line::<80>("Ada Lovelace").into()),
                phone: Set(line::<30>("+31 20 1234567").into()),
            };
            tx.insert_row(row).await?;
        }
        Ok::<_, Error>(())
    };
    database.write(fill).await.unwrap();
}

async fn fill_plain(site: &TestSite) {
    let database = site.site().database();
    let fill = async |tx: &Tx| {
        for _ in 0..100 {
            let row = sql!(
                "INSERT INTO bench_plain (name, phone) VALUES (?, ?)",
                "Ada Lovelace",
                "+31 20 1234567"
            );
            tx.execute_sql(row).await?;
        }
        Ok::<_, Error>(())
    };
    database.write(fill).await.unwrap();
}

async fn read_plain(site: &TestSite) -> Duration {
    let (db, begun) = (site.site().database().handle(), Instant::now());
    for _ in 0..QUERIES {
        let rows = plain::Entity::find().limit(100).all(&db).await.unwrap();
        let length: usize = rows
            .iter()
            .map(|row| row.name.len() + row.phone.len())
            .sum();
        assert_eq!(length, 2600);
    }
    begun.elapsed()
}

async fn read_sealed(site: &TestSite) -> Duration {
    let (db, begun) = (site.site().database().handle(), Instant::now());
    for _ in 0..QUERIES {
        let rows = sealed::Entity::find().limit(100).all(&db).await.unwrap();
        let length = |row: &sealed::Model| {
            let (name, phone) = (row.open_name(&db).unwrap(), row.open_phone(&db).unwrap());
            name.expose().len() + phone.expose().len()
        };
        assert_eq!(rows.iter().map(length).sum::<usize>(), 2600);
    }
    begun.elapsed()
}

pub(crate) async fn measure() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let settings = [("throttle.requests", "off")];
        let Some(site) = TestSite::start_on(database, app(), &settings).await else {
            println!("encrypted columns on {database:?}: no server");
            continue;
        };
        fill(&site, 1, 101).await;
        fill_plain(&site).await;
        let (mut sealed, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            plain.push(read_plain(&site).await.as_secs_f64());
            sealed.push(read_sealed(&site).await.as_secs_f64());
        }
        let per_query = |times: Vec<f64>| median(times) / f64::from(QUERIES) * 1e6;
        let (plain, sealed) = (per_query(plain), per_query(sealed));
        println!(
            "100 rows with two columns on {database:?}: plain {plain:.0} µs, encrypted {sealed:.0} µs, {:.2}",
            sealed / plain
        );
        reencrypt(&site, database).await;
    }
}

/// Latencies of a page, in milliseconds, until told to stop.
async fn request(site: &TestSite, is_over: &AtomicBool) -> Vec<f64> {
    let (mut client, mut times) = (site.client(), Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        assert_eq!(client.get("/").await.status, 200);
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times
}

fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() * 99 / 100]
}

async fn reencrypt(site: &TestSite, database: TestDatabase) {
    for from in (101..=ROWS).step_by(50_000) {
        fill(site, from, (from + 50_000).min(ROWS + 1)).await;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let rest = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (before, ()) = tokio::join!(request(site, &is_over), rest);
    site.site().data_key_added().await.unwrap();
    is_over.store(false, Ordering::Relaxed);
    let begun = Instant::now();
    let (running, over) = (site.site().clone(), is_over.clone());
    let work = tokio::spawn(async move {
        let done = running.data_reencrypted().await.unwrap();
        over.store(true, Ordering::Relaxed);
        (done, begun.elapsed())
    });
    let during = request(site, &is_over).await;
    let ((rows, failed), elapsed) = work.await.unwrap();
    println!(
        "re-encryption of {rows} rows on {database:?} ({failed} failed): {:.0} rows in a second; p99 of a page {:.1} ms at rest, {:.1} ms meanwhile",
        rows as f64 / elapsed.as_secs_f64(),
        p99(before),
        p99(during)
    );
}
