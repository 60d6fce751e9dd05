//! A site that works beside its pages: a task each second puts a row, a job and a mail into one
//! transaction, and takes every second one back. `tests/it/crash.rs` runs two of it and kills one.
//! Its encrypted column is that of `tests/it/encrypted/program.rs`.

use palisade::audit_log::{self, Entry, Event};
use palisade::db::{Migration, RawSql};
use palisade::prelude::*;
use palisade::sea_orm_migration::prelude::Table;
use palisade::sea_orm_migration::schema::*;
use palisade::serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

fn main() -> ExitCode {
    App::new()
        .schema(migrations)
        .task("produce", Schedule::every(Duration::from_secs(1)), produce)
        .job::<Work>()
        .encrypted::<phone::Entity>()
        .command("fill", "Add a thousand encrypted rows", fill)
        .command("sum", "Decrypt every row, and add the numbers", sum)
        .run()
}

fn migrations() -> Vec<Migration> {
    let run = Table::create()
        .table("worker_run")
        .col(pk_auto("id"))
        .col(big_integer("pid"))
        .col(big_integer("begun"))
        .col(big_integer_null("ended"))
        .take();
    let number = |table: &'static str| {
        let mut create = Table::create();
        create
            .table(table)
            .col(pk_auto("id"))
            .col(big_integer("number"));
        create.col(big_integer("pid")).take()
    };
    let phones = Table::create()
        .table("worker_phone")
        .col(pk_auto("id"))
        .col(text("number"))
        .col(text("number_index"))
        .take();
    vec![
        Migration::new("worker_0001_tables")
            .create_table(run)
            .create_table(number("worker_made"))
            .create_table(number("worker_begun"))
            .create_table(number("worker_done")),
        Migration::new("worker_0002_phone")
            .create_table(phones)
            .index("worker_phone", ["number_index"]),
    ]
}

mod phone {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, EncryptedFields)]
    #[sea_orm(table_name = "worker_phone")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub number: Encrypted<i64>,
        #[blind_index(number)]
        pub number_index: BlindIndex<i64>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

async fn fill(site: Arc<Site>) -> Result<String> {
    let fill = async |tx: &Tx| {
        for number in 1..=1000 {
            let row = phone::ActiveModel {
                number: sea_orm::Set(Encrypted::new(number)),
                ..Default::default()
            };
            tx.insert_row(row).await?;
        }
        Ok::<_, Error>(())
    };
    site.database().write(fill).await?;
    Ok("filled\n".into())
}

async fn sum(site: Arc<Site>) -> Result<String> {
    use sea_orm::{EntityTrait, QueryFilter};
    let db = site.database().handle();
    let mut sum = 0;
    for row in phone::Entity::find().all(&db).await? {
        let number = *row.open_number(&db)?.expose();
        let found = phone::Entity::find().filter(phone::Entity::number_is(&db, &number)?);
        if found.all(&db).await?.len() != 1 {
            return Err(Error::bug("its index does not find a row"));
        }
        sum += number;
    }
    Ok(format!("{sum}\n"))
}

async fn write(site: &Site, sql: RawSql) -> Result<()> {
    site.database()
        .write(async |tx| tx.execute_sql(sql).await)
        .await?;
    Ok(())
}

fn pid() -> i64 {
    i64::from(std::process::id())
}

async fn produce(site: Arc<Site>) -> Result<()> {
    let begun = site.now().timestamp_millis();
    let run = sql!(
        "INSERT INTO worker_run (pid, begun) VALUES (?, ?)",
        pid(),
        begun
    );
    write(&site, run).await?;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let number = sql!("SELECT MAX(id) FROM worker_run WHERE begun = ?", begun);
    let number: Option<(i32,)> = site.database().handle().fetch_one(number).await?;
    make(&site, i64::from(number.map_or(0, |(number,)| number))).await?;
    let ended = site.now().timestamp_millis();
    write(
        &site,
        sql!(
            "UPDATE worker_run SET ended = ? WHERE begun = ?",
            ended,
            begun
        ),
    )
    .await
}

/// Commits even numbers, and rolls odd ones back.
async fn make(site: &Site, number: i64) -> Result<()> {
    let tx = site.database().handle().begin().await?;
    tx.execute_sql(sql!(
        "INSERT INTO worker_made (number, pid) VALUES (?, ?)",
        number,
        pid()
    ))
    .await?;
    site.jobs().enqueue(&tx, &Work { number }).await?;
    let mail = Mail::plain("desk@example.org", format!("number {number}"), "made");
    site.mail().send(&tx, &mail).await?;
    let made = Entry::new(Event::Site("worker.made")).detail(number.to_string());
    audit_log::record_in(&tx, made).await?;
    if number % 2 == 0 {
        tx.commit().await?;
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "palisade::serde")]
struct Work {
    number: i64,
}

impl Job for Work {
    const NAME: &'static str = "work";

    async fn run(self, site: Arc<Site>, _: JobRun) -> Result<()> {
        let begun = sql!(
            "INSERT INTO worker_begun (number, pid) VALUES (?, ?)",
            self.number,
            pid()
        );
        write(&site, begun).await?;
        tokio::time::sleep(Duration::from_millis(700)).await;
        write(
            &site,
            sql!(
                "INSERT INTO worker_done (number, pid) VALUES (?, ?)",
                self.number,
                pid()
            ),
        )
        .await
    }
}
