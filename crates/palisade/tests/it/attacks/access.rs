use crate::site::app;
use http::StatusCode;
use palisade::testing::{Client, TestSite};

async fn promote(site: &TestSite, name: &str, flag: &str) {
    use palisade::prelude::*;
    let tx = site.site().database().handle().begin().await.unwrap();
    let changed = match flag {
        "staff" => tx.execute_sql(sql!("UPDATE auth_user SET is_staff = (1 = 1) WHERE username = ?", name)).await,
        "superuser" => tx.execute_sql(sql!("UPDATE auth_user SET is_superuser = (1 = 1) WHERE username = ?", name)).await,
        "inactive" => tx.execute_sql(sql!("UPDATE auth_user SET is_active = (1 = 0) WHERE username = ?", name)).await,
        _ => {
            tx.execute_sql(sql!(
                "INSERT INTO auth_user_user_permissions (user_id, permission_id) SELECT u.id, p.id FROM auth_user u, auth_permission p \
                 WHERE u.username = ? AND p.codename = 'work'",
                name
            ))
            .await
        }
    };
    assert_eq!(changed.unwrap(), 1);
    tx.commit().await.unwrap();
}

async fn statuses(client: &mut Client) -> Vec<u16> {
    let mut found = Vec::new();
    for path in ["/", "/mine", "/staff", "/work", "/odd", "/either"] {
        found.push(client.get(path).await.status.as_u16());
    }
    found
}

// D09; F047, F050, F051; ASVS 8.2.1, 8.3.1, 8.3.2
#[tokio::test]
async fn every_rule_says_yes_no_or_nothing_here() {
    let site = TestSite::start(app(), &[]).await;
    let (mut anonymous, mut plain, mut worker, mut boss) =
        (site.client(), site.client(), site.client(), site.client());
    plain.sign_up("plain").await;
    worker.sign_up("worker").await;
    boss.sign_up("boss").await;
    assert_eq!(
        statuses(&mut anonymous).await,
        [200, 303, 404, 303, 303, 303],
        "anonymous"
    );
    assert_eq!(
        statuses(&mut plain).await,
        [200, 200, 404, 403, 200, 403],
        "id 1"
    );
    assert_eq!(
        statuses(&mut worker).await,
        [200, 200, 404, 403, 403, 403],
        "id 2, before"
    );
    promote(&site, "worker", "permission").await;
    promote(&site, "boss", "staff").await;
    assert_eq!(
        statuses(&mut worker).await,
        [200, 200, 404, 200, 403, 200],
        "a permission counts with the next request"
    );
    assert_eq!(
        statuses(&mut boss).await,
        [200, 200, 303, 403, 200, 403],
        "staff, without a second factor (D36)"
    );
    boss.add_factor().await;
    assert_eq!(
        statuses(&mut boss).await,
        [200, 200, 200, 403, 200, 200],
        "staff is not everything"
    );
    let mut root = site.client();
    root.sign_up("root").await;
    promote(&site, "root", "superuser").await;
    assert_eq!(
        root.get("/work").await.header("location"),
        "/account/factors?next=%2Fwork",
        "a superuser needs a factor too"
    );
    root.add_factor().await;
    assert_eq!(root.get("/work").await.status.as_u16(), 200);
    promote(&site, "boss", "inactive").await;
    assert_eq!(
        statuses(&mut boss).await,
        [200, 303, 404, 303, 303, 303],
        "an inactive user is anonymous at once (ASVS 7.4.2)"
    );
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
            .any(|event| event.contains("event=access_denied")),
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
