//! Accounts that want to leave, and those that come back.

use crate::site::app;
use chrono::TimeDelta;
use http::StatusCode;
use palisade::prelude::*;
use palisade::testing::{Client, TestSite};

const PASSWORD: &str = "correct horse battery staple";

/// Ann, whose account has no password: she logs in by mail.
async fn without_password(site: &TestSite) -> Client {
    site.client().sign_up("ann").await;
    let tx = site.site().database().handle().begin().await.unwrap();
    tx.execute_sql(sql!("UPDATE auth_user SET password = '!unusable'"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut ann = site.client();
    ann.submit(
        "/account/login/mail",
        "/account/login/mail",
        &[("email", "ann@example.org")],
    )
    .await;
    let mail = ann.mail_to("ann@example.org").await.unwrap();
    let code = mail
        .text
        .lines()
        .map(str::trim)
        .find(|line| line.len() == 11 && line.as_bytes()[5] == b'-')
        .unwrap()
        .to_owned();
    let done = ann
        .submit(
            "/account/login/mail/code",
            "/account/login/mail/code",
            &[("code", &code)],
        )
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    ann
}

// Finding 17; ASVS 7.5.1: a recent login stands for the password that there is not
#[tokio::test]
async fn an_account_without_a_password_can_leave() {
    for (page, fields, status) in [
        ("/account/export", &[][..], StatusCode::OK),
        (
            "/account/email",
            &[("email", "new@example.org")][..],
            StatusCode::SEE_OTHER,
        ),
        ("/account/close", &[][..], StatusCode::SEE_OTHER),
        ("/account/delete", &[][..], StatusCode::SEE_OTHER),
    ] {
        let site = TestSite::start(app(), &[("login.by_mail", "true")]).await;
        let mut ann = without_password(&site).await;
        let shown = ann.get(page).await;
        assert!(
            shown.status == StatusCode::OK && !shown.body.contains("type=\"password\""),
            "{page}: {}",
            shown.body
        );
        let done = ann.submit(page, page, fields).await;
        assert_eq!(done.status, status, "{page}: {}", done.body);
        assert!(
            !done
                .header("location")
                .starts_with("/account/reauthenticate"),
            "{page}"
        );
    }
    // a login of long ago does not
    let site = TestSite::start(app(), &[("login.by_mail", "true")]).await;
    let mut ann = without_password(&site).await;
    let token = ann.get("/account/delete").await.token().unwrap();
    site.clock().advance(TimeDelta::hours(1));
    assert!(
        ann.get("/account/delete")
            .await
            .header("location")
            .starts_with("/account/reauthenticate?next=")
    );
    let refused = ann
        .post("/account/delete", &[("csrfmiddlewaretoken", &token)])
        .await;
    assert!(
        refused
            .header("location")
            .starts_with("/account/reauthenticate?next="),
        "{:?}",
        refused.headers
    );
    assert_eq!(
        site.site().accounts().list().await.unwrap().len(),
        1,
        "nothing was deleted"
    );
}

// who has a password still types it
#[tokio::test]
async fn an_account_with_a_password_still_types_it() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    for page in ["/account/export", "/account/close", "/account/delete"] {
        for fields in [
            &[][..],
            &[("current_password", "")][..],
            &[("current_password", "wrong")][..],
        ] {
            assert_eq!(
                ann.submit(page, page, fields).await.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{page} {fields:?}"
            );
        }
    }
    let address = ann
        .submit(
            "/account/email",
            "/account/email",
            &[("email", "new@example.org")],
        )
        .await;
    assert_eq!(address.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        ann.submit(
            "/account/export",
            "/account/export",
            &[("current_password", PASSWORD)]
        )
        .await
        .status,
        StatusCode::OK
    );
}

// Finding 16: the owner of a closed account is notified by mail, and the response does not show it
#[tokio::test]
async fn a_closed_account_is_told_so_by_mail() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    ann.submit(
        "/account/close",
        "/account/close",
        &[("current_password", PASSWORD)],
    )
    .await;
    let mut again = site.client();
    let open = again
        .submit(
            "/account/reset",
            "/account/reset",
            &[("email", "nobody@example.org")],
        )
        .await;
    let closed = again
        .submit(
            "/account/reset",
            "/account/reset",
            &[("email", "ann@example.org")],
        )
        .await;
    assert_eq!(
        (open.status, open.header("location")),
        (closed.status, closed.header("location"))
    );
    assert!(
        again
            .mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("is closed")
    );
    let fields = [
        ("username", "ann2"),
        ("email", "ann@example.org"),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ];
    again
        .submit("/account/signup", "/account/signup", &fields)
        .await;
    let mail = again.mail_to("ann@example.org").await.unwrap();
    assert!(
        mail.text.contains("is closed") && !mail.text.contains("token="),
        "{}",
        mail.text
    );
}
