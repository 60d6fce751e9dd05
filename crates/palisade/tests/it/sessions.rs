//! Every session store passes one suite.

use chrono::{TimeDelta, Utc};
use http::StatusCode;
use palisade::prelude::*;
use palisade::sessions::{CachedStore, CookieStore, DatabaseStore, MemoryStore, SessionStore};
use palisade::testing::{Client, TestDatabase, TestSite, server};

async fn suite(store: &dyn SessionStore) {
    let now = Utc::now();
    let hour = TimeDelta::hours(1);
    // several stores may share a server
    let [id, other] =
        [(); 2].map(|()| palisade::crypto::random::stored_hash(&palisade::crypto::random::nonce()));
    assert_eq!(store.load(&id, now).await.unwrap(), None);
    store.update(&id, "ghost", now + hour).await.unwrap();
    assert_eq!(
        store.load(&id, now).await.unwrap(),
        None,
        "a session that does not exist is not made by a change"
    );
    store.create(&id, "one", now + hour).await.unwrap();
    assert_eq!(store.load(&id, now).await.unwrap().as_deref(), Some("one"));
    assert_eq!(store.load(&"b".repeat(40), now).await.unwrap(), None);
    store.create(&id, "taken over", now + hour).await.unwrap();
    assert_eq!(
        store.load(&id, now).await.unwrap().as_deref(),
        Some("one"),
        "an id is made once"
    );
    store.update(&id, "two", now + hour).await.unwrap();
    assert_eq!(store.load(&id, now).await.unwrap().as_deref(), Some("two"));
    assert_eq!(
        store.load(&id, now + hour).await.unwrap(),
        None,
        "ended to the second"
    );
    store.create(&other, "other", now + hour * 2).await.unwrap();
    assert_eq!(store.delete_expired(now + hour).await.unwrap(), 1);
    assert!(store.delete(&other).await.unwrap());
    assert!(
        !store.delete(&other).await.unwrap(),
        "only one of two can end it"
    );
    store
        .update(&other, "back from the dead", now + hour)
        .await
        .unwrap();
    assert_eq!(
        store.load(&other, now).await.unwrap(),
        None,
        "what is ended stays ended"
    );
}

// F035; ASVS 7.2.1
#[tokio::test]
async fn memory_passes() {
    suite(&MemoryStore::default()).await;
}

#[tokio::test]
async fn database_passes() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        if let Some(site) = TestSite::start_on(database, App::new(), &[]).await {
            suite(&DatabaseStore(site.site().database().clone())).await;
            palisade::testing::ran(&format!("sessions on {database:?}"));
        }
    }
}

// F035; ASVS 7.2.1: what browsers carry, and what Redis copies
#[tokio::test]
async fn cookie_and_redis_pass() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, App::new(), &[]).await else {
            continue;
        };
        suite(&CookieStore::new(
            site.site().database().clone(),
            TimeDelta::days(7),
        ))
        .await;
        if let Some(redis) = server("PALISADE_TEST_REDIS") {
            suite(
                &CachedStore::new(DatabaseStore(site.site().database().clone()), &redis).unwrap(),
            )
            .await;
            palisade::testing::ran(&format!("sessions in cookies and Redis on {database:?}"));
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

// F102: rotation signs no user out, and values written after it do not need the old key
#[tokio::test]
async fn rotating_the_key_signs_nobody_out() {
    let keys: Vec<String> = (0..2)
        .map(|_| palisade::crypto::KeyRing::generate().expose().clone())
        .collect();
    let routes = || Routes::new().route("/mine", signed_in().get(async |user: User| user.username));
    let folder = std::env::temp_dir().join(format!(
        "palisade-rotation-{}",
        palisade::crypto::random::nonce()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let database = format!("sqlite:{}", folder.join("site.sqlite3").display());
    let before = TestSite::start(
        App::new().routes(routes()),
        &[("keys.secret", &keys[0]), ("database.url", &database)],
    )
    .await;
    let mut client = before.client();
    client.sign_up("ann").await;
    let form = client.get("/account/password").await.token().unwrap();
    let after = TestSite::start(
        App::new().routes(routes()),
        &[
            ("keys.secret", &keys[1]),
            ("keys.fallbacks", &keys[0]),
            ("database.url", &database),
        ],
    )
    .await;
    let mut moved = after.client();
    moved.cookies().extend(client.cookies().clone());
    assert_eq!(moved.get("/mine").await.body, "ann");
    assert_eq!(
        moved
            .post("/account/password", &[("csrfmiddlewaretoken", &form)])
            .await
            .status,
        422,
        "a form of before is accepted, and judged"
    );
    let later = TestSite::start(
        App::new().routes(routes()),
        &[("keys.secret", &keys[1]), ("database.url", &database)],
    )
    .await;
    let mut late = later.client();
    late.cookies().extend(moved.cookies().clone());
    assert_eq!(
        late.get("/mine").await.body,
        "ann",
        "the session was signed again by the new key"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

// a page that does not look at the session costs no query
#[tokio::test]
async fn a_page_that_does_not_look_works_without_a_database() {
    let routes = Routes::new()
        .route("/plain", public().get(async || "plain"))
        .route(
            "/looks",
            public().get(async |user: Option<User>| format!("{user:?}")),
        );
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
    let first = TestSite::start(
        App::new().routes(routes()),
        &[("keys.secret", key.expose())],
    )
    .await;
    let mut client = first.client();
    client.sign_up("ann").await;
    let database = format!("sqlite:{}", first.folder().join("site.sqlite3").display());
    for (setting, value) in [
        ("sessions.absolute_secs", "60"),
        ("sessions.idle_secs", "60"),
    ] {
        let again = TestSite::start(
            App::new().routes(routes()),
            &[
                ("keys.secret", key.expose()),
                ("database.url", &database),
                (setting, value),
            ],
        )
        .await;
        let mut late = again.client();
        late.cookies().extend(client.cookies().clone());
        assert_eq!(late.get("/mine").await.body, "ann", "still young");
        again.clock().advance(TimeDelta::seconds(90));
        assert_eq!(late.get("/mine").await.status, 303, "{setting}");
    }
}

fn mine() -> App {
    let keep = async |session: Session, Path(id): Path<String>| {
        session.insert("kept", id).await.map(|()| "kept")
    };
    let kept = async |session: Session| {
        session
            .value::<String>("kept")
            .await
            .map(Option::unwrap_or_default)
    };
    let routes = Routes::new()
        .route("/mine", signed_in().get(async |user: User| user.username))
        .route("/kept", public().get(kept))
        .route("/keep/{id}", public().get(keep));
    App::new().routes(routes)
}

const PASSWORD: &str = "correct horse battery staple";

// M9 of the reports; F038; ASVS 7.3.1, 7.3.2: a session outlives the browser only where its user chose so, in every store and through the second step
#[tokio::test]
async fn m09_a_user_stays_signed_in_by_choice() {
    for store in ["database", "cookie", "memory"] {
        let site = TestSite::start(
            mine(),
            &[("sessions.store", store), ("mail.url", "memory:")],
        )
        .await;
        site.client().sign_up("ann").await;
        let log_in = async |keep: &[(&str, &str)]| {
            let mut client = site.client();
            let fields = [&[("username", "ann"), ("password", PASSWORD)][..], keep].concat();
            let answer = client
                .submit("/account/login", "/account/login", &fields)
                .await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER);
            let cookies = answer
                .headers
                .get_all("set-cookie")
                .iter()
                .map(|cookie| cookie.to_str().unwrap().to_owned());
            (
                client,
                cookies
                    .filter(|cookie| cookie.starts_with("session="))
                    .collect::<Vec<_>>()
                    .pop()
                    .unwrap(),
            )
        };
        let ((mut kept, cookie), (mut other, plain)) =
            (log_in(&[("keep", "on")]).await, log_in(&[]).await);
        assert!(
            cookie.contains("; Max-Age=1209600") && !plain.contains("Max-Age"),
            "{store}: {cookie} {plain}"
        );
        site.clock()
            .advance(TimeDelta::days(5) + TimeDelta::seconds(2));
        assert_eq!(
            (
                kept.get("/mine").await.body.as_str(),
                other.get("/mine").await.status.as_u16()
            ),
            ("ann", 303),
            "{store}"
        );
        // a new key after a change of password: the cookie goes on for what is left
        let fields = [
            ("current_password", PASSWORD),
            ("new_password", "another good long password"),
            ("new_password_again", "another good long password"),
        ];
        let changed = kept
            .submit("/account/password", "/account/password", &fields)
            .await;
        let cookie = changed
            .headers
            .get_all("set-cookie")
            .iter()
            .find(|cookie| cookie.as_bytes().starts_with(b"session="))
            .unwrap();
        assert!(
            cookie.to_str().unwrap().contains("; Max-Age=77759"),
            "{store}: {cookie:?} {}",
            changed.body
        );
        site.clock()
            .advance(TimeDelta::days(9) - TimeDelta::seconds(10));
        assert_eq!(kept.get("/mine").await.body, "ann", "{store}");
        site.clock().advance(TimeDelta::seconds(10));
        assert_eq!(
            kept.get("/mine").await.status,
            StatusCode::SEE_OTHER,
            "{store}: two weeks after the login, however busy"
        );
    }
}

// M9: the second step goes on with the choice of the first; a login by mail has its own; a choice that was not offered is none
#[tokio::test]
async fn m09_the_choice_of_a_login_is_kept_to_its_end() {
    let routes = || {
        App::new()
            .routes(Routes::new().route("/mine", signed_in().get(async |user: User| user.username)))
    };
    let site = TestSite::start(routes(), &[("login.by_mail", "true")]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let secret = ann.add_factor().await;
    let mut phone = site.client();
    let first = phone
        .submit(
            "/account/login",
            "/account/login",
            &[("username", "ann"), ("password", PASSWORD), ("keep", "on")],
        )
        .await;
    assert_eq!(first.header("location"), "/account/login/second");
    site.clock().advance(TimeDelta::seconds(60));
    let code = phone.code(&secret);
    let second = phone
        .submit(
            "/account/login/second",
            "/account/login/second",
            &[("code", &code)],
        )
        .await;
    assert_eq!(second.status, StatusCode::SEE_OTHER, "{}", second.body);
    site.clock().advance(TimeDelta::days(13));
    assert_eq!(phone.get("/mine").await.body, "ann");

    site.client().sign_up("bob").await;
    let mut bob = site.client();
    bob.submit(
        "/account/login/mail",
        "/account/login/mail",
        &[("email", "bob@example.org")],
    )
    .await;
    let text = bob.mail_to("bob@example.org").await.unwrap().text;
    let code = text
        .lines()
        .find(|line| line.len() == 11 && line.as_bytes()[5] == b'-')
        .unwrap();
    let page = "/account/login/mail/code";
    let answer = bob
        .submit(page, page, &[("code", code), ("keep", "on")])
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    site.clock().advance(TimeDelta::days(13));
    assert_eq!(bob.get("/mine").await.body, "bob");

    let strict = TestSite::start(routes(), &[("sessions.kept_days", "0")]).await;
    let mut eve = strict.client();
    eve.sign_up("eve").await;
    let mut again = strict.client();
    assert!(
        !again
            .get("/account/login")
            .await
            .body
            .contains("name=\"keep\"")
            && ann
                .get("/account/login")
                .await
                .body
                .contains("name=\"keep\"")
    );
    let answer = again
        .submit(
            "/account/login",
            "/account/login",
            &[("username", "eve"), ("password", PASSWORD), ("keep", "on")],
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    strict.clock().advance(TimeDelta::hours(9));
    assert_eq!(again.get("/mine").await.status, StatusCode::SEE_OTHER);
}

// F035, F043; D13, D20; ASVS 7.2.4, 7.4.1, 7.4.2, 7.4.3, 7.5.2: a cookie-based session can be revoked like any other, and cannot be read or changed
#[tokio::test]
async fn a_carried_session_is_sealed_and_ends_at_once() {
    let site = TestSite::start(mine(), &[("sessions.store", "cookie")]).await;
    let (mut ann, mut phone) = (site.client(), site.client());
    ann.sign_up("ann").await;
    phone.log_in("ann", PASSWORD).await;
    assert_eq!(
        (ann.get("/mine").await.body, phone.get("/mine").await.body),
        ("ann".into(), "ann".into())
    );
    assert_eq!(ann.get("/keep/one").await.body, "kept");
    assert_eq!(ann.get("/kept").await.body, "one");
    let cookie = ann.cookies()["session"].clone();
    let (key, sealed) = cookie.split_once('.').unwrap();
    assert!(key.len() == 43 && sealed.len() > 100, "{cookie}");
    // each byte changed, another's data under one's own key, and no data
    for place in (0..cookie.len()).step_by(7) {
        let mut changed = cookie.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let mut thief = site.client();
        thief
            .cookies()
            .insert("session".into(), String::from_utf8(changed).unwrap());
        assert_ne!(thief.get("/mine").await.body, "ann", "byte {place}");
    }
    let theirs = phone.cookies()["session"]
        .split_once('.')
        .unwrap()
        .1
        .to_owned();
    for value in [format!("{key}.{theirs}"), key.to_owned(), format!("{key}.")] {
        let mut thief = site.client();
        thief.cookies().insert("session".into(), value);
        assert_ne!(thief.get("/mine").await.body, "ann");
    }
    // it is listed, and ended there by its owner, at once
    let page = ann.get("/account/sessions").await;
    assert_eq!(
        page.body.matches("name=\"id\"").count(),
        1,
        "the other one: {}",
        page.body
    );
    let id = page.hidden_field("id").unwrap();
    ann.submit("/account/sessions", "/account/sessions", &[("id", &id)])
        .await;
    assert_ne!(phone.get("/mine").await.body, "ann", "ended from elsewhere");
    phone.log_in("ann", PASSWORD).await;
    assert_eq!(phone.get("/mine").await.body, "ann");
    // a change of password, and a logout: copies are dead at once
    let copy = |client: &mut Client| client.cookies().clone();
    let (mut stolen, before) = (site.client(), copy(&mut ann));
    *stolen.cookies() = before;
    assert_eq!(stolen.get("/mine").await.body, "ann");
    let new = [
        ("current_password", PASSWORD),
        ("new_password", "another fine phrase"),
        ("new_password_again", "another fine phrase"),
    ];
    assert_eq!(
        ann.submit("/account/password", "/account/password", &new)
            .await
            .status,
        303
    );
    assert_ne!(phone.get("/mine").await.body, "ann", "the password changed");
    assert_ne!(stolen.get("/mine").await.body, "ann");
    let carried = copy(&mut ann);
    let token = ann.get("/account").await.token().unwrap();
    ann.post("/account/logout", &[("csrfmiddlewaretoken", &token)])
        .await;
    let mut copied = site.client();
    *copied.cookies() = carried;
    assert_ne!(
        copied.get("/mine").await.body,
        "ann",
        "a copy of before the logout"
    );
    // more than a cookie holds is an error, not a session that is cut
    let mut full = site.client();
    assert_eq!(
        full.get(&format!("/keep/{}", "x".repeat(3_900)))
            .await
            .status,
        500
    );
}

/// Redis of one's own, which can be made to hang.
struct OwnRedis(std::process::Child, u16);

impl OwnRedis {
    fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut command = std::process::Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        let child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self(child, port)
    }

    fn signal(&self, name: &str) {
        std::process::Command::new("kill")
            .args([name, &self.0.id().to_string()])
            .status()
            .unwrap();
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// F035; D13; ASVS 7.4.1, 7.4.2: two instances share sessions by Redis; while it hangs the database answers, and what was ended then does not come back with it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_redis_loses_no_session_and_brings_none_back() {
    if server("PALISADE_TEST_REDIS").is_none() {
        return;
    }
    let Some(first) = TestSite::start_on(TestDatabase::Postgres, mine(), &[]).await else {
        return;
    };
    let redis = OwnRedis::start();
    let url = format!("redis://127.0.0.1:{}", redis.1);
    let settings = [("sessions.store", "redis"), ("cache.url", url.as_str())];
    let sites = [
        first.start_beside(mine(), &settings).await,
        first.start_beside(mine(), &settings).await,
    ];
    let mut ann = sites[0].client();
    ann.sign_up("ann").await;
    let other = |client: &mut Client| {
        let mut other = sites[1].client();
        *other.cookies() = client.cookies().clone();
        other
    };
    let mut there = other(&mut ann);
    assert_eq!(there.get("/mine").await.body, "ann");
    assert_eq!(ann.get("/keep/one").await.body, "kept");
    assert_eq!(
        there.get("/kept").await.body,
        "one",
        "a change of one instance is there at once in the other"
    );
    ann.get("/keep/two").await;
    assert_eq!(there.get("/kept").await.body, "two");
    // a second session, whose copy is in Redis when that hangs
    let mut phone = sites[0].client();
    phone.log_in("ann", PASSWORD).await;
    let mut phone_there = other(&mut phone);
    assert_eq!(phone_there.get("/mine").await.body, "ann");
    redis.signal("-STOP");
    assert_eq!(there.get("/mine").await.body, "ann", "the database answers");
    let token = phone.get("/account").await.token().unwrap();
    phone
        .post("/account/logout", &[("csrfmiddlewaretoken", &token)])
        .await;
    assert_ne!(
        phone_there.get("/mine").await.body,
        "ann",
        "ended while Redis hangs"
    );
    // only one request per second waits for a Redis that hangs: forty, one after the other, would take ten seconds
    let mut waiting = tokio::task::JoinSet::new();
    let began = std::time::Instant::now();
    for _ in 0..40 {
        let mut client = ann.clone();
        waiting.spawn(async move { client.get("/kept").await.body });
    }
    assert!(waiting.join_all().await.iter().all(|body| body == "two"));
    assert!(
        began.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    redis.signal("-CONT");
    for _ in 0..40 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_ne!(
            other(&mut phone_there).get("/mine").await.body,
            "ann",
            "a copy of before does not bring it back where it was ended"
        );
    }
    assert_ne!(phone_there.get("/mine").await.body, "ann");
    assert_eq!(there.get("/mine").await.body, "ann");
    drop(redis);
    assert_eq!(
        there.get("/mine").await.body,
        "ann",
        "and without any Redis"
    );
    palisade::testing::ran("sessions without Redis");
}
