//! The cost of the audit log: logins and new tickets while its writer stores the entries, compared
//! with rounds in which they stay in memory.

use crate::load::median;
use palisade::auth::{NewUser, Rank};
use palisade::testing::{Client, TestDatabase, TestSite};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 21;
const LOGINS: usize = 8;
const TICKETS: usize = 40;
const PASSWORD: &str = "correct horse battery staple";

pub async fn measure() {
    println!("the audit log: median of {ROUNDS} rounds, without and with its writer");
    println!(
        "{:<12}{:<12}{:>12}{:>12}{:>8}",
        "database", "act", "without", "with", "ratio"
    );
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let limits = [
            ("throttle.requests", "1000000/m"),
            ("throttle.changes", "1000000/m"),
        ];
        let Some(site) = TestSite::start_on(database, helpdesk::app(), &limits).await else {
            continue;
        };
        let new = NewUser {
            username: "ann",
            email: "ann@example.org",
            password: PASSWORD,
            rank: Rank::Plain,
        };
        site.site().accounts().sign_up(new).await.unwrap();
        let mut ann = site.client();
        ann.log_in("ann", PASSWORD).await;
        let token = ann.get("/tickets/new").await.token().unwrap();
        compare(&site, (database, "login"), async || {
            for _ in 0..LOGINS {
                assert_eq!(site.client().log_in("ann", PASSWORD).await.status, 303);
            }
        })
        .await;
        let ann = tokio::sync::Mutex::new(ann);
        compare(&site, (database, "ticket"), async || {
            let mut ann = ann.lock().await;
            for _ in 0..TICKETS {
                post_ticket(&mut ann, &token).await;
            }
        })
        .await;
    }
}

async fn post_ticket(client: &mut Client, token: &str) {
    let fields = [
        ("subject", "Another ticket"),
        ("body", "What happened, in a line or two."),
        ("csrfmiddlewaretoken", token),
    ];
    assert_eq!(client.post("/tickets", &fields).await.status, 303);
}

/// Alternates rounds. Entries of the rounds in memory are stored between them.
async fn compare(site: &TestSite, (database, act): (TestDatabase, &str), run: impl AsyncFn()) {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    run().await;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        run().await;
        without.push(begun.elapsed().as_secs_f64());
        site.site().audit_stored().await.unwrap();
        let shared = Arc::clone(site.site());
        // as the server does it
        let writer = tokio::spawn(async move {
            loop {
                shared.audit_stored().await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let begun = Instant::now();
        run().await;
        with.push(begun.elapsed().as_secs_f64());
        writer.abort();
        let _ = writer.await;
        site.site().audit_stored().await.unwrap();
    }
    let (without, with) = (median(without), median(with));
    println!(
        "{:<12}{act:<12}{:>10.2}ms{:>10.2}ms{:>8.3}",
        format!("{database:?}"),
        without * 1e3,
        with * 1e3,
        with / without
    );
}
