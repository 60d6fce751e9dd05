use super::oidc_provider::{Behaviour, Provider};
use crate::site::app;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use http::StatusCode;
use palisade::testing::{Answer, Client, TestSite};
use serde_json::{Value, json};
use url::Url;

const PASSWORD: &str = "correct horse battery staple";

fn has_event(answer: &Answer, event: &str) -> bool {
    answer
        .events()
        .iter()
        .any(|line| line.contains(&format!("event.action={event} ")))
}

/// A site whose people may log in by a provider, which may be trusted for addresses.
async fn site(provider: &Provider, flags: &str) -> TestSite {
    let corp = format!("corp desk secret {} {flags}", provider.issuer);
    let site = TestSite::start(
        app(),
        &[
            ("social.providers", &corp),
            ("client.private_networks", "127.0.0.0/8"),
        ],
    )
    .await;
    provider.behaviour().seconds = site.site().accounts().now().timestamp();
    site
}

/// Where the button of a page leads.
pub async fn leave(client: &mut Client, page: &str, action: &str) -> Url {
    let answer = client.submit(page, action, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{action}: {}", answer.body);
    let to = answer
        .header("refresh")
        .split_once("url=")
        .expect("a page that leads on")
        .1
        .to_owned();
    to.parse().unwrap()
}

pub fn callback(provider: &Provider, code: &str, state: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("code", code), ("state", state), ("iss", &provider.issuer)])
        .finish();
    format!("/account/social/corp/callback?{query}")
}

/// All the way, with a person who says yes.
pub async fn log_in(client: &mut Client, provider: &Provider) -> Answer {
    let to = leave(client, "/account/login/ways", "/account/social/corp").await;
    let (code, state) = provider.allow(&to);
    client.get(&callback(provider, &code, &state)).await
}

/// Proves, without a password, that one is still there.
async fn prove_by_mail(client: &mut Client, email: &str) {
    client
        .submit(
            "/account/reauthenticate",
            "/account/reauthenticate/mail",
            &[],
        )
        .await;
    let mail = client.mail_to(email).await.unwrap().text;
    let code = mail
        .lines()
        .find(|line| line.trim().len() == 11 && line.contains('-'))
        .unwrap()
        .trim()
        .to_owned();
    let proven = client
        .submit(
            "/account/reauthenticate/code",
            "/account/reauthenticate/code",
            &[("code", &code)],
        )
        .await;
    assert!(
        has_event(&proven, "proven_again"),
        "{} {}",
        proven.status,
        proven.body
    );
}

pub async fn add(client: &mut Client, provider: &Provider) -> Answer {
    let to = leave(client, "/account/logins", "/account/logins/corp").await;
    let (code, state) = provider.allow(&to);
    client.get(&callback(provider, &code, &state)).await
}

async fn who(client: &mut Client) -> String {
    let answer = client.get("/mine").await;
    if answer.status == StatusCode::OK {
        answer.body
    } else {
        String::new()
    }
}

// F032; D34; ASVS 6.8.1, 10.5.2, 10.5.4: an identity is linked by the signed-in user, and matched by issuer and subject alone
#[tokio::test]
async fn a_provider_is_added_and_logs_in() {
    let provider = Provider::start().await;
    let site = site(&provider, "keeps_tokens").await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let added = add(&mut ann, &provider).await;
    assert!(
        added.header("location") == "/account/logins" && has_event(&added, "login_added"),
        "{:?} {}",
        added.events(),
        added.body
    );
    assert!(
        ann.mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("A login by corp was added")
    );
    provider.behaviour().claims = json!({ "email": "new@example.com", "email_verified": false, "preferred_username": "boss" });
    let mut elsewhere = site.client();
    let done = log_in(&mut elsewhere, &provider).await;
    assert!(
        done.status == StatusCode::SEE_OTHER && has_event(&done, "login"),
        "{}",
        done.body
    );
    assert_eq!(who(&mut elsewhere).await, "ann");
    // another person of the same provider, and the same subject at no other
    provider.behaviour().claims = json!({ "sub": "ann-0816" });
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::OK,
        "is asked for an address"
    );
    // tokens are sealed, and in no page
    let stored: Vec<u8> = std::fs::read_dir(site.folder())
        .unwrap()
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!stored.windows(7).any(|window| window == b"rt-4711"));
    assert!(!ann.get("/account/logins").await.body.contains("rt-4711"));
    // one's own data name it, and a removed account forgets it
    let export = ann
        .submit(
            "/account/export",
            "/account/export",
            &[("current_password", PASSWORD)],
        )
        .await;
    assert!(
        export.body.contains("\"corp\"") && !export.body.contains("rt-4711"),
        "{}",
        export.body
    );
    // the same login is added to no second account
    provider.behaviour().claims = Value::Null;
    let mut bob = site.client();
    bob.sign_up("bob").await;
    let taken = add(&mut bob, &provider).await;
    assert!(
        !has_event(&taken, "login_added")
            && bob
                .get("/account/logins")
                .await
                .body
                .contains("linked to another account")
    );
    ann.submit(
        "/account/delete",
        "/account/delete",
        &[("current_password", PASSWORD)],
    )
    .await;
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::OK,
        "unlinked"
    );
}

// F032; ASVS 6.8.2, 9.1.2, 9.1.3, 9.2.1, 9.2.2, 9.2.3, 10.5.1, 10.5.3, 10.5.4: every lie that an ID token can tell
#[tokio::test]
async fn an_id_token_that_lies_is_not_believed() {
    let provider = Provider::start().await;
    let site = site(&provider, "").await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    add(&mut ann, &provider).await;
    let now = site.site().accounts().now().timestamp();
    let unsigned = |claims: &Value, header: &str, signature: &str| {
        format!(
            "{}.{}.{signature}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        )
    };
    let own_key = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
    let replayed = provider.behaviour().last.clone();
    let claims = |claims: Value| Behaviour {
        claims,
        ..Behaviour::default()
    };
    let header = |header: Value| Behaviour {
        header,
        ..Behaviour::default()
    };
    let lies: Vec<(&str, Behaviour)> = vec![
        (
            "another issuer",
            claims(json!({ "iss": "https://evil.example" })),
        ),
        ("for another site", claims(json!({ "aud": "other" }))),
        ("without an audience", claims(json!({ "aud": null }))),
        (
            "for several audiences, without an authorized party",
            claims(json!({ "aud": ["desk", "other"] })),
        ),
        (
            "asked for by another site",
            claims(json!({ "aud": ["desk", "other"], "azp": "other" })),
        ),
        (
            "asked for by another site, alone",
            claims(json!({ "azp": "other" })),
        ),
        ("to another login", claims(json!({ "nonce": "other" }))),
        ("of no login", claims(json!({ "nonce": null }))),
        ("expired", claims(json!({ "exp": now - 61 }))),
        ("never expires", claims(json!({ "exp": null }))),
        ("expires at no time", claims(json!({ "exp": "soon" }))),
        ("made long ago", claims(json!({ "iat": now - 1000 }))),
        ("made tomorrow", claims(json!({ "iat": now + 86_400 }))),
        ("not valid yet", claims(json!({ "nbf": now + 3600 }))),
        ("without a subject", claims(json!({ "sub": "" }))),
        ("with a null subject", claims(json!({ "sub": null }))),
        (
            "of another access token",
            claims(json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" })),
        ),
        (
            "signed by another key",
            Behaviour {
                signs_with_another_key: true,
                ..Behaviour::default()
            },
        ),
        (
            "signed by a key that it brings along",
            Behaviour {
                signs_with_another_key: true,
                header: json!({ "jwk": own_key }),
                ..Behaviour::default()
            },
        ),
        (
            "signed by a key that it names elsewhere",
            Behaviour {
                signs_with_another_key: true,
                header: json!({ "jku": "http://127.0.0.1:1/keys" }),
                ..Behaviour::default()
            },
        ),
        (
            "signed with the site's secret",
            header(json!({ "alg": "HS256", "kid": "k3" })),
        ),
        (
            "signed with the site's secret, in the name of its key",
            header(json!({ "alg": "HS256" })),
        ),
        (
            "a token of another type",
            header(json!({ "typ": "at+jwt" })),
        ),
        ("a logout token", header(json!({ "typ": "logout+jwt" }))),
        ("a key that is not known", header(json!({ "kid": "k9" }))),
        (
            "replayed",
            Behaviour {
                id_token: Some(replayed.clone()),
                ..Behaviour::default()
            },
        ),
        (
            "without signature",
            Behaviour {
                id_token: Some(format!("{}.", replayed.rsplit_once('.').unwrap().0)),
                ..Behaviour::default()
            },
        ),
        (
            "unsigned",
            Behaviour {
                id_token: Some(unsigned(
                    &json!({ "iss": provider.issuer }),
                    r#"{"alg":"none"}"#,
                    "",
                )),
                ..Behaviour::default()
            },
        ),
        (
            "unsigned, in capitals",
            Behaviour {
                id_token: Some(unsigned(&json!({}), r#"{"alg":"NONE"}"#, "AA")),
                ..Behaviour::default()
            },
        ),
        (
            "nonsense",
            Behaviour {
                id_token: Some("a.b.c".into()),
                ..Behaviour::default()
            },
        ),
        (
            "none",
            Behaviour {
                answer: json!({ "id_token": null }),
                ..Behaviour::default()
            },
        ),
        (
            "of another kind",
            Behaviour {
                answer: json!({ "token_type": "mac" }),
                ..Behaviour::default()
            },
        ),
    ];
    for (why, lie) in lies {
        *provider.behaviour() = Behaviour {
            seconds: now,
            ..lie
        };
        let mut thief = site
            .client()
            .from_address(format!("192.0.2.{}", why.len()).parse().unwrap());
        let refused = log_in(&mut thief, &provider).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{why}: {}",
            refused.body
        );
        assert!(
            has_event(&refused, "login_failed"),
            "{why}: {:?}",
            refused.events()
        );
        assert_eq!(who(&mut thief).await, "", "{why}");
    }
    // the clock of the site decides: good until a minute after the end
    *provider.behaviour() = Behaviour {
        seconds: now,
        claims: json!({ "exp": now - 59, "iat": now - 300 }),
        ..Behaviour::default()
    };
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::SEE_OTHER
    );
    // and an honest one is
    *provider.behaviour() = Behaviour {
        seconds: now,
        claims: json!({ "aud": ["desk"], "azp": "desk" }),
        ..Behaviour::default()
    };
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::SEE_OTHER
    );
}

// F032; ASVS 10.1.2, 10.2.1, 10.2.2, 7.6.2: what comes back belongs to the browser that left, once, and to the provider that it left for
#[tokio::test]
async fn an_answer_belongs_to_the_browser_that_left() {
    let (provider, evil) = (Provider::start().await, Provider::start().await);
    let both = format!(
        "corp desk secret {}, evil desk secret {}",
        provider.issuer, evil.issuer
    );
    let site = TestSite::start(
        app(),
        &[
            ("social.providers", &both),
            ("client.private_networks", "127.0.0.0/8"),
        ],
    )
    .await;
    for one in [&provider, &evil] {
        one.behaviour().seconds = site.site().accounts().now().timestamp();
    }
    let mut ann = site.client();
    ann.sign_up("ann").await;
    add(&mut ann, &provider).await;
    let refused = async |client: &mut Client, path: &str, why: &str| {
        let answer = client.get(path).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{why}: {}",
            answer.body
        );
        assert!(
            has_event(&answer, "login_failed") || has_event(&answer, "callback_refused"),
            "{why}"
        );
        assert_eq!(who(client).await, "", "{why}");
    };
    // login CSRF: the attacker's answer in the victim's browser, which has begun nothing, or something else
    let mut attacker = site.client();
    let (code, state) =
        provider.allow(&leave(&mut attacker, "/account/login/ways", "/account/social/corp").await);
    let mut victim = site.client();
    refused(
        &mut victim,
        &callback(&provider, &code, &state),
        "nothing was begun",
    )
    .await;
    leave(&mut victim, "/account/login/ways", "/account/social/corp").await;
    refused(
        &mut victim,
        &callback(&provider, &code, &state),
        "another state",
    )
    .await;
    let (_, own) =
        provider.allow(&leave(&mut victim, "/account/login/ways", "/account/social/corp").await);
    refused(
        &mut victim,
        &callback(&provider, &code, &own),
        "another's code, whose verifier is not here",
    )
    .await;
    refused(
        &mut victim,
        &callback(&provider, "", &own),
        "a state that was used",
    )
    .await;
    // what is no answer leaves the login as it is: any page can lead a browser to the callback
    let to = leave(&mut victim, "/account/login/ways", "/account/social/corp").await;
    for junk in [
        "error=access_denied",
        "code=x&state=y",
        "error=access_denied&state=y",
        "",
    ] {
        refused(
            &mut victim,
            &format!("/account/social/corp/callback?{junk}"),
            junk,
        )
        .await;
    }
    let (code, state) = provider.allow(&to);
    let mut alive = victim.clone();
    assert_eq!(
        alive.get(&callback(&provider, &code, &state)).await.status,
        StatusCode::SEE_OTHER,
        "it is still alive"
    );
    // mixed up: begun with one, answered by the other
    let to = leave(&mut victim, "/account/login/ways", "/account/social/evil").await;
    let (code, state) = provider.allow(&to);
    refused(
        &mut victim,
        &callback(&provider, &code, &state),
        "begun with another provider",
    )
    .await;
    let (code, state) =
        provider.allow(&leave(&mut victim, "/account/login/ways", "/account/social/corp").await);
    refused(
        &mut victim,
        &callback(&evil, &code, &state),
        "the answer says another issuer",
    )
    .await;
    let (code, state) =
        provider.allow(&leave(&mut victim, "/account/login/ways", "/account/social/corp").await);
    refused(
        &mut victim,
        &format!("/account/social/corp/callback?code={code}&state={state}"),
        "the answer says no issuer, and this provider always does",
    )
    .await;
    // once
    let (code, state) =
        provider.allow(&leave(&mut victim, "/account/login/ways", "/account/social/corp").await);
    let path = callback(&provider, &code, &state);
    let before = victim.cookies().clone();
    assert_eq!(victim.get(&path).await.status, StatusCode::SEE_OTHER);
    *victim.cookies() = before;
    assert_eq!(
        victim.get(&path).await.status,
        StatusCode::BAD_REQUEST,
        "the same again"
    );
    // ten minutes
    let mut late = site.client();
    let (code, state) =
        provider.allow(&leave(&mut late, "/account/login/ways", "/account/social/corp").await);
    site.clock().advance(TimeDelta::minutes(10));
    provider.behaviour().seconds += 600;
    refused(&mut late, &callback(&provider, &code, &state), "too late").await;
    // a response that links a login is accepted in the browser that requested it only
    let (code, state) =
        provider.allow(&leave(&mut late, "/account/login/ways", "/account/social/corp").await);
    let error = late
        .get(&format!(
            "/account/social/corp/callback?error=access_denied&state={state}&code={code}"
        ))
        .await;
    assert_eq!(
        error.header("location"),
        "/account/login",
        "a refusal leads back to the login"
    );
    // by POST alone, with a token
    assert_eq!(
        late.get("/account/social/corp").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(
        late.post("/account/social/corp", &[]).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        late.submit("/account/login", "/account/social/nowhere", &[])
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

// ASVS 10.5.3; F032: metadata of another issuer, or with plain HTTP endpoints, are not used
#[tokio::test]
async fn metadata_that_lie_lead_nowhere() {
    for (metadata, why) in [
        (
            json!({ "issuer": "https://evil.example" }),
            "another issuer",
        ),
        (
            json!({ "authorization_endpoint": "http://evil.example/authorize" }),
            "over plain HTTP",
        ),
        (
            json!({ "token_endpoint": "javascript:alert(1)" }),
            "no address",
        ),
        (json!({ "jwks_uri": null }), "no keys"),
    ] {
        let provider = Provider::start().await;
        let site = site(&provider, "").await;
        provider.behaviour().metadata = metadata;
        let answer = site
            .client()
            .submit("/account/login/ways", "/account/social/corp", &[])
            .await;
        // F24 of the reports: a mistake of the operator or the provider, and no fault of the visitor's browser
        assert!(
            answer.status == StatusCode::SERVICE_UNAVAILABLE
                && answer.body.contains("does not work at the moment"),
            "{why}: {}",
            answer.body
        );
    }
    // one that is away: the page says so, and the others work
    let site = TestSite::start(
        app(),
        &[
            ("social.providers", "corp desk secret http://127.0.0.1:9"),
            ("client.private_networks", "127.0.0.0/8"),
        ],
    )
    .await;
    let away = site
        .client()
        .submit("/account/login/ways", "/account/social/corp", &[])
        .await;
    assert!(
        away.status == StatusCode::SERVICE_UNAVAILABLE && away.body.contains("does not answer"),
        "{}",
        away.body
    );
    // loopback is not requested unless allowed
    let site = TestSite::start(
        app(),
        &[("social.providers", "corp desk secret http://127.0.0.1:9")],
    )
    .await;
    assert_eq!(
        site.client()
            .submit("/account/login/ways", "/account/social/corp", &[])
            .await
            .status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

// F032: a new key is taken when it turns up, and the provider is not asked again and again
#[tokio::test]
async fn keys_change() {
    let provider = Provider::start().await;
    let site = site(&provider, "trusts_email").await;
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(provider.behaviour().key_requests, 1);
    provider.behaviour().has_rotated = true;
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::BAD_REQUEST,
        "asked half a minute ago at the most"
    );
    site.clock().advance(TimeDelta::seconds(31));
    provider.behaviour().seconds += 31;
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(provider.behaviour().key_requests, 2);
    for _ in 0..3 {
        assert_eq!(
            log_in(&mut site.client(), &provider).await.status,
            StatusCode::SEE_OTHER
        );
    }
    assert_eq!(provider.behaviour().key_requests, 2);
}

// D34; D12; D29; ASVS 6.8.1, 6.6.2, 6.6.3: no account is taken over by a name or an address that a provider says
#[tokio::test]
async fn an_address_opens_no_account_of_somebody_else() {
    let provider = Provider::start().await;
    let site = site(&provider, "").await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let mut thief = site.client();
    let asked = log_in(&mut thief, &provider).await;
    assert!(
        asked.status == StatusCode::OK && asked.body.contains("is not linked to an account yet"),
        "{}",
        asked.body
    );
    assert_eq!(
        who(&mut thief).await,
        "",
        "the provider says that it has verified the address, and this site does not take its word"
    );
    // the address that is taken, and one that is not: the same answer
    let mut answers = Vec::new();
    for email in ["ann@example.org", "new@example.org"] {
        let mut client = site.client();
        log_in(&mut client, &provider).await;
        let answer = client
            .submit(
                "/account/login",
                "/account/social/address",
                &[("email", email)],
            )
            .await;
        answers.push((
            answer.status,
            answer.header("location").to_owned(),
            client.get("/account/social/confirm").await.status,
        ));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].1, "/account/social/confirm");
    assert!(
        ann.mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("It has an account already")
    );
    // the code, in another browser, in this one, and guessed
    let mut new = site.client();
    provider.behaviour().claims = json!({ "sub": "new", "preferred_username": "ann" });
    log_in(&mut new, &provider).await;
    new.submit(
        "/account/login",
        "/account/social/address",
        &[("email", "neu@example.org")],
    )
    .await;
    let mail = new.mail_to("neu@example.org").await.unwrap().text;
    let code = mail
        .lines()
        .find(|line| line.trim().len() == 11 && line.contains('-'))
        .unwrap()
        .trim()
        .to_owned();
    let mut other = site.client();
    log_in(&mut other, &provider).await;
    other
        .submit(
            "/account/login",
            "/account/social/address",
            &[("email", "third@example.org")],
        )
        .await;
    let elsewhere = other
        .submit(
            "/account/social/confirm",
            "/account/social/confirm",
            &[("code", &code)],
        )
        .await;
    assert_eq!(
        elsewhere.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a code is good in the browser that asked for it"
    );
    let made = new
        .submit(
            "/account/social/confirm",
            "/account/social/confirm",
            &[("code", &code.to_lowercase())],
        )
        .await;
    assert!(
        made.status == StatusCode::SEE_OTHER && has_event(&made, "signup"),
        "{} {:?}",
        made.body,
        made.events()
    );
    let name = who(&mut new).await;
    assert!(
        name.starts_with("ann-"),
        "the provider's name for the user is taken here: {name}"
    );
    // UTS 39: a provider's name that imitates another one is not taken over, and one that differs by case is told apart
    for (claimed, email, expected) in [
        ("\u{430}nn", "cyrillic@example.org", "cyrillic"),
        ("ANN", "capitals@example.org", "ANN-"),
    ] {
        let mut client = site.client();
        provider.behaviour().claims = json!({ "sub": claimed, "preferred_username": claimed });
        log_in(&mut client, &provider).await;
        client
            .submit(
                "/account/login",
                "/account/social/address",
                &[("email", email)],
            )
            .await;
        let mail = client.mail_to(email).await.unwrap().text;
        let code = mail
            .lines()
            .find(|line| line.trim().len() == 11 && line.contains('-'))
            .unwrap()
            .trim()
            .to_owned();
        client
            .submit(
                "/account/social/confirm",
                "/account/social/confirm",
                &[("code", &code)],
            )
            .await;
        let name = who(&mut client).await;
        assert!(name.starts_with(expected), "{claimed}: {name}");
    }
    provider.behaviour().claims = json!({ "sub": "new", "preferred_username": "ann" });
    // login with a password is disabled, and the last login method cannot be removed
    assert_eq!(
        site.client().log_in(&name, "").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let id = new.get("/account/logins").await.hidden_field("id").unwrap();
    prove_by_mail(&mut new, "neu@example.org").await;
    assert_eq!(
        new.submit("/account/logins", "/account/logins/remove", &[("id", &id)])
            .await
            .status,
        StatusCode::CONFLICT
    );
    new.submit("/account/logins", "/account/logins/password", &[])
        .await;
    let page = new.follow_mail("neu@example.org").await;
    let fields = [("new_password", PASSWORD), ("new_password_again", PASSWORD)];
    assert_eq!(
        new.submit(&page, "/account/reset/new", &fields)
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    new.log_in(&name, PASSWORD).await;
    let theirs = ann.get("/account/logins").await;
    assert!(theirs.body.contains("None yet."));
    assert_eq!(
        ann.submit("/account/logins", "/account/logins/remove", &[("id", &id)])
            .await
            .status,
        StatusCode::NOT_FOUND,
        "another's"
    );
    let removed = new
        .submit("/account/logins", "/account/logins/remove", &[("id", &id)])
        .await;
    assert!(
        removed.status == StatusCode::SEE_OTHER && has_event(&removed, "login_removed"),
        "{}",
        removed.body
    );
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::OK,
        "it is linked to no account"
    );
    // five wrong codes end it
    let mut guesser = site.client();
    provider.behaviour().claims = json!({ "sub": "guesser" });
    log_in(&mut guesser, &provider).await;
    guesser
        .submit(
            "/account/login",
            "/account/social/address",
            &[("email", "last@example.org")],
        )
        .await;
    let mail = guesser.mail_to("last@example.org").await.unwrap().text;
    let code = mail
        .lines()
        .find(|line| line.trim().len() == 11 && line.contains('-'))
        .unwrap()
        .trim()
        .to_owned();
    for _ in 0..5 {
        guesser
            .submit(
                "/account/social/confirm",
                "/account/social/confirm",
                &[("code", "AAAAA-AAAAA")],
            )
            .await;
    }
    let dead = guesser
        .submit(
            "/account/social/confirm",
            "/account/social/confirm",
            &[("code", &code)],
        )
        .await;
    assert!(dead.header("location") == "/account/login" && who(&mut guesser).await.is_empty());
}

// D34; F032; ASVS 6.3.4: a trusted provider's verified address finds the account, an unverified one does not, and the second factor stays
#[tokio::test]
async fn a_trusted_address_finds_the_account_and_not_around_its_factor() {
    let provider = Provider::start().await;
    let site = site(&provider, "trusts_email logs_out").await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    provider.behaviour().claims = json!({ "email_verified": false });
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::OK,
        "not verified"
    );
    provider.behaviour().claims = json!({ "email_verified": null });
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::OK,
        "nothing said"
    );
    provider.behaviour().claims = json!({ "email": "ANN@example.org" });
    let mut by_provider = site.client();
    let done = log_in(&mut by_provider, &provider).await;
    assert!(
        has_event(&done, "login_added") && has_event(&done, "login"),
        "{:?}",
        done.events()
    );
    assert_eq!(who(&mut by_provider).await, "ann");
    ann.mail_to("ann@example.org").await;
    assert!(site.site().mail().outbox().iter().any(
        |mail| mail.to == "ann@example.org" && mail.text.contains("A login by corp was added")
    ));
    // the logout goes on at the provider
    let out = by_provider.submit("/account", "/account/logout", &[]).await;
    let there = format!(
        "0; url={}/logout?client_id=desk&post_logout_redirect_uri=http%3A%2F%2Flocalhost%2F",
        provider.issuer
    );
    assert_eq!(
        (out.status, out.header("refresh")),
        (StatusCode::OK, there.as_str())
    );
    assert_eq!(who(&mut by_provider).await, "", "and is done here before");
    assert_eq!(
        who(&mut ann).await,
        "",
        "sessions of before the login was added are ended"
    );
    ann.log_in("ann", PASSWORD).await;
    let secret = ann.add_factor().await;
    let held = log_in(&mut by_provider, &provider).await;
    assert_eq!(held.header("location"), "/account/login/second");
    assert_eq!(who(&mut by_provider).await, "");
    site.clock().advance(TimeDelta::seconds(30));
    let code = ann.code(&secret);
    by_provider
        .submit(
            "/account/login/second",
            "/account/login/second",
            &[("code", &code)],
        )
        .await;
    assert_eq!(who(&mut by_provider).await, "ann");
    // with a factor to be asked for, the address lets in and adds nothing for later
    let mut bob = site.client();
    bob.sign_up("bob").await;
    bob.add_factor().await;
    provider.behaviour().claims = json!({ "sub": "bob", "email": "bob@example.org" });
    let held = log_in(&mut site.client(), &provider).await;
    assert!(
        held.header("location") == "/account/login/second" && !has_event(&held, "login_added"),
        "{:?}",
        held.events()
    );
    assert!(bob.get("/account/logins").await.body.contains("None yet."));
    // the logout goes on at the provider for those with a factor, too
    assert!(
        by_provider
            .submit("/account", "/account/logout", &[])
            .await
            .header("refresh")
            .contains("/logout?")
    );
    provider.behaviour().claims = Value::Null;
    // a closed account stays closed
    ann.submit(
        "/account/close",
        "/account/close",
        &[("current_password", PASSWORD)],
    )
    .await;
    provider.behaviour().seconds += 30;
    assert_eq!(
        log_in(&mut site.client(), &provider).await.status,
        StatusCode::FORBIDDEN
    );
}

// F032: GitHub, as its documents describe it, at a company's own address
#[tokio::test]
async fn github_says_who_somebody_is() {
    let provider = Provider::start().await;
    let setting = format!("github desk secret {} trusts_email", provider.issuer);
    let site = TestSite::start(
        app(),
        &[
            ("social.providers", &setting),
            ("client.private_networks", "127.0.0.0/8"),
        ],
    )
    .await;
    let login = async |client: &mut Client| {
        let to = leave(client, "/account/login/ways", "/account/social/github").await;
        assert_eq!(to.path(), "/login/oauth/authorize");
        let (code, state) = provider.allow(&to);
        client
            .get(&format!(
                "/account/social/github/callback?code={code}&state={state}"
            ))
            .await
    };
    provider.behaviour().user =
        json!({ "id": 583_231, "login": "octo cat", "email": "evil@example.org" });
    provider.behaviour().emails = json!([
        { "email": "old@example.org", "verified": true, "primary": false }, { "email": "octo@example.org", "verified": true, "primary": true },
    ]);
    let mut octo = site.client();
    let done = login(&mut octo).await;
    assert!(
        has_event(&done, "signup"),
        "{} {:?}",
        done.body,
        done.events()
    );
    assert_eq!(who(&mut octo).await, "octocat");
    assert!(octo.get("/account").await.body.contains("octo@example.org"));
    provider.behaviour().user = json!({ "id": 583_231, "login": "renamed" });
    let mut again = site.client();
    login(&mut again).await;
    assert_eq!(
        who(&mut again).await,
        "octocat",
        "known by number, not by name"
    );
    provider.behaviour().user = json!({ "id": 7, "login": "octocat" });
    provider.behaviour().emails =
        json!([{ "email": "octo@example.org", "verified": false, "primary": true }]);
    assert_eq!(
        login(&mut site.client()).await.status,
        StatusCode::OK,
        "an address that is not verified matches no account"
    );
    provider.behaviour().user = json!({ "login": "nobody" });
    assert_eq!(
        login(&mut site.client()).await.status,
        StatusCode::BAD_REQUEST,
        "no number"
    );
}

// F032: Facebook and X answer as they document; neither verifies addresses, so none of them finds an account
#[tokio::test]
async fn facebook_and_x_say_who_somebody_is() {
    let provider = Provider::start().await;
    let setting = ["facebook", "x"]
        .map(|name| format!("{name} desk secret {}", provider.issuer))
        .join(",");
    let site = TestSite::start(
        app(),
        &[
            ("social.providers", &setting),
            ("client.private_networks", "127.0.0.0/8"),
        ],
    )
    .await;
    let login = async |client: &mut Client, name: &str, path: &str| {
        let to = leave(
            client,
            "/account/login/ways",
            &format!("/account/social/{name}"),
        )
        .await;
        assert_eq!(to.path(), path);
        let (code, state) = provider.allow(&to);
        client
            .get(&format!(
                "/account/social/{name}/callback?code={code}&state={state}"
            ))
            .await
    };
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let facebook = json!({ "id": "10158", "name": "Ann", "email": "ann@example.org" });
    let x = json!({ "data": { "id": "2244994945", "username": "ann", "name": "Ann" } });
    for (name, path, user) in [
        ("facebook", "/v21.0/dialog/oauth", facebook),
        ("x", "/i/oauth2/authorize", x),
    ] {
        provider.behaviour().user = user;
        let stranger = login(&mut site.client(), name, path).await;
        assert_eq!(
            stranger.status,
            StatusCode::OK,
            "{name}: an address is asked for, and proven by a code"
        );
        assert!(
            !has_event(&stranger, "login"),
            "{name}: {:?}",
            stranger.events()
        );
        let to = leave(
            &mut ann,
            "/account/logins",
            &format!("/account/logins/{name}"),
        )
        .await;
        let (code, state) = provider.allow(&to);
        let added = ann
            .get(&format!(
                "/account/social/{name}/callback?code={code}&state={state}"
            ))
            .await;
        assert!(
            has_event(&added, "login_added"),
            "{name}: {} {:?}",
            added.status,
            added.events()
        );
        let mut elsewhere = site.client();
        login(&mut elsewhere, name, path).await;
        assert_eq!(who(&mut elsewhere).await, "ann", "{name}");
    }
    provider.behaviour().user = json!({ "data": { "username": "ann" } });
    assert_eq!(
        login(&mut site.client(), "x", "/i/oauth2/authorize")
            .await
            .status,
        StatusCode::BAD_REQUEST,
        "nobody"
    );
}

// F032: Apple knows a site by a client secret that is signed for each login, and sends booleans as text
#[tokio::test]
async fn apple_is_told_by_a_signed_statement() {
    let provider = Provider::start().await;
    let pair = rcgen::KeyPair::generate().unwrap();
    let key = jsonwebtoken::EncodingKey::from_ec_der(pair.serialized_der());
    let jwk =
        jsonwebtoken::jwk::Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::ES256).unwrap();
    let start = async |secret: &str| {
        let table = format!(
            "[[social.providers]]\nname = 'apple'\nclient_id = 'org.example.desk'\nteam_id = 'TEAM123456'\nkey_id = 'KEY1234567'\nissuer = '{}'\nclient_secret = \"\"\"\n{secret}\"\"\"\n",
            provider.issuer
        );
        TestSite::start(
            app(),
            &[
                ("palisade.toml", &table),
                ("client.private_networks", "127.0.0.0/8"),
            ],
        )
        .await
    };
    provider.behaviour().metadata =
        json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    let site = start(&pair.serialize_pem()).await;
    let login = async |site: &TestSite, client: &mut Client| {
        let to = leave(client, "/account/login/ways", "/account/social/apple").await;
        let scope = to
            .query_pairs()
            .find(|(name, _)| name == "scope")
            .unwrap()
            .1
            .into_owned();
        assert_eq!(
            scope, "openid",
            "no address: Apple tells one only to pages that take forged forms"
        );
        let (code, state) = provider.allow(&to);
        provider.behaviour().seconds = site.site().accounts().now().timestamp();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("code", code.as_str()),
                ("state", &state),
                ("iss", &provider.issuer),
            ])
            .finish();
        client
            .get(&format!("/account/social/apple/callback?{query}"))
            .await
    };
    provider.behaviour().claims =
        json!({ "aud": "org.example.desk", "email": null, "email_verified": null });
    assert_eq!(
        login(&site, &mut site.client()).await.status,
        StatusCode::BAD_REQUEST,
        "Apple does not know this key"
    );
    provider.behaviour().site_key = Some(serde_json::to_value(jwk).unwrap());
    let known = login(&site, &mut site.client()).await;
    assert_eq!(
        known.status,
        StatusCode::OK,
        "an address is asked for: {}",
        known.body
    );
    let statement = provider.behaviour().exchange["client_secret"].clone();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(&statement).unwrap();
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!("TEAM123456"), &json!("org.example.desk"))
    );
    assert_eq!(
        (
            &claims["aud"],
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
        ),
        (&json!(provider.issuer), 300)
    );
    assert_eq!(
        jsonwebtoken::decode_header(&statement)
            .unwrap()
            .kid
            .as_deref(),
        Some("KEY1234567")
    );
    // no key: no login, and the secret is in no response
    let broken = start("certainly no key").await;
    let refused = login(&broken, &mut broken.client()).await;
    assert!(
        refused.status == StatusCode::SERVICE_UNAVAILABLE && !refused.body.contains("certainly"),
        "{}",
        refused.body
    );
}

// ASVS 7.5.1; F033: another site's word opens the account, and nothing that asks who is there now; without a password the mailbox proves it
#[tokio::test]
async fn another_sites_word_is_no_login_of_now() {
    let provider = Provider::start().await;
    let site = site(&provider, "trusts_email").await;
    let mut ann = site.client();
    let made = log_in(&mut ann, &provider).await;
    assert!(has_event(&made, "signup"), "{:?}", made.events());
    for page in ["/account/sessions", "/account/factors/app"] {
        assert!(
            ann.get(page)
                .await
                .header("location")
                .starts_with("/account/reauthenticate"),
            "{page}"
        );
    }
    let page = ann
        .get("/account/reauthenticate?next=/account/sessions")
        .await;
    assert!(
        page.body.contains("has no password") && !page.body.contains("type=\"password\""),
        "{}",
        page.body
    );
    let begun = ann
        .submit(
            "/account/reauthenticate?next=/account/sessions",
            "/account/reauthenticate/mail",
            &[("next", "/account/sessions")],
        )
        .await;
    assert_eq!(begun.header("location"), "/account/reauthenticate/code");
    let mail = ann.mail_to("ann@example.org").await.unwrap().text;
    let code = mail
        .lines()
        .find(|line| line.trim().len() == 11 && line.contains('-'))
        .unwrap()
        .trim()
        .to_owned();
    let wrong = ann
        .submit(
            "/account/reauthenticate/code",
            "/account/reauthenticate/code",
            &[("code", "AAAAA-AAAAA")],
        )
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let proven = ann
        .submit(
            "/account/reauthenticate/code",
            "/account/reauthenticate/code",
            &[("code", &code)],
        )
        .await;
    assert!(
        proven.header("location") == "/account/sessions" && has_event(&proven, "proven_again"),
        "{:?}",
        proven.events()
    );
    assert_eq!(ann.get("/account/sessions").await.status, StatusCode::OK);
    // a reset by mail says the truth, and gives no password to an account that another site logs in to
    site.client()
        .submit(
            "/account/reset",
            "/account/reset",
            &[("email", "ann@example.org")],
        )
        .await;
    assert!(
        ann.mail_to("ann@example.org")
            .await
            .unwrap()
            .text
            .contains("It has none: log in the way you did before.")
    );
    // passkeys are a way in, and the last one stays
    let mut key = super::authenticator::Authenticator::new();
    ann.submit("/account/factors", "/account/factors/passkey", &[])
        .await;
    let asked = super::authenticator::options(&ann.get("/account/factors/passkey").await.body);
    let credential = key.create(&asked);
    let fields = [("name", "Phone"), ("credential", credential.as_str())];
    ann.submit(
        "/account/factors/passkey",
        "/account/factors/passkey/add",
        &fields,
    )
    .await;
    let id = ann.get("/account/logins").await.hidden_field("id").unwrap();
    assert_eq!(
        ann.submit("/account/logins", "/account/logins/remove", &[("id", &id)])
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    let id = ann
        .get("/account/factors")
        .await
        .hidden_field("id")
        .unwrap();
    for (action, fields) in [
        ("passkey/remove", &[("id", id.as_str())][..]),
        ("remove", &[]),
    ] {
        let kept = ann
            .submit(
                "/account/factors",
                &format!("/account/factors/{action}"),
                fields,
            )
            .await;
        assert_eq!(kept.status, StatusCode::CONFLICT, "{action}");
    }
    // an account with a password gets no code instead
    let mut bob = site.client();
    bob.sign_up("bob").await;
    assert_eq!(
        bob.submit(
            "/account/reauthenticate",
            "/account/reauthenticate/mail",
            &[]
        )
        .await
        .status,
        StatusCode::NOT_FOUND
    );
}
