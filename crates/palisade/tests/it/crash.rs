//! Two processes share tasks, jobs and mail; one of them is killed.

use crate::mail::Smtp;
use crate::program::Program;
use crate::server::free_port;
use palisade::testing::{connect, new_postgres, ran, server};
use sea_orm::{DatabaseConnection, FromQueryResult, Statement};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A process of `examples/worker.rs`, killed when the test ends.
struct Process(Child);

impl Process {
    fn start(database: &str, mail: &str, data: &Path) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let child = Program::new(database, data)
            .command(&["serve"])
            .env("EMAIL_URL", mail)
            .env("PALISADE_SERVER__ADDRESS", address)
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn pid(&self) -> i64 {
        i64::from(self.0.id())
    }

    /// SIGKILL: no part of the program runs any more.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Debug, FromQueryResult)]
struct Run {
    pid: i64,
    begun: i64,
    ended: Option<i64>,
}

async fn runs(db: &DatabaseConnection) -> Vec<Run> {
    let sql = "SELECT pid, begun, ended FROM worker_run ORDER BY begun, id";
    let query = Statement::from_string(db.get_database_backend(), sql);
    // the table is made by the first process
    Run::find_by_statement(query)
        .all(db)
        .await
        .unwrap_or_default()
}

#[derive(FromQueryResult)]
struct Number {
    number: i64,
}

async fn numbers(db: &DatabaseConnection, sql: &'static str) -> BTreeSet<i64> {
    let query = Statement::from_string(db.get_database_backend(), sql);
    let rows = Number::find_by_statement(query).all(db).await.unwrap();
    rows.into_iter().map(|row| row.number).collect()
}

/// Repeats a question until its answer is yes.
async fn until(what: &str, at_most: Duration, is_so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < at_most, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Numbers in the subjects of the mails.
fn mailed(smtp: &Smtp) -> BTreeSet<i64> {
    let subject = |mail: &String| {
        let line = mail.lines().find(|line| line.starts_with("Subject:"))?;
        let (_, number) = line.split_once("number ")?;
        number.split(' ').next()?.parse().ok()
    };
    smtp.kept().iter().filter_map(subject).collect()
}

const MADE: &str = "SELECT number FROM worker_made";
const DONE: &str = "SELECT number FROM worker_done";

async fn two_processes_share_work(url: &str, data: PathBuf, python: &str) {
    let smtp = Smtp::start(python, "127.0.0.1", free_port());
    let mail = format!("smtp://127.0.0.1:{}", smtp.port);
    let mut first = Process::start(url, &mail, &data);
    let minute = Duration::from_secs(60);
    // the first migrates
    until("the database is migrated", minute, async || {
        let Ok(db) = sea_orm::Database::connect(url).await else {
            return false;
        };
        let is_ready = !runs(&db).await.is_empty();
        db.close().await.unwrap();
        is_ready
    })
    .await;
    let db = connect(url).await;
    let mut second = Process::start(url, &mail, &data);
    until("both work", minute, async || {
        let begun = numbers(&db, "SELECT DISTINCT pid AS number FROM worker_begun").await;
        begun.len() == 2 && runs(&db).await.len() > 5
    })
    .await;

    // one is killed in the middle of a run
    until("a task runs", minute, async || {
        let runs = runs(&db).await;
        runs.last().is_some_and(|run| run.ended.is_none())
    })
    .await;
    let killed = runs(&db).await.last().map_or(0, |run| run.pid);
    let (of_run, other) = match killed == first.pid() {
        true => (&mut first, &second),
        false => (&mut second, &first),
    };
    of_run.kill();
    let left = other.pid();
    let before = runs(&db).await.len();

    // the other takes over the task, the jobs and the mail
    until(
        "the task runs again",
        Duration::from_secs(120),
        async || runs(&db).await.len() > before + 2,
    )
    .await;
    let made_until_now = numbers(&db, MADE).await;
    until("all is done", Duration::from_secs(210), async || {
        let done = numbers(&db, DONE).await;
        let mailed = mailed(&smtp);
        made_until_now.is_subset(&done) && made_until_now.is_subset(&mailed)
    })
    .await;

    // no task ran twice at once: a run begins after the end of the one before, or after its lease
    let runs = runs(&db).await;
    for pair in runs.windows(2) {
        let earliest = pair[0].ended.unwrap_or(pair[0].begun + 55_000);
        assert!(pair[1].begun >= earliest, "{pair:?} of {runs:?}");
    }
    let unfinished: Vec<&Run> = runs.iter().filter(|run| run.ended.is_none()).collect();
    assert!(
        unfinished.iter().any(|run| run.pid == killed),
        "killed in a run: {runs:?}"
    );
    assert_eq!(runs.last().map(|run| run.pid), Some(left));
    // nothing of a transaction that was rolled back, which is every second one
    let made = numbers(&db, MADE).await;
    let done = numbers(&db, DONE).await;
    assert!(
        made.iter().all(|number| number % 2 == 0) && made.len() > 2,
        "{made:?}"
    );
    assert!(done.is_subset(&made), "{done:?} {made:?}");
    let mailed = mailed(&smtp);
    assert!(mailed.is_subset(&made), "{mailed:?} {made:?}");

    // F113: an entry for each effect, in one chain without a gap
    first.kill();
    second.kill();
    let program = Program::new(url, &data);
    let said = program.run(&["audit", "verify"]);
    assert!(said.contains("are as the site wrote them"), "{said}");
    let made = numbers(&db, MADE).await;
    let entries =
        "SELECT CAST(detail AS BIGINT) AS number FROM palisade_audit WHERE event = 'worker.made'";
    assert_eq!(numbers(&db, entries).await, made);
}

#[tokio::test]
async fn a_killed_process_loses_no_work_on_sqlite() {
    let Some(python) = server("PALISADE_TEST_SMTP") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("site.sqlite3").display());
    two_processes_share_work(&url, folder.path().into(), &python).await;
    ran("two processes, one killed, on SQLite");
}

#[tokio::test]
async fn a_killed_process_loses_no_work_on_postgres() {
    let Some(python) = server("PALISADE_TEST_SMTP") else {
        return;
    };
    let Some(url) = new_postgres().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    two_processes_share_work(&url, folder.path().into(), &python).await;
    ran("two processes, one killed, on PostgreSQL");
}
