use super::authenticator::{Authenticator, options};
use crate::site::app;
use chrono::TimeDelta;
use http::StatusCode;
use palisade::testing::{Answer, Client, TestDatabase, TestSite, ran, server};

const PASSWORD: &str = "correct horse battery staple";

fn has_event(answer: &Answer, event: &str) -> bool {
    answer
        .events()
        .iter()
        .any(|line| line.contains(&format!("event.action={event} ")))
}

/// Adds a passkey, and says what came back.
pub async fn add(client: &mut Client, key: &mut Authenticator, name: &str) -> Answer {
    let begun = client
        .submit("/account/factors", "/account/factors/passkey", &[])
        .await;
    assert_eq!(
        begun.header("location"),
        "/account/factors/passkey",
        "{}",
        begun.body
    );
    let asked = options(&client.get("/account/factors/passkey").await.body);
    let answer = key.create(&asked);
    client
        .submit(
            "/account/factors/passkey",
            "/account/factors/passkey/add",
            &[("name", name), ("credential", &answer)],
        )
        .await
}

/// Begins a login without a name, and says what the browser is asked.
async fn asked(client: &mut Client, next: &str) -> serde_json::Value {
    let begun = client
        .submit(
            "/account/login/ways",
            "/account/login/passkey",
            &[("next", next)],
        )
        .await;
    assert_eq!(
        begun.header("location"),
        "/account/passkey",
        "{}",
        begun.body
    );
    options(&client.get("/account/passkey").await.body)
}

async fn answer(client: &mut Client, credential: &str) -> Answer {
    client
        .submit(
            "/account/passkey",
            "/account/passkey",
            &[("credential", credential)],
        )
        .await
}

async fn ann(site: &TestSite) -> (Client, Authenticator) {
    let (mut ann, mut key) = (site.client(), Authenticator::new());
    ann.sign_up("ann").await;
    let added = add(&mut ann, &mut key, "Phone <b>").await;
    assert!(
        added.body.contains("Recovery codes") && has_event(&added, "factor_added"),
        "{} {}",
        added.status,
        added.body
    );
    (ann, key)
}

// F030; ASVS 6.3.3, 6.5.1, 6.7.2, 7.2.4: a passkey alone signs in, and stands for a code after the password
#[tokio::test]
async fn a_passkey_signs_in_by_itself_and_as_second_step() {
    let site = TestSite::start(app(), &[]).await;
    let (mut ann, mut key) = ann(&site).await;
    assert!(
        ann.mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("A passkey was added")
    );
    assert!(
        ann.get("/account/factors")
            .await
            .body
            .contains("Phone &lt;b&gt;")
    );
    let mut elsewhere = site.client();
    let wanted = asked(&mut elsewhere, "/mine").await;
    assert_eq!(wanted["userVerification"], "required");
    assert_eq!(
        wanted["allowCredentials"].as_array().map_or(0, Vec::len),
        0,
        "the start of a login lists no credentials"
    );
    let before = elsewhere.cookies()["session"].clone();
    let done = answer(&mut elsewhere, &key.get(&wanted)).await;
    assert!(
        done.header("location") == "/mine" && has_event(&done, "login"),
        "{} {:?}",
        done.body,
        done.events()
    );
    assert_eq!(elsewhere.get("/mine").await.body, "ann");
    assert_ne!(elsewhere.cookies()["session"], before, "a new key");

    let mut second = site.client();
    assert_eq!(
        second.log_in("ann", PASSWORD).await.header("location"),
        "/account/login/second"
    );
    assert!(
        second
            .get("/account/login/second")
            .await
            .body
            .contains("Use a passkey instead")
    );
    let begun = second
        .submit(
            "/account/login/second",
            "/account/login/second/passkey",
            &[],
        )
        .await;
    assert_eq!(begun.header("location"), "/account/passkey");
    let wanted = options(&second.get("/account/passkey").await.body);
    assert_eq!(wanted["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(
        second.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "half a login is none"
    );
    assert_eq!(
        answer(&mut second, &key.get(&wanted)).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(second.get("/mine").await.body, "ann");

    // what matters asks again, and the passkey is enough
    site.clock().advance(TimeDelta::minutes(31));
    assert!(
        second
            .get("/account/sessions")
            .await
            .header("location")
            .starts_with("/account/reauthenticate")
    );
    let begun = second
        .submit(
            "/account/reauthenticate",
            "/account/reauthenticate/passkey",
            &[("next", "/account/sessions")],
        )
        .await;
    assert_eq!(begun.header("location"), "/account/passkey");
    let wanted = options(&second.get("/account/passkey").await.body);
    let proven = answer(&mut second, &key.get(&wanted)).await;
    assert!(
        proven.header("location") == "/account/sessions" && has_event(&proven, "proven_again"),
        "{:?}",
        proven.events()
    );
    assert_eq!(second.get("/account/sessions").await.status, StatusCode::OK);
}

// F030; ASVS 6.5.1, 6.7.2: every lie an authenticator, a browser or a thief can tell
#[tokio::test]
async fn a_passkey_that_lies_is_refused() {
    let site = TestSite::start(app(), &[("lockout.failures", "1000")]).await;
    let (mut ann, mut key) = ann(&site).await;
    let refused = async |client: &mut Client, credential: &str, why: &str| {
        let answer = answer(client, credential).await;
        assert_eq!(answer.header("location"), "/account/login", "{why}");
        assert!(
            has_event(&answer, "login_failed"),
            "{why}: {:?}",
            answer.events()
        );
        assert_eq!(
            client.get("/mine").await.status,
            StatusCode::SEE_OTHER,
            "{why}"
        );
    };
    let mut thief = site.client();
    // what was answered once is worth nothing again
    let wanted = asked(&mut thief, "").await;
    let good = key.get(&wanted);
    let before = thief.cookies().clone();
    assert_eq!(answer(&mut thief, &good).await.header("location"), "/");
    *thief.cookies() = before;
    let again = thief
        .post("/account/passkey", &[("credential", &good)])
        .await;
    assert_ne!(again.header("location"), "/", "{}", again.body);
    thief.cookies().clear();
    asked(&mut thief, "").await;
    refused(&mut thief, &good, "the answer to another question").await;
    let lies: [(&str, fn(&mut Authenticator)); 4] = [
        ("a page of another site asked", |key| {
            key.origin = "https://evil.example"
        }),
        ("a passkey of another site", |key| key.host = "evil.example"),
        ("without user verification", |key| key.verifies = false),
        ("another user's name on it", |key| {
            key.handle = super::authenticator::base64([7; 16])
        }),
    ];
    for (why, lie) in lies {
        let (host, origin, handle) = (key.host, key.origin, key.handle.clone());
        lie(&mut key);
        let wanted = asked(&mut thief, "").await;
        refused(&mut thief, &key.get(&wanted), why).await;
        (key.host, key.origin, key.handle, key.verifies) = (host, origin, handle, true);
    }
    let mut thief = site.client().from_address("192.0.2.7".parse().unwrap());
    let wanted = asked(&mut thief, "").await;
    let mut forged = Authenticator::new();
    forged.id.clone_from(&key.id);
    forged.handle.clone_from(&key.handle);
    refused(
        &mut thief,
        &forged.get(&wanted),
        "another key behind the same credential",
    )
    .await;
    for nonsense in ["", "e30", "bm90IGpzb24", "%00", &"A".repeat(23_000)] {
        asked(&mut thief, "").await;
        refused(&mut thief, nonsense, nonsense).await;
    }
    // one that has counted less than before may be a copy
    let wanted = asked(&mut thief, "").await;
    let counted = key.counter;
    key.counter = 0;
    refused(&mut thief, &key.get(&wanted), "a copy").await;
    assert!(
        ann.mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("indicates a clone")
    );
    key.counter = counted;
    // too late
    let wanted = asked(&mut thief, "").await;
    site.clock().advance(TimeDelta::minutes(5));
    let late = thief
        .submit(
            "/account/login",
            "/account/passkey",
            &[("credential", &key.get(&wanted))],
        )
        .await;
    assert_eq!(
        late.header("location"),
        "/account/login",
        "{} {}",
        late.status,
        late.body
    );
    // a closed account
    let wanted = asked(&mut thief, "").await;
    ann.submit(
        "/account/close",
        "/account/close",
        &[("current_password", PASSWORD)],
    )
    .await;
    refused(&mut thief, &key.get(&wanted), "a closed account").await;
}

// F030; ASVS 6.5.1, 7.5.1: a passkey of one account does not open, and cannot be added to, another
#[tokio::test]
async fn passkeys_stay_with_their_owner() {
    let site = TestSite::start(app(), &[]).await;
    let (mut ann, mut key) = ann(&site).await;
    let (mut bob, mut his) = (site.client(), Authenticator::new());
    bob.sign_up("bob").await;
    let same = add(&mut bob, &mut copy(&key), "Hers").await;
    assert!(
        same.status == StatusCode::SEE_OTHER && has_event(&same, "second_step_failed"),
        "a credential that is known: {:?}",
        same.events()
    );
    assert!(!bob.get("/account/factors").await.body.contains("Hers"));
    add(&mut bob, &mut his, "His").await;
    let export = bob
        .submit(
            "/account/export",
            "/account/export",
            &[("current_password", PASSWORD)],
        )
        .await
        .body;
    assert!(
        export.contains("\"His\"") && !export.contains("Hers"),
        "{export}"
    );
    // his passkey in the place of hers, after her password
    let mut thief = site.client();
    thief.log_in("ann", PASSWORD).await;
    thief
        .submit(
            "/account/login/second",
            "/account/login/second/passkey",
            &[],
        )
        .await;
    let wanted = options(&thief.get("/account/passkey").await.body);
    assert_eq!(
        answer(&mut thief, &his.get(&wanted))
            .await
            .header("location"),
        "/account/login/second",
        "back to where a code is asked for"
    );
    assert_eq!(thief.get("/mine").await.status, StatusCode::SEE_OTHER);
    // his own login, turned into hers
    let mut thief = site.client();
    let wanted = asked(&mut thief, "").await;
    his.handle.clone_from(&key.handle);
    assert_eq!(
        answer(&mut thief, &his.get(&wanted))
            .await
            .header("location"),
        "/account/login"
    );
    // removing hers
    let id = ann
        .get("/account/factors")
        .await
        .hidden_field("id")
        .unwrap();
    let other = bob
        .submit(
            "/account/factors",
            "/account/factors/passkey/remove",
            &[("id", &id)],
        )
        .await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    // a login by password and a trusted browser is not enough to add one
    let removed = ann
        .submit(
            "/account/factors",
            "/account/factors/passkey/remove",
            &[("id", &id)],
        )
        .await;
    assert!(
        removed.status == StatusCode::SEE_OTHER && has_event(&removed, "factor_removed"),
        "{}",
        removed.body
    );
    let wanted = asked(&mut thief, "").await;
    assert_eq!(
        answer(&mut thief, &key.get(&wanted))
            .await
            .header("location"),
        "/account/login",
        "a passkey that was removed"
    );
    assert_eq!(
        site.client()
            .log_in("ann", PASSWORD)
            .await
            .header("location"),
        "/",
        "no factor is left, and no code either"
    );
}

fn copy(key: &Authenticator) -> Authenticator {
    Authenticator {
        id: key.id.clone(),
        ..Authenticator::new()
    }
}

// D37; F088; ASVS 6.3.1: during an attack on the password, the passkey is accepted
#[tokio::test]
async fn a_passkey_gets_in_while_the_password_is_locked() {
    let site = TestSite::start(app(), &[]).await;
    let (_, mut key) = ann(&site).await;
    let mut thief = site.client();
    for _ in 0..6 {
        thief.log_in("ann", "a wrong password").await;
    }
    assert_eq!(
        thief.log_in("ann", PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    let mut owner = site.client();
    let wanted = asked(&mut owner, "").await;
    assert_eq!(
        answer(&mut owner, &key.get(&wanted))
            .await
            .header("location"),
        "/"
    );
}

// ASVS 6.5.1: of ten answers to one question at once, on two instances, one is taken
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_question_has_one_answer() {
    let Some(_) = server("PALISADE_TEST_POSTGRES") else {
        return;
    };
    let Some(site) = TestSite::start_on(TestDatabase::Postgres, app(), &[]).await else {
        return;
    };
    let sites = [
        site.start_beside(app(), &[]).await,
        site.start_beside(app(), &[]).await,
    ];
    let (_, mut key) = ann(&sites[0]).await;
    key.synchronises = false;
    let mut first = sites[0].client();
    let wanted = asked(&mut first, "").await;
    let (credential, cookies) = (key.get(&wanted), first.cookies().clone());
    let token = first.get("/account/passkey").await.token().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10 {
        let (mut client, credential, token) = (
            sites[number % 2].client(),
            credential.clone(),
            token.clone(),
        );
        *client.cookies() = cookies.clone();
        let send = async move {
            client
                .post(
                    "/account/passkey",
                    &[("csrfmiddlewaretoken", &token), ("credential", &credential)],
                )
                .await
        };
        tasks.spawn(async move { send.await.header("location").to_owned() });
    }
    let places = tasks.join_all().await;
    assert_eq!(
        places.iter().filter(|place| *place == "/").count(),
        1,
        "{places:?}"
    );
    ran("passkeys of two instances");
}

// F030; ASVS 6.5.6, 7.5.1: a browser that is trusted, or a secret that was shown once, adds no factor beside the one that is there
#[tokio::test]
async fn a_factor_is_added_by_whoever_has_one() {
    let site = TestSite::start(app(), &[]).await;
    let mut owner = site.client();
    owner.sign_up("ann").await;
    // an app that was begun and never proven, and then a passkey
    owner
        .submit("/account/factors", "/account/factors/app", &[])
        .await;
    let shown = owner.get("/account/factors/app").await.body;
    let secret = shown
        .split_once("id=\"secret\">")
        .unwrap()
        .1
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    let mut key = Authenticator::new();
    let codes = add(&mut owner, &mut key, "Phone").await.body;
    let code = codes
        .split("<li><code>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        owner.get("/account/factors/app").await.header("location"),
        "/account/factors",
        "the secret is gone"
    );
    let mut browser = site.client();
    browser.log_in("ann", PASSWORD).await;
    browser
        .submit(
            "/account/login/second",
            "/account/login/second",
            &[("code", &code), ("remember", "on")],
        )
        .await;
    browser.log_in("ann", PASSWORD).await;
    assert_eq!(browser.get("/mine").await.body, "ann", "trusted");
    for action in [
        "/account/factors/app",
        "/account/factors/passkey",
        "/account/factors/remove",
    ] {
        let refused = browser.submit("/account/factors", action, &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{action}");
    }
    let token = browser.get("/account/factors").await.token().unwrap();
    let fields = [
        ("csrfmiddlewaretoken", token.as_str()),
        ("code", &browser.code(&secret)),
    ];
    assert_eq!(
        browser
            .post("/account/factors/app/confirm", &fields)
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        browser.get("/account/factors/app").await.status,
        StatusCode::FORBIDDEN
    );
    let id = "x".repeat(41);
    let odd = owner
        .submit(
            "/account/factors",
            "/account/factors/passkey/remove",
            &[("id", &id)],
        )
        .await;
    assert_eq!(odd.status, StatusCode::NOT_FOUND, "an id that is none");
}

// ASVS 6.5.1: a copy of a passkey is seen, however old the question is
#[tokio::test]
async fn a_copy_that_answers_an_old_question_is_seen() {
    let site = TestSite::start(app(), &[]).await;
    let (_, mut key) = ann(&site).await;
    let mut thief = site.client();
    thief.log_in("ann", PASSWORD).await;
    thief
        .submit(
            "/account/login/second",
            "/account/login/second/passkey",
            &[],
        )
        .await;
    let old = options(&thief.get("/account/passkey").await.body);
    for _ in 0..2 {
        let mut owner = site.client();
        let wanted = asked(&mut owner, "").await;
        assert_eq!(
            answer(&mut owner, &key.get(&wanted))
                .await
                .header("location"),
            "/"
        );
    }
    key.counter -= 2;
    let answered = answer(&mut thief, &key.get(&old)).await;
    assert_eq!(
        answered.header("location"),
        "/account/login/second",
        "{:?}",
        answered.events()
    );
    assert!(
        has_event(&answered, "login_failed")
            && thief.get("/mine").await.status == StatusCode::SEE_OTHER
    );
}
