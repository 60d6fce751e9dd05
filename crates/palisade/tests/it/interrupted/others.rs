//! Routes of passkeys and of logins by other sites.

use super::accounts::{ann, mailed_code, token};
use super::{Case, World};
use crate::attacks::authenticator::{Authenticator, options};
use crate::attacks::passkeys::add as add_passkey;
use crate::attacks::social::{add as add_login, callback, leave, log_in};
use palisade::testing::Client;
use serde_json::json;

const PASSWORD: &str = "correct horse battery staple";

async fn ann_with_passkey(world: &World) -> (Client, Authenticator) {
    let (mut ann, mut key) = (ann(world).await, Authenticator::new());
    add_passkey(&mut ann, &mut key, "Phone").await;
    (ann, key)
}

/// A client that was sent back by the provider and belongs to no account.
async fn stranger(world: &World) -> Client {
    world.provider.behaviour().claims = json!({ "sub": "new", "preferred_username": "new" });
    let mut client = world.client();
    log_in(&mut client, &world.provider).await;
    client
}

/// A user who came from the provider and has no password.
async fn guest(world: &World) -> Client {
    let mut guest = stranger(world).await;
    guest
        .submit(
            "/account/login",
            "/account/social/address",
            &[("email", "new@example.net")],
        )
        .await;
    let code = mailed_code(&mut guest, "new@example.net").await;
    guest
        .submit(
            "/account/social/confirm",
            "/account/social/confirm",
            &[("code", &code)],
        )
        .await;
    guest
}

pub(super) const CASES: [Case; 18] = [
    ("/account/login/passkey", |world| {
        Box::pin(async move {
            let mut client = world.client();
            let fields = vec![token(&mut client, "/account/login/ways").await];
            (client, "/account/login/passkey".into(), fields)
        })
    }),
    ("/account/passkey", |world| {
        Box::pin(async move {
            let (_, mut key) = ann_with_passkey(world).await;
            let mut client = world.client();
            client
                .submit("/account/login/ways", "/account/login/passkey", &[])
                .await;
            let credential = key.get(&options(&client.get("/account/passkey").await.body));
            let fields = vec![
                ("credential", credential),
                token(&mut client, "/account/passkey").await,
            ];
            (client, "/account/passkey".into(), fields)
        })
    }),
    ("/account/login/second/passkey", |world| {
        Box::pin(async move {
            ann_with_passkey(world).await;
            let mut client = world.client();
            client.log_in("ann", PASSWORD).await;
            let fields = vec![token(&mut client, "/account/login/second").await];
            (client, "/account/login/second/passkey".into(), fields)
        })
    }),
    ("/account/passkey, as a second step", |world| {
        Box::pin(async move {
            let (_, mut key) = ann_with_passkey(world).await;
            let mut client = world.client();
            client.log_in("ann", PASSWORD).await;
            client
                .submit(
                    "/account/login/second",
                    "/account/login/second/passkey",
                    &[],
                )
                .await;
            let credential = key.get(&options(&client.get("/account/passkey").await.body));
            let fields = vec![
                ("credential", credential),
                token(&mut client, "/account/passkey").await,
            ];
            (client, "/account/passkey".into(), fields)
        })
    }),
    ("/account/reauthenticate/passkey", |world| {
        Box::pin(async move {
            let (mut ann, _) = ann_with_passkey(world).await;
            let fields = vec![token(&mut ann, "/account/reauthenticate").await];
            (ann, "/account/reauthenticate/passkey".into(), fields)
        })
    }),
    ("/account/factors/passkey", |world| {
        Box::pin(async move {
            let mut ann = ann(world).await;
            let fields = vec![token(&mut ann, "/account/factors").await];
            (ann, "/account/factors/passkey".into(), fields)
        })
    }),
    ("/account/factors/passkey/add", |world| {
        Box::pin(async move {
            let mut ann = ann(world).await;
            ann.submit("/account/factors", "/account/factors/passkey", &[])
                .await;
            let credential = Authenticator::new()
                .create(&options(&ann.get("/account/factors/passkey").await.body));
            let token = token(&mut ann, "/account/factors/passkey").await;
            (
                ann,
                "/account/factors/passkey/add".into(),
                vec![("name", "Phone".into()), ("credential", credential), token],
            )
        })
    }),
    ("/account/factors/passkey/remove", |world| {
        Box::pin(async move {
            let (mut ann, _) = ann_with_passkey(world).await;
            let id = ann
                .get("/account/factors")
                .await
                .hidden_field("id")
                .unwrap();
            let fields = vec![("id", id), token(&mut ann, "/account/factors").await];
            (ann, "/account/factors/passkey/remove".into(), fields)
        })
    }),
    ("/account/social/{id}", |world| {
        Box::pin(async move {
            let mut client = world.client();
            let fields = vec![token(&mut client, "/account/login/ways").await];
            (client, "/account/social/corp".into(), fields)
        })
    }),
    ("GET /account/social/{id}/callback", |world| {
        Box::pin(async move {
            let mut ann = ann(world).await;
            add_login(&mut ann, &world.provider).await;
            let mut client = world.client();
            let to = leave(&mut client, "/account/login/ways", "/account/social/corp").await;
            let (code, state) = world.provider.allow(&to);
            (client, callback(&world.provider, &code, &state), Vec::new())
        })
    }),
    ("GET /account/social/{id}/callback, to add it", |world| {
        Box::pin(async move {
            let mut ann = ann(world).await;
            let to = leave(&mut ann, "/account/logins", "/account/logins/corp").await;
            let (code, state) = world.provider.allow(&to);
            (ann, callback(&world.provider, &code, &state), Vec::new())
        })
    }),
    ("/account/social/address", |world| {
        Box::pin(async move {
            let mut client = stranger(world).await;
            let fields = vec![
                ("email", "new@example.net".into()),
                token(&mut client, "/account/login").await,
            ];
            (client, "/account/social/address".into(), fields)
        })
    }),
    ("/account/social/confirm", |world| {
        Box::pin(async move {
            let mut client = stranger(world).await;
            client
                .submit(
                    "/account/login",
                    "/account/social/address",
                    &[("email", "new@example.net")],
                )
                .await;
            let code = mailed_code(&mut client, "new@example.net").await;
            let fields = vec![
                ("code", code),
                token(&mut client, "/account/social/confirm").await,
            ];
            (client, "/account/social/confirm".into(), fields)
        })
    }),
    ("/account/logins/{id}", |world| {
        Box::pin(async move {
            let mut ann = ann(world).await;
            let fields = vec![token(&mut ann, "/account/logins").await];
            (ann, "/account/logins/corp".into(), fields)
        })
    }),
    ("/account/logins/remove", |world| {
        Box::pin(async move {
            let mut ann = ann(world).await;
            add_login(&mut ann, &world.provider).await;
            let id = ann.get("/account/logins").await.hidden_field("id").unwrap();
            let fields = vec![("id", id), token(&mut ann, "/account/logins").await];
            (ann, "/account/logins/remove".into(), fields)
        })
    }),
    ("/account/logins/password", |world| {
        Box::pin(async move {
            let mut guest = guest(world).await;
            let fields = vec![token(&mut guest, "/account/logins").await];
            (guest, "/account/logins/password".into(), fields)
        })
    }),
    ("/account/reauthenticate/mail", |world| {
        Box::pin(async move {
            let mut guest = guest(world).await;
            let fields = vec![token(&mut guest, "/account/reauthenticate").await];
            (guest, "/account/reauthenticate/mail".into(), fields)
        })
    }),
    ("/account/reauthenticate/code", |world| {
        Box::pin(async move {
            let mut guest = guest(world).await;
            guest
                .submit(
                    "/account/reauthenticate",
                    "/account/reauthenticate/mail",
                    &[],
                )
                .await;
            let code = mailed_code(&mut guest, "new@example.net").await;
            let fields = vec![
                ("code", code),
                token(&mut guest, "/account/reauthenticate/code").await,
            ];
            (guest, "/account/reauthenticate/code".into(), fields)
        })
    }),
];
