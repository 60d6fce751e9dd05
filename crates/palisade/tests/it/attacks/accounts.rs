use crate::site::app;
use chrono::TimeDelta;
use http::StatusCode;
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::testing::{Client, TestDatabase, TestSite};
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct horse battery staple";

async fn set(site: &TestSite, name: &str, column: &str) {
    let tx = site.site().database().handle().begin().await.unwrap();
    match column {
        "inactive" => tx
            .execute_sql(sql!(
                "UPDATE auth_user SET is_active = (1 = 0) WHERE username = ?",
                name
            ))
            .await
            .unwrap(),
        "unusable" => tx
            .execute_sql(sql!(
                "UPDATE auth_user SET password = '!abc' WHERE username = ?",
                name
            ))
            .await
            .unwrap(),
        hash => tx
            .execute_sql(sql!(
                "UPDATE auth_user SET password = ? WHERE username = ?",
                hash,
                name
            ))
            .await
            .unwrap(),
    };
    tx.commit().await.unwrap();
}

// D06, D29; ASVS 6.3.8; F024
#[tokio::test]
async fn every_failed_login_looks_the_same() {
    let site = TestSite::start(app(), &[]).await;
    for name in ["known", "inactive", "unusable"] {
        site.client().sign_up(name).await;
    }
    set(&site, "inactive", "inactive").await;
    set(&site, "unusable", "unusable").await;
    let mut found = Vec::new();
    for (name, password) in [
        ("known", "wrong password"),
        ("nobody", PASSWORD),
        ("inactive", PASSWORD),
        ("unusable", "!abc"),
    ] {
        let mut client = site.client();
        let token = client.get("/account/login").await.token().unwrap();
        let (before, started) = (site.site().accounts().hashes_done(), Instant::now());
        let fields = [
            ("username", name),
            ("password", password),
            ("csrfmiddlewaretoken", token.as_str()),
        ];
        let answer = client.post("/account/login", &fields).await;
        println!("{name}: a failed login took {:?}", started.elapsed());
        let work = site.site().accounts().hashes_done() - before;
        let said = if name == "nobody" {
            "(unknown name)"
        } else {
            name
        };
        assert!(
            answer
                .events()
                .iter()
                .any(|event| event.contains("login_failed") && event.contains(said)),
            "{:?}",
            answer.events()
        );
        assert!(
            !format!("{:?}", answer.events()).contains(password),
            "no password in the log"
        );
        let token_now = answer.token().unwrap();
        let body = answer
            .body
            .replace(&token_now, "")
            .replace(&format!("value=\"{name}\""), "");
        let names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        found.push((answer.status, body, names, work));
    }
    let (status, body, names, _) = &found[0];
    assert_eq!(*status, StatusCode::UNPROCESSABLE_ENTITY);
    for (other_status, other_body, other_names, work) in &found {
        assert_eq!(
            (other_status, other_body, other_names, *work),
            (status, body, names, 1),
            "one hash each"
        );
    }
}

// D29
#[tokio::test]
async fn sign_up_tells_nothing_about_an_address() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("first").await;
    let mut answers = Vec::new();
    for (name, email) in [
        ("second", "first@example.org"),
        ("third", "unknown@example.org"),
    ] {
        let fields = [
            ("username", name),
            ("email", email),
            ("password", PASSWORD),
            ("password_again", PASSWORD),
        ];
        let answer = site
            .client()
            .submit("/account/signup", "/account/signup", &fields)
            .await;
        answers.push((
            answer.status,
            answer.header("location").to_owned(),
            answer.body.clone(),
        ));
    }
    assert_eq!(answers[0], answers[1]);
}

// D20; F037; ASVS 7.2.2, 7.2.4, 7.4.1, 7.4.3; V14.3.1
#[tokio::test]
async fn a_session_key_is_new_after_every_change_and_the_old_one_is_dead() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    client.sign_up("ann").await;
    let mut keys = vec![client.cookies()["session"].clone()];
    assert_eq!(
        client.log_in("ann", PASSWORD).await.status,
        StatusCode::SEE_OTHER,
        "again, while signed in"
    );
    keys.push(client.cookies()["session"].clone());
    let mut elsewhere = site.client();
    elsewhere.log_in("ann", PASSWORD).await;
    let new = [
        ("current_password", PASSWORD),
        ("new_password", "another fine long phrase"),
        ("new_password_again", "another fine long phrase"),
    ];
    let changed = client
        .submit("/account/password", "/account/password", &new)
        .await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.body);
    assert!(
        changed
            .events()
            .iter()
            .any(|event| event.contains("password_changed"))
    );
    keys.push(client.cookies()["session"].clone());
    assert_eq!(
        elsewhere.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "the other session ended"
    );
    site.set_rank("ann", Rank::Staff).await;
    assert_eq!(
        client.get("/staff").await.header("location"),
        "/account/factors?next=%2Fstaff"
    );
    keys.push(client.cookies()["session"].clone());
    client.add_factor().await;
    assert_eq!(client.get("/staff").await.status, StatusCode::OK);
    keys.push(client.cookies()["session"].clone());
    assert_eq!(
        keys.iter().collect::<std::collections::HashSet<_>>().len(),
        5,
        "five different keys"
    );
    for old in &keys[..4] {
        let mut thief = site.client();
        thief.cookies().insert("session".into(), old.clone());
        assert_eq!(
            thief.get("/mine").await.status,
            StatusCode::SEE_OTHER,
            "an old key"
        );
    }
    let last = client.cookies()["session"].clone();
    let out = client
        .submit("/account/password", "/account/logout", &[])
        .await;
    assert_eq!(
        (out.status, out.header("clear-site-data")),
        (StatusCode::SEE_OTHER, "\"storage\"")
    );
    let mut thief = site.client();
    thief.cookies().insert("session".into(), last);
    assert_eq!(
        thief.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "after logout"
    );
    assert_eq!(
        client.get("/account/logout").await.status,
        StatusCode::METHOD_NOT_ALLOWED,
        "F071: a link cannot log a user out"
    );
}

// F036; ASVS 7.3.1, 7.3.2
#[tokio::test]
async fn sessions_end_by_themselves() {
    let site = TestSite::start(
        app(),
        &[
            ("sessions.idle_secs", "3600"),
            ("sessions.absolute_secs", "36000"),
        ],
    )
    .await;
    let mut idle = site.client();
    idle.sign_up("idle").await;
    site.clock().advance(TimeDelta::seconds(3601));
    assert_eq!(
        idle.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "idle too long"
    );
    let mut busy = site.client();
    busy.sign_up("busy").await;
    for step in 0..11 {
        assert_eq!(
            busy.get("/mine").await.status,
            StatusCode::OK,
            "step {step}"
        );
        site.clock().advance(TimeDelta::seconds(3000));
        if step == 11 {
            break;
        }
    }
    site.clock().advance(TimeDelta::seconds(3001));
    assert_eq!(
        busy.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "older than allowed, however busy"
    );
    assert!(site.site().sessions_swept().await >= 2);
}

// F027, F028
#[tokio::test]
async fn a_weaker_hash_is_replaced_at_the_next_login() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("old").await;
    // "x", by Django with 1000 iterations
    set(
        &site,
        "old",
        "pbkdf2_sha256$1000$dQBRvbpFlcBFc75w$ZS1TQfVQprNVUIZ9orNR819xQnzg6qVjF/6z0gWBBM0=",
    )
    .await;
    assert_eq!(
        site.client().log_in("old", "y").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        site.client().log_in("old", "x").await.status,
        StatusCode::SEE_OTHER
    );
    let db = site.site().database().handle();
    let (hash,): (String,) = db
        .fetch_one(sql!(
            "SELECT password FROM auth_user WHERE username = 'old'"
        ))
        .await
        .unwrap()
        .unwrap();
    assert!(
        hash.starts_with("argon2$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    assert_eq!(
        site.client().log_in("old", "x").await.status,
        StatusCode::SEE_OTHER
    );
}

// F028: hashes of an old site are put inside strong ones at once, and are replaced when their owners log in
#[tokio::test]
async fn no_bare_legacy_hash_remains() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        if let Some(site) = TestSite::start_on(database, app(), &[]).await {
            wrapped(&site).await;
        }
    }
}

async fn wrapped(site: &TestSite) {
    // "lètmein", by Django's hashers of old
    let legacy = [
        (
            "salted_sha1",
            "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8",
        ),
        (
            "plain_sha1",
            "sha1$$6d138ca3ae545631b3abd71a4f076ce759c5700b",
        ),
        ("salted_md5", "md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3"),
        ("plain_md5", "88a434c88cca4e900f7874cd98123f43"),
        ("odd_md5", "md5$$88A434C88CCA4E900F7874CD98123F43"),
    ];
    for (name, hash) in legacy {
        site.client().sign_up(name).await;
        set(site, name, hash).await;
        assert_eq!(
            site.client().log_in(name, "lètmein").await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{name}: bare, it opens nothing"
        );
    }
    site.client().sign_up("strong").await;
    assert_eq!(
        site.site().accounts().wrap_hashes(|_| ()).await.unwrap(),
        legacy.len()
    );
    assert_eq!(
        site.site().accounts().wrap_hashes(|_| ()).await.unwrap(),
        0,
        "again"
    );
    let db = site.site().database().handle();
    let rows: Vec<(String,)> = db
        .fetch_all(sql!(
            "SELECT password FROM auth_user WHERE username <> 'strong'"
        ))
        .await
        .unwrap();
    assert!(
        rows.iter().all(|(hash,)| hash.starts_with('w')
            && hash.len() <= 128
            && hash.contains("$argon2$argon2id$v=19$m=19456,t=2,p=1$")),
        "{rows:?}"
    );
    for (name, hash) in legacy {
        assert!(
            !rows
                .iter()
                .any(|(row,)| row.contains(hash.rsplit('$').next().unwrap())),
            "the old hash is gone"
        );
        assert_eq!(
            site.client().log_in(name, "letmein").await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
        assert_eq!(
            site.client()
                .log_in(name, hash.rsplit('$').next().unwrap())
                .await
                .status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "not the hash itself"
        );
        assert_eq!(
            site.client().log_in(name, "lètmein").await.status,
            StatusCode::SEE_OTHER,
            "{name}"
        );
    }
    let left: Option<(i64,)> = db
        .fetch_one(sql!(
            "SELECT COUNT(*) FROM auth_user WHERE password LIKE 'w%'"
        ))
        .await
        .unwrap();
    assert_eq!(left.unwrap().0, 0, "replaced at login");
}

// D06: a hash that came from elsewhere is not told apart by time
#[tokio::test]
async fn a_foreign_hash_is_as_much_work_as_nobody() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("old").await;
    let hasher = palisade::password::Hasher::new(palisade::password::Algorithm::Pbkdf2Sha256 {
        iterations: 2_000_000,
    });
    set(&site, "old", &hasher.hash("the old password of all")).await;
    let mut client = site.client();
    let token = client.get("/account/login").await.token().unwrap();
    let (mut took, before) = (Vec::new(), site.site().accounts().hashes_done());
    for name in ["old", "nobody", "old", "nobody"] {
        let started = Instant::now();
        let answer = client
            .post(
                "/account/login",
                &[
                    ("username", name),
                    ("password", "wrong"),
                    ("csrfmiddlewaretoken", &token),
                ],
            )
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        took.push(started.elapsed().as_millis());
    }
    println!("old, nobody, old, nobody: {took:?} ms");
    assert_eq!(
        site.site().accounts().hashes_done() - before,
        4,
        "one hash each; how long a refusal waits is a unit test of the pool"
    );
}

// a login with the old password while it is changed must not bring it back
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehash_does_not_undo_a_change_of_password() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("old").await;
    let hasher = palisade::password::Hasher::new(palisade::password::Algorithm::Pbkdf2Sha256 {
        iterations: 3_000_000,
    });
    set(&site, "old", &hasher.hash(PASSWORD)).await;
    let mut thief = site.client();
    let login = tokio::spawn(async move { thief.log_in("old", PASSWORD).await.status });
    tokio::time::sleep(Duration::from_millis(100)).await;
    set(
        &site,
        "old",
        &palisade::password::Hasher::default().hash("the new password of all"),
    )
    .await;
    assert_eq!(
        login.await.unwrap(),
        StatusCode::UNPROCESSABLE_ENTITY,
        "proved to know what is not the password any more"
    );
    assert_eq!(
        site.client().log_in("old", PASSWORD).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        site.client()
            .log_in("old", "the new password of all")
            .await
            .status,
        StatusCode::SEE_OTHER
    );
}

// a browser with an old cookie can log in
#[tokio::test]
async fn a_stale_cookie_locks_nobody_out() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("ann").await;
    let mut late = site.client();
    late.cookies().insert(
        "session".into(),
        palisade::crypto::random::token().expose().clone(),
    );
    assert_eq!(
        late.log_in("ann", PASSWORD).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(late.get("/mine").await.body, "ann");
    for next in [
        "/tickets?q=it's",
        "/x".repeat(1500).as_str(),
        "/\\evil.example",
        "//evil.example",
        "\"><script>",
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        assert_eq!(
            site.client()
                .get(&format!("/account/login?next={encoded}"))
                .await
                .status,
            StatusCode::OK,
            "{next}"
        );
    }
    assert_eq!(
        site.client()
            .get(&format!("/mine?q=it's{}", "x".repeat(3000)))
            .await
            .header("location"),
        "/account/login"
    );
}

// of several answers that rotate one session, one makes the new one
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_rotations_leave_one_session() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    site.set_rank("ann", Rank::Staff).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let mut tab = site.client();
        tab.cookies().extend(ann.cookies().clone());
        tasks.spawn(async move { tab.get("/staff").await.headers.contains_key("set-cookie") });
    }
    assert_eq!(
        tasks
            .join_all()
            .await
            .into_iter()
            .filter(|set| *set)
            .count(),
        1
    );
    let (count,): (i64,) = site
        .site()
        .database()
        .handle()
        .fetch_one(sql!("SELECT COUNT(*) FROM django_session"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(count, 1);
}

// D14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_leaves_other_pages_answering() {
    let site = TestSite::start(
        app(),
        &[("passwords.hash_jobs", "1"), ("passwords.hash_queue", "4")],
    )
    .await;
    let mut client = site.client();
    let token = client.get("/account/login").await.token().unwrap();
    let cookies = client.cookies().clone();
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (mut client, token) = (site.client(), token.clone());
        client.cookies().extend(cookies.clone());
        flood.spawn(async move {
            let name = format!("nobody{number}");
            client
                .post(
                    "/account/login",
                    &[
                        ("username", &name),
                        ("password", "wrong password"),
                        ("csrfmiddlewaretoken", &token),
                    ],
                )
                .await
        });
    }
    let started = Instant::now();
    assert_eq!(client.get("/").await.status, StatusCode::OK);
    println!("the front page took {:?} in the flood", started.elapsed());
    let answers = flood.join_all().await;
    let busy: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE)
        .collect();
    let tried = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::UNPROCESSABLE_ENTITY)
        .count();
    assert!(
        tried >= 5 && !busy.is_empty() && tried + busy.len() == 40,
        "{tried} tried, {} busy",
        busy.len()
    );
    assert!(
        busy.iter()
            .all(|answer| answer.header("retry-after") == "5")
    );
}

// ASVS 6.2.1 to 6.2.7; F025, F026
#[tokio::test]
async fn a_form_comes_back_with_what_was_typed_and_never_the_password() {
    let site = TestSite::start(app(), &[]).await;
    let fields = [
        ("username", "ann<script>"),
        ("email", "not an address"),
        ("password", "short-canary"),
        ("password_again", "other-canary"),
    ];
    let answer = site
        .client()
        .submit("/account/signup", "/account/signup", &fields)
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.body.contains("value=\"ann&lt;script&gt;\"")
            && answer.body.contains("value=\"not an address\""),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("canary") && !answer.body.contains("<script"));
    let page = site.client().get("/account/signup").await.body;
    assert!(
        page.contains("type=\"password\"")
            && page.contains("autocomplete=\"new-password\"")
            && !page.contains("onpaste")
    );
    assert!(
        page.contains("Use at least 12 characters.") && !page.contains("current-password"),
        "{page}"
    );
    let common = [
        ("username", "ann"),
        ("email", "ann@example.org"),
        ("password", "123456789012345"),
        ("password_again", "123456789012345"),
    ];
    let answer = site
        .client()
        .submit("/account/signup", "/account/signup", &common)
        .await;
    assert!(answer.body.contains("digits only"), "{}", answer.body);
    assert_eq!(
        site.site().accounts().list().await.unwrap().len(),
        0,
        "ASVS 6.3.2: no default account"
    );
}

// D07
#[tokio::test]
async fn a_dead_database_is_not_a_wrong_password() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    client.sign_up("ann").await;
    let token = client.get("/account/password").await.token().unwrap();
    site.site().database().close().await.unwrap();
    let login = client
        .post(
            "/account/login",
            &[
                ("username", "ann"),
                ("password", PASSWORD),
                ("csrfmiddlewaretoken", &token),
            ],
        )
        .await;
    assert_eq!(
        login.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        login.body
    );
    assert!(
        login
            .events()
            .iter()
            .any(|event| event.contains("request failed") && event.contains("Unavailable")),
        "{:?}",
        login.events()
    );
    assert_eq!(
        client.get("/mine").await.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "fails closed, as a fault of ours"
    );
    assert_eq!(
        client.get("/health/ready").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(client.get("/health/live").await.status, StatusCode::OK);
    assert_eq!(
        client.get("/").await.status,
        StatusCode::OK,
        "a page that asks for nothing is served"
    );
}

/// A mirror of a list of stolen passwords: files named by range, as they are published.
async fn mirror(
    ranges: &'static [(&'static str, &'static str)],
) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/range", listener.local_addr().unwrap());
    let answer = async |axum::extract::Path(range): axum::extract::Path<String>| {
        assert_eq!(range.len(), 5, "only five digits are sent");
        ranges
            .iter()
            .find(|(known, _)| *known == range)
            .map_or("00000:0\r\n", |(_, list)| *list)
    };
    let router = axum::Router::new().route("/range/{range}", axum::routing::get(answer));
    (
        url,
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }),
    )
}

// ASVS 6.2.12, 6.2.11: stolen passwords are refused, by a list that learns nothing; away, it does as it was told; the site's name is no password
#[tokio::test]
async fn stolen_passwords_and_the_sites_name_are_refused() {
    // SHA-1 of "the password of a thousand sites" is BCF93…, with a padding line whose count is zero for another one
    let (range, rest) = palisade::password::range_of("the password of a thousand sites");
    let (padded, padding) = palisade::password::range_of("a phrase that is only padding");
    let list = Box::leak(
        format!("0123456789ABCDEF0123456789ABCDEF012:7\r\n{rest}:23\r\n").into_boxed_str(),
    );
    let pad = Box::leak(format!("{padding}:0\r\n").into_boxed_str());
    let ranges = Box::leak(Box::new([
        (&*range.leak(), &*list),
        (&*padded.leak(), &*pad),
    ]));
    let (url, server) = mirror(ranges).await;
    let base = [
        ("client.private_networks", "127.0.0.0/8"),
        ("passwords.breached_url", url.as_str()),
    ];
    let site = TestSite::start(app(), &base).await;
    let strict = TestSite::start(
        app(),
        &[&base[..], &[("passwords.when_breached_unknown", "refuse")]].concat(),
    )
    .await;
    let sign_up = async |site: &TestSite, password: &str| {
        let fields = [
            ("username", "ann"),
            ("email", "ann@example.org"),
            ("password", password),
            ("password_again", password),
        ];
        site.client()
            .submit("/account/signup", "/account/signup", &fields)
            .await
    };
    let refused = sign_up(&site, "the password of a thousand sites").await;
    assert!(
        refused.status == StatusCode::UNPROCESSABLE_ENTITY
            && refused.body.contains("stolen from another site"),
        "{}",
        refused.body
    );
    for fine in ["a phrase that is only padding", PASSWORD] {
        assert_eq!(
            sign_up(&site, fine).await.status,
            StatusCode::SEE_OTHER,
            "{fine}"
        );
    }
    let named = sign_up(&site, "localhost1234").await;
    assert!(
        named.body.contains("too similar to the name of this site"),
        "{}",
        named.body
    );
    server.abort();
    let _ = server.await;
    assert_eq!(
        sign_up(&site, "the password of a thousand sites")
            .await
            .status,
        StatusCode::SEE_OTHER,
        "away: it passes"
    );
    let closed = sign_up(&strict, PASSWORD).await;
    assert!(
        closed.status == StatusCode::UNPROCESSABLE_ENTITY
            && closed
                .body
                .contains("could not be checked against breached ones"),
        "{}",
        closed.body
    );
}

// F025; ASVS 6.2.1, 6.2.4, 6.2.12: breached passwords are refused offline, and eight characters are enough with a second factor only
#[tokio::test]
async fn stolen_passwords_are_refused_and_short_ones_need_a_factor() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let change = async |client: &mut Client, new: &str| {
        let fields = [
            ("current_password", PASSWORD),
            ("new_password", new),
            ("new_password_again", new),
        ];
        client
            .submit("/account/password", "/account/password", &fields)
            .await
    };
    for stolen in ["unbelievable", "QWERTYUIOP123", "1qaz2wsx3edc"] {
        let refused = change(&mut ann, stolen).await;
        assert!(
            refused.status == StatusCode::UNPROCESSABLE_ENTITY
                && refused.body.contains("stolen from another site"),
            "{stolen}: {}",
            refused.body
        );
        assert!(
            !refused.body.contains(stolen),
            "a password is never shown again"
        );
    }
    assert!(
        change(&mut ann, "k9#vLq2x")
            .await
            .body
            .contains("at least 12 characters")
    );
    ann.add_factor().await;
    assert!(
        ann.get("/account/password")
            .await
            .body
            .contains("at least 8 characters")
    );
    assert_eq!(
        change(&mut ann, "k9#vLq2").await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "seven"
    );
    assert_eq!(
        change(&mut ann, "k9#vLq2x").await.status,
        StatusCode::SEE_OTHER
    );
}

// ASVS 6.2.10, 6.4.2, 6.4.6: passwords do not expire, there are no secret questions, and no page lets staff set another user's password
#[tokio::test]
async fn passwords_do_not_age_and_are_set_by_their_owner_alone() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("ann").await;
    site.clock().advance(chrono::TimeDelta::days(5 * 365));
    let mut ann = site.client();
    let done = ann.log_in("ann", PASSWORD).await;
    assert_eq!(
        (done.status, done.header("location")),
        (StatusCode::SEE_OTHER, "/"),
        "after five years"
    );
    assert_eq!(
        ann.get("/mine").await.body,
        "ann",
        "and no page asks for a new one"
    );
    for page in [
        "/account/signup",
        "/account/reset",
        "/account/password",
        "/account/factors",
    ] {
        let body = ann.get(page).await.body.to_lowercase();
        for word in ["question", "mother", "maiden", "pet", "school"] {
            assert!(
                !body
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|found| found == word),
                "{page}: {word}"
            );
        }
    }
    // each route that takes a new password asks for the current one of the very visitor, or for a link from their mail
    let routes = site.site().routes();
    let paths = routes.iter().map(|route| route.path.as_str());
    let sets: std::collections::BTreeSet<&str> = paths
        .filter(|path| path.contains("password") || path.contains("reset"))
        .collect();
    let known = [
        "/.well-known/change-password",
        "/account/password",
        "/account/reset",
        "/account/reset/new",
        "/account/reset/sent",
    ];
    assert_eq!(sets, known.into());
}
