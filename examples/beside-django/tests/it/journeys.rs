//! What a visitor does who does not know that there are two programs, each way round.

use super::browser::{Answer, Browser};
use super::pair::{Keys, PASSWORD, Pair, VARIANTS, Variant};
use palisade::clock::{Clock, SystemClock};
use palisade::crypto::KeyRing;
use palisade::crypto::signing::{self, Compress, Signer};
use palisade::db::{Database, DatabaseSettings};
use palisade::prelude::*;
use palisade::testing;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn both(name: &str) -> (String, String) {
    (name.to_owned(), name.to_owned())
}

fn anonymous() -> (String, String) {
    both("")
}

/// A login or a logout on one side is valid on both.
async fn in_and_out(pair: &Pair) {
    for (comes, goes) in [
        ("here", "there"),
        ("there", "here"),
        ("here", "here"),
        ("there", "there"),
    ] {
        let mut browser = Browser::new();
        assert_eq!(pair.seen(&mut browser).await, anonymous());
        let is_in = if comes == "here" {
            pair.log_in_here(&mut browser, "ann", PASSWORD).await
        } else {
            pair.log_in_there(&mut browser, "ann", PASSWORD).await
        };
        assert!(is_in, "{comes}");
        let key = browser.cookies["sessionid"].clone();
        assert_eq!(pair.seen(&mut browser).await, both("ann"), "in {comes}");
        let days = pair.ask_django(&format!(
            "(__import__('django.contrib.sessions.models', fromlist=['Session']).Session.objects.get(pk='{key}').expire_date - __import__('datetime').datetime.now(__import__('datetime').timezone.utc)).days"
        ));
        assert_eq!(
            days,
            if comes == "here" { "6" } else { "13" },
            "the creator of a session sets its expiry"
        );
        assert_eq!(
            browser.cookies["sessionid"], key,
            "another request may be on its way with this key"
        );
        let stolen = browser.cookies.clone();
        let front = &pair.front;
        if goes == "here" {
            browser
                .submit(
                    &format!("{front}/account"),
                    &format!("{front}/account/logout"),
                    &[],
                )
                .await;
        } else {
            browser
                .submit(
                    &format!("{front}/"),
                    &format!("{front}/accounts/logout/"),
                    &[],
                )
                .await;
        }
        assert_eq!(
            pair.seen(&mut browser).await,
            anonymous(),
            "in {comes}, out {goes}"
        );
        browser.cookies = stolen;
        assert_eq!(
            pair.seen(&mut browser).await,
            anonymous(),
            "in {comes}, out {goes}: the key is dead on both"
        );
    }
    let mut browser = Browser::new();
    assert!(
        !pair.log_in_here(&mut browser, "ann", "wrong").await
            && !pair.log_in_there(&mut browser, "ann", "wrong").await
    );
    assert_eq!(pair.seen(&mut browser).await, anonymous());
}

/// A changed password ends all other sessions, on both sides; a closed account all of them.
async fn passwords(pair: &Pair) {
    let front = &pair.front;
    let (first, second) = ("a first new passphrase", "a second new passphrase");
    let [mut here, mut there, mut other] = [(); 3].map(|()| Browser::new());
    assert!(pair.log_in_here(&mut here, "bob", PASSWORD).await);
    assert!(pair.log_in_there(&mut there, "bob", PASSWORD).await);
    assert!(pair.log_in_there(&mut other, "bob", PASSWORD).await);
    let page = format!("{front}/account/password");
    let fields = [
        ("current_password", PASSWORD),
        ("new_password", first),
        ("new_password_again", first),
    ];
    assert_eq!(here.submit(&page, &page, &fields).await.status, 303);
    assert_eq!(
        pair.seen(&mut here).await,
        both("bob"),
        "the session that changed it here stays"
    );
    assert_eq!(
        pair.seen(&mut there).await,
        anonymous(),
        "changed here: the others are out"
    );
    assert_eq!(pair.seen(&mut other).await, anonymous());
    assert!(
        pair.log_in_there(&mut there, "bob", first).await
            && pair.log_in_here(&mut other, "bob", first).await
    );
    let page = format!("{front}/accounts/password_change/");
    let fields = [
        ("old_password", first),
        ("new_password1", second),
        ("new_password2", second),
    ];
    assert_eq!(there.submit(&page, &page, &fields).await.status, 302);
    assert_eq!(
        pair.seen(&mut there).await,
        both("bob"),
        "the session that changed it there stays"
    );
    assert_eq!(
        pair.seen(&mut here).await,
        anonymous(),
        "changed there: the others are out"
    );
    assert_eq!(pair.seen(&mut other).await, anonymous());
    assert!(pair.log_in_here(&mut here, "bob", second).await);
    // one that this site has never seen is ended from here as well
    let (mut unseen, me) = (Browser::new(), format!("{front}/me.json"));
    assert!(pair.log_in_there(&mut unseen, "bob", second).await);
    assert!(unseen.get(&me).await.body.contains("\"user\": \"bob\""));
    let page = format!("{front}/account/sessions");
    assert_eq!(here.submit(&page, &page, &[]).await.status, 303);
    assert!(
        unseen.get(&me).await.body.contains("\"user\": \"\""),
        "signed out everywhere"
    );
    assert_eq!(pair.seen(&mut here).await, both("bob"));
    pair.ask_django("User.objects.filter(username='bob').update(is_active=False)");
    assert_eq!(pair.seen(&mut here).await, anonymous(), "a closed account");
}

/// A weak hash is upgraded by the side of the first login; the other side accepts the new hash.
async fn hashes(pair: &Pair) {
    let stored =
        |name: &str| pair.ask_django(&format!("User.objects.get(username='{name}').password"));
    for (name, here_first) in [("cid", true), ("dot", false)] {
        let old = stored(name);
        assert!(old.starts_with("pbkdf2_sha256$1000$"), "{old}");
        for is_here in [here_first, !here_first, here_first] {
            let mut browser = Browser::new();
            let is_in = if is_here {
                pair.log_in_here(&mut browser, name, PASSWORD).await
            } else {
                pair.log_in_there(&mut browser, name, PASSWORD).await
            };
            assert!(
                is_in && pair.seen(&mut browser).await == both(name),
                "{name}"
            );
        }
        let new = stored(name);
        assert!(new.starts_with("pbkdf2_sha256$1500000$"), "{new}");
        let mut browser = Browser::new();
        pair.log_in_here(&mut browser, name, PASSWORD).await;
        pair.log_in_there(&mut browser, name, PASSWORD).await;
        assert_eq!(
            stored(name),
            new,
            "it is not rehashed again, which would revoke all sessions"
        );
    }
}

/// Each side verifies the CSRF tokens of the other, and refuses forged ones.
async fn forms(pair: &Pair) {
    let front = &pair.front;
    let [ours, theirs] = ["/latest/1/answer", "/topics/1/"].map(|path| format!("{front}{path}"));
    let posts = || {
        pair.ask_django("__import__('forum.models').models.Post.objects.count()")
            .parse::<usize>()
            .unwrap()
    };
    for is_here in [true, false] {
        let mut browser = Browser::new();
        let is_in = if is_here {
            pair.log_in_here(&mut browser, "eve", PASSWORD).await
        } else {
            pair.log_in_there(&mut browser, "eve", PASSWORD).await
        };
        assert!(is_in);
        let before = posts();
        let token = browser.get(&ours).await.token();
        assert_eq!(
            browser
                .post(&theirs, &token, &[("text", "by a form of this site")])
                .await
                .status,
            302,
            "ours, posted there"
        );
        let token = browser.get(&theirs).await.token();
        assert_eq!(
            browser
                .post(&ours, &token, &[("text", "by a form of Django's")])
                .await
                .status,
            303,
            "theirs, posted here"
        );
        assert_eq!(posts(), before + 2);
        // another user's token, an invented one, and none
        let mut stranger = Browser::new();
        assert!(pair.log_in_there(&mut stranger, "fay", PASSWORD).await);
        let foreign = stranger.get(&theirs).await.token();
        for token in [foreign.as_str(), &"x".repeat(64), ""] {
            assert_eq!(
                browser
                    .post(&ours, token, &[("text", "forged")])
                    .await
                    .status,
                403
            );
            assert_eq!(
                browser
                    .post(&theirs, token, &[("text", "forged")])
                    .await
                    .status,
                403
            );
        }
        assert_eq!(posts(), before + 2, "nothing happened");
    }
    // before there is a session: both login pages
    let mut browser = Browser::new();
    let token = browser
        .get(&format!("{front}/accounts/login/"))
        .await
        .token();
    let fields = [("username", "eve"), ("password", PASSWORD)];
    assert_eq!(
        browser
            .post(&format!("{front}/account/login"), &token, &fields)
            .await
            .status,
        303,
        "theirs, before a login here"
    );
    let mut browser = Browser::new();
    let token = browser.get(&format!("{front}/account/login")).await.token();
    assert_eq!(
        browser
            .post(&format!("{front}/accounts/login/"), &token, &fields)
            .await
            .status,
        302,
        "ours, before a login there"
    );
    assert_eq!(pair.seen(&mut browser).await, both("eve"));
    let planted = browser.cookies.get("csrftoken").cloned();
    assert!(pair.log_in_here(&mut browser, "fay", PASSWORD).await);
    assert!(
        planted.is_none() || browser.cookies.get("csrftoken") != planted.as_ref(),
        "a login changes the secret"
    );
}

/// What one side has to say is shown by the other, once, and escaped.
async fn messages(pair: &Pair) {
    let front = &pair.front;
    let mut browser = Browser::new();
    assert!(pair.log_in_there(&mut browser, "gil", PASSWORD).await);
    let topic = format!("{front}/topics/1/");
    browser
        .submit(&topic, &topic, &[("text", "hello"), ("next", "/latest")])
        .await;
    let page = browser.get(&format!("{front}/latest")).await.body;
    assert!(
        page.contains("Your answer to &lt;First &amp; &lt;best&gt;&gt; is kept."),
        "{page}"
    );
    assert!(page.contains("message success"), "{page}");
    assert!(
        !browser
            .get(&format!("{front}/latest"))
            .await
            .body
            .contains("Your answer to"),
        "once"
    );
    let answer = format!("{front}/latest/1/answer");
    browser
        .submit(&answer, &answer, &[("text", "hello again")])
        .await;
    let page = browser.get(&format!("{front}/")).await.body;
    assert!(
        page.contains("<p class=\"message success\">Your answer is kept.</p>"),
        "{page}"
    );
    assert!(
        !browser
            .get(&format!("{front}/"))
            .await
            .body
            .contains("is kept"),
        "once"
    );
    // an unsigned one
    browser.cookies.insert(
        "messages".into(),
        "W1siX19qc29uX21lc3NhZ2UiLDAsMjUsImZvcmdlZCJdXQ:1vO:forged".into(),
    );
    assert!(
        !browser
            .get(&format!("{front}/latest"))
            .await
            .body
            .contains("forged")
    );
}

/// Jsons that one side signed are read by the other.
async fn signatures(pair: &Pair) {
    let (front, ring) = (&pair.front, KeyRing::new(pair.keys.0[0].clone()).unwrap());
    let mut browser = Browser::new();
    let signed = browser.get(&format!("{front}/choose?what=tea")).await.body;
    assert_eq!(
        Signer::new(&ring, "forum").loads(&signed).unwrap().0,
        json!({ "chosen": "tea" })
    );
    let cookie = browser.cookies["choice"].clone();
    assert_eq!(
        signing::cookie(&ring, "choice", "forum")
            .unsign_within(&cookie, now(), 60)
            .unwrap(),
        "tea"
    );
    assert!(
        signing::cookie(&ring, "other", "forum")
            .unsign_timed(&cookie)
            .is_err(),
        "of another cookie"
    );
    browser.cookies.insert(
        "choice".into(),
        signing::cookie(&ring, "choice", "forum").sign_at("coffee", now()),
    );
    let seen: Json =
        serde_json::from_str(&browser.get(&format!("{front}/me.json")).await.body).unwrap();
    assert_eq!(seen["choice"], "coffee");
    browser
        .cookies
        .insert("choice".into(), "milk:1vO0aa:forged".into());
    let seen: Json =
        serde_json::from_str(&browser.get(&format!("{front}/me.json")).await.body).unwrap();
    assert_eq!(seen["choice"], Json::Null);
    let value = json!({ "who": "Ünï", "long": "x".repeat(200) });
    let ours = Signer::new(&ring, "forum").dumps(&value, now(), Compress::IfShorter);
    let query: String = url::form_urlencoded::byte_serialize(ours.as_bytes()).collect();
    let read: Json = serde_json::from_str(
        &browser
            .get(&format!("{front}/read.json?signed={query}"))
            .await
            .body,
    )
    .unwrap();
    assert_eq!(read, value);
}

/// Links for a new password that one side mailed open the other's page.
async fn resets(pair: &Pair) {
    let front = &pair.front;
    // Django's mail, this site's page
    let mut browser = Browser::new();
    let ask = format!("{front}/accounts/password_reset/");
    assert_eq!(
        browser
            .submit(&ask, &ask, &[("email", "hal@example.org")])
            .await
            .status,
        302
    );
    let link = pair.link_to("hal@example.org");
    let path = &link[link.find("/accounts/reset/").unwrap()..];
    let opened = browser.get(&format!("{front}{path}")).await;
    assert_eq!(
        (opened.status.as_u16(), opened.header("location")),
        (303, "/account/reset/new"),
        "the token leaves the address: {}",
        opened.body
    );
    let page = format!("{front}/account/reset/new");
    let new = "chosen by Django's link";
    let done = browser
        .submit(
            &page,
            &page,
            &[("new_password", new), ("new_password_again", new)],
        )
        .await;
    assert_eq!(done.status, 303, "{}", done.body);
    let mut again = Browser::new();
    assert_eq!(
        again.get(&format!("{front}{path}")).await.status,
        410,
        "once"
    );
    let forged = format!("{front}{}x/", path.trim_end_matches('/'));
    assert_eq!(again.get(&forged).await.status, 410);
    assert!(pair.log_in_there(&mut again, "hal", new).await);
    // this site's mail, Django's page
    let mut browser = Browser::new();
    let ask = format!("{front}/account/reset");
    assert_eq!(
        browser
            .submit(&ask, &ask, &[("email", "eve@example.org")])
            .await
            .status,
        303
    );
    let link = pair.link_to("eve@example.org");
    let path = &link[link.find("/accounts/reset/").unwrap()..];
    let opened = browser.get(&format!("{}{path}", pair.django)).await;
    let page = format!("{}{}", pair.django, opened.header("location"));
    assert!(
        opened.status == 302 && page.contains("set-password"),
        "{opened:?}"
    );
    let new = "chosen by this site's link";
    let done = browser
        .submit(
            &page,
            &page,
            &[("new_password1", new), ("new_password2", new)],
        )
        .await;
    assert_eq!(done.status, 302, "{}", done.body);
    assert!(pair.log_in_here(&mut Browser::new(), "eve", new).await);
}

/// The users that this site accepts: those with an open account.
async fn user(database: &Database, id: i32) -> Option<User> {
    let db = database.handle();
    let row: Option<(String, bool, bool, bool)> = match database.users().users.as_str() {
        "auth_user" => {
            db.fetch_one(sql!("SELECT username, is_staff, is_superuser, is_active FROM auth_user WHERE id = ?", id)).await
        }
        _ => db.fetch_one(sql!("SELECT username, is_staff, is_superuser, is_active FROM people_member WHERE id = ?", id)).await,
    }
    .unwrap();
    let (username, is_staff, is_superuser, _) = row.filter(|(_, _, _, is_active)| *is_active)?;
    let none = String::new;
    Some(User {
        id,
        username,
        first_name: none(),
        last_name: none(),
        email: none(),
        is_staff,
        is_superuser,
    })
}

/// Permissions are the same on both sides.
async fn rights(pair: &Pair) {
    let verdicts: Vec<Json> =
        serde_json::from_str(&pair.manage(&["shell", "-v", "0"], include_str!("../verdicts.py")))
            .unwrap();
    let mut settings =
        palisade::settings::Reader::new(palisade::settings::Sources::none()).unwrap();
    let mut settings = DatabaseSettings::read(&mut settings);
    settings.url = pair.database_url.parse().unwrap();
    let model = pair.variant.user_model.parse().unwrap();
    let database = Database::connect(&settings, &pair.folder).await.unwrap();
    let database = database.with_users(palisade::django::UserTables::for_model(&model, None));
    let (mut asked, mut allowed) = (0, 0);
    for verdict in &verdicts {
        let (id, name) = (
            i32::try_from(verdict["id"].as_i64().unwrap()).unwrap(),
            verdict["name"].as_str().unwrap(),
        );
        let user = user(&database, id).await;
        let own = match &user {
            Some(user) => palisade::permissions::of_user(&database, user, SystemClock.now())
                .await
                .unwrap(),
            None => Default::default(),
        };
        for (permission, theirs) in verdict["has"].as_object().unwrap() {
            let ours = user
                .as_ref()
                .is_some_and(|user| user.is_superuser || own.contains(permission));
            assert_eq!(Json::Bool(ours), *theirs, "{name}: {permission}");
            asked += 1;
            allowed += u32::from(ours);
        }
    }
    assert!(
        asked > 1_000 && allowed > 200 && asked > allowed + 200,
        "{asked} asked, {allowed} allowed"
    );
    assert!(
        verdicts[0]["has"]
            .as_object()
            .unwrap()
            .contains_key("forum.moderate"),
        "a permission of this site"
    );
    // given in Django's admin, it opens a page of this site
    let front = &pair.front;
    let mut root = Browser::new();
    assert!(pair.log_in_there(&mut root, "root", PASSWORD).await);
    let page = root.get(&format!("{front}/admin/auth/group/add/")).await;
    assert!(
        page.body.contains("Can moderate the forum"),
        "Django's admin shows it: {}",
        page.status
    );
    let mut gil = Browser::new();
    assert!(pair.log_in_there(&mut gil, "gil", PASSWORD).await);
    assert_eq!(gil.get(&format!("{front}/moderate")).await.status, 403);
    pair.ask_django(
        "User.objects.get(username='gil').user_permissions.add(*__import__('django.contrib.auth.models', fromlist=['Permission']).Permission.objects.filter(codename='moderate'))",
    );
    assert_eq!(
        gil.get(&format!("{front}/moderate")).await.status,
        200,
        "at once, in the same session"
    );
}

type Step = for<'a> fn(&'a Pair) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

async fn all(variant: Variant) {
    let Some(pair) = Pair::start(variant) else {
        return;
    };
    let steps: BTreeMap<&str, Step> = BTreeMap::from([
        ("1 in and out", (|pair| Box::pin(in_and_out(pair))) as Step),
        ("2 passwords", |pair| Box::pin(passwords(pair))),
        ("3 hashes", |pair| Box::pin(hashes(pair))),
        ("4 forms", |pair| Box::pin(forms(pair))),
        ("5 messages", |pair| Box::pin(messages(pair))),
        ("6 signatures", |pair| Box::pin(signatures(pair))),
        ("7 rights", |pair| Box::pin(rights(pair))),
        ("8 resets", |pair| Box::pin(resets(pair))),
    ]);
    for (name, step) in &steps {
        let begun = std::time::Instant::now();
        println!("{variant:?}: {name}");
        step(&pair).await;
        println!("{:?}", begun.elapsed());
    }
    testing::ran(&format!(
        "{} journeys of both frameworks: {variant:?}",
        steps.len()
    ));
}

#[tokio::test]
async fn one_login_on_sqlite() {
    all(VARIANTS[0]).await;
}

#[tokio::test]
async fn one_login_on_sqlite_with_members() {
    all(VARIANTS[1]).await;
}

#[tokio::test]
async fn one_login_on_postgres() {
    all(VARIANTS[2]).await;
}

#[tokio::test]
async fn one_login_on_postgres_with_members() {
    all(VARIANTS[3]).await;
}

// F102: a new key comes in, signs on one side first, and the old one goes, while all users stay signed in
#[tokio::test]
async fn a_key_is_rotated_on_both_sides() {
    let Some(mut pair) = Pair::start(VARIANTS[0]) else {
        return;
    };
    let old = pair.keys.0[0].clone();
    let new = Keys::new().0.remove(0);
    let of = |keys: &[&String]| Keys(keys.iter().map(|key| (*key).clone()).collect());
    let mut early = Browser::new();
    assert!(pair.log_in_there(&mut early, "ann", PASSWORD).await);
    // both know the new one; both orders of who signs with it first
    for (djangos, ours) in [
        (of(&[&old, &new]), of(&[&old, &new])),
        (of(&[&new, &old]), of(&[&old, &new])),
        (of(&[&old, &new]), of(&[&new, &old])),
        (of(&[&new, &old]), of(&[&new, &old])),
    ] {
        pair.restart_with(&djangos, &ours);
        assert_eq!(
            pair.seen(&mut early).await,
            both("ann"),
            "{djangos:?} {ours:?}"
        );
        for is_here in [true, false] {
            let mut browser = Browser::new();
            let is_in = if is_here {
                pair.log_in_here(&mut browser, "bob", PASSWORD).await
            } else {
                pair.log_in_there(&mut browser, "bob", PASSWORD).await
            };
            assert!(
                is_in && pair.seen(&mut browser).await == both("bob"),
                "{is_here}"
            );
        }
    }
    // users who logged in meanwhile stay signed in when the old key is removed
    pair.restart_with(&of(&[&new]), &of(&[&new]));
    assert_eq!(
        pair.seen(&mut early).await,
        both("ann"),
        "signed again meanwhile"
    );
    let stranger = Keys::new();
    pair.restart_with(&stranger, &of(&[&new]));
    let (here, there) = pair.seen(&mut early).await;
    assert_eq!(
        (here.as_str(), there.as_str()),
        ("ann", ""),
        "a Django with another key accepts no session"
    );
}

/// For other suites.
pub async fn page(pair: &Pair, path: &str) -> Answer {
    Browser::new().get(&format!("{}{path}", pair.front)).await
}
