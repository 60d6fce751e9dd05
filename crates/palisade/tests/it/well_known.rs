//! What programs ask a site for: whom to tell of a vulnerability, and whether it is well.

use palisade::prelude::*;
use palisade::testing::TestSite;

fn app() -> App {
    App::new().routes(Routes::new().route("/", public().get(async || "front")))
}

// F112
#[tokio::test]
async fn whom_to_tell_of_a_vulnerability() {
    let without = TestSite::production(app(), &[]).await;
    assert_eq!(
        without
            .client()
            .get("/.well-known/security.txt")
            .await
            .status,
        404
    );
    let contacts = (
        "site.security_contacts",
        "mailto:security@example.org, https://example.org/report",
    );
    let site = TestSite::production(
        app(),
        &[
            contacts,
            ("site.security_policy", "https://example.org/policy"),
        ],
    )
    .await;
    let answer = site.client().get("/.well-known/security.txt").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "text/plain; charset=utf-8")
    );
    let lines: Vec<&str> = answer.body.lines().collect();
    let fixed = [
        "Contact: mailto:security@example.org",
        "Contact: https://example.org/report",
        "Policy: https://example.org/policy",
        "Canonical: https://desk.example.org/.well-known/security.txt",
    ];
    assert_eq!(lines[..4], fixed);
    let expires = lines[4]
        .strip_prefix("Expires: ")
        .unwrap()
        .parse::<chrono::DateTime<chrono::Utc>>()
        .unwrap();
    let days = (expires - chrono::Utc::now()).num_days();
    assert!(
        (30..365).contains(&days),
        "RFC 9116 section 2.5.5: less than a year: {days}"
    );
    for wrong in [
        "security@example.org",
        "http://example.org",
        "mailto:",
        "javascript:alert(1)",
        "mailto:a@b.example\nX: y",
    ] {
        let error = TestSite::try_start(app(), &[("site.security_contacts", wrong)])
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("site.security_contacts")
                && error.contains("mailto:security@example.org"),
            "{wrong}: {error}"
        );
    }
}

// F004
#[tokio::test]
async fn what_a_site_needs_is_told_to_monitors_only() {
    let site = TestSite::start(app(), &[("site.health_detail_from", "192.0.2.0/24")]).await;
    let from = |address: &str| site.client().from_address(address.parse().unwrap());
    let detail = from("192.0.2.7").get("/health/detail").await;
    let told: serde_json::Value = serde_json::from_str(&detail.body).unwrap();
    assert_eq!(
        (
            detail.status.as_u16(),
            &told["ready"],
            &told["needs"]["database"]["answers"]
        ),
        (200, &true.into(), &true.into())
    );
    for (address, path) in [
        ("192.0.3.7", "/health/detail"),
        ("127.0.0.1", "/health/detail"),
    ] {
        assert_eq!(from(address).get(path).await.status, 404, "{address}");
    }
    let silent = TestSite::start(app(), &[]).await;
    assert_eq!(
        silent.client().get("/health/detail").await.status,
        404,
        "no client, unless configured"
    );
    site.site().database().close().await.unwrap();
    let detail = from("192.0.2.7").get("/health/detail").await;
    let told: serde_json::Value = serde_json::from_str(&detail.body).unwrap();
    assert_eq!(
        (
            detail.status.as_u16(),
            &told["ready"],
            &told["needs"]["database"]["answers"]
        ),
        (503, &false.into(), &false.into())
    );
    let stranger = from("192.0.3.7").get("/health/ready").await;
    assert_eq!(stranger.status, 503);
    assert!(
        !stranger.body.contains("database"),
        "strangers learn that it is not, and not why"
    );
}
