#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::record::Record;
use super::*;
use crate::app::{App, Routes};
use crate::auth::{NewUser, Rank};
use crate::permissions::public;
use crate::testing::{Answer, Client, TestSite};
use crate::views::{Page, Path, Result};
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use palisade_crypto::KeyRing;
use palisade_crypto::signing::{Compress, Signer};
use palisade_template::{Layer, context};
use serde_json::{Value, json};

fn ring() -> KeyRing {
    KeyRing::new(KeyRing::generate().expose().clone()).unwrap()
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn record_of(ring: &KeyRing, of_key: Option<&str>) -> String {
    let mut record = Record::default();
    record.values.insert("theme".into(), json!("dark"));
    record.values.insert(OWNER.into(), json!("7"));
    record.values.insert(EPOCH.into(), json!(3));
    record.list();
    record.encode(ring, noon(), of_key)
}

// F035, D10: only objects that this site signed for this purpose are sessions
#[test]
fn a_forged_record_is_no_session() {
    let ring = ring();
    let text = record_of(&ring, None);
    let record = Record::decode(&ring, &text, None).unwrap();
    assert_eq!((record.owner(), record.epoch()), (Some(7), Some(3)));
    assert_eq!(record.began, Some(noon()));
    assert!(Record::decode(&self::ring(), &text, None).is_none());
    for position in 0..text.len() {
        let mut forged = text.clone().into_bytes();
        forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let found = Record::decode(&ring, &forged, None);
        // the last character of base64 has bits without a meaning: it may decode to the same
        assert!(
            found.is_none_or(|found| found.values == record.values),
            "byte {position}"
        );
    }
    let sign = |salt: &str, value: Value| {
        Signer::new(&ring, salt).dumps(&value, 1_800_000_000, Compress::Never)
    };
    let djangos = "django.contrib.sessions.SessionStore";
    let payload = json!({ OWNER: "7" });
    assert!(Record::decode(&ring, &sign(djangos, payload.clone()), None).is_some());
    assert!(Record::decode(&ring, &sign("another purpose", payload), None).is_none());
    for value in [json!(["7"]), json!("7"), json!(null), json!(7)] {
        assert!(Record::decode(&ring, &sign(djangos, value), None).is_none());
    }
}

// an owner is an integer in a string, as Django writes it; everything else is no user
#[test]
fn a_damaged_owner_is_no_user() {
    for owner in [
        json!(7),
        json!(""),
        json!("seven"),
        json!("99999999999"),
        json!(null),
        json!(["7"]),
    ] {
        let mut record = Record::default();
        record.values.insert(OWNER.into(), owner.clone());
        assert_eq!(record.owner(), None, "{owner}");
    }
}

// ASVS 7.3.1, 7.3.2: both timeouts end a session at their second, and a clock that is ahead does
// not prolong it
#[test]
fn timeouts_are_exact() {
    let (idle, absolute) = (TimeDelta::hours(8), TimeDelta::days(7));
    let second = TimeDelta::seconds(1);
    let skew = TimeDelta::minutes(5);
    let now = noon();
    let rows = [
        ("fresh", now, now, false),
        (
            "idle, a second before",
            now - absolute / 2,
            now - idle + second,
            false,
        ),
        ("idle", now - absolute / 2, now - idle, true),
        ("old, a second before", now - absolute + second, now, false),
        ("old", now - absolute, now, true),
        ("clock ahead, tolerated", now + skew, now + skew, false),
        ("clock ahead", now + skew + second, now, true),
        ("used in the future", now, now + skew + second, true),
    ];
    for (name, began, seen, ended) in rows {
        let record = Record {
            began: Some(began),
            seen: Some(seen),
            ..Record::default()
        };
        assert_eq!(record.has_ended(now, (idle, absolute)), ended, "{name}");
    }
    assert!(
        !Record::default().has_ended(now, (idle, absolute)),
        "one of Django's"
    );
}

// beside Django: our entries belong to one key, and do not follow a key that Django rotates
#[test]
fn entries_of_another_key_are_ignored() {
    let ring = ring();
    let (key, rotated) = ("a".repeat(32), "b".repeat(32));
    let text = record_of(&ring, Some(&key));
    let own = Record::decode(&ring, &text, Some(&key)).unwrap();
    assert!(own.is_listed() && own.began.is_some());
    let copied = Record::decode(&ring, &text, Some(&rotated)).unwrap();
    assert!(!copied.is_listed() && copied.began.is_none() && copied.seen.is_none());
    assert_eq!(copied.owner(), Some(7), "the login is Django's to copy");
}

#[test]
fn the_choice_to_stay_signed_in_can_be_taken_back() {
    let mut record = Record::default();
    assert_eq!(record.lifetime(), Lifetime::Usual);
    record.keep(Some(86_400));
    assert_eq!(record.lifetime(), Lifetime::Kept);
    assert_eq!(record.values["_session_expiry"], 86_400, "Django reads it");
    record.keep(None);
    assert_eq!(record.lifetime(), Lifetime::Usual);
    assert!(record.values.is_empty());
}

const PAGE: &str = "{% extends \"base.html\" %}{% block main %}\
    <output>{{ theme }}</output>{% endblock %}";

/// A site with one operation per page.
fn desk() -> App {
    async fn read(session: Session, page: Page) -> Result<axum::response::Response> {
        let theme: Option<String> = session.value("theme").await?;
        page.render(
            "theme.html",
            context! { theme => theme.unwrap_or("none".into()) },
        )
        .await
    }
    async fn number(session: Session) -> Result<String> {
        let number: Option<i32> = session.value("theme").await?;
        Ok(format!("{number:?}"))
    }
    async fn set(session: Session, Path(theme): Path<String>) -> Result<String> {
        session.insert("theme", &theme).await?;
        Ok(theme)
    }
    async fn remove(session: Session) -> Result<String> {
        Ok(format!("{:?}", session.remove("theme").await?))
    }
    async fn large(session: Session, Path(bytes): Path<usize>) -> Result<&'static str> {
        session.insert("large", "x".repeat(bytes)).await?;
        Ok("stored")
    }
    async fn say(session: Session, Path(count): Path<usize>) -> Result<&'static str> {
        for number in 0..count {
            session
                .message(MessageLevel::Success, format!("message {number}."))
                .await?;
        }
        Ok("said")
    }
    async fn fate(session: Session, Path(fate): Path<String>) -> Result<String> {
        match fate.as_str() {
            "rotate" => session.rotate().await?,
            "renew" => session.renew().await?,
            _ => session.end().await?,
        }
        Ok(fate)
    }
    let routes = Routes::new()
        .route("/theme", public().get(read))
        .route("/number", public().get(number))
        .route("/set/{theme}", public().get(set))
        .route("/remove", public().get(remove))
        .route("/large/{bytes}", public().get(large))
        .route("/say/{count}", public().get(say))
        .route("/fate/{fate}", public().get(fate))
        .route("/still", public().get(async || "no session"));
    App::new()
        .templates(Layer::embedded(&[("theme.html", PAGE)]))
        .routes(routes)
}

const STORES: [&str; 3] = ["database", "memory", "cookie"];

async fn desk_on(store: &str) -> TestSite {
    TestSite::start(desk(), &[("sessions.store", store)]).await
}

fn theme(page: &Answer) -> &str {
    let after = page.body.split("<output>").nth(1).unwrap();
    after.split("</output>").next().unwrap()
}

async fn theme_of(client: &mut Client) -> String {
    theme(&client.get("/theme").await).to_owned()
}

/// A client with the cookies of another: a stolen copy.
fn stolen(site: &TestSite, client: &mut Client) -> Client {
    let mut thief = site.client();
    *thief.cookies() = client.cookies().clone();
    thief
}

#[tokio::test]
async fn values_are_typed_and_removed() {
    for store in STORES {
        let site = desk_on(store).await;
        let mut client = site.client();
        client.get("/set/dark").await;
        assert_eq!(theme_of(&mut client).await, "dark", "{store}");
        assert_eq!(client.get("/number").await.body, "None", "another type");
        client.get("/set/12").await;
        assert_eq!(
            client.get("/number").await.body,
            "None",
            "a string of digits"
        );
        assert_eq!(client.get("/remove").await.body, "Some(String(\"12\"))");
        assert_eq!(client.get("/remove").await.body, "None");
        assert_eq!(theme_of(&mut client).await, "none", "{store}");
        assert_eq!(theme_of(&mut site.client()).await, "none", "another client");
    }
}

// a visitor without values gets no cookie, so that public pages stay cacheable
#[tokio::test]
async fn reading_sets_no_cookie() {
    for store in STORES {
        let site = desk_on(store).await;
        for path in ["/theme", "/number", "/remove", "/still"] {
            let mut client = site.client();
            client.get(path).await;
            assert!(!client.cookies().contains_key("session"), "{store} {path}");
        }
    }
}

// F034, ASVS 7.2.4: session fixation. The old key is revoked, with and without the values
#[tokio::test]
async fn a_rotated_key_is_revoked() {
    for store in STORES {
        for (fate, kept) in [("rotate", "dark"), ("renew", "none")] {
            let site = desk_on(store).await;
            let mut client = site.client();
            client.get("/set/dark").await;
            let mut thief = stolen(&site, &mut client);
            assert_eq!(
                theme_of(&mut thief).await,
                "dark",
                "the copy works until then"
            );
            client.get(&format!("/fate/{fate}")).await;
            assert_ne!(client.cookies()["session"], thief.cookies()["session"]);
            assert_eq!(theme_of(&mut client).await, kept, "{store} {fate}");
            assert_eq!(theme_of(&mut thief).await, "none", "{store} {fate}");
            // the revoked key does not come back by a write
            thief.get("/set/stolen").await;
            assert_eq!(theme_of(&mut client).await, kept, "{store} {fate}");
        }
    }
}

// ASVS 7.4.1: after the end, the key is worthless, a stolen copy included
#[tokio::test]
async fn an_ended_session_stays_ended() {
    for store in STORES {
        let site = desk_on(store).await;
        let mut client = site.client();
        client.get("/set/dark").await;
        let mut thief = stolen(&site, &mut client);
        let answer = client.get("/fate/end").await;
        assert!(answer.header("set-cookie").contains("Max-Age=0"), "{store}");
        assert!(!client.cookies().contains_key("session"), "{store}");
        assert_eq!(theme_of(&mut thief).await, "none", "{store}");
    }
}

// F034: a planted key, valid in its format, is not adopted; an invalid one is not looked up
#[tokio::test]
async fn a_planted_key_is_not_adopted() {
    for store in STORES {
        let site = desk_on(store).await;
        let planted = [
            "A".repeat(43),
            "A".repeat(42),
            "A".repeat(44),
            "é".repeat(43),
            "../../etc/passwd".into(),
            String::new(),
        ];
        for key in planted {
            let mut client = site.client();
            client.cookies().insert("session".into(), key.clone());
            assert_eq!(theme_of(&mut client).await, "none");
            client.get("/set/dark").await;
            assert_ne!(client.cookies()["session"], key, "{store}");
            assert_eq!(theme_of(&mut client).await, "dark", "{store} {key}");
            let mut attacker = site.client();
            attacker.cookies().insert("session".into(), key);
            assert_eq!(theme_of(&mut attacker).await, "none", "{store}");
        }
    }
}

// the encrypted part of one session does not decrypt under the key of another
#[tokio::test]
async fn cookie_parts_cannot_be_exchanged() {
    let site = desk_on("cookie").await;
    let (mut ann, mut bob) = (site.client(), site.client());
    ann.get("/set/dark").await;
    bob.get("/set/light").await;
    let parts = |client: &mut Client| {
        let cookie = client.cookies()["session"].clone();
        let (key, sealed) = cookie.split_once('.').unwrap();
        (key.to_owned(), sealed.to_owned())
    };
    let ((ann_key, ann_sealed), (bob_key, _)) = (parts(&mut ann), parts(&mut bob));
    for forged in [
        format!("{bob_key}.{ann_sealed}"),
        format!("{ann_key}.{ann_sealed}A"),
        format!("{ann_key}."),
        ann_key.clone(),
        format!(".{ann_sealed}"),
    ] {
        let mut attacker = site.client();
        attacker.cookies().insert("session".into(), forged.clone());
        assert_eq!(theme_of(&mut attacker).await, "none", "{forged}");
    }
    assert!(
        !ann.cookies()["session"].contains("dark"),
        "it is encrypted"
    );
}

// nothing is cut off: a value that does not fit is an error, and the stored session stays
#[tokio::test]
async fn a_session_too_large_for_a_cookie_is_an_error() {
    let site = desk_on("cookie").await;
    let mut client = site.client();
    client.get("/set/dark").await;
    assert_eq!(client.get("/large/1000").await.status, StatusCode::OK);
    let before = client.cookies()["session"].clone();
    let answer = client.get("/large/4000").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(client.cookies()["session"], before);
    assert_eq!(theme_of(&mut client).await, "dark");
    let site = desk_on("database").await;
    assert_eq!(
        site.client().get("/large/100000").await.status,
        StatusCode::OK
    );
}

// ASVS 3.3.1 to 3.3.4
#[tokio::test]
async fn the_cookie_has_its_attributes() {
    let site = TestSite::production(desk(), &[]).await;
    let answer = site.client().get("/set/dark").await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    for attribute in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}: {attribute}");
    }
    for attribute in ["Max-Age", "Expires", "Domain"] {
        assert!(!cookie.contains(attribute), "{cookie}: {attribute}");
    }
    assert!(answer.header("cache-control").contains("no-store"));
}

// ASVS 7.3.1, 7.3.2: on a running site, by its clock
#[tokio::test]
async fn sessions_time_out() {
    for store in STORES {
        let settings = [
            ("sessions.store", store),
            ("sessions.idle_secs", "3600"),
            ("sessions.absolute_secs", "14400"),
        ];
        let site = TestSite::start(desk(), &settings).await;
        let mut client = site.client();
        client.get("/set/dark").await;
        site.clock().advance(TimeDelta::minutes(61));
        assert_eq!(theme_of(&mut client).await, "none", "{store}: idle");
        client.get("/set/dark").await;
        for _ in 0..4 {
            site.clock().advance(TimeDelta::minutes(50));
            assert_eq!(theme_of(&mut client).await, "dark", "{store}: in use");
        }
        site.clock().advance(TimeDelta::minutes(40));
        assert_eq!(theme_of(&mut client).await, "none", "{store}: absolute");
    }
}

#[tokio::test]
async fn expired_sessions_are_deleted() {
    for store in ["database", "memory"] {
        let site = desk_on(store).await;
        let sessions = &site.site().sessions;
        for _ in 0..3 {
            site.client().get("/set/dark").await;
        }
        assert_eq!(sessions.sweep().await.unwrap(), 0, "{store}");
        site.clock().advance(TimeDelta::hours(9));
        let mut later = site.client();
        later.get("/set/light").await;
        assert_eq!(sessions.sweep().await.unwrap(), 3, "{store}");
        assert_eq!(theme_of(&mut later).await, "light", "{store}");
    }
}

// shown once, in order, escaped, and at most ten
#[tokio::test]
async fn messages_are_shown_once() {
    for store in STORES {
        let site = desk_on(store).await;
        let mut client = site.client();
        client.get("/say/12").await;
        let page = client.get("/theme").await;
        assert!(
            !page.body.contains("message 1."),
            "{store}: the oldest are dropped"
        );
        let shown = (2..12).map(|number| page.body.find(&format!("message {number}.")).unwrap());
        assert!(shown.is_sorted(), "{store}: in their order");
        assert!(
            !client.get("/theme").await.body.contains("message 11."),
            "{store}"
        );
        assert!(
            !site.client().get("/theme").await.body.contains("message"),
            "{store}"
        );
    }
}

async fn two_users(site: &TestSite) -> [(i32, Client); 2] {
    let mut users = Vec::new();
    for username in ["ann", "bob"] {
        let email = format!("{username}@example.org");
        let new = NewUser {
            username,
            email: &email,
            password: "correct horse battery staple",
            rank: Rank::Plain,
        };
        let user = site.site().accounts().sign_up(new).await.unwrap();
        let mut client = site.client();
        client
            .log_in(username, "correct horse battery staple")
            .await;
        users.push((user.id, client));
    }
    users.try_into().ok().unwrap()
}

// F038, ASVS 7.5.2: users see and end their own sessions, and no others
#[tokio::test]
async fn users_end_their_own_sessions_only() {
    for store in STORES {
        let site = desk_on(store).await;
        let [(ann, mut first), (bob, _)] = two_users(&site).await;
        site.clock().advance(TimeDelta::hours(2));
        let mut second = site.client();
        second.log_in("ann", "correct horse battery staple").await;
        let sessions = &site.site().sessions;
        let own = sessions.owned_by(ann).await.unwrap();
        assert_eq!(own.len(), 2, "{store}");
        assert!(own[0].seen > own[1].seen, "{store}: the last used first");
        let key = first.cookies()["session"].clone();
        let key = key.split('.').next().unwrap();
        assert!(
            own.iter().all(|session| session.id != key),
            "ids are no keys"
        );
        assert!(
            !sessions.end_of(bob, &own[0].id).await.unwrap(),
            "another's"
        );
        assert!(!sessions.end_of(ann, "unknown").await.unwrap());
        assert!(sessions.end_of(ann, &own[1].id).await.unwrap());
        assert!(!sessions.end_of(ann, &own[1].id).await.unwrap(), "once");
        assert_eq!(
            first.get("/account/sessions").await.status,
            StatusCode::SEE_OTHER
        );
        assert_eq!(second.get("/account/sessions").await.status, StatusCode::OK);
        assert_eq!(sessions.end_all(ann, Some(&own[0].id)).await.unwrap(), 0);
        assert_eq!(sessions.end_all(ann, None).await.unwrap(), 1, "{store}");
        assert_eq!(
            second.get("/account/sessions").await.status,
            StatusCode::SEE_OTHER
        );
        assert_eq!(sessions.owned_by(bob).await.unwrap().len(), 1, "{store}");
    }
}

// each check fires for its own setting, and for no default
#[test]
fn checks_fire_for_their_setting() {
    use crate::http::cookies::SameSite;
    use crate::settings::Secs;
    let fired = |change: fn(&mut SessionSettings)| {
        let mut settings = SessionSettings::default();
        change(&mut settings);
        let fired = CHECKS.iter().filter(|check| (check.fires)(&settings));
        fired.map(|check| check.id).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(fired(|_| ()), none);
    assert_eq!(
        fired(|settings| settings.cookie_secure = false),
        ["sessions.cookie_insecure"]
    );
    assert_eq!(
        fired(|settings| settings.same_site = SameSite::None),
        ["sessions.same_site_none"]
    );
    assert_eq!(
        fired(|settings| settings.same_site = SameSite::Strict),
        none
    );
    assert_eq!(
        fired(|settings| settings.store = StoreKind::Memory),
        ["sessions.in_memory"]
    );
    assert_eq!(
        fired(|settings| settings.kept_days = 31),
        ["sessions.too_long"]
    );
    assert_eq!(fired(|settings| settings.kept_days = 30), none);
    let month = |settings: &mut SessionSettings| settings.absolute_secs = Secs(30 * 24 * 3600 + 1);
    assert_eq!(fired(month), ["sessions.too_long"]);
}
