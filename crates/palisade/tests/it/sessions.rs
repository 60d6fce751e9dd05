//! Every session store passes one suite.

use chrono::{TimeDelta, Utc};
use palisade::prelude::*;
use palisade::sessions::{DatabaseStore, MemoryStore, SessionStore};
use palisade::testing::{TestDatabase, TestSite};

async fn suite(store: &dyn SessionStore) {
    let now = Utc::now();
    let (hour, id) = (TimeDelta::hours(1), "a".repeat(40));
    assert_eq!(store.load(&id, now).await.unwrap(), None);
    store.update(&id, "ghost", now + hour).await.unwrap();
    assert_eq!(store.load(&id, now).await.unwrap(), None, "a session that does not exist is not made by a change");
    store.create(&id, "one", now + hour).await.unwrap();
    assert_eq!(store.load(&id, now).await.unwrap().as_deref(), Some("one"));
    assert_eq!(store.load(&"b".repeat(40), now).await.unwrap(), None);
    store.create(&id, "taken over", now + hour).await.unwrap();
    assert_eq!(store.load(&id, now).await.unwrap().as_deref(), Some("one"), "an id is made once");
    store.update(&id, "two", now + hour).await.unwrap();
    assert_eq!(store.load(&id, now).await.unwrap().as_deref(), Some("two"));
    assert_eq!(store.load(&id, now + hour).await.unwrap(), None, "ended to the second");
    store.create(&"c".repeat(40), "other", now + hour * 2).await.unwrap();
    assert_eq!(store.delete_expired(now + hour).await.unwrap(), 1);
    assert!(store.delete(&"c".repeat(40)).await.unwrap());
    assert!(!store.delete(&"c".repeat(40)).await.unwrap(), "only one of two can end it");
    store.update(&"c".repeat(40), "back from the dead", now + hour).await.unwrap();
    assert_eq!(store.load(&"c".repeat(40), now).await.unwrap(), None, "what is ended stays ended");
}

// F035; ASVS 7.2.1
#[tokio::test]
async fn memory_passes() {
    suite(&MemoryStore::default()).await;
}

#[tokio::test]
async fn database_passes() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        if let Some(site) = TestSite::on(database, App::new(), &[]).await {
            suite(&DatabaseStore(site.site().database().clone())).await;
            palisade::testing::ran(&format!("sessions on {database:?}"));
        }
    }
}

#[tokio::test]
async fn a_whole_site_runs_on_memory() {
    let routes = Routes::new().route("/mine", signed_in().get(async |user: User| user.username));
    let site = TestSite::start(App::new().routes(routes), &[("sessions.store", "memory")]).await;
    let mut client = site.client();
    client.sign_up("ann").await;
    assert_eq!(client.get("/mine").await.body, "ann");
}

// F102: rotation signs nobody out, and the old key is not needed for what is written after it
#[tokio::test]
async fn rotating_the_key_signs_nobody_out() {
    let keys: Vec<String> = (0..2).map(|_| palisade::crypto::KeyRing::generate().expose().clone()).collect();
    let routes = || Routes::new().route("/mine", signed_in().get(async |user: User| user.username));
    let folder = std::env::temp_dir().join(format!("palisade-rotation-{}", palisade::crypto::random::nonce()));
    std::fs::create_dir_all(&folder).unwrap();
    let database = format!("sqlite:{}", folder.join("site.sqlite3").display());
    let before = TestSite::start(App::new().routes(routes()), &[("keys.secret", &keys[0]), ("database.url", &database)]).await;
    let mut client = before.client();
    client.sign_up("ann").await;
    let form = client.get("/account/password").await.token().unwrap();
    let after = TestSite::start(
        App::new().routes(routes()),
        &[("keys.secret", &keys[1]), ("keys.fallbacks", &keys[0]), ("database.url", &database)],
    )
    .await;
    let mut moved = after.client();
    moved.cookies().extend(client.cookies().clone());
    assert_eq!(moved.get("/mine").await.body, "ann");
    assert_eq!(
        moved.post("/account/password", &[("csrfmiddlewaretoken", &form)]).await.status,
        422,
        "a form of before is accepted, and judged"
    );
    let later = TestSite::start(App::new().routes(routes()), &[("keys.secret", &keys[1]), ("database.url", &database)]).await;
    let mut late = later.client();
    late.cookies().extend(moved.cookies().clone());
    assert_eq!(late.get("/mine").await.body, "ann", "the session was signed again by the new key");
    std::fs::remove_dir_all(folder).unwrap();
}

// a page that does not look at the session costs no query
#[tokio::test]
async fn a_page_that_does_not_look_works_without_a_database() {
    let routes = Routes::new()
        .route("/plain", public().get(async || "plain"))
        .route("/looks", public().get(async |user: Option<User>| format!("{user:?}")));
    let site = TestSite::start(App::new().routes(routes), &[]).await;
    let mut client = site.client();
    client.sign_up("ann").await;
    site.site().database().close().await.unwrap();
    assert_eq!(client.get("/plain").await.status, 200);
    assert_eq!(client.get("/looks").await.status, 503);
}

// F036: a limit that was lowered holds for sessions that were begun before
#[tokio::test]
async fn a_lower_limit_counts_at_once() {
    let key = palisade::crypto::KeyRing::generate();
    let routes = || Routes::new().route("/mine", signed_in().get(async |user: User| user.username));
    let first = TestSite::start(App::new().routes(routes()), &[("keys.secret", key.expose())]).await;
    let mut client = first.client();
    client.sign_up("ann").await;
    let database = format!("sqlite:{}", first.folder().join("site.sqlite3").display());
    for (setting, value) in [("sessions.absolute_secs", "60"), ("sessions.idle_secs", "60")] {
        let again = TestSite::start(
            App::new().routes(routes()),
            &[("keys.secret", key.expose()), ("database.url", &database), (setting, value)],
        )
        .await;
        let mut late = again.client();
        late.cookies().extend(client.cookies().clone());
        assert_eq!(late.get("/mine").await.body, "ann", "still young");
        again.clock().advance(TimeDelta::seconds(90));
        assert_eq!(late.get("/mine").await.status, 303, "{setting}");
    }
}
