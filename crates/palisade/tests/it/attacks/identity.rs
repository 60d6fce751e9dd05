use crate::site::app;
use chrono::TimeDelta;
use http::StatusCode;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite};

const PASSWORD: &str = "correct horse battery staple";
const NEW: &str = "another fine long phrase";

async fn sign_up(client: &mut Client, name: &str, email: &str) -> Answer {
    let fields = [
        ("username", name),
        ("email", email),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ];
    client
        .submit("/account/signup", "/account/signup", &fields)
        .await
}

async fn ask_for_reset(site: &TestSite, email: &str) -> Answer {
    site.client()
        .submit("/account/reset", "/account/reset", &[("email", email)])
        .await
}

async fn choose(client: &mut Client, password: &str) -> Answer {
    let fields = [("new_password", password), ("new_password_again", password)];
    // the token of another form: an attacker does not fetch a page that is gone
    client
        .submit("/account/login", "/account/reset/new", &fields)
        .await
}

async fn can_log_in(site: &TestSite, name: &str, password: &str) -> bool {
    site.client().log_in(name, password).await.status == StatusCode::SEE_OTHER
}

fn has_event(answer: &Answer, event: &str) -> bool {
    answer
        .events()
        .iter()
        .any(|line| line.contains(&format!("event.action={event} ")))
}

// D29; F033, F034; ASVS 6.3.8: entry points × what there is, equal in status, headers, words, work and number of mails; how long each takes is in bench
#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let site = TestSite::start(app(), &[]).await;
    for name in ["ann", "gone"] {
        site.client().sign_up(name).await;
    }
    let tx = site.site().database().handle().begin().await.unwrap();
    tx.execute_sql(sql!(
        "UPDATE auth_user SET is_active = (1 = 0) WHERE username = 'gone'"
    ))
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let cases = [
        (
            "/account/signup",
            vec![
                ("new", "new@example.org"),
                ("ann", "x@example.org"),
                ("other", "ANN@example.org"),
                ("z", "gone@example.org"),
            ],
        ),
        (
            "/account/reset",
            vec![
                ("", "nobody@example.org"),
                ("", "ann@example.org"),
                ("", "gone@example.org"),
            ],
        ),
    ];
    for (page, rows) in cases {
        let mut seen = Vec::new();
        for (name, email) in rows {
            let mut client = site.client();
            client.get(page).await;
            let (hashes, mails) = (
                site.site().accounts().hashes_done(),
                site.site().mail().outbox().len(),
            );
            let answer = if page == "/account/signup" {
                sign_up(&mut client, name, email).await
            } else {
                ask_for_reset(&site, email).await
            };
            site.site().mail().deliver().await.unwrap();
            let names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
            let work = (
                site.site().accounts().hashes_done() - hashes,
                site.site().mail().outbox().len() - mails,
            );
            seen.push((
                answer.status,
                answer.header("location").to_owned(),
                answer.body.clone(),
                names,
                work,
            ));
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{page}: {seen:#?}");
        assert_eq!(seen[0].4.1, 1, "one mail in each case");
    }
    let mail = site.client().mail_to("x@example.org").await.unwrap();
    assert!(
        mail.text.contains("This name is not free") && !mail.text.contains("token="),
        "{}",
        mail.text
    );
    let mail = site.client().mail_to("ANN@example.org").await.unwrap();
    assert!(
        mail.text.contains("It has an account already") && !mail.text.contains("token="),
        "{}",
        mail.text
    );
    assert!(
        site.client()
            .mail_to("gone@example.org")
            .await
            .unwrap()
            .text
            .contains("is closed"),
        "a closed account is told so, by mail alone"
    );
}

// D12; F033; ASVS 6.4.1
#[tokio::test]
async fn an_address_that_is_not_confirmed_has_no_account() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    assert!(has_event(
        &sign_up(&mut client, "ann", "ann@example.org").await,
        "signup_begun"
    ));
    assert!(!can_log_in(&site, "ann", PASSWORD).await, "before the link");
    assert!(
        client.get("/mine").await.status == StatusCode::SEE_OTHER
            && site.site().accounts().list().await.unwrap().is_empty()
    );
    // a GET of the link, as mail scanners send it, changes nothing
    let mut victim = site.client();
    assert_eq!(
        victim.follow_mail("ann@example.org").await,
        "/account/confirm"
    );
    let page = victim.get("/account/confirm").await;
    assert!(
        page.status == StatusCode::OK && page.header("referrer-policy") == "same-origin",
        "{}",
        page.body
    );
    let guess = victim
        .submit(
            "/account/confirm",
            "/account/confirm",
            &[("password", "some other password")],
        )
        .await;
    assert!(guess.status == StatusCode::UNPROCESSABLE_ENTITY && has_event(&guess, "login_failed"));
    assert!(
        site.site().accounts().list().await.unwrap().is_empty(),
        "the attacker's password on the owner's address"
    );
    let done = client.follow_mail("ann@example.org").await;
    let done = client
        .submit(&done, "/account/confirm", &[("password", PASSWORD)])
        .await;
    assert!(
        done.status == StatusCode::SEE_OTHER && has_event(&done, "signup"),
        "{}",
        done.body
    );
    assert_eq!(client.get("/mine").await.body, "ann");
    assert_eq!(
        victim.get("/account/confirm").await.status,
        StatusCode::GONE,
        "once"
    );
    let made_up = site.client().get("/account/confirm?token=made-up").await;
    assert!(
        made_up.status == StatusCode::GONE && !made_up.headers.contains_key("set-cookie"),
        "an invented link gives no session"
    );
    // two sign-ups for one name and one address: the second to be confirmed is told
    let mut late = site.client();
    for (name, email) in [
        ("bob", "b1@example.org"),
        ("bob", "b2@example.org"),
        ("bea", "b1@example.org"),
    ] {
        sign_up(&mut site.client(), name, email).await;
    }
    let links = [
        late.mail_to("b1@example.org").await,
        late.mail_to("b2@example.org").await,
    ]
    .map(|mail| link(&mail.unwrap().text));
    for (link, status) in links
        .iter()
        .zip([StatusCode::SEE_OTHER, StatusCode::SEE_OTHER])
    {
        late.get(link).await;
        assert_eq!(
            late.submit(
                "/account/confirm",
                "/account/confirm",
                &[("password", PASSWORD)]
            )
            .await
            .status,
            status
        );
    }
    sign_up(&mut late, "carl", "carl@example.org").await;
    let link = link(&late.mail_to("carl@example.org").await.unwrap().text);
    site.clock().advance(TimeDelta::hours(24));
    late.get(&link).await;
    assert_eq!(
        late.get("/account/confirm").await.status,
        StatusCode::GONE,
        "a day is over"
    );
}

fn link(text: &str) -> String {
    let line = text
        .lines()
        .find(|line| line.contains("/account/") && line.starts_with("http"))
        .unwrap();
    line[line.find("/account/").unwrap()..].to_owned()
}

// D11, D13; F034; ASVS 6.4.3, 7.4.3, 6.3.7, 9.2.2
#[tokio::test]
async fn a_reset_link_works_once_for_a_quarter_of_an_hour_and_for_nothing_else() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let mut reader = site.client();
    ask_for_reset(&site, "Ann@example.org").await;
    let first = link(&reader.mail_to("ann@example.org").await.unwrap().text);
    let token = first.rsplit('=').next().unwrap();
    let stored: Vec<u8> = std::fs::read_dir(site.folder())
        .unwrap()
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let holds = |needle: &str| {
        stored
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    };
    assert!(
        holds("palisade_token") && !holds(token) && !holds("There is a link"),
        "the table holds a hash, the mail is sealed"
    );
    assert_eq!(
        reader.get(&first).await.header("location"),
        "/account/reset/new"
    );
    let page = reader.get("/account/reset/new").await;
    assert!(
        page.status == StatusCode::OK && !page.body.contains(token),
        "the token is not on the page"
    );
    reader.get(&format!("/account/confirm?token={token}")).await;
    assert_eq!(
        reader.get("/account/confirm").await.status,
        StatusCode::GONE,
        "not for a sign-up"
    );
    let weak = choose(&mut reader, "12345678901234").await;
    assert!(
        weak.status == StatusCode::UNPROCESSABLE_ENTITY && weak.body.contains("digits only"),
        "the link is still good: {}",
        weak.body
    );
    // a second mail, which any client can request, does not invalidate the first link
    ask_for_reset(&site, "ann@example.org").await;
    assert_eq!(
        reader.get("/account/reset/new").await.status,
        StatusCode::OK,
        "the first link goes on"
    );
    reader.follow_mail("ann@example.org").await;
    site.clock().advance(TimeDelta::seconds(15 * 60));
    assert_eq!(
        reader.get("/account/reset/new").await.status,
        StatusCode::GONE,
        "15:00"
    );
    ask_for_reset(&site, "ann@example.org").await;
    reader.follow_mail("ann@example.org").await;
    site.clock().advance(TimeDelta::seconds(15 * 60 - 1));
    let done = choose(&mut reader, NEW).await;
    assert!(
        done.status == StatusCode::SEE_OTHER
            && done.header("location") == "/account/login"
            && has_event(&done, "password_reset")
    );
    assert!(
        reader
            .mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("A new password was set")
    );
    assert_eq!(
        reader.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "it signs no user in"
    );
    assert_eq!(
        ann.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "all sessions ended"
    );
    assert!(can_log_in(&site, "ann", NEW).await && !can_log_in(&site, "ann", PASSWORD).await);
    // a link does not outlive a change of the password
    ask_for_reset(&site, "ann@example.org").await;
    reader.follow_mail("ann@example.org").await;
    ann.log_in("ann", NEW).await;
    let change = [
        ("current_password", NEW),
        ("new_password", PASSWORD),
        ("new_password_again", PASSWORD),
    ];
    assert_eq!(
        ann.submit("/account/password", "/account/password", &change)
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        choose(&mut reader, "yet another fine phrase").await.status,
        StatusCode::GONE
    );
    assert!(can_log_in(&site, "ann", PASSWORD).await);
}

// D11: many at once, on two instances
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_many_use_at_once_is_used_once() {
    let Some(site) =
        TestSite::start_on(palisade::testing::TestDatabase::Postgres, app(), &[]).await
    else {
        return;
    };
    let key = "0123456789abcdef-a-key-for-two-instances-0123456789-abcdefgh";
    let sites = [
        site.start_beside(app(), &[("keys.secret", key)]).await,
        site.start_beside(app(), &[("keys.secret", key)]).await,
    ];
    sites[0].client().sign_up("ann").await;
    ask_for_reset(&sites[0], "ann@example.org").await;
    let mail = sites[0].client().mail_to("ann@example.org").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..10 {
        let (mut client, link) = (sites[number % 2].client(), link(&mail.text));
        tasks.spawn(async move {
            client.get(&link).await;
            choose(&mut client, &format!("a fine long phrase {number}"))
                .await
                .status
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(
        answers
            .iter()
            .filter(|status| **status == StatusCode::SEE_OTHER)
            .count(),
        1,
        "{answers:?}"
    );
    assert!(
        answers
            .iter()
            .all(|status| [StatusCode::SEE_OTHER, StatusCode::GONE].contains(status)),
        "{answers:?}"
    );
    palisade::testing::ran("reset links of two instances");
}

// F034; ASVS 6.3.7, 7.5.1
#[tokio::test]
async fn an_address_changes_when_both_addresses_say_so() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    site.client().sign_up("bob").await;
    let change = async |client: &mut Client, email: &str, password: &str| {
        client
            .submit(
                "/account/email",
                "/account/email",
                &[("email", email), ("current_password", password)],
            )
            .await
    };
    let email = async || {
        let row: Option<(String,)> = site
            .site()
            .database()
            .handle()
            .fetch_one(sql!("SELECT email FROM auth_user WHERE username = 'ann'"))
            .await
            .unwrap();
        row.unwrap().0
    };
    let confirm = async |address: &str| {
        let mut anywhere = site.client();
        anywhere.follow_mail(address).await;
        anywhere
            .submit("/account/login", "/account/email/confirm", &[])
            .await
    };
    let wrong = change(&mut ann, "eve@example.org", "wrong password").await;
    assert!(wrong.status == StatusCode::UNPROCESSABLE_ENTITY && has_event(&wrong, "login_failed"));
    assert!(ann.mail_to("eve@example.org").await.is_none());
    assert_eq!(
        change(&mut ann, "new@example.org", PASSWORD).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        confirm("new@example.org").await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(email().await, "ann@example.org", "one of two is not enough");
    assert_eq!(
        confirm("new@example.org").await.status,
        StatusCode::GONE,
        "nor is the same one twice"
    );
    assert!(
        ann.mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("new@example.org"),
        "the old address is told which"
    );
    assert!(has_event(
        &confirm("ann@example.org").await,
        "email_changed"
    ));
    assert_eq!(email().await, "new@example.org");
    for address in ["ann@example.org", "new@example.org"] {
        assert!(
            ann.mail_to(address)
                .await
                .unwrap()
                .text
                .contains("Mail now goes to another address.")
        );
    }
    // the first half is not there any more when the second one comes
    change(&mut ann, "late@example.org", PASSWORD).await;
    confirm("new@example.org").await;
    site.clock().advance(TimeDelta::hours(1));
    assert_eq!(confirm("late@example.org").await.status, StatusCode::GONE);
    // a registered address: the response is the same, and the owner is notified
    let taken = change(&mut ann, "bob@example.org", PASSWORD).await;
    assert_eq!(
        (taken.status, taken.header("location")),
        (StatusCode::SEE_OTHER, "/account")
    );
    assert!(
        ann.mail_to("bob@example.org")
            .await
            .unwrap()
            .text
            .contains("It has an account already")
    );
    confirm("new@example.org").await;
    assert_eq!(email().await, "new@example.org");
}

/// Notes that belong to users by their title.
struct OwnNotes;

#[async_trait::async_trait]
impl palisade::auth::PersonalData for OwnNotes {
    fn name(&self) -> &'static str {
        "notes"
    }

    async fn export(&self, db: &Db, user: &User) -> Result<serde_json::Value> {
        let rows: Vec<(String,)> = db
            .fetch_all(sql!(
                "SELECT title FROM note WHERE title = ?",
                &user.username
            ))
            .await?;
        Ok(rows.into_iter().map(|(title,)| title).collect())
    }

    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        tx.execute_sql(sql!("DELETE FROM note WHERE title = ?", &user.username))
            .await?;
        Ok(())
    }
}

// ASVS 7.4.2, 7.5.1
#[tokio::test]
async fn people_take_their_data_along_close_accounts_and_are_forgotten() {
    let site = TestSite::start(app().personal_data(OwnNotes), &[]).await;
    let mut clients = Vec::new();
    for name in ["ann", "bob"] {
        let mut client = site.client();
        client.sign_up(name).await;
        let tx = site.site().database().handle().begin().await.unwrap();
        tx.execute_sql(sql!("INSERT INTO note (title) VALUES (?)", name))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        clients.push(client);
    }
    let [ann, bob] = clients.as_mut_slice() else {
        panic!("two")
    };
    let act = async |client: &mut Client, what: &str, password: &str| {
        let path = format!("/account/{what}");
        client
            .submit(&path, &path, &[("current_password", password)])
            .await
    };
    for what in ["export", "close", "delete"] {
        let refused = act(ann, what, "wrong password").await;
        assert!(
            refused.status == StatusCode::UNPROCESSABLE_ENTITY
                && has_event(&refused, "login_failed"),
            "{what}"
        );
        assert_eq!(
            site.client().get(&format!("/account/{what}")).await.status,
            StatusCode::SEE_OTHER,
            "strangers log in first"
        );
    }
    let file = act(ann, "export", PASSWORD).await;
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"my-data.json\""
    );
    let all: serde_json::Value = serde_json::from_str(&file.body).unwrap();
    assert!(
        all["account"]["user"]["email"] == "ann@example.org" && all["notes"][0] == "ann",
        "{all}"
    );
    assert!(
        all["sessions"].as_array().unwrap().len() == 1
            && all["browsers"].as_array().unwrap().len() <= 1,
        "{all}"
    );
    assert!(
        !file.body.contains("argon2")
            && !file.body.contains("bob")
            && has_event(&file, "data_exported"),
        "{}",
        file.body
    );
    let mut elsewhere = site.client();
    elsewhere.log_in("bob", PASSWORD).await;
    assert!(has_event(
        &act(bob, "close", PASSWORD).await,
        "account_closed"
    ));
    assert_eq!(
        elsewhere.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "at once, everywhere"
    );
    assert!(!can_log_in(&site, "bob", PASSWORD).await);
    let tx = site.site().database().handle().begin().await.unwrap();
    tx.execute_sql(sql!(
        "UPDATE auth_user SET is_active = (1 = 1) WHERE username = 'bob'"
    ))
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        elsewhere.get("/mine").await.status,
        StatusCode::SEE_OTHER,
        "a session from before does not come back to life"
    );
    assert!(has_event(
        &act(ann, "delete", PASSWORD).await,
        "account_deleted"
    ));
    assert!(
        !can_log_in(&site, "ann", PASSWORD).await
            && ann.get("/mine").await.status == StatusCode::SEE_OTHER
    );
    let left: Vec<(String,)> = site
        .site()
        .database()
        .handle()
        .fetch_all(sql!("SELECT title FROM note"))
        .await
        .unwrap();
    assert_eq!(left, [("bob".to_owned(),)], "hers is gone, his is there");
    assert!(
        site.client()
            .mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("The account was deleted")
    );
}

// Finding 21; UTS 39: a name that could be taken for another's is not given to a second account
#[tokio::test]
async fn names_that_look_like_others_are_refused() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("carol").await;
    let mut stranger = site.client();
    let mut typed = async |name: &str, email: &str| {
        let fields = [
            ("username", name),
            ("email", email),
            ("password", PASSWORD),
            ("password_again", PASSWORD),
        ];
        stranger
            .submit("/account/signup", "/account/signup", &fields)
            .await
    };
    for lookalike in ["c\u{430}rol", "\u{441}\u{43e}\u{441}\u{43e}", "\u{3b1}nn"] {
        let refused = typed(lookalike, "stranger@example.org").await;
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{lookalike}"
        );
        assert!(
            refused.body.contains("the letters of one alphabet")
                && refused.body.contains(lookalike),
            "{}",
            refused.body
        );
    }
    for (name, email) in [
        ("Ольга", "olga@example.org"),
        ("zoë", "zoe@example.org"),
        ("佐藤さくら", "sakura@example.org"),
        ("yıldız", "y@example.org"),
    ] {
        assert_eq!(
            typed(name, email).await.status,
            StatusCode::SEE_OTHER,
            "{name}"
        );
    }
    for (name, email) in [
        ("CAROL", "stranger@example.org"),
        ("Carol", "second@example.org"),
        ("c\u{251}rol", "third@example.org"),
    ] {
        assert_eq!(
            typed(name, email).await.status,
            StatusCode::SEE_OTHER,
            "{name}"
        );
    }
    site.site().mail().deliver().await.unwrap();
    let mails = site.site().mail().outbox();
    let to = |address: &str| {
        mails
            .iter()
            .find(|mail| mail.to == address)
            .unwrap_or_else(|| panic!("no mail to {address}"))
    };
    for email in [
        "stranger@example.org",
        "second@example.org",
        "third@example.org",
    ] {
        assert!(
            !to(email).text.contains("/account/confirm"),
            "{email}: {}",
            to(email).text
        );
    }
    assert!(to("olga@example.org").text.contains("/account/confirm"));
}

// Finding 21: of two sign-ups at once whose names differ by case, one gets an account
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_differ_by_case_are_confirmed_once() {
    let Some(site) = TestSite::start_on(
        palisade::testing::TestDatabase::Postgres,
        app(),
        &[("throttle.changes", "off")],
    )
    .await
    else {
        return;
    };
    for round in 0..10 {
        let mut clients = Vec::new();
        for name in [format!("bob{round}"), format!("BOB{round}")] {
            let (mut client, email) = (
                site.client(),
                format!("{name}@{}.example.org", name.starts_with('B')),
            );
            sign_up(&mut client, &name, &email).await;
            client.follow_mail(&email).await;
            clients.push(client);
        }
        let mut tasks = tokio::task::JoinSet::new();
        for mut client in clients {
            let token = client.get("/account/login").await.token().unwrap();
            tasks.spawn(async move {
                client
                    .post(
                        "/account/confirm",
                        &[
                            ("csrfmiddlewaretoken", token.as_str()),
                            ("password", PASSWORD),
                        ],
                    )
                    .await;
                client.get("/mine").await.status
            });
        }
        let statuses = tasks.join_all().await;
        assert_eq!(
            statuses
                .iter()
                .filter(|status| **status == StatusCode::OK)
                .count(),
            1,
            "round {round}: {statuses:?}"
        );
    }
    palisade::testing::ran("sign-ups of one name at once");
}
