use crate::site::app;
use chrono::TimeDelta;
use http::StatusCode;
use palisade::auth::Rank;
use palisade::testing::{Answer, Client, TestDatabase, TestSite, ran, server};
use std::net::IpAddr;

const PASSWORD: &str = "correct horse battery staple";

async fn guess(client: &mut Client, name: &str, password: &str) -> Answer {
    client.log_in(name, password).await
}

fn from(site: &TestSite, address: &str) -> Client {
    site.client()
        .from_address(address.parse::<IpAddr>().unwrap())
}

async fn fail(client: &mut Client, name: &str, times: usize) -> Answer {
    let mut last = None;
    for number in 0..times {
        last = Some(guess(client, name, &format!("wrong password {number}")).await);
    }
    last.unwrap()
}

fn has_event(answer: &Answer, event: &str) -> bool {
    answer
        .events()
        .iter()
        .any(|line| line.contains(&format!("event.action={event} ")))
}

// F087, F088, F106; D29; ASVS 6.3.1: five in a minute, then 300 s, then twice as long; an unknown name is locked as well
#[tokio::test]
async fn the_sixth_guess_is_not_judged() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("ann").await;
    let mut found = Vec::new();
    for name in ["ann", "nobody"] {
        let mut attacker = from(&site, "203.0.113.7").with_header("user-agent", "hydra/9");
        let fifth = fail(&mut attacker, name, 5).await;
        assert!(
            fifth.status == StatusCode::UNPROCESSABLE_ENTITY
                && has_event(&fifth, "login_failed")
                && has_event(&fifth, "locked")
        );
        let said = fifth.events().join("\n");
        assert!(
            said.contains("agent")
                && !said.contains("wrong password")
                && (name == "ann" || !said.contains("nobody")),
            "{said}"
        );
        let hashes = site.site().accounts().hashes_done();
        let sixth = guess(&mut attacker, name, PASSWORD).await;
        assert_eq!(
            site.site().accounts().hashes_done(),
            hashes,
            "the password was not verified"
        );
        let wait: u64 = sixth.header("retry-after").parse().unwrap();
        assert!(
            wait <= 301 && wait > 290 && sixth.body.contains("Try again in 5 minutes"),
            "{wait}: {}",
            sixth.body
        );
        let token = sixth.token().unwrap();
        found.push((
            sixth.status,
            sixth
                .body
                .replace(&token, "")
                .replace(&format!("value=\"{name}\""), ""),
        ));
    }
    assert_eq!(found[0], found[1], "whether there is such an account");
    assert_eq!(found[0].0, StatusCode::TOO_MANY_REQUESTS);
    let mut attacker = from(&site, "203.0.113.7");
    site.clock().advance(TimeDelta::seconds(299));
    assert_eq!(
        guess(&mut attacker, "ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    site.clock().advance(TimeDelta::seconds(1));
    fail(&mut attacker, "ann", 5).await;
    site.clock().advance(TimeDelta::seconds(599));
    assert_eq!(
        guess(&mut attacker, "ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "the second one is longer"
    );
    site.clock().advance(TimeDelta::seconds(1));
    assert_eq!(
        guess(&mut attacker, "ann", PASSWORD).await.status,
        StatusCode::SEE_OTHER,
        "and ends"
    );
    // four, and the right one: nothing is left of them
    for _ in 0..3 {
        fail(&mut attacker, "ann", 4).await;
        assert_eq!(
            guess(&mut attacker, "ann", PASSWORD).await.status,
            StatusCode::SEE_OTHER
        );
        attacker.cookies().clear();
    }
}

// D37: an attacker who keeps failing locks out neither a known browser nor another network
#[tokio::test]
async fn the_owner_gets_in_while_an_attacker_keeps_failing() {
    let site = TestSite::start(app(), &[("lockout.account_failures", "12")]).await;
    let mut ann = from(&site, "203.0.113.7");
    ann.sign_up("ann").await;
    ann.submit("/account/password", "/account/logout", &[])
        .await;
    let mut attacker = from(&site, "203.0.113.7");
    fail(&mut attacker, "ann", 8).await;
    assert_eq!(
        guess(&mut attacker, "ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(
        guess(&mut ann.clone(), "ann", PASSWORD).await.status,
        StatusCode::SEE_OTHER,
        "her browser, behind the same address"
    );
    assert_eq!(
        guess(&mut from(&site, "198.51.100.1"), "ann", PASSWORD)
            .await
            .status,
        StatusCode::SEE_OTHER,
        "another network"
    );
    for number in 1..=3 {
        fail(&mut from(&site, &format!("192.0.2.{number}")), "ann", 4).await;
    }
    let elsewhere = guess(&mut from(&site, "198.51.100.2"), "ann", PASSWORD).await;
    assert_eq!(
        elsewhere.status,
        StatusCode::TOO_MANY_REQUESTS,
        "from everywhere"
    );
    assert_eq!(
        guess(&mut ann.clone(), "ann", PASSWORD).await.status,
        StatusCode::SEE_OTHER,
        "and still her browser"
    );
    // a stolen browser is no way around: it has its own five
    let mut thief = ann.clone();
    fail(&mut thief, "ann", 5).await;
    assert_eq!(
        guess(&mut thief, "ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    // a known browser is not known for other accounts
    let mut eve = from(&site, "198.51.100.9");
    eve.sign_up("eve").await;
    fail(&mut eve, "ann", 1).await;
    assert_eq!(
        guess(&mut eve, "ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
}

// F088; ASVS 6.3.1: one password on many names
#[tokio::test]
async fn one_network_cannot_try_many_names() {
    let site = TestSite::start(app(), &[("lockout.address_failures", "10")]).await;
    site.client().sign_up("ann").await;
    let mut attacker = from(&site, "2001:db8:1::1");
    for number in 0..10 {
        assert_eq!(
            guess(&mut attacker, &format!("name{number}"), "Summer2026!x")
                .await
                .status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    let mut neighbour = from(&site, "2001:db8:1::ffff");
    assert_eq!(
        guess(&mut neighbour, "ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "the same /64"
    );
    assert_eq!(
        guess(&mut from(&site, "2001:db8:2::1"), "ann", PASSWORD)
            .await
            .status,
        StatusCode::SEE_OTHER
    );
}

// ASVS 7.5.1: the password that is asked for again is no place to guess at
#[tokio::test]
async fn a_stolen_session_cannot_guess_the_password() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let mut thief = ann.clone();
    thief.cookies().remove("device");
    for page in [
        "/account/export",
        "/account/close",
        "/account/delete",
        "/account/export",
        "/account/close",
    ] {
        let answer = thief
            .submit(page, page, &[("current_password", "wrong password")])
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{page}");
    }
    let fields = [
        ("current_password", PASSWORD),
        ("new_password", "another fine phrase"),
        ("new_password_again", "another fine phrase"),
    ];
    let stopped = thief
        .submit("/account/password", "/account/password", &fields)
        .await;
    assert_eq!(
        stopped.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        stopped.body
    );
    assert_eq!(
        ann.submit("/account/password", "/account/password", &fields)
            .await
            .status,
        StatusCode::SEE_OTHER,
        "she is not stopped"
    );
}

// F087: a hundred guesses at once are a hundred, on two instances
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_guesses_at_once_are_counted_as_a_hundred() {
    let alone = TestSite::start(app(), &[("passwords.hash_queue", "500")]).await;
    alone.client().sign_up("ann").await;
    assert_eq!(parallel(&[&alone, &alone]).await, 5, "in memory");
    let Some(redis) = server("PALISADE_TEST_REDIS") else {
        return;
    };
    let Some(site) = TestSite::start_on(TestDatabase::Postgres, app(), &[]).await else {
        return;
    };
    let settings = [
        ("cache.url", redis.as_str()),
        ("passwords.hash_queue", "500"),
    ];
    let (one, two) = (
        site.start_beside(app(), &settings).await,
        site.start_beside(app(), &settings).await,
    );
    // Redis is shared by all that run on this machine: a name of this run's own
    let name = format!(
        "ann{}",
        palisade::crypto::random::alphanumeric(10)
            .expose()
            .to_lowercase()
    );
    one.client().sign_up(&name).await;
    let judged = parallel_for(&[&one, &two], &name).await;
    assert_eq!(judged, 5, "in Redis");
    let locked = guess(&mut from(&two, "203.0.113.7"), &name, PASSWORD).await;
    assert_eq!(locked.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        one.site()
            .accounts()
            .lift(palisade::auth::LockFilter::User(&name))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        guess(&mut from(&two, "203.0.113.7"), &name, PASSWORD)
            .await
            .status,
        StatusCode::SEE_OTHER,
        "lifted on the other"
    );
    ran("locks of two instances");
}

async fn parallel(sites: &[&TestSite; 2]) -> usize {
    parallel_for(sites, "ann").await
}

/// How many of a hundred wrong passwords at once were looked at.
async fn parallel_for(sites: &[&TestSite; 2], name: &str) -> usize {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let mut client = from(sites[number % 2], "203.0.113.7");
        let name = name.to_owned();
        tasks.spawn(async move {
            guess(&mut client, &name, &format!("wrong password {number}"))
                .await
                .status
        });
    }
    let statuses = tasks.join_all().await;
    assert!(
        statuses
            .iter()
            .all(|status| [422, 429].contains(&status.as_u16())),
        "{statuses:?}"
    );
    statuses
        .iter()
        .filter(|status| status.as_u16() == 422)
        .count()
}

// F088, F089: staff list, filter and lift lockouts; the page is hidden from other users
#[tokio::test]
async fn staff_see_and_lift_locks() {
    let site = TestSite::start(app(), &[]).await;
    let mut staff = site.sign_in("ines", Rank::Staff).await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    let mut attacker =
        from(&site, "203.0.113.7").with_header("user-agent", "<script>alert(1)</script>");
    fail(&mut attacker, "ann", 5).await;
    fail(&mut from(&site, "203.0.113.8"), "my secret password", 5).await;
    let page = staff.get("/account/locks").await;
    assert!(
        page.body.contains("203.0.113.7")
            && page.body.contains("&lt;script&gt;")
            && page.body.contains("(unknown name)"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("<script>alert") && !page.body.contains("my secret password"));
    assert!(
        !staff
            .get("/account/locks?q=ann")
            .await
            .body
            .contains("203.0.113.8")
    );
    let id = staff
        .get("/account/locks?q=ann")
        .await
        .hidden_field("id")
        .unwrap();
    for stranger in [&mut ann, &mut site.client()] {
        assert_eq!(
            stranger.get("/account/locks").await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            stranger
                .submit("/account/login", "/account/locks", &[("id", &id)])
                .await
                .status,
            StatusCode::NOT_FOUND
        );
    }
    assert_eq!(
        guess(&mut attacker, "ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    let lifted = staff
        .submit("/account/locks", "/account/locks", &[("id", &id)])
        .await;
    assert!(has_event(&lifted, "lock_lifted"), "{:?}", lifted.events());
    assert_eq!(
        guess(&mut attacker, "ann", PASSWORD).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(
        !has_event(
            &staff
                .submit("/account/locks", "/account/locks", &[("id", &id)])
                .await,
            "lock_lifted"
        ),
        "once"
    );
    site.clock().advance(TimeDelta::seconds(300));
    assert_eq!(
        site.site()
            .accounts()
            .lift(palisade::auth::LockFilter::All)
            .await
            .unwrap(),
        0,
        "one that has ended is not lifted"
    );
}

// F106; ASVS 6.3.7: the owner hears of a browser that is new, and only of that
#[tokio::test]
async fn a_login_from_a_new_browser_is_told() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    guess(&mut ann, "ann", PASSWORD).await;
    let about = async || {
        ann_mails(&site)
            .await
            .iter()
            .filter(|text| text.contains("A new browser was used"))
            .count()
    };
    assert_eq!(about().await, 0, "the one that she signed up with");
    let mut other = from(&site, "203.0.113.7").with_header("user-agent", "Other/1.0");
    guess(&mut other, "ann", PASSWORD).await;
    assert_eq!(about().await, 1);
    let text = ann_mails(&site).await.pop().unwrap();
    assert!(
        text.contains("Other/1.0") && text.contains("203.0.113.7"),
        "{text}"
    );
    guess(&mut other, "ann", PASSWORD).await;
    assert_eq!(about().await, 1, "not again");
    let change = [
        ("current_password", PASSWORD),
        ("new_password", "another fine phrase"),
        ("new_password_again", "another fine phrase"),
    ];
    ann.submit("/account/password", "/account/password", &change)
        .await;
    guess(&mut ann, "ann", "another fine phrase").await;
    assert_eq!(about().await, 1, "she changed it with this one");
    guess(&mut other, "ann", "another fine phrase").await;
    assert_eq!(
        about().await,
        2,
        "after a change of the password every other browser is new"
    );
}

async fn ann_mails(site: &TestSite) -> Vec<String> {
    site.site().mail().deliver().await.unwrap();
    site.site()
        .mail()
        .outbox()
        .into_iter()
        .filter(|mail| mail.to == "ann@example.org")
        .map(|mail| mail.text)
        .collect()
}

// guesses at one kind of secret do not lock another; a guess that was not verified does not count
#[tokio::test]
async fn locks_do_not_spread() {
    let site = TestSite::start(app(), &[("lockout.account_failures", "20")]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let secret = ann.add_factor().await;
    site.clock().advance(TimeDelta::seconds(30));
    let id = site.site().accounts().id_of("ann").await.unwrap().unwrap();
    for (place, name) in [
        "code of ann".into(),
        "code".into(),
        id.to_string(),
        format!("code {id}"),
    ]
    .into_iter()
    .enumerate()
    {
        for network in 0..4 {
            fail(
                &mut from(&site, &format!("192.0.{place}.{network}")),
                &name,
                5,
            )
            .await;
        }
    }
    let mut anywhere = from(&site, "198.51.100.1");
    guess(&mut anywhere, "ann", PASSWORD).await;
    let done = anywhere
        .submit(
            "/account/login/second",
            "/account/login/second",
            &[("code", &ann.code(&secret))],
        )
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    // the name is locked for all; its owner's tries from a new browser lock nothing more
    for network in 0..4 {
        fail(&mut from(&site, &format!("203.0.113.{network}")), "ann", 5).await;
    }
    let mut owner = from(&site, "198.51.100.7");
    for _ in 0..120 {
        assert_eq!(
            guess(&mut owner, "ann", PASSWORD).await.status,
            StatusCode::TOO_MANY_REQUESTS
        );
    }
    assert!(
        site.site()
            .accounts()
            .lift(palisade::auth::LockFilter::User("ann"))
            .await
            .unwrap()
            >= 1
    );
    assert_eq!(
        guess(&mut owner, "ann", PASSWORD).await.header("location"),
        "/account/login/second",
        "and lifting it is enough"
    );
}

// D14: with a full hash pool no password is verified: earlier guesses still count
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_wipes_out_no_guesses() {
    let site = TestSite::start(
        app(),
        &[("passwords.hash_jobs", "1"), ("passwords.hash_queue", "1")],
    )
    .await;
    site.client().sign_up("ann").await;
    let mut attacker = from(&site, "203.0.113.7");
    let (mut judged, mut busy) = (0, 0);
    for round in 0..12 {
        let mut flood = tokio::task::JoinSet::new();
        for number in 0..6 {
            let mut other = from(&site, &format!("192.0.2.{number}"));
            flood.spawn(async move {
                guess(&mut other, &format!("nobody{round}{number}"), "x")
                    .await
                    .status
            });
        }
        tokio::task::yield_now().await;
        match guess(&mut attacker, "ann", "wrong password")
            .await
            .status
            .as_u16()
        {
            422 => judged += 1,
            503 => busy += 1,
            _ => {}
        }
        flood.join_all().await;
    }
    println!("{judged} judged, {busy} found the pool full");
    assert!(judged <= 5, "{judged} judged");
    for _ in 0..5 {
        fail(&mut attacker, "ann", 1).await;
    }
    assert_eq!(
        guess(&mut attacker, "ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
}

// F088; ASVS 6.3.1: a site's own puzzle stands between a few tries and a lock, and no password is looked at before it is solved
#[tokio::test]
async fn a_puzzle_is_asked_for_before_a_lock() {
    let puzzle = async |headers: http::HeaderMap| {
        let has_solved = headers
            .get("cookie")
            .is_some_and(|value| value.to_str().unwrap_or_default().contains("solved=yes"));
        let page = axum::response::IntoResponse::into_response((
            StatusCode::FORBIDDEN,
            axum::response::Html("solve this"),
        ));
        Ok((!has_solved).then_some(page))
    };
    let site = TestSite::start(app().login_challenge(puzzle), &[]).await;
    site.client().sign_up("ann").await;
    let mut thief = site.client();
    for _ in 0..3 {
        assert_eq!(
            thief.log_in("ann", "a wrong password").await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    let hashes = site.site().accounts().hashes_done();
    let asked = thief.log_in("ann", PASSWORD).await;
    assert_eq!(
        (asked.status, asked.body.as_str()),
        (StatusCode::FORBIDDEN, "solve this"),
        "the right one is not looked at either"
    );
    assert!(
        has_event(&asked, "login_challenged") && site.site().accounts().hashes_done() == hashes,
        "{:?}",
        asked.events()
    );
    assert_eq!(
        site.client().log_in("bob", PASSWORD).await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "another name is not asked yet"
    );
    let elsewhere = site
        .client()
        .from_address("192.0.2.7".parse().unwrap())
        .log_in("ann", PASSWORD)
        .await;
    assert_eq!(
        elsewhere.status,
        StatusCode::SEE_OTHER,
        "nor is another network"
    );
    thief.cookies().insert("solved".into(), "yes".into());
    assert_eq!(
        thief.log_in("ann", "a wrong password").await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "solved"
    );
    assert_eq!(
        thief.log_in("ann", "a wrong password").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        thief.log_in("ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "the lock holds all the same"
    );
}

// Finding 15: a restart opens no lock, and made-up names wipe none
#[tokio::test]
async fn a_lock_holds_over_a_restart_and_a_flood_of_names() {
    let site = TestSite::start(
        app(),
        &[
            ("throttle.changes", "off"),
            ("throttle.requests", "off"),
            ("lockout.address_failures", "1000000"),
        ],
    )
    .await;
    site.client().sign_up("ann").await;
    let mut attacker = site.client().from_address([203, 0, 113, 5].into());
    for _ in 0..5 {
        attacker.log_in("ann", "wrong").await;
    }
    assert_eq!(
        attacker
            .log_in("ann", "correct horse battery staple")
            .await
            .status,
        429
    );
    let again = site.start_beside(app(), &[]).await;
    let mut attacker = again.client().from_address([203, 0, 113, 5].into());
    assert_eq!(
        attacker
            .log_in("ann", "correct horse battery staple")
            .await
            .status,
        429,
        "after a restart"
    );
    assert_eq!(
        again
            .client()
            .from_address([203, 0, 113, 6].into())
            .log_in("ann", "correct horse battery staple")
            .await
            .status,
        303
    );
    // lifted, it is lifted
    again
        .site()
        .accounts()
        .lift(palisade::auth::LockFilter::All)
        .await
        .unwrap();
    assert_eq!(
        attacker
            .log_in("ann", "correct horse battery staple")
            .await
            .status,
        303
    );
}

// Finding 2: a lock that holds can be seen and lifted, whenever its last guess was hung up on
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_seen_whoever_hangs_up() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("ann").await;
    for _ in 0..5 {
        let mut attacker = site.client();
        let token = attacker.get("/account/login").await.token().unwrap();
        let fields = [
            ("username", "ann"),
            ("password", "wrong"),
            ("csrfmiddlewaretoken", token.as_str()),
        ];
        assert!(
            attacker
                .post_and_hang_up("/account/login", &fields, 1)
                .await
                .is_none()
        );
    }
    assert_eq!(
        site.client()
            .log_in("ann", "correct horse battery staple")
            .await
            .status,
        429
    );
    let locks = site.site().accounts().locks("ann").await.unwrap();
    assert_eq!(locks.len(), 1, "the lock is in the list");
    site.site()
        .accounts()
        .lift(palisade::auth::LockFilter::User("ann"))
        .await
        .unwrap();
    assert_eq!(
        site.client()
            .log_in("ann", "correct horse battery staple")
            .await
            .status,
        303
    );
}
