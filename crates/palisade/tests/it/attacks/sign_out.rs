//! "Sign out everywhere" against a thief who changes the key of a stolen session again and again.

use crate::site::app;
use http::StatusCode;
use palisade::prelude::*;
use palisade::testing::{Client, TestDatabase, TestSite, ran, server};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

const PASSWORD: &str = "correct horse battery staple";

/// Links of an account of the thief's own: each gives the session that it is opened in another key.
async fn links(site: &TestSite) -> Vec<String> {
    let mut thief = site.client();
    thief.sign_up("thief").await;
    for _ in 0..2 {
        thief
            .submit(
                "/account/reset",
                "/account/reset",
                &[("email", "thief@example.org")],
            )
            .await;
    }
    site.site().mail().deliver().await.unwrap();
    let mails = site.site().mail().outbox();
    let link = |text: &str| {
        text.lines()
            .find(|line| line.contains("reset/new?token="))
            .map(|link| link[link.find("/account/").unwrap()..].to_owned())
    };
    mails
        .iter()
        .filter(|mail| mail.to == "thief@example.org")
        .filter_map(|mail| link(&mail.text))
        .collect()
}

/// Changes the key of a stolen session until it is over.
async fn rotate(mut stolen: Client, links: Arc<Vec<String>>, is_over: Arc<AtomicBool>) -> Client {
    while !is_over.load(Ordering::Relaxed) {
        for link in links.iter() {
            stolen.get(link).await;
        }
    }
    stolen
}

/// Of so many stolen sessions, those that still work after their owner has ended all others.
async fn survivors(site: &TestSite, other: &TestSite, rounds: usize, thieves: usize) -> usize {
    let links = Arc::new(links(site).await);
    assert_eq!(links.len(), 2);
    let mut owner = site.client();
    owner.sign_up("owner").await;
    let mut survivors = 0;
    for _ in 0..rounds {
        let mut stolen = Vec::new();
        for _ in 0..thieves {
            let mut client = other.client();
            assert_eq!(
                client.log_in("owner", PASSWORD).await.status,
                StatusCode::SEE_OTHER
            );
            stolen.push(client);
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let mut rotating = JoinSet::new();
        for client in stolen {
            rotating.spawn(rotate(client, links.clone(), is_over.clone()));
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let ended = owner
            .submit("/account/sessions", "/account/sessions", &[])
            .await;
        assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.body);
        is_over.store(true, Ordering::Relaxed);
        for mut client in rotating.join_all().await {
            survivors += usize::from(client.get("/mine").await.status == StatusCode::OK);
        }
        assert_eq!(
            owner.get("/mine").await.body,
            "owner",
            "the owner's own session goes on"
        );
    }
    survivors
}

const LIMITS: [(&str, &str); 2] = [("throttle.requests", "off"), ("throttle.changes", "off")];

// Finding 4; ASVS 7.4.3: 0 of 1,000
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_stolen_session_outlives_the_end_of_all() {
    for (store, rounds) in [("database", 80), ("memory", 10), ("cookie", 10)] {
        let site =
            TestSite::start(app(), &[&LIMITS[..], &[("sessions.store", store)]].concat()).await;
        assert_eq!(survivors(&site, &site, rounds, 10).await, 0, "{store}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_stolen_session_outlives_it_on_two_instances() {
    let Some(redis) = server("PALISADE_TEST_REDIS") else {
        return;
    };
    let Some(base) = TestSite::start_on(TestDatabase::Postgres, app(), &[]).await else {
        return;
    };
    let settings = [
        &LIMITS[..],
        &[("cache.url", redis.as_str()), ("sessions.store", "redis")],
    ]
    .concat();
    let sites = [
        base.start_beside(app(), &settings).await,
        base.start_beside(app(), &settings).await,
    ];
    assert_eq!(survivors(&sites[0], &sites[1], 10, 10).await, 0);
    ran("stolen sessions on two instances");
}

// the session that goes on is not ended by a request of its own that began before the others ended
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_request_does_not_end_the_session_that_goes_on() {
    async fn slow(session: Session) -> Result<&'static str> {
        session.insert("looked", 1).await?;
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        Ok("done")
    }
    let site = TestSite::start(
        app().routes(Routes::new().route("/late", signed_in().get(slow))),
        &[],
    )
    .await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let mut tab = ann.clone();
    let late = tokio::spawn(async move { tab.get("/late").await.status });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let before = ann.cookies().clone();
    assert_eq!(
        ann.submit("/account/sessions", "/account/sessions", &[])
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    assert_ne!(
        *ann.cookies(),
        before,
        "its key is another one (ASVS 7.2.4)"
    );
    assert!(!late.await.unwrap().is_server_error());
    assert_eq!(ann.get("/mine").await.body, "ann");
}
