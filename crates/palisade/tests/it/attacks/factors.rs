use crate::site::app;
use chrono::TimeDelta;
use http::StatusCode;
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestDatabase, TestSite, ran, server};

const PASSWORD: &str = "correct horse battery staple";

async fn second(client: &mut Client, code: &str) -> Answer {
    client
        .submit(
            "/account/login/second",
            "/account/login/second",
            &[("code", code)],
        )
        .await
}

fn has_event(answer: &Answer, event: &str) -> bool {
    answer
        .events()
        .iter()
        .any(|line| line.contains(&format!("event.action={event} ")))
}

/// `ann` with an app; her recovery codes; the time of its first code has passed.
async fn ann(site: &TestSite) -> (Client, String, Vec<String>) {
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let secret = ann.add_factor().await;
    site.clock().advance(TimeDelta::seconds(30));
    let page = ann
        .submit("/account/factors", "/account/factors/codes", &[])
        .await;
    let codes = page
        .body
        .split("<li><code>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect();
    (ann, secret, codes)
}

// F029, F031; ASVS 6.5.1, 6.5.2, 6.4.3, 7.2.4
#[tokio::test]
async fn a_password_alone_signs_nobody_in_who_has_a_factor() {
    let site = TestSite::start(app(), &[]).await;
    let (ann, secret, codes) = ann(&site).await;
    let mut thief = site.client();
    let held = thief.log_in("ann", PASSWORD).await;
    assert!(
        held.header("location") == "/account/login/second" && has_event(&held, "second_step_begun"),
        "{:?}",
        held.events()
    );
    for page in ["/mine", "/account", "/account/factors", "/account/password"] {
        assert_eq!(
            thief.get(page).await.status,
            StatusCode::SEE_OTHER,
            "{page}: half a login is none"
        );
    }
    let before = thief.cookies()["session"].clone();
    for wrong in ["000000", "0000-0000-0000-0000-0000", "999999"] {
        let answer = second(&mut thief, wrong).await;
        assert!(
            answer.status == StatusCode::UNPROCESSABLE_ENTITY
                && has_event(&answer, "second_step_failed"),
            "{wrong}"
        );
    }
    let code = ann.code(&secret);
    let done = second(&mut thief, &code).await;
    assert!(
        done.status == StatusCode::SEE_OTHER && has_event(&done, "login"),
        "{}",
        done.body
    );
    assert_eq!(thief.get("/mine").await.body, "ann");
    assert_ne!(thief.cookies()["session"], before, "a new key");
    let mut again = site.client();
    again.log_in("ann", PASSWORD).await;
    assert_eq!(
        second(&mut again, &code).await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "the same code, again"
    );
    assert!(has_event(
        &second(&mut again, &codes[3].replace('-', " ").to_uppercase()).await,
        "recovery_code_used"
    ));
    let mut third = site.client();
    third.log_in("ann", PASSWORD).await;
    assert_eq!(
        second(&mut third, &codes[3]).await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a recovery code works once"
    );
    let stored: Vec<u8> = std::fs::read_dir(site.folder())
        .unwrap()
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    for plain in [
        secret.replace(' ', ""),
        codes[5].clone(),
        codes[5].replace('-', ""),
    ] {
        assert!(
            !stored
                .windows(plain.len())
                .any(|window| window == plain.as_bytes()),
            "{plain} is stored in plaintext"
        );
    }
    // the password, reset by mail, does not go around it
    site.client()
        .submit(
            "/account/reset",
            "/account/reset",
            &[("email", "ann@example.org")],
        )
        .await;
    third.follow_mail("ann@example.org").await;
    let new = [
        ("new_password", "another fine phrase"),
        ("new_password_again", "another fine phrase"),
    ];
    assert_eq!(
        third
            .submit("/account/login", "/account/reset/new", &new)
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        third
            .log_in("ann", "another fine phrase")
            .await
            .header("location"),
        "/account/login/second"
    );
    // ten minutes, and not longer
    site.clock().advance(TimeDelta::minutes(10));
    let code = ann.code(&secret);
    let late = third
        .submit(
            "/account/login",
            "/account/login/second",
            &[("code", &code)],
        )
        .await;
    assert_eq!(late.header("location"), "/account/login?entered=on");
}

// ASVS 6.6.3, 6.5.1: guesses are counted, and of many at once with the right code one is let in, on two instances
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_not_guessed_and_not_shared() {
    let site = TestSite::start(app(), &[]).await;
    let (ann, secret, _) = ann(&site).await;
    let mut thief = site.client();
    thief.log_in("ann", PASSWORD).await;
    for number in 0..5 {
        assert_eq!(
            second(&mut thief, &format!("00000{number}")).await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    let stopped = second(&mut thief, &ann.code(&secret)).await;
    assert!(
        stopped.status == StatusCode::TOO_MANY_REQUESTS
            && !stopped.header("retry-after").is_empty()
    );
    thief.cookies().clear();
    thief.log_in("ann", PASSWORD).await;
    assert_eq!(
        second(&mut thief, &ann.code(&secret)).await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "a new session is no new start"
    );

    let Some(redis) = server("PALISADE_TEST_REDIS") else {
        return;
    };
    let Some(site) = TestSite::start_on(TestDatabase::Postgres, app(), &[]).await else {
        return;
    };
    let settings = [("cache.url", redis.as_str()), ("lockout.failures", "1000")];
    let sites = [
        site.start_beside(app(), &settings).await,
        site.start_beside(app(), &settings).await,
    ];
    let name = format!(
        "ann{}",
        palisade::crypto::random::alphanumeric(10)
            .expose()
            .to_lowercase()
    );
    let mut owner = sites[0].client();
    owner.sign_up(&name).await;
    let secret = owner.add_factor().await;
    sites
        .iter()
        .for_each(|site| site.clock().advance(TimeDelta::seconds(30)));
    let code = owner.code(&secret);
    let mut waiting = Vec::new();
    for number in 0..10 {
        let mut client = sites[number % 2].client();
        client.log_in(&name, PASSWORD).await;
        waiting.push(client);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for mut client in waiting {
        let code = code.clone();
        tasks.spawn(async move { second(&mut client, &code).await.status });
    }
    let statuses = tasks.join_all().await;
    assert_eq!(
        statuses
            .iter()
            .filter(|status| **status == StatusCode::SEE_OTHER)
            .count(),
        1,
        "{statuses:?}"
    );
    ran("codes of two instances");
}

// F030; ASVS 7.4.3: a browser that was told to be trusted needs no code for thirty days, until the password or the factors change
#[tokio::test]
async fn a_trusted_browser_is_trusted_for_a_while() {
    let site = TestSite::start(app(), &[]).await;
    let (mut ann, secret, _) = ann(&site).await;
    ann.log_in("ann", PASSWORD).await;
    let fields = [("code", ann.code(&secret)), ("remember", "on".to_owned())];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let done = ann
        .submit("/account/login/second", "/account/login/second", &fields)
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let asks = async |client: &mut Client| {
        client.log_in("ann", PASSWORD).await.header("location") == "/account/login/second"
    };
    assert!(
        !asks(&mut ann).await && asks(&mut site.client()).await,
        "this browser, and no other"
    );
    for change in ["codes", "remove"] {
        let answer = ann
            .submit(
                "/account/factors",
                &format!("/account/factors/{change}"),
                &[],
            )
            .await;
        assert!(
            answer.status == StatusCode::FORBIDDEN && answer.body.contains("without a code"),
            "{change}: a stolen browser changes no factor"
        );
    }
    let mut copied = site.client();
    copied.cookies().insert("device".into(), "x".repeat(43));
    assert!(asks(&mut copied).await, "a cookie that is none");
    assert!(
        ann.get("/account/factors")
            .await
            .body
            .contains("from 127.0.0.1"),
        "it is listed"
    );
    site.clock().advance(TimeDelta::days(30));
    assert!(asks(&mut ann).await, "thirty days are over");
    let fields = [("code", ann.code(&secret)), ("remember", "on".to_owned())];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    ann.submit("/account/login/second", "/account/login/second", &fields)
        .await;
    ann.submit("/account/factors", "/account/factors/browsers", &[])
        .await;
    assert!(asks(&mut ann).await, "it was told to ask again");
}

// D36; F030; ASVS 7.5.1, 6.5.6: staff need a factor; adding and removing one needs a recent login; other sessions are revoked, the owner is notified
#[tokio::test]
async fn factors_are_demanded_and_changed_by_their_owner_only() {
    let site = TestSite::start(app(), &[]).await;
    let (mut boss, mut elsewhere) = (site.client(), site.client());
    boss.sign_up("boss").await;
    site.set_rank("boss", Rank::Superuser).await;
    elsewhere.log_in("boss", PASSWORD).await;
    assert_eq!(
        boss.get("/staff").await.header("location"),
        "/account/factors?next=%2Fstaff"
    );
    let program = site
        .client()
        .with_header("accept", "application/json")
        .get("/staff")
        .await;
    assert_eq!(
        program.status,
        StatusCode::NOT_FOUND,
        "strangers are told nothing"
    );
    site.clock().advance(TimeDelta::minutes(31));
    let stale = boss
        .submit("/account/factors", "/account/factors/app", &[])
        .await;
    assert_eq!(
        stale.header("location"),
        "/account/reauthenticate",
        "a login of half an hour ago is not enough"
    );
    let wrong = boss
        .submit(
            "/account/reauthenticate",
            "/account/reauthenticate",
            &[("current_password", "wrong password"), ("next", "/")],
        )
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let before = boss.cookies()["session"].clone();
    let fields = [("current_password", PASSWORD), ("next", "//evil.example/")];
    let proven = boss
        .submit(
            "/account/reauthenticate",
            "/account/reauthenticate",
            &fields,
        )
        .await;
    assert!(
        proven.header("location") == "/account"
            && has_event(&proven, "proven_again")
            && boss.cookies()["session"] != before
    );
    let secret = boss.add_factor().await;
    assert_eq!(boss.get("/staff").await.status, StatusCode::OK);
    assert_eq!(
        boss.get("/account/factors/app").await.header("location"),
        "/account/factors",
        "the secret is shown once"
    );
    let more = boss
        .submit("/account/factors", "/account/factors/app", &[])
        .await;
    assert_eq!(
        more.status,
        StatusCode::CONFLICT,
        "a second one cannot replace it"
    );
    assert_eq!(
        elsewhere.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "the other session ended"
    );
    assert!(
        boss.mail_to("boss@example.org")
            .await
            .unwrap()
            .text
            .contains("An authenticator app was added.")
    );
    site.clock().advance(TimeDelta::seconds(30));
    elsewhere.log_in("boss", PASSWORD).await;
    second(&mut elsewhere, &boss.code(&secret)).await;
    let removed = boss
        .submit("/account/factors", "/account/factors/remove", &[])
        .await;
    assert!(has_event(&removed, "factor_removed"), "{}", removed.body);
    assert_eq!(elsewhere.get("/mine").await.status, StatusCode::SEE_OTHER);
    assert_eq!(
        boss.get("/staff").await.status,
        StatusCode::SEE_OTHER,
        "and without one there is no work"
    );
    assert!(
        boss.mail_to("boss@example.org")
            .await
            .unwrap()
            .text
            .contains("The second factors were removed")
    );
}

// F043; ASVS 7.5.2, 7.4.5
#[tokio::test]
async fn people_see_and_end_their_sessions() {
    for settings in [&[][..], &[("sessions.store", "memory")][..]] {
        let site = TestSite::start(app(), settings).await;
        let mut ann = site.client().with_header("user-agent", "Desk/1");
        ann.sign_up("ann").await;
        site.client().sign_up("bob").await;
        let mut others = Vec::new();
        for agent in ["Phone/1<b>", "Tablet/1"] {
            let mut client = site.client().with_header("user-agent", agent);
            client.log_in("ann", PASSWORD).await;
            others.push(client);
        }
        let page = ann.get("/account/sessions").await.body;
        assert!(
            page.contains("Desk/1")
                && page.contains("Phone/1&lt;b&gt;")
                && page.matches("127.0.0.1").count() == 3,
            "{page}"
        );
        let phone = page
            .split("Phone/1")
            .nth(1)
            .and_then(|rest| rest.split("name=\"id\" value=\"").nth(1))
            .unwrap();
        let id = phone.split('"').next().unwrap().to_owned();
        assert!(
            !others[0].cookies()["session"].contains(&id),
            "what stands on the page opens nothing"
        );
        let mut bob = site.client();
        bob.log_in("bob", PASSWORD).await;
        assert!(
            !has_event(
                &bob.submit("/account/sessions", "/account/sessions", &[("id", &id)])
                    .await,
                "sessions_ended"
            ),
            "not hers"
        );
        assert_eq!(others[0].get("/mine").await.body, "ann");
        assert!(has_event(
            &ann.submit("/account/sessions", "/account/sessions", &[("id", &id)])
                .await,
            "sessions_ended"
        ));
        assert_eq!(
            others[0].get("/mine").await.status,
            StatusCode::SEE_OTHER,
            "at once"
        );
        assert_eq!(others[1].get("/mine").await.body, "ann");
        ann.submit("/account/sessions", "/account/sessions", &[])
            .await;
        assert_eq!(others[1].get("/mine").await.status, StatusCode::SEE_OTHER);
        assert_eq!(
            (ann.get("/mine").await.body, bob.get("/mine").await.body),
            ("ann".into(), "bob".into())
        );
        site.clock().advance(TimeDelta::minutes(31));
        assert_eq!(
            ann.get("/account/sessions").await.header("location"),
            "/account/reauthenticate?next=%2Faccount%2Fsessions"
        );
    }
}

// F042, F043: a stolen cookie in another kind of browser is noted, asked, or ended, as the site says
#[tokio::test]
async fn a_stolen_cookie_is_noticed() {
    for (binding, thief_is, owner_is) in [
        ("off", 200, 200),
        ("note", 200, 200),
        ("ask", 303, 200),
        ("end", 303, 303),
    ] {
        let site = TestSite::start(app(), &[("sessions.binding", binding)]).await;
        let mut ann = site.client().with_header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        );
        ann.sign_up("ann").await;
        let mut thief = site.client().with_header("user-agent", "curl/8.0");
        thief.cookies().extend(ann.cookies().clone());
        let stolen = thief.get("/mine").await;
        assert_eq!(stolen.status.as_u16(), thief_is, "{binding}");
        assert_eq!(
            has_event(&stolen, "session_moved"),
            binding != "off",
            "{binding}: {:?}",
            stolen.events()
        );
        if binding == "note" {
            assert!(
                !has_event(&thief.get("/mine").await, "session_moved"),
                "once"
            );
        }
        assert_eq!(
            ann.get("/mine").await.status.as_u16(),
            owner_is,
            "{binding}: the owner"
        );
    }
    let site = TestSite::start(app(), &[("sessions.binding", "ask")]).await;
    let mut ann = site.client().from_address([203, 0, 113, 7].into());
    ann.sign_up("ann").await;
    let mut near = ann.clone().from_address([203, 0, 99, 1].into());
    let mut far = ann.clone().from_address([198, 51, 100, 1].into());
    assert_eq!(
        (
            near.get("/mine").await.status.as_u16(),
            far.get("/mine").await.status.as_u16()
        ),
        (200, 303)
    );
}

// F030; ASVS 6.5.6: the removal of lost factors takes a day, and a login with a factor cancels it
#[tokio::test]
async fn lost_factors_are_removed_after_a_day_of_silence() {
    let site = TestSite::start(app(), &[]).await;
    let (mut ann, secret, _) = ann(&site).await;
    let id = site.site().accounts().id_of("ann").await.unwrap().unwrap();
    let day = TimeDelta::hours(24);
    site.site()
        .factors()
        .remove_at(id, site.site().accounts().now() + day)
        .await
        .unwrap();
    let asks = async || {
        site.client()
            .log_in("ann", PASSWORD)
            .await
            .header("location")
            == "/account/login/second"
    };
    site.clock().advance(day - TimeDelta::seconds(60));
    assert_eq!(site.site().lost_factors_removed().await, 0);
    assert!(asks().await, "until then nothing changes");
    let mut owner = site.client();
    owner.log_in("ann", PASSWORD).await;
    let code = owner.code(&secret);
    let kept = second(&mut owner, &code).await;
    assert!(has_event(&kept, "factor_kept"), "{:?}", kept.events());
    site.clock().advance(day);
    assert_eq!(site.site().lost_factors_removed().await, 0);
    assert!(asks().await, "the owner has one after all");
    // new factors are no lost ones
    site.site()
        .factors()
        .remove_at(id, site.site().accounts().now() + day)
        .await
        .unwrap();
    owner.log_in("ann", PASSWORD).await;
    let code = owner.code(&secret);
    second(&mut owner, &code).await;
    site.clock().advance(day);
    assert_eq!(site.site().lost_factors_removed().await, 0);
    site.site()
        .factors()
        .remove_at(id, site.site().accounts().now() + day)
        .await
        .unwrap();
    ann.log_in("ann", PASSWORD).await;
    second(&mut ann, "000000").await;
    site.clock().advance(day);
    assert_eq!(site.site().lost_factors_removed().await, 1);
    assert_eq!(site.site().lost_factors_removed().await, 0, "once");
    assert!(!asks().await);
    assert_eq!(
        owner.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "all sessions end"
    );
    ann.mail_to("ann@example.org").await;
    assert!(
        site.site()
            .mail()
            .outbox()
            .iter()
            .any(|mail| mail.text.contains("as announced a day ago"))
    );
}

// F029; ASVS 6.5.1: a token that counts its codes, by a generator that is not ours in its place here: RFC 4226's codes are those of steps
#[tokio::test]
async fn a_token_counts_its_codes() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    ann.submit(
        "/account/factors",
        "/account/factors/app",
        &[("counts", "on")],
    )
    .await;
    let page = ann.get("/account/factors/app").await.body;
    let secret = page
        .split_once("id=\"secret\">")
        .unwrap()
        .1
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    let code = |counter: i64| palisade::mfa::code_at(&secret, counter * 30).unwrap();
    let added = ann
        .submit(
            "/account/factors/app",
            "/account/factors/app/confirm",
            &[("code", &code(0))],
        )
        .await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.body);
    for (counter, works) in [
        (0, false),
        (4, true),
        (4, false),
        (3, false),
        (15, false),
        (14, true),
    ] {
        let mut client = site.client();
        client.log_in("ann", PASSWORD).await;
        let done = second(&mut client, &code(counter)).await;
        assert_eq!(
            done.status == StatusCode::SEE_OTHER,
            works,
            "the code of {counter}"
        );
    }
}

// F029; ASVS 6.3.3: a site requires a second factor of all users, or of the members of a group, on all pages but those where it is added
#[tokio::test]
async fn a_site_asks_everybody_or_a_group() {
    let site = TestSite::start(app(), &[("mfa.require_for_all", "true")]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    assert_eq!(
        ann.get("/mine").await.header("location"),
        "/account/factors?next=%2Fmine"
    );
    for own in [
        "/account",
        "/account/sessions",
        "/account/password",
        "/account/factors",
    ] {
        assert_eq!(ann.get(own).await.status, StatusCode::OK, "{own}");
    }
    ann.add_factor().await;
    assert_eq!(ann.get("/mine").await.body, "ann");
    let site = TestSite::start(app(), &[("mfa.require_for_groups", "Accounting, Chiefs")]).await;
    let (mut ann, mut bob) = (site.client(), site.client());
    ann.sign_up("ann").await;
    bob.sign_up("bob").await;
    let tx = site.site().database().handle().begin().await.unwrap();
    for group in ["Chiefs", "Gardeners"] {
        tx.execute_sql(sql!("INSERT INTO auth_group (name) VALUES (?)", group))
            .await
            .unwrap();
    }
    for (name, group) in [("ann", "Chiefs"), ("bob", "Gardeners")] {
        let link = sql!(
            "INSERT INTO auth_user_groups (user_id, group_id) SELECT u.id, g.id FROM auth_user u, auth_group g WHERE u.username = ? AND g.name = ?",
            name,
            group
        );
        tx.execute_sql(link).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(
        ann.get("/mine").await.header("location"),
        "/account/factors?next=%2Fmine"
    );
    assert_eq!(bob.get("/mine").await.body, "bob", "another group");
}
