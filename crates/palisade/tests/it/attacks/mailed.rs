use crate::site::app;
use chrono::TimeDelta;
use http::StatusCode;
use palisade::testing::{Answer, Client, TestDatabase, TestSite, ran, server};

const PASSWORD: &str = "correct horse battery staple";
const CODE: &str = "/account/login/mail/code";

fn has_event(answer: &Answer, event: &str) -> bool {
    answer
        .events()
        .iter()
        .any(|line| line.contains(&format!("event.action={event} ")))
}

async fn ask(client: &mut Client, email: &str) -> Answer {
    client
        .submit(
            "/account/login/mail",
            "/account/login/mail",
            &[("email", email), ("next", "/mine")],
        )
        .await
}

/// The newest code that was mailed to an address, and the path of its link.
async fn mailed(site: &TestSite, email: &str) -> (String, String) {
    site.client().mail_to(email).await;
    let mails = site.site().mail().outbox();
    let link = |text: &str| {
        text.lines().find_map(|line| {
            line.find("/account/login/mail/")
                .map(|at| line[at..].to_owned())
        })
    };
    let link = mails
        .iter()
        .rev()
        .filter(|mail| mail.to == email)
        .find_map(|mail| link(&mail.text))
        .unwrap();
    (link.split_once("token=").unwrap().1.to_owned(), link)
}

async fn type_code(client: &mut Client, code: &str) -> Answer {
    client.submit(CODE, CODE, &[("code", code)]).await
}

async fn site() -> TestSite {
    let site = TestSite::start(app(), &[("login.by_mail", "true")]).await;
    site.client().sign_up("ann").await;
    site
}

// F033; ASVS 6.6.2, 6.6.3, 6.5.1, 6.4.1, 7.6.2, 7.2.4
#[tokio::test]
async fn a_mailed_code_logs_in_the_browser_that_asked() {
    let site = site().await;
    let mut ann = site.client();
    let asked = ask(&mut ann, "ANN@example.org").await;
    assert!(
        asked.header("location") == CODE && has_event(&asked, "login_code_sent"),
        "{}",
        asked.body
    );
    let (code, link) = mailed(&site, "ann@example.org").await;
    // another browser, by the code and by the link
    let mut thief = site.client();
    assert_eq!(
        thief
            .get(CODE)
            .await
            .body
            .matches("was not requested in this browser")
            .count(),
        1
    );
    assert!(
        thief
            .get(&link)
            .await
            .body
            .contains("was not requested in this browser")
    );
    let posted = thief
        .submit("/account/login", CODE, &[("code", &code)])
        .await;
    assert_eq!(posted.header("location"), "/account/login/mail");
    ask(&mut thief, "nobody@example.org").await;
    assert_eq!(
        type_code(&mut thief, &code).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(thief.get("/mine").await.status, StatusCode::SEE_OTHER);
    // a GET of the link does not log in: a button does, and the code is removed from the address bar
    assert_eq!(ann.get(&link).await.header("location"), CODE);
    assert_eq!(ann.get("/mine").await.status, StatusCode::SEE_OTHER);
    let page = ann.get(CODE).await;
    assert!(
        page.body.contains(&format!("value=\"{code}\"")),
        "{}",
        page.body
    );
    let before = ann.cookies()["session"].clone();
    let cookies = ann.cookies().clone();
    let done = type_code(&mut ann, &code.to_lowercase().replace('-', "")).await;
    assert!(
        done.header("location") == "/mine" && has_event(&done, "login"),
        "{} {:?}",
        done.body,
        done.events()
    );
    assert_eq!(ann.get("/mine").await.body, "ann");
    assert_ne!(ann.cookies()["session"], before);
    // once
    *ann.cookies() = cookies;
    let again = ann.submit("/account/login", CODE, &[("code", &code)]).await;
    assert_ne!(again.header("location"), "/mine");
    assert_ne!(ann.get("/mine").await.body, "ann");
}

// ASVS 6.5.5, 6.6.3; D11: ten minutes, five guesses, and the newest one alone
#[tokio::test]
async fn a_mailed_code_ends() {
    let site = site().await;
    let mut ann = site.client();
    for (minutes, seconds, works) in [(9, 59, true), (10, 1, false)] {
        ask(&mut ann, "ann@example.org").await;
        let (code, _) = mailed(&site, "ann@example.org").await;
        site.clock()
            .advance(TimeDelta::seconds(minutes * 60 + seconds));
        let done = ann.submit("/account/login", CODE, &[("code", &code)]).await;
        assert_eq!(
            done.header("location") == "/mine",
            works,
            "{minutes}:{seconds} {}",
            done.body
        );
    }
    let mut guesser = site.client();
    ask(&mut guesser, "ann@example.org").await;
    let (old, _) = mailed(&site, "ann@example.org").await;
    ask(&mut guesser, "ann@example.org").await;
    let (code, _) = mailed(&site, "ann@example.org").await;
    assert_eq!(
        type_code(&mut guesser, &old).await.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "there is a newer one"
    );
    for _ in 0..4 {
        let wrong = type_code(&mut guesser, "AAAAA-AAAAA").await;
        assert!(
            wrong.status == StatusCode::UNPROCESSABLE_ENTITY && has_event(&wrong, "login_failed")
        );
    }
    assert_eq!(
        type_code(&mut guesser, &code).await.header("location"),
        "/account/login/mail",
        "five wrong ones end it"
    );
    assert_eq!(guesser.get("/mine").await.status, StatusCode::SEE_OTHER);
    // a password that changed meanwhile
    let mut held = site.client();
    ask(&mut held, "ann@example.org").await;
    let (code, _) = mailed(&site, "ann@example.org").await;
    let mut owner = site.client();
    owner.log_in("ann", PASSWORD).await;
    let new = [
        ("current_password", PASSWORD),
        ("new_password", "another fine phrase"),
        ("new_password_again", "another fine phrase"),
    ];
    assert_eq!(
        owner
            .submit("/account/password", "/account/password", &new)
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    assert_ne!(
        type_code(&mut held, &code).await.header("location"),
        "/mine",
        "the password changed meanwhile"
    );
}

// D37; ASVS 6.6.3: strangers who ask for an owner's mail, or guess in the same network, take nothing from the owner's browser
#[tokio::test]
async fn strangers_do_not_use_up_the_owners_mail() {
    let site = site().await;
    let mut ann = site.client();
    ann.log_in("ann", PASSWORD).await;
    ann.cookies().remove("session");
    for number in 0..101 {
        let mut stranger = site
            .client()
            .from_address(format!("192.0.2.{number}").parse().unwrap());
        ask(&mut stranger, "ann@example.org").await;
    }
    let mut stranger = site.client();
    let refused = ask(&mut stranger, "ann@example.org").await;
    assert!(
        refused.status == StatusCode::TOO_MANY_REQUESTS
            && !refused.header("retry-after").is_empty(),
        "{}",
        refused.body
    );
    // all of those are sent before the one that counts
    for _ in 0..10 {
        mailed(&site, "ann@example.org").await;
    }
    assert_eq!(
        ask(&mut ann, "ann@example.org").await.header("location"),
        CODE,
        "a browser that is known"
    );
    let (code, _) = mailed(&site, "ann@example.org").await;
    assert_eq!(type_code(&mut ann, &code).await.header("location"), "/mine");
}

// D29; ASVS 6.3.8, 6.3.4: whether there is such an account shows nowhere, the second factor stays, and it is off unless it is wanted
#[tokio::test]
async fn a_mailed_code_tells_nobody_and_goes_around_nothing() {
    let site = site().await;
    let mut answers = Vec::new();
    for email in ["ann@example.org", "nobody@example.org"] {
        let mut client = site.client();
        let asked = ask(&mut client, email).await;
        let wrong = type_code(&mut client, "AAAAA-AAAAA").await;
        let mut plain = wrong.body.replace(&wrong.token().unwrap(), "");
        plain.retain(|c| !c.is_ascii_digit());
        answers.push((
            asked.status,
            asked.header("location").to_owned(),
            wrong.status,
            plain,
        ));
        assert!(client.mail_to(email).await.is_some(), "a mail either way");
    }
    assert_eq!(answers[0], answers[1]);
    let mut ann = site.client();
    ann.log_in("ann", PASSWORD).await;
    ann.add_factor().await;
    let mut by_mail = site.client();
    ask(&mut by_mail, "ann@example.org").await;
    let (code, _) = mailed(&site, "ann@example.org").await;
    assert_eq!(
        type_code(&mut by_mail, &code).await.header("location"),
        "/account/login/second"
    );
    assert_eq!(by_mail.get("/mine").await.status, StatusCode::SEE_OTHER);
    let site = TestSite::start(app(), &[]).await;
    for path in ["/account/login/mail", CODE] {
        assert_eq!(
            site.client().get(path).await.status,
            StatusCode::NOT_FOUND,
            "off, unless it is wanted"
        );
    }
    assert!(
        !site
            .client()
            .get("/account/login")
            .await
            .body
            .contains("by mail")
    );
}

// ASVS 6.5.1: of ten at once, on two instances, one is let in
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_code_is_one_login() {
    let Some(_) = server("PALISADE_TEST_POSTGRES") else {
        return;
    };
    let settings = [("login.by_mail", "true"), ("lockout.failures", "1000")];
    let Some(site) = TestSite::start_on(TestDatabase::Postgres, app(), &settings).await else {
        return;
    };
    let sites = [
        site.start_beside(app(), &settings).await,
        site.start_beside(app(), &settings).await,
    ];
    sites[0].client().sign_up("ann").await;
    let mut ann = sites[0].client();
    ask(&mut ann, "ann@example.org").await;
    let (code, _) = mailed(&sites[0], "ann@example.org").await;
    let (token, cookies) = (ann.get(CODE).await.token().unwrap(), ann.cookies().clone());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10 {
        let (mut client, code, token) = (sites[number % 2].client(), code.clone(), token.clone());
        *client.cookies() = cookies.clone();
        let send = async move {
            client
                .post(CODE, &[("csrfmiddlewaretoken", &token), ("code", &code)])
                .await
        };
        tasks.spawn(async move { send.await.header("location").to_owned() });
    }
    let places = tasks.join_all().await;
    assert_eq!(
        places.iter().filter(|place| *place == "/mine").count(),
        1,
        "{places:?}"
    );
    ran("codes by mail of two instances");
}
