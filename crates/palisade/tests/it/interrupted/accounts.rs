//! Routes of accounts.

use super::Case;
use chrono::TimeDelta;
use palisade::auth::Rank;
use palisade::testing::{Client, TestSite};

const PASSWORD: &str = "correct horse battery staple";
const NEW: &str = "another fine phrase";

/// The newest code that was mailed to an address.
pub(super) async fn mailed_code(client: &mut Client, address: &str) -> String {
    let mail = client.mail_to(address).await.unwrap().text;
    let is_code = |line: &&str| line.trim().len() == 11 && line.contains('-');
    mail.lines()
        .find(is_code)
        .unwrap_or_else(|| panic!("a code: {mail}"))
        .trim()
        .to_owned()
}

pub(super) async fn token(client: &mut Client, page: &str) -> (&'static str, String) {
    (
        "csrfmiddlewaretoken",
        client.get(page).await.token().unwrap(),
    )
}

pub(super) async fn ann(site: &TestSite) -> Client {
    let mut other = site.client();
    other.sign_up("ann").await;
    let mut ann = site.client();
    ann.log_in("ann", PASSWORD).await;
    ann
}

/// Ann with an app, whose first code is used up.
pub(super) async fn ann_with_factor(site: &TestSite) -> (Client, String) {
    let mut ann = ann(site).await;
    let secret = ann.add_factor().await;
    site.clock().advance(TimeDelta::seconds(30));
    (ann, secret)
}

pub(super) const CASES: [Case; 24] = [
    ("/account/factors/app/confirm", |site| {
        Box::pin(async move {
            let mut ann = ann(site).await;
            ann.submit("/account/factors", "/account/factors/app", &[])
                .await;
            let page = ann.get("/account/factors/app").await;
            let secret = page
                .body
                .split_once("id=\"secret\">")
                .unwrap()
                .1
                .split('<')
                .next()
                .unwrap()
                .to_owned();
            let fields = vec![
                ("code", ann.code(&secret)),
                token(&mut ann, "/account/factors/app").await,
            ];
            (ann, "/account/factors/app/confirm".into(), fields)
        })
    }),
    ("/account/factors/codes", |site| {
        Box::pin(async move {
            let (mut ann, _) = ann_with_factor(site).await;
            let fields = vec![token(&mut ann, "/account/factors").await];
            (ann, "/account/factors/codes".into(), fields)
        })
    }),
    ("/account/factors/remove", |site| {
        Box::pin(async move {
            let (mut ann, _) = ann_with_factor(site).await;
            let fields = vec![token(&mut ann, "/account/factors").await];
            (ann, "/account/factors/remove".into(), fields)
        })
    }),
    ("/account/factors/browsers", |site| {
        Box::pin(async move {
            let (mut ann, _) = ann_with_factor(site).await;
            let fields = vec![token(&mut ann, "/account/factors").await];
            (ann, "/account/factors/browsers".into(), fields)
        })
    }),
    ("/account/login", |site| {
        Box::pin(async move {
            ann(site).await;
            let mut client = site.client();
            let fields = vec![
                ("username", "ann".into()),
                ("password", PASSWORD.into()),
                token(&mut client, "/account/login").await,
            ];
            (client, "/account/login".into(), fields)
        })
    }),
    (
        "/account/login, wrong, the last one before a lock",
        |site| {
            Box::pin(async move {
                ann(site).await;
                let mut client = site.client();
                for _ in 0..4 {
                    client.log_in("ann", "wrong").await;
                }
                let fields = vec![
                    ("username", "ann".into()),
                    ("password", "wrong".into()),
                    token(&mut client, "/account/login").await,
                ];
                (client, "/account/login".into(), fields)
            })
        },
    ),
    ("/account/login/second", |site| {
        Box::pin(async move {
            let (_, secret) = ann_with_factor(site).await;
            let mut client = site.client();
            client.log_in("ann", PASSWORD).await;
            let fields = vec![
                ("code", client.code(&secret)),
                token(&mut client, "/account/login/second").await,
            ];
            (client, "/account/login/second".into(), fields)
        })
    }),
    ("/account/logout", |site| {
        Box::pin(async move {
            let mut ann = ann(site).await;
            let fields = vec![token(&mut ann, "/account").await];
            (ann, "/account/logout".into(), fields)
        })
    }),
    ("/account/password", |site| {
        Box::pin(async move {
            let mut ann = ann(site).await;
            let new = || NEW.to_owned();
            let token = token(&mut ann, "/account/password").await;
            let fields = vec![
                ("current_password", PASSWORD.into()),
                ("new_password", new()),
                ("new_password_again", new()),
                token,
            ];
            (ann, "/account/password".into(), fields)
        })
    }),
    ("/account/reset/new", |site| {
        Box::pin(async move {
            ann(site).await;
            let mut reader = site.client();
            reader
                .submit(
                    "/account/reset",
                    "/account/reset",
                    &[("email", "ann@example.org")],
                )
                .await;
            reader.follow_mail("ann@example.org").await;
            let new = || NEW.to_owned();
            let fields = vec![
                ("new_password", new()),
                ("new_password_again", new()),
                token(&mut reader, "/account/reset/new").await,
            ];
            (reader, "/account/reset/new".into(), fields)
        })
    }),
    ("/account/email/confirm", |site| {
        Box::pin(async move {
            let mut ann = ann(site).await;
            let change = [("email", "new@example.org"), ("current_password", PASSWORD)];
            ann.submit("/account/email", "/account/email", &change)
                .await;
            ann.follow_mail("new@example.org").await;
            ann.submit("/account/email/confirm", "/account/email/confirm", &[])
                .await;
            ann.follow_mail("ann@example.org").await;
            let fields = vec![token(&mut ann, "/account/email/confirm").await];
            (ann, "/account/email/confirm".into(), fields)
        })
    }),
    ("/account/confirm", |site| {
        Box::pin(async move {
            let mut bob = site.client();
            let fields = [
                ("username", "bob"),
                ("email", "bob@example.org"),
                ("password", PASSWORD),
                ("password_again", PASSWORD),
            ];
            bob.submit("/account/signup", "/account/signup", &fields)
                .await;
            bob.follow_mail("bob@example.org").await;
            let fields = vec![
                ("password", PASSWORD.into()),
                token(&mut bob, "/account/confirm").await,
            ];
            (bob, "/account/confirm".into(), fields)
        })
    }),
    ("/account/sessions", |site| {
        Box::pin(async move {
            let mut ann = ann(site).await;
            let fields = vec![token(&mut ann, "/account/sessions").await];
            (ann, "/account/sessions".into(), fields)
        })
    }),
    ("/account/close", |site| {
        Box::pin(async move {
            let mut ann = ann(site).await;
            let fields = vec![
                ("current_password", PASSWORD.into()),
                token(&mut ann, "/account/close").await,
            ];
            (ann, "/account/close".into(), fields)
        })
    }),
    ("/account/delete", |site| {
        Box::pin(async move {
            let mut ann = ann(site).await;
            let fields = vec![
                ("current_password", PASSWORD.into()),
                token(&mut ann, "/account/delete").await,
            ];
            (ann, "/account/delete".into(), fields)
        })
    }),
    ("/account/signup", |site| {
        Box::pin(async move {
            let mut bob = site.client();
            let token = token(&mut bob, "/account/signup").await;
            let password = || PASSWORD.to_owned();
            let name = [
                ("username", "bob".into()),
                ("email", "bob@example.org".into()),
            ];
            (
                bob,
                "/account/signup".into(),
                [
                    &name[..],
                    &[
                        ("password", password()),
                        ("password_again", password()),
                        token,
                    ],
                ]
                .concat(),
            )
        })
    }),
    ("/account/reset", |site| {
        Box::pin(async move {
            ann(site).await;
            let mut reader = site.client();
            let fields = vec![
                ("email", "ann@example.org".into()),
                token(&mut reader, "/account/reset").await,
            ];
            (reader, "/account/reset".into(), fields)
        })
    }),
    ("/account/email", |site| {
        Box::pin(async move {
            let mut ann = ann(site).await;
            let token = token(&mut ann, "/account/email").await;
            (
                ann,
                "/account/email".into(),
                vec![
                    ("email", "new@example.org".into()),
                    ("current_password", PASSWORD.into()),
                    token,
                ],
            )
        })
    }),
    ("/account/factors/app", |site| {
        Box::pin(async move {
            let mut ann = ann(site).await;
            let fields = vec![token(&mut ann, "/account/factors").await];
            (ann, "/account/factors/app".into(), fields)
        })
    }),
    ("/account/login/mail", |site| {
        Box::pin(async move {
            ann(site).await;
            let mut reader = site.client();
            let fields = vec![
                ("email", "ann@example.org".into()),
                token(&mut reader, "/account/login/mail").await,
            ];
            (reader, "/account/login/mail".into(), fields)
        })
    }),
    ("/account/login/mail/code", |site| {
        Box::pin(async move {
            ann(site).await;
            let mut reader = site.client();
            reader
                .submit(
                    "/account/login/mail",
                    "/account/login/mail",
                    &[("email", "ann@example.org")],
                )
                .await;
            let code = mailed_code(&mut reader, "ann@example.org").await;
            let fields = vec![
                ("code", code),
                token(&mut reader, "/account/login/mail/code").await,
            ];
            (reader, "/account/login/mail/code".into(), fields)
        })
    }),
    ("/account/locks", |site| {
        Box::pin(async move {
            let mut ines = site.sign_in("ines", Rank::Staff).await;
            for _ in 0..5 {
                site.client().log_in("ann", "wrong").await;
            }
            let id = ines.get("/account/locks").await.hidden_field("id").unwrap();
            let fields = vec![("id", id), token(&mut ines, "/account/locks").await];
            (ines, "/account/locks".into(), fields)
        })
    }),
    ("/account/reset/new, of a locked account", |site| {
        Box::pin(async move {
            ann(site).await;
            for _ in 0..5 {
                site.client().log_in("ann", "wrong").await;
            }
            let mut reader = site.client();
            reader
                .submit(
                    "/account/reset",
                    "/account/reset",
                    &[("email", "ann@example.org")],
                )
                .await;
            reader.follow_mail("ann@example.org").await;
            let new = || NEW.to_owned();
            let token = token(&mut reader, "/account/reset/new").await;
            (
                reader,
                "/account/reset/new".into(),
                vec![
                    ("new_password", new()),
                    ("new_password_again", new()),
                    token,
                ],
            )
        })
    }),
    ("/account/login/second, with a recovery code", |site| {
        Box::pin(async move {
            let (mut ann, _) = ann_with_factor(site).await;
            let shown = ann
                .submit("/account/factors", "/account/factors/codes", &[])
                .await
                .body;
            let code = shown
                .split("<li><code>")
                .nth(1)
                .unwrap()
                .split('<')
                .next()
                .unwrap()
                .to_owned();
            let mut client = site.client();
            client.log_in("ann", PASSWORD).await;
            let fields = vec![
                ("code", code),
                token(&mut client, "/account/login/second").await,
            ];
            (client, "/account/login/second".into(), fields)
        })
    }),
];
