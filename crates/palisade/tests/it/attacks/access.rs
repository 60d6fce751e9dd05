use crate::site::app;
use http::StatusCode;
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::testing::{Client, TestSite};

/// Grants the permission `work`.
async fn grant_work(site: &TestSite, name: &str) {
    let tx = site.site().database().handle().begin().await.unwrap();
    let granted = tx.execute_sql(sql!(
        "INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT u.id, p.id FROM auth_user u, auth_permission p \
         WHERE u.username = ? AND p.codename = 'work'",
        name
    ));
    assert_eq!(granted.await.unwrap(), 1);
    tx.commit().await.unwrap();
}

async fn close(site: &TestSite, name: &str) {
    let tx = site.site().database().handle().begin().await.unwrap();
    let closed = tx.execute_sql(sql!(
        "UPDATE auth_user SET is_active = (1 = 0) WHERE username = ?",
        name
    ));
    assert_eq!(closed.await.unwrap(), 1);
    tx.commit().await.unwrap();
}

/// Status of a route of each rule.
#[derive(Debug, PartialEq, Eq)]
struct Statuses {
    public: u16,
    signed_in: u16,
    staff: u16,
    can_work: u16,
    /// A policy that allows users with odd ids.
    odd: u16,
    /// Staff with a factor, or users who can work.
    either: u16,
}

impl Statuses {
    async fn read(client: &mut Client) -> Self {
        let mut status = async |path: &str| client.get(path).await.status.as_u16();
        Self {
            public: status("/").await,
            signed_in: status("/mine").await,
            staff: status("/staff").await,
            can_work: status("/work").await,
            odd: status("/odd").await,
            either: status("/either").await,
        }
    }
}

const ANONYMOUS: Statuses = Statuses {
    public: 200,
    signed_in: 303,
    staff: 404,
    can_work: 303,
    odd: 303,
    either: 303,
};
const USER: Statuses = Statuses {
    signed_in: 200,
    can_work: 403,
    odd: 403,
    either: 403,
    ..ANONYMOUS
};

// D09; F047, F050, F051; ASVS 8.2.1, 8.3.1, 8.3.2
#[tokio::test]
async fn every_rule_says_yes_no_or_nothing_here() {
    let site = TestSite::start(app(), &[]).await;
    let mut plain = site.sign_in("plain", Rank::Plain).await;
    let mut worker = site.sign_in("worker", Rank::Plain).await;
    let mut boss = site.sign_in("boss", Rank::Plain).await;
    assert_eq!(Statuses::read(&mut site.client()).await, ANONYMOUS);
    let odd = Statuses { odd: 200, ..USER };
    assert_eq!(Statuses::read(&mut plain).await, odd, "id 1");
    assert_eq!(Statuses::read(&mut worker).await, USER, "id 2, before");
    grant_work(&site, "worker").await;
    site.set_rank("boss", Rank::Staff).await;
    let can_work = Statuses {
        can_work: 200,
        either: 200,
        ..USER
    };
    let counts = "a permission counts with the next request";
    assert_eq!(Statuses::read(&mut worker).await, can_work, "{counts}");
    let without_factor = Statuses {
        staff: 303,
        odd: 200,
        ..USER
    };
    let of_boss = Statuses::read(&mut boss).await;
    assert_eq!(of_boss, without_factor, "staff without a factor (D36)");
    boss.add_factor().await;
    let staff = Statuses {
        staff: 200,
        odd: 200,
        either: 200,
        ..USER
    };
    let of_boss = Statuses::read(&mut boss).await;
    assert_eq!(of_boss, staff, "staff is not everything");
    close(&site, "boss").await;
    let closed = "an inactive user is anonymous at once (ASVS 7.4.2)";
    assert_eq!(Statuses::read(&mut boss).await, ANONYMOUS, "{closed}");
}

// D36; F030: a superuser has all permissions, and needs a factor too
#[tokio::test]
async fn a_superuser_needs_a_factor() {
    let site = TestSite::start(app(), &[]).await;
    let mut root = site.sign_in("root", Rank::Plain).await;
    site.set_rank("root", Rank::Superuser).await;
    assert_eq!(
        root.get("/work").await.header("location"),
        "/account/factors?next=%2Fwork"
    );
    root.add_factor().await;
    assert_eq!(root.get("/work").await.status.as_u16(), 200);
}

#[tokio::test]
async fn programs_get_401_and_browsers_the_login_page() {
    let site = TestSite::start(app(), &[]).await;
    let browser = site.client().get("/mine?a=b%26c").await;
    assert_eq!(
        (browser.status, browser.header("location")),
        (
            StatusCode::SEE_OTHER,
            "/account/login?next=%2Fmine%3Fa%3Db%2526c"
        )
    );
    let program = site
        .client()
        .with_header("accept", "application/json")
        .get("/mine")
        .await;
    assert_eq!(program.status, StatusCode::UNAUTHORIZED);
    assert_eq!(program.header("content-type"), "application/problem+json");
    assert!(
        program.headers.contains_key("www-authenticate") && program.body.contains("Log in first.")
    );
    assert!(
        program
            .events()
            .iter()
            .any(|event| event.contains("event.action=access_denied")),
        "{:?}",
        program.events()
    );
    let mut client = site.client();
    client.sign_up("ann").await;
    client.submit("/mine", "/account/logout", &[]).await;
    let mut form = client.get("/account/login?next=%2Fmine%3Fa%3Db").await;
    for (next, lands) in [
        ("/mine?a=b", "/mine?a=b"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
    ] {
        let token = form.token().unwrap();
        let fields = [
            ("username", "ann"),
            ("password", "correct horse battery staple"),
            ("next", next),
            ("csrfmiddlewaretoken", &token),
        ];
        let answer = client.post("/account/login", &fields).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::SEE_OTHER, lands),
            "{next}"
        );
        form = client.get("/account/login").await;
    }
}

// D09, F004
#[tokio::test]
async fn a_staff_page_is_not_there_in_any_method() {
    let site = TestSite::start(app(), &[]).await;
    let mut plain = site.client();
    plain.sign_up("plain").await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = plain
            .send(
                plain.request(method.parse().unwrap(), "/staff"),
                axum::body::Body::empty(),
            )
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}");
        let nothing = plain
            .send(
                plain.request(method.parse().unwrap(), "/nothing-here"),
                axum::body::Body::empty(),
            )
            .await;
        let names = |answer: &palisade::testing::Answer| {
            answer
                .headers
                .keys()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (nothing.status, names(&nothing)),
            (answer.status, names(&answer)),
            "{method}: as if it did not exist"
        );
        assert_eq!(
            nothing.header("cache-control"),
            answer.header("cache-control")
        );
    }
    for post in [
        plain.post("/staff", &[]).await,
        site.client().post("/staff", &[]).await,
    ] {
        assert_eq!(
            post.status,
            StatusCode::NOT_FOUND,
            "without a token as well"
        );
    }
    let token = plain.get("/account/password").await.token().unwrap();
    assert_eq!(
        plain
            .post("/staff", &[("csrfmiddlewaretoken", &token)])
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}
