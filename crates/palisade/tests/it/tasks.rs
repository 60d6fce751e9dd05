//! Tasks by a schedule and queued jobs: one instance runs each at a time, and none is lost.

use chrono::TimeDelta;
use palisade::prelude::*;
use palisade::serde::{Deserialize, Serialize};
use palisade::tasks::{JobId, JobState};
use palisade::testing::{TestDatabase, TestSite, events};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const DATABASES: [TestDatabase; 2] = [TestDatabase::Sqlite, TestDatabase::Postgres];

/// Writes a row, waits, and fails where its number says so.
#[derive(Serialize, Deserialize)]
#[serde(crate = "palisade::serde")]
struct Count {
    secret: String,
    failures: usize,
}

static TRIES: AtomicUsize = AtomicUsize::new(0);

impl Job for Count {
    const NAME: &'static str = "count";
    const MAX_TRIES: u16 = 3;

    async fn run(self, _: Arc<Site>, run: JobRun) -> Result<()> {
        run.progress(1, 4).await?;
        if self.secret == "panic" {
            panic!("as asked");
        }
        match TRIES.fetch_add(1, Ordering::SeqCst) {
            tries if tries < self.failures => Err(Error::new(ErrorKind::Conflict, "not yet")),
            _ => Ok(()),
        }
    }
}

/// A job that the site does not declare.
#[derive(Serialize, Deserialize)]
#[serde(crate = "palisade::serde")]
struct Undeclared;

impl Job for Undeclared {
    const NAME: &'static str = "undeclared";

    async fn run(self, _: Arc<Site>, _: JobRun) -> Result<()> {
        Ok(())
    }
}

async fn enqueue(db: Db, jobs: Jobs) -> Result<String> {
    let job = Count {
        secret: "a secret argument".into(),
        failures: 0,
    };
    let id = db.write(async |tx| jobs.enqueue(tx, &job).await).await?;
    Ok(id.to_string())
}

async fn roll_back(db: Db, jobs: Jobs) -> Result<String> {
    let job = Count {
        secret: "never".into(),
        failures: 0,
    };
    let tx = db.begin().await?;
    let id = jobs.enqueue(&tx, &job).await?;
    drop(tx);
    Ok(id.to_string())
}

async fn enqueue_undeclared(db: Db, jobs: Jobs) -> Result<&'static str> {
    db.write(async |tx| jobs.enqueue(tx, &Undeclared).await)
        .await?;
    Ok("queued")
}

async fn status(jobs: Jobs, Path(id): Path<JobId>) -> Result<String> {
    let status = jobs.status(&id).await?.or_404()?;
    Ok(format!("{:?} {}", status.state, status.percent()))
}

fn app() -> App {
    App::new().job::<Count>().routes(
        Routes::new()
            .route("/", public().get(async || "front").post(enqueue))
            .route("/rolled-back", public().post(roll_back))
            .route("/undeclared", public().post(enqueue_undeclared))
            .route("/jobs/{id}", public().get(status)),
    )
}

async fn put(site: &TestSite, secret: &str, failures: usize) -> JobId {
    let job = Count {
        secret: secret.into(),
        failures,
    };
    let (db, jobs) = (site.site().database(), site.site().jobs());
    db.write(async |tx| jobs.enqueue(tx, &job).await)
        .await
        .unwrap()
}

async fn state(site: &TestSite, id: &JobId) -> Option<JobState> {
    let status = site.site().jobs().status(id).await.unwrap();
    status.map(|status| status.state)
}

/// The names of what ran, with the errors.
async fn ran(site: &TestSite) -> Vec<String> {
    let reports = site.site().run_due().await.unwrap();
    let text = |report: palisade::app::RunReport| match report.error {
        Some(error) => format!("{}: {error}", report.name),
        None => report.name,
    };
    reports.into_iter().map(text).collect()
}

async fn text(site: &TestSite, sql: palisade::db::RawSql) -> Option<String> {
    let row: Option<(String,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(sql)
        .await
        .unwrap();
    row.map(|(text,)| text)
}

#[tokio::test]
async fn a_job_runs_after_its_commit_and_not_after_a_rollback() {
    for database in DATABASES {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let mut client = site.client();
        let token = client.get("/account/login").await.token().unwrap();
        let form: &[(&str, &str)] = &[("csrfmiddlewaretoken", &token)];
        let lost = client.post("/rolled-back", form).await;
        assert_eq!(lost.status, 200);
        assert_eq!(
            ran(&site).await,
            Vec::<String>::new(),
            "nothing was committed"
        );
        assert_eq!(
            client.get(&format!("/jobs/{}", lost.body)).await.status,
            404
        );
        let id = client.post("/", form).await.body;
        let stored = text(&site, sql!("SELECT sealed FROM palisade_job")).await;
        assert!(
            !stored.unwrap().contains("secret"),
            "arguments are encrypted"
        );
        assert_eq!(client.get(&format!("/jobs/{id}")).await.body, "Pending 0");
        assert_eq!(ran(&site).await, ["count"]);
        assert_eq!(client.get(&format!("/jobs/{id}")).await.body, "Done 100");
        let stored = text(&site, sql!("SELECT sealed FROM palisade_job")).await;
        assert_eq!(
            stored.as_deref(),
            Some(""),
            "arguments are deleted with the end"
        );
        // ids are not counted up: a neighbour's job cannot be found
        assert_eq!(id.len(), 32);
        let guessed = client.get("/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
        assert_eq!(guessed.status, 404);
        let refused = client.post("/undeclared", form).await;
        assert_eq!(
            refused.status, 500,
            "a job that nothing would run is not queued"
        );
        assert_eq!(
            text(
                &site,
                sql!("SELECT id FROM palisade_job WHERE name = 'undeclared'")
            )
            .await,
            None
        );
    }
}

// a job is retried with growing pauses, and given up after its last try; a panic is a failure
#[tokio::test]
async fn a_failing_job_is_retried_and_then_given_up() {
    let site = TestSite::start(app(), &[]).await;
    TRIES.store(0, Ordering::SeqCst);
    let id = put(&site, "x", 1).await;
    let failed = ran(&site).await;
    assert_eq!(failed, ["count: Conflict"]);
    assert_eq!(ran(&site).await, Vec::<String>::new(), "not at once");
    assert_eq!(state(&site, &id).await, Some(JobState::Pending));
    site.clock().advance(TimeDelta::seconds(60));
    assert_eq!(ran(&site).await, ["count"]);
    assert_eq!(state(&site, &id).await, Some(JobState::Done));

    let id = put(&site, "panic", 0).await;
    for (pause, state_then) in [
        (0, JobState::Pending),
        (60, JobState::Pending),
        (120, JobState::Failed),
    ] {
        site.clock().advance(TimeDelta::seconds(pause));
        assert_eq!(ran(&site).await, ["count: it panicked"]);
        assert_eq!(state(&site, &id).await, Some(state_then));
    }
    let mut given_up = events("a job failed, and is not retried");
    given_up.retain(|event| event.contains("name=count"));
    assert_eq!(given_up.len(), 1, "{given_up:?}");
    assert_eq!(work_failed(&site).await, ["job count"]);
    site.clock().advance(TimeDelta::days(1));
    assert_eq!(ran(&site).await, Vec::<String>::new(), "given up");
    let listed = site.site().jobs().list().await.unwrap();
    assert_eq!(listed.len(), 1, "failed jobs are listed: {listed:?}");
    assert_eq!((listed[0].tries, listed[0].state), (3, JobState::Failed));
}

/// The details of the events of failed tasks and jobs.
async fn work_failed(site: &TestSite) -> Vec<String> {
    site.site().audit_stored().await.unwrap();
    let all = sql!("SELECT detail FROM palisade_audit WHERE event = 'work_failed' ORDER BY seq");
    let all: Vec<(String,)> = site
        .site()
        .database()
        .handle()
        .fetch_all(all)
        .await
        .unwrap();
    all.into_iter().map(|(detail,)| detail).collect()
}

/// Runs at the same time, and the most there were.
static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
static RUNS: AtomicUsize = AtomicUsize::new(0);

async fn overlapping(_: Arc<Site>) -> Result<()> {
    let now = NOW.fetch_add(1, Ordering::SeqCst) + 1;
    MOST.fetch_max(now, Ordering::SeqCst);
    RUNS.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(100)).await;
    NOW.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

fn scheduled() -> App {
    App::new().task("overlapping", Schedule::daily(3, 0), overlapping)
}

#[tokio::test]
async fn of_several_instances_one_runs_a_task() {
    for database in DATABASES {
        let Some(site) = TestSite::start_on(database, scheduled(), &[]).await else {
            continue;
        };
        let other = site.start_beside(scheduled(), &[]).await;
        for counter in [&MOST, &RUNS] {
            counter.store(0, Ordering::SeqCst);
        }
        assert_eq!(ran(&site).await, Vec::<String>::new(), "not yet time");
        for days in 1..=3 {
            for one in [&site, &other] {
                one.clock().advance(TimeDelta::days(1));
            }
            let (here, there) = tokio::join!(ran(&site), ran(&other));
            assert_eq!(here.len() + there.len(), 1, "{here:?} {there:?}");
            assert_eq!(RUNS.load(Ordering::SeqCst), days);
        }
        assert_eq!(MOST.load(Ordering::SeqCst), 1);
        // a stopped site makes up for missed times once
        site.clock().advance(TimeDelta::days(5));
        assert_eq!(ran(&site).await, ["overlapping"]);
        assert_eq!(ran(&site).await, Vec::<String>::new());
    }
}

async fn failing(_: Arc<Site>) -> Result<()> {
    Err(Error::new(ErrorKind::Conflict, "as asked"))
}

async fn endless(_: Arc<Site>) -> Result<()> {
    std::future::pending().await
}

// the retries of a task end at its next time, and its state is shown to monitoring only
#[tokio::test]
async fn a_failing_task_is_retried_and_seen_by_monitoring() {
    let app = App::new()
        .task(
            "failing",
            Schedule::every(Duration::from_secs(86_400)),
            failing,
        )
        .task(
            "endless",
            Schedule::every(Duration::from_secs(86_400)),
            endless,
        );
    let settings = [
        ("tasks.max_secs", "1"),
        ("site.health_detail_from", "127.0.0.0/8"),
    ];
    let site = TestSite::start(app, &settings).await;
    let (failed, timed_out) = (
        "failing: Conflict",
        "endless: it took longer than tasks.max_secs",
    );
    assert_eq!(ran(&site).await, [failed, timed_out]);
    assert_eq!(ran(&site).await, Vec::<String>::new());
    for pause in [60, 120, 240, 480, 960] {
        site.clock().advance(TimeDelta::seconds(pause - 1));
        assert_eq!(ran(&site).await, Vec::<String>::new(), "before {pause}");
        site.clock().advance(TimeDelta::seconds(1));
        assert_eq!(ran(&site).await, [failed, timed_out], "after {pause}");
    }
    site.clock().advance(TimeDelta::hours(2));
    assert_eq!(
        ran(&site).await,
        Vec::<String>::new(),
        "after five retries it waits for its time"
    );
    let failed = work_failed(&site).await;
    assert_eq!(failed.len(), 12, "{failed:?}");
    assert!(failed.contains(&"task failing".to_owned()));
    let detail = site.client().get("/health/detail").await.body;
    let detail: palisade::serde_json::Value = palisade::serde_json::from_str(&detail).unwrap();
    let task = &detail["tasks"][1];
    assert_eq!(task["state"]["name"], "failing", "{detail}");
    assert_eq!(task["state"]["failures"], 6);
    assert!(task["state"]["succeeded"].is_null());
    assert_eq!(detail["jobs"]["pending"], 0);
}

// an instance whose row was taken over by another one changes nothing of it
#[tokio::test]
async fn a_lost_lease_changes_nothing() {
    let site = TestSite::start(
        App::new().task("endless", Schedule::every(Duration::from_secs(60)), endless),
        &[("tasks.max_secs", "1")],
    )
    .await;
    let running = site.site().clone();
    let running = tokio::spawn(async move { running.run_due().await.unwrap() });
    let claimed = || text(&site, sql!("SELECT name FROM palisade_task WHERE runs = 1"));
    while claimed().await.is_none() {
        tokio::task::yield_now().await;
    }
    // another instance has taken the row over
    let taken = sql!("UPDATE palisade_task SET runs = 2, due = 7, failures = 0");
    site.site()
        .database()
        .write(async |tx| tx.execute_sql(taken).await)
        .await
        .unwrap();
    let reports = running.await.unwrap();
    assert_eq!(reports.len(), 1, "it ran to its time limit");
    let kept = text(
        &site,
        sql!("SELECT name FROM palisade_task WHERE due = 7 AND failures = 0"),
    );
    assert_eq!(
        kept.await.as_deref(),
        Some("endless"),
        "the row of the other instance is unchanged"
    );
}

#[tokio::test]
async fn a_failing_start_function_stops_the_start() {
    let fine = App::new().on_start(async |site| {
        assert!(!site.routes().is_empty());
        Ok(())
    });
    TestSite::start(fine, &[]).await;
    let broken = App::new().on_start(async |_| Err(Error::bug("no licence")));
    let error = TestSite::try_start(broken, &[]).await.err().unwrap();
    assert!(error.to_string().contains("no licence"), "{error}");
}

/// Runs longer than its process.
#[derive(Serialize, Deserialize)]
#[serde(crate = "palisade::serde")]
struct Fatal;

static FATAL: AtomicUsize = AtomicUsize::new(0);

impl Job for Fatal {
    const NAME: &'static str = "fatal";
    const MAX_TRIES: u16 = 2;

    async fn run(self, _: Arc<Site>, _: JobRun) -> Result<()> {
        FATAL.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

/// Runs the due work, ends it as a killed process would, and lets its leases end.
async fn kill_during(site: &TestSite, begun: usize) {
    let running = site.site().clone();
    let running = tokio::spawn(async move { running.run_due().await });
    while FATAL.load(Ordering::SeqCst) < begun {
        tokio::task::yield_now().await;
    }
    running.abort();
    let _ = running.await;
    let ended = async |tx: &Tx| {
        tx.execute_sql(sql!("UPDATE palisade_task SET leased_until = 0"))
            .await?;
        tx.execute_sql(sql!("UPDATE palisade_job SET leased_until = 0"))
            .await
    };
    site.site().database().write(ended).await.unwrap();
}

// work that kills its process must not take the site down for ever
#[tokio::test]
async fn work_that_kills_its_process_is_given_up() {
    let site = TestSite::start(App::new().job::<Fatal>(), &[]).await;
    let (db, jobs) = (site.site().database(), site.site().jobs());
    let id = db
        .write(async |tx| jobs.enqueue(tx, &Fatal).await)
        .await
        .unwrap();
    for tries in 1..=2 {
        kill_during(&site, tries).await;
    }
    assert_eq!(
        ran(&site).await,
        ["fatal: Internal: its last try never ended"]
    );
    assert_eq!(state(&site, &id).await, Some(JobState::Failed));
    assert_eq!(FATAL.load(Ordering::SeqCst), 2, "not run again");

    let fatal = |_: Arc<Site>| async {
        FATAL.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Result<()>>().await
    };
    let app = App::new().task("fatal", Schedule::every(Duration::from_secs(86_400)), fatal);
    let site = TestSite::start(app, &[]).await;
    kill_during(&site, 3).await;
    assert_eq!(ran(&site).await, Vec::<String>::new(), "not at once");
    site.clock().advance(TimeDelta::seconds(60));
    kill_during(&site, 4).await;
    site.clock().advance(TimeDelta::seconds(60));
    assert_eq!(ran(&site).await, Vec::<String>::new(), "after two minutes");
}
