//! Programs that bring access tokens.

use super::oidc_provider::Provider;
use crate::site::{Notes, app};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use palisade::api::{Grant, Tokens};
use palisade::axum;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";

#[derive(Form)]
struct Wish {
    audience: Option<Text<100>>,
    scope: Option<Text<100>>,
    minutes: Option<Number<0, 1000>>,
}

async fn give(user: User, tokens: Tokens, form: Form<Wish>) -> Result<String> {
    let wish = form.valid_or_show("account/login.html").await?;
    let audience = wish
        .audience
        .map(|text| text.to_string())
        .unwrap_or_default();
    let scope = wish.scope.map(|text| text.to_string()).unwrap_or_default();
    let minutes = wish.minutes.map_or(10, Number::get) as u32;
    tokens
        .issue(&Grant {
            audience: &audience,
            user: &user,
            scopes: &scope.split(' ').collect::<Vec<_>>(),
            minutes,
        })
        .await
}

async fn whose(db: Db, tokens: Tokens, caller: Caller) -> Result<String> {
    Ok(tokens
        .user_of(&db, &caller)
        .await?
        .map_or_else(|| "nobody".into(), |user| user.username))
}

async fn write(db: Db, caller: Caller, body: String) -> Result<String> {
    let tx = db.begin().await?;
    tx.execute_sql(sql!("INSERT INTO note (title) VALUES (?)", body))
        .await?;
    tx.commit().await?;
    Ok(format!(
        "written for {} of {}",
        caller.subject, caller.issuer
    ))
}

async fn either(caller: Option<Caller>, user: Option<User>) -> String {
    format!(
        "{:?} {:?}",
        caller.map(|caller| caller.subject),
        user.map(|user| user.username)
    )
}

fn api() -> App {
    let routes = Routes::new()
        .route("/token", signed_in().post(give))
        .route("/api/whose", token("tickets.read").get(whose))
        .route("/api/notes", token("tickets.write").post(write))
        .route(
            "/api/either",
            token("tickets.read")
                .or(signed_in())
                .get(either)
                .post(either),
        )
        .route(
            "/api/hidden",
            staff().or(token("tickets.read")).get(async || "hidden"),
        )
        .route(
            "/api/both",
            token("tickets.read")
                .and(when("never", |_, _| false))
                .get(async || "never"),
        );
    app().routes(routes)
}

async fn site(provider: &Provider, settings: &[(&str, &str)]) -> TestSite {
    let base = [
        ("api.issue", "true"),
        ("api.issuers", provider.issuer.as_str()),
        ("client.private_networks", "127.0.0.0/8"),
    ];
    let site = TestSite::start(api(), &[&base, settings].concat()).await;
    provider.behaviour().seconds = site.site().accounts().now().timestamp();
    site
}

async fn call(client: &mut Client, method: Method, path: &str, token: &str) -> Answer {
    let request = client
        .request(method, path)
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/json");
    client
        .send(request, Body::from(palisade::crypto::random::nonce()))
        .await
}

async fn ask(client: &mut Client, token: &str) -> Answer {
    call(client, Method::GET, "/api/whose", token).await
}

async fn give_to(client: &mut Client, fields: &[(&str, &str)]) -> Answer {
    client.submit("/account/password", "/token", fields).await
}

const FOR_HERE: (&str, &str) = ("audience", "https://localhost");

async fn notes(site: &TestSite) -> u64 {
    Notes::find()
        .count(&site.site().database().handle())
        .await
        .unwrap()
}

fn has_event(answer: &Answer, event: &str) -> bool {
    answer
        .events()
        .iter()
        .any(|line| line.contains(&format!("event.action={event} ")))
}

// ASVS 9.1.1, 9.2.1, 9.2.4, 10.3.2: a token of this site opens what its scopes say, for whom it says, where it says, and until it expires
#[tokio::test]
async fn a_token_of_the_site_opens_what_it_says() {
    let provider = Provider::start().await;
    let site = site(&provider, &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let token = give_to(&mut ann, &[FOR_HERE, ("scope", "tickets.read")])
        .await
        .body;
    let mut robot = site.client();
    let answer = ask(&mut robot, &token).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "ann")
    );
    assert!(
        answer.header("cache-control").contains("no-store")
            && answer.header("set-cookie").is_empty()
    );
    let narrow = call(&mut robot, Method::POST, "/api/notes", &token).await;
    assert_eq!(narrow.status, StatusCode::FORBIDDEN);
    assert_eq!(
        narrow.header("www-authenticate"),
        "Bearer error=\"insufficient_scope\", scope=\"tickets.write\""
    );
    assert!(
        has_event(&narrow, "access_denied")
            && narrow
                .header("content-type")
                .starts_with("application/problem+json")
    );
    assert_eq!(notes(&site).await, 0);
    let wide = give_to(
        &mut ann,
        &[FOR_HERE, ("scope", "tickets.read tickets.write")],
    )
    .await
    .body;
    let written = call(&mut robot, Method::POST, "/api/notes", &wide).await;
    assert_eq!(
        (written.status, notes(&site).await),
        (StatusCode::OK, 1),
        "no form token is asked of a program: {}",
        written.body
    );
    // the subject is set by the creator of the token, and required
    for (name, fields) in [
        ("without an audience", vec![("scope", "tickets.read")]),
        (
            "for a blank",
            vec![("audience", "  "), ("scope", "tickets.read")],
        ),
        ("for everything", vec![FOR_HERE]),
        (
            "for ever",
            vec![FOR_HERE, ("scope", "tickets.read"), ("minutes", "61")],
        ),
        (
            "for no time",
            vec![FOR_HERE, ("scope", "tickets.read"), ("minutes", "0")],
        ),
    ] {
        assert_eq!(
            give_to(&mut ann, &fields).await.status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "{name}: a mistake of the site's"
        );
    }
    let elsewhere = give_to(
        &mut ann,
        &[
            ("audience", "https://archive.example.org"),
            ("scope", "tickets.read"),
        ],
    )
    .await
    .body;
    let refused = ask(&mut robot, &elsewhere).await;
    assert!(
        refused.status == StatusCode::UNAUTHORIZED && has_event(&refused, "token_refused"),
        "{:?}",
        refused.events()
    );
    // until when, and as long as the password is that one
    site.clock().advance(chrono::TimeDelta::minutes(12));
    assert_eq!(
        ask(&mut robot, &token).await.status,
        StatusCode::UNAUTHORIZED,
        "expired"
    );
    let mut ann = site.client();
    ann.log_in("ann", PASSWORD).await;
    let token = give_to(&mut ann, &[FOR_HERE, ("scope", "tickets.read")])
        .await
        .body;
    assert_eq!(ask(&mut robot, &token).await.body, "ann");
    let new = "a new password for tokens";
    let fields = [
        ("current_password", PASSWORD),
        ("new_password", new),
        ("new_password_again", new),
    ];
    assert_eq!(
        ann.submit("/account/password", "/account/password", &fields)
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    let older = ask(&mut robot, &token).await;
    assert!(
        older.status == StatusCode::UNAUTHORIZED && has_event(&older, "token_refused"),
        "of an older password"
    );
    let token = give_to(&mut ann, &[FOR_HERE, ("scope", "tickets.read")])
        .await
        .body;
    ann.submit(
        "/account/close",
        "/account/close",
        &[("current_password", new)],
    )
    .await;
    assert_eq!(
        ask(&mut robot, &token).await.status,
        StatusCode::UNAUTHORIZED,
        "of a closed account"
    );
}

// ASVS 9.1.1, 9.1.2, 9.1.3, 9.2.1, 9.2.2, 9.2.3, 10.3.1: tokens other than this issuer's access tokens for this site are refused, without an effect
#[tokio::test]
async fn a_token_that_lies_opens_nothing() {
    let provider = Provider::start().await;
    let stranger = Provider::start().await;
    let site = site(&provider, &[]).await;
    stranger.behaviour().seconds = provider.behaviour().seconds;
    let mut robot = site.client();
    let honest = provider.access_token(&json!({}), &json!({}));
    let now = provider.behaviour().seconds;
    assert_eq!(
        call(&mut robot, Method::POST, "/api/notes", &honest)
            .await
            .status,
        StatusCode::OK,
        "an honest one"
    );
    let several = provider.access_token(
        &json!({ "typ": "application/at+jwt" }),
        &json!({ "aud": ["https://other", "https://localhost"] }),
    );
    assert_eq!(
        call(&mut robot, Method::POST, "/api/notes", &several)
            .await
            .status,
        StatusCode::OK,
        "several audiences"
    );
    let before = notes(&site).await;
    let claims = |claims: Value| provider.access_token(&json!({}), &claims);
    let header = |header: Value| provider.access_token(&header, &json!({}));
    let parts: Vec<&str> = honest.split('.').collect();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let root = part(
        json!({ "iss": provider.issuer, "sub": "root", "aud": "https://localhost", "exp": now + 300, "iat": now, "scope": "tickets.write" }),
    );
    provider.behaviour().signs_with_another_key = true;
    let other_key = claims(json!({}));
    let other_key_named = header(json!({ "kid": "k9" }));
    let own_jwk = header(json!({ "jwk": { "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" } }));
    provider.behaviour().signs_with_another_key = false;
    let lies = [
        (
            "for another site",
            claims(json!({ "aud": "https://other" })),
        ),
        (
            "for a site that begins like this one",
            claims(json!({ "aud": "https://localhost.evil" })),
        ),
        ("without an audience", claims(json!({ "aud": null }))),
        ("for an empty list", claims(json!({ "aud": [] }))),
        (
            "of another issuer",
            claims(json!({ "iss": "https://evil.example" })),
        ),
        (
            "of this site, says the provider",
            claims(json!({ "iss": "https://localhost" })),
        ),
        (
            "of an issuer that is not listed",
            stranger.access_token(&json!({}), &json!({})),
        ),
        (
            "signed by a stranger in the provider's name",
            stranger.access_token(&json!({}), &json!({ "iss": provider.issuer })),
        ),
        ("expired", claims(json!({ "exp": now - 61 }))),
        ("never expires", claims(json!({ "exp": null }))),
        ("not valid yet", claims(json!({ "nbf": now + 3600 }))),
        ("made tomorrow", claims(json!({ "iat": now + 86_400 }))),
        ("without a subject", claims(json!({ "sub": "" }))),
        ("an ID token", header(json!({ "typ": "JWT" }))),
        ("of no kind", header(json!({ "typ": null }))),
        (
            "signed with a secret",
            header(json!({ "alg": "HS256", "kid": "k3" })),
        ),
        ("signed by another key", other_key),
        ("signed by an unknown key", other_key_named),
        ("signed by a key that it brings along", own_jwk),
        (
            "not signed",
            format!(
                "{}.{root}.",
                part(json!({ "alg": "none", "typ": "at+jwt" }))
            ),
        ),
        (
            "another content",
            format!("{}.{root}.{}", parts[0], parts[2]),
        ),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("junk", "junk".into()),
        ("nothing", String::new()),
    ];
    for (name, lie) in &lies {
        let answer = call(&mut robot, Method::POST, "/api/notes", lie).await;
        assert_eq!(
            answer.status,
            StatusCode::UNAUTHORIZED,
            "{name}: {}",
            answer.body
        );
        assert!(
            answer
                .header("www-authenticate")
                .starts_with("Bearer error=\"invalid_token\""),
            "{name}"
        );
        assert!(
            has_event(&answer, "token_refused"),
            "{name}: {:?}",
            answer.events()
        );
        assert!(
            answer
                .events()
                .iter()
                .all(|line| lie.len() < 20 || !line.contains(lie)),
            "{name}: a token is never logged"
        );
    }
    // where it does not belong
    let no_token = robot
        .send(robot.request(Method::POST, "/api/notes"), Body::empty())
        .await;
    assert_eq!(
        (no_token.status, no_token.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, "Bearer scope=\"tickets.write\"")
    );
    let in_address = robot
        .send(
            robot.request(Method::POST, &format!("/api/notes?access_token={honest}")),
            Body::empty(),
        )
        .await;
    assert_eq!(
        in_address.status,
        StatusCode::UNAUTHORIZED,
        "in the address"
    );
    let in_form = robot.post("/api/notes", &[("access_token", &honest)]).await;
    assert_eq!(in_form.status, StatusCode::UNAUTHORIZED, "in a form");
    let bearer = format!("Bearer {honest}");
    let twice = robot
        .request(Method::POST, "/api/notes")
        .header("authorization", &bearer)
        .header("authorization", &bearer);
    assert_eq!(
        robot.send(twice, Body::empty()).await.status,
        StatusCode::UNAUTHORIZED,
        "twice"
    );
    let basic = robot
        .request(Method::POST, "/api/notes")
        .header("authorization", format!("Basic {honest}"));
    assert_eq!(
        robot.send(basic, Body::empty()).await.status,
        StatusCode::UNAUTHORIZED,
        "as a password"
    );
    assert_eq!(
        call(&mut robot, Method::GET, "/api/both", &honest)
            .await
            .status,
        StatusCode::UNAUTHORIZED,
        "and another rule"
    );
    assert_eq!(notes(&site).await, before, "nothing happened");
}

// ASVS 10.3.3; F032: whom a token speaks for is said by its issuer and its subject together, and by neither a name nor an address
#[tokio::test]
async fn the_same_subject_of_another_issuer_is_somebody_else() {
    let (corp, evil) = (Provider::start().await, Provider::start().await);
    let (issuers, providers) = (
        format!("{},{}", corp.issuer, evil.issuer),
        format!("corp desk secret {}", corp.issuer),
    );
    let site = site(
        &corp,
        &[("api.issuers", &issuers), ("social.providers", &providers)],
    )
    .await;
    evil.behaviour().seconds = corp.behaviour().seconds;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    super::social::add(&mut ann, &corp).await;
    let mut robot = site.client();
    let id = site
        .site()
        .accounts()
        .id_of("ann")
        .await
        .unwrap()
        .unwrap()
        .to_string();
    assert_eq!(
        ask(&mut robot, &corp.access_token(&json!({}), &json!({})))
            .await
            .body,
        "ann",
        "whose login was added"
    );
    for (name, claims) in [
        ("the same subject", json!({})),
        ("her name", json!({ "sub": "ann" })),
        ("her number here", json!({ "sub": id })),
        (
            "her address",
            json!({ "sub": "x", "email": "ann@example.org", "email_verified": true, "preferred_username": "ann" }),
        ),
    ] {
        let answer = ask(&mut robot, &evil.access_token(&json!({}), &claims)).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, "nobody"),
            "{name}"
        );
    }
    assert_eq!(
        ask(
            &mut robot,
            &corp.access_token(&json!({}), &json!({ "sub": "ann-0816" }))
        )
        .await
        .body,
        "nobody"
    );
}

// D02, F066: on routes for API clients and users, a cookie still needs its CSRF token, and a request with a bearer token is not authenticated by its cookie
#[tokio::test]
async fn a_token_and_a_cookie_are_not_mixed() {
    let provider = Provider::start().await;
    let site = site(&provider, &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let honest = provider.access_token(&json!({}), &json!({}));
    assert_eq!(ann.get("/api/either").await.body, "None Some(\"ann\")");
    let both = call(&mut ann, Method::POST, "/api/either", &honest).await;
    assert_eq!(
        (both.status, both.body.as_str()),
        (StatusCode::OK, "Some(\"ann-0815\") None"),
        "the token alone is looked at"
    );
    let forged = ann
        .send(ann.request(Method::POST, "/api/either"), Body::empty())
        .await;
    assert!(forged.status == StatusCode::FORBIDDEN && has_event(&forged, "csrf_refused"));
    let basic = ann
        .request(Method::POST, "/api/either")
        .header("authorization", "Basic YTpi");
    assert_eq!(
        ann.send(basic, Body::empty()).await.status,
        StatusCode::FORBIDDEN,
        "a browser sends that by itself"
    );
    let narrow = provider.access_token(&json!({}), &json!({ "scope": "other" }));
    assert_eq!(
        call(&mut ann, Method::GET, "/api/either", &narrow)
            .await
            .status,
        StatusCode::FORBIDDEN,
        "the cookie does not help"
    );
    assert_eq!(
        call(&mut ann, Method::GET, "/api/either", "junk")
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        ann.get("/api/whose").await.status,
        StatusCode::UNAUTHORIZED,
        "a cookie is no token"
    );
    assert_eq!(
        call(&mut site.client(), Method::GET, "/api/hidden", &honest)
            .await
            .body,
        "hidden",
        "a program comes to a hidden page"
    );
    assert_eq!(
        call(&mut site.client(), Method::GET, "/api/hidden", &narrow)
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        ann.get("/api/hidden").await.status,
        StatusCode::NOT_FOUND,
        "404 for all others"
    );
    // elsewhere a token opens nothing and closes nothing
    assert_eq!(
        call(&mut ann, Method::GET, "/mine", &honest).await.body,
        "ann"
    );
    assert_eq!(
        call(&mut site.client(), Method::GET, "/mine", &honest)
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
}

// F102; ASVS 9.1.3, 11.1.1: another site believes what this one publishes, before and after the key of the ring changed, and no private part is in it
#[tokio::test]
async fn another_site_believes_the_published_keys() {
    let keys = [(); 2].map(|()| palisade::crypto::KeyRing::generate().expose().clone());
    let issues = [
        ("api.issue", "true"),
        ("api.issuers", "https://unused.example"),
        ("keys.secret", keys[0].as_str()),
    ];
    let first = TestSite::start(api(), &issues).await;
    let published = first.client().get("/.well-known/jwks.json").await;
    let set: Value = serde_json::from_str(&published.body).unwrap();
    let names: Vec<&str> = set["keys"][0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert!(
        names
            .iter()
            .all(|name| ["kty", "crv", "x", "kid", "use", "alg"].contains(name)),
        "{names:?}"
    );
    let metadata: Value = serde_json::from_str(
        &first
            .client()
            .get("/.well-known/oauth-authorization-server")
            .await
            .body,
    )
    .unwrap();
    assert_eq!(
        (&metadata["issuer"], &metadata["jwks_uri"]),
        (
            &json!("https://localhost"),
            &json!("https://localhost/.well-known/jwks.json")
        )
    );
    let mut ann = first.client();
    ann.sign_up("ann").await;
    let token = give_to(&mut ann, &[FOR_HERE, ("scope", "tickets.read")])
        .await
        .body;
    let verified = |token: &str, set: &Value| {
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(set.clone()).unwrap();
        let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
        validation.set_audience(&["https://localhost"]);
        let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid)?).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation).ok()
    };
    assert!(verified(&token, &set).is_some());
    let rotated = [
        ("api.issue", "true"),
        ("keys.secret", keys[1].as_str()),
        ("keys.fallbacks", &keys[0]),
    ];
    let later = first.start_beside(api(), &rotated).await;
    assert_eq!(
        ask(&mut later.client(), &token).await.body,
        "ann",
        "a token of before the change"
    );
    let set: Value =
        serde_json::from_str(&later.client().get("/.well-known/jwks.json").await.body).unwrap();
    assert!(set["keys"].as_array().unwrap().len() == 2 && verified(&token, &set).is_some());
    let mut ann = later.client();
    ann.log_in("ann", PASSWORD).await;
    let newer = give_to(&mut ann, &[FOR_HERE, ("scope", "tickets.read")])
        .await
        .body;
    assert!(
        verified(&newer, &set).is_some() && ask(&mut later.client(), &newer).await.body == "ann"
    );
    assert_eq!(
        ask(&mut first.client(), &newer).await.status,
        StatusCode::UNAUTHORIZED,
        "a key that this instance does not know"
    );
}

// F004: without tokens there are no pages about them, and a route that no request can satisfy prevents the start
#[tokio::test]
async fn tokens_are_off_by_default() {
    let site = TestSite::start(app(), &[]).await;
    for path in [
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(
            site.client().get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let refused = TestSite::try_start(api(), &[])
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("api.no_issuer") && refused.contains("/api/whose"),
        "{refused}"
    );
    for access in [
        token("a").and(signed_in()),
        token("a").with_factor(),
        can("test.work").and(token("a")),
        token("a").fresh(5).or(token("b")),
    ] {
        let app = api().routes(Routes::new().route("/never", access.get(async || "never")));
        let refused = TestSite::try_start(app, &[("api.issue", "true")])
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            refused.contains("api.contradictory_rule") && refused.contains("/never"),
            "{refused}"
        );
    }
    // an issuer that does not respond: 503
    let gone = TestSite::start(
        api(),
        &[
            ("api.issuers", "http://127.0.0.1:1"),
            ("client.private_networks", "127.0.0.0/8"),
        ],
    )
    .await;
    let provider = Provider::start().await;
    provider.behaviour().seconds = gone.site().accounts().now().timestamp();
    let token = provider.access_token(&json!({}), &json!({ "iss": "http://127.0.0.1:1" }));
    assert_eq!(
        ask(&mut gone.client(), &token).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
