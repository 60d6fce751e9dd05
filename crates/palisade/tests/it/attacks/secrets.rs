use crate::site::app;
use palisade::testing::{TestSite, events};

// D21; ASVS 14.2.1, 3.3.4
#[tokio::test]
async fn a_canary_password_and_key_appear_nowhere() {
    let canary = "canary-0f3a-password-91";
    let key = "canarykey-".repeat(8) + "0123456789abcdef";
    let site = TestSite::start(
        app(),
        &[
            ("keys.secret", &key),
            ("database.url", "sqlite:canary.sqlite3"),
        ],
    )
    .await;
    let mut client = site.client();
    let fields = [
        ("username", "ann"),
        ("email", "ann@example.org"),
        ("password", canary),
        ("password_again", canary),
    ];
    let mut bodies = vec![
        client
            .submit("/account/signup", "/account/signup", &fields)
            .await
            .body,
    ];
    let page = client.follow_mail("ann@example.org").await;
    bodies.push(
        client
            .submit(&page, "/account/confirm", &[("password", canary)])
            .await
            .body,
    );
    bodies.push(client.log_in("ann", canary).await.body);
    bodies.push(client.log_in("ann", &format!("{canary}x")).await.body);
    for path in ["/panic", "/bug", "/mine", "/nowhere", "/account/password"] {
        bodies.push(client.get(path).await.body);
    }
    let session = client.cookies()["session"].clone();
    let shown = format!(
        "{:?} {:?}",
        site.site().settings(),
        site.site().accounts().list().await.unwrap()
    );
    for secret in [canary, &key, &session, "argon2$"] {
        assert!(events(secret).is_empty(), "the log: {:?}", events(secret));
        assert!(
            !bodies.iter().any(|body| body.contains(secret)),
            "a page holds {secret}"
        );
        assert!(!shown.contains(secret), "debug output holds {secret}");
    }
    let stored = std::fs::read_dir(site.folder())
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let whole: Vec<u8> = stored.flatten().collect();
    let holds = |needle: &str| {
        whole
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    };
    assert!(
        holds("django_session") && !holds(&session) && !holds(canary),
        "only the hash of the session key is stored"
    );
}

// ASVS 13.4.2; F103
#[tokio::test]
async fn errors_explain_themselves_to_the_developer_only() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    client.sign_up("ann").await;
    let page = client.get("/panic").await;
    assert_eq!(page.status, 500);
    assert!(
        page.body.contains("a bug with s3cret-cause in it") && page.body.contains("site.rs:"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("(masked)") && !page.body.contains(&client.cookies()["session"].clone()),
        "cookies are masked"
    );
    assert!(
        page.header("content-security-policy").contains("nonce-") && page.body.contains("nonce=\"")
    );
    assert_eq!(
        client.get("/").await.status,
        200,
        "and the next request is served"
    );

    let site = TestSite::production(app(), &[("site.allow_dangerous", "without_csrf /hook")]).await;
    for (path, status) in [("/panic", 500), ("/bug", 500), ("/nowhere", 404)] {
        let quiet = site.client().get(path).await;
        assert_eq!(quiet.status, status);
        let id = quiet.header("x-request-id").to_owned();
        assert!(quiet.body.contains(&id), "the page names the request");
        for hint in ["s3cret", "site.rs", "no_such_column", "sqlx", "panicked"] {
            assert!(
                !quiet.body.contains(hint),
                "{path} says {hint}: {}",
                quiet.body
            );
        }
        let logged: Vec<_> = quiet
            .events()
            .into_iter()
            .filter(|event| event.contains("request failed") || event.contains("request refused"))
            .collect();
        assert_eq!(logged.len(), 1, "logged once: {logged:?}");
    }
    let problem = site
        .client()
        .with_header("accept", "application/json")
        .get("/panic")
        .await;
    assert_eq!(problem.header("content-type"), "application/problem+json");
    assert!(problem.body.contains("\"status\":500") && !problem.body.contains("s3cret"));
}
