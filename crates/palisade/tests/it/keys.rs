//! A key that leaves: what it has encrypted is encrypted again first, and what does not open is a factor that cannot be proven and no error.

use crate::site::app;
use chrono::TimeDelta;
use http::StatusCode;
use palisade::testing::{TestSite, events};

const PASSWORD: &str = "correct horse battery staple";
const OLD: &str = "old-kzuZ8QmW2vXcE5rT7yUiO9pAsDfGhJkL3nBvCxMz1qWeRtYuIoP0aSdF";
const NEW: &str = "new-kzuZ8QmW2vXcE5rT7yUiO9pAsDfGhJkL3nBvCxMz1qWeRtYuIoP0aSdF";

async fn second(client: &mut palisade::testing::Client, code: &str) -> palisade::testing::Answer {
    client
        .submit(
            "/account/login/second",
            "/account/login/second",
            &[("code", code)],
        )
        .await
}

// Finding 6
#[tokio::test]
async fn a_lost_key_makes_an_app_useless_and_recovery_codes_go_on() {
    let old = TestSite::start(app(), &[("keys.secret", OLD)]).await;
    let mut ann = old.client();
    ann.sign_up("ann").await;
    let secret = ann.add_factor().await;
    old.clock().advance(TimeDelta::seconds(30));
    let page = ann
        .submit("/account/factors", "/account/factors/codes", &[])
        .await;
    let code = page
        .body
        .split("<li><code>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();

    let new = old.start_beside(app(), &[("keys.secret", NEW)]).await;
    let mut ann = new.client();
    assert_eq!(
        ann.log_in("ann", PASSWORD).await.header("location"),
        "/account/login/second",
        "the factor is there"
    );
    let shown = ann.code(&secret);
    let refused = second(&mut ann, &shown).await;
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a code that cannot be proven: {}",
        refused.body
    );
    assert!(
        !events("cannot be decrypted: its key is not on the ring").is_empty(),
        "and the operator is told"
    );
    let done = second(&mut ann, &code).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert_eq!(ann.get("/mine").await.body, "ann");
    assert_eq!(ann.get("/account/factors").await.status, StatusCode::OK);
}

// what an older key has encrypted is encrypted again, and then the older key can go
#[tokio::test]
async fn with_both_keys_everything_is_encrypted_again() {
    let old = TestSite::start(app(), &[("keys.secret", OLD)]).await;
    let mut ann = old.client();
    ann.sign_up("ann").await;
    let secret = ann.add_factor().await;
    let both = old
        .start_beside(app(), &[("keys.secret", NEW), ("keys.fallbacks", OLD)])
        .await;
    both.site().reencrypt().await.unwrap();
    let new = old.start_beside(app(), &[("keys.secret", NEW)]).await;
    new.clock().advance(TimeDelta::seconds(30));
    let mut ann = new.client();
    ann.log_in("ann", PASSWORD).await;
    let shown = ann.code(&secret);
    assert_eq!(second(&mut ann, &shown).await.status, StatusCode::SEE_OTHER);
    assert_eq!(ann.get("/mine").await.body, "ann");
    // mail that waited opens, too
    old.client()
        .submit(
            "/account/reset",
            "/account/reset",
            &[("email", "ann@example.org")],
        )
        .await;
    both.site().reencrypt().await.unwrap();
    assert!(new.client().mail_to("ann@example.org").await.is_some());
}

// TOTP apps show their codes in two groups
#[tokio::test]
async fn a_code_is_read_as_apps_show_it() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let secret = ann.add_factor().await;
    for form in ["{} {}", " {}{} ", "{}-{}", "{}\u{a0}{}"] {
        site.clock().advance(TimeDelta::seconds(60));
        let mut again = site.client();
        again.log_in("ann", PASSWORD).await;
        let code = again.code(&secret);
        let typed = form
            .replacen("{}", &code[..3], 1)
            .replacen("{}", &code[3..], 1);
        assert_eq!(
            second(&mut again, &typed).await.status,
            StatusCode::SEE_OTHER,
            "{typed:?}"
        );
    }
}
