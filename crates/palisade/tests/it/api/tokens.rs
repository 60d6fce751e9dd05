//! Attacks on personal access tokens (D13, ASVS 9.2, 10.4.8, 13.3.4).

use http::{Method, StatusCode};
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite};
use palisade::throttle::{By, Limit};
use serde_json::json;
use std::net::IpAddr;

async fn me(actor: Actor, caller: Option<Caller>) -> String {
    let name = actor
        .user()
        .map_or("anonymous", |user| user.username.as_str());
    let by = caller.map_or("session".to_owned(), |caller| caller.subject);
    format!("{name} by {by}")
}

async fn user(user: User) -> String {
    user.username
}

fn app() -> App {
    let read = || token("tickets.read").on_behalf(signed_in());
    let routes = Routes::new()
        .route("/api/me", signed_in().or(read()).get(me).post(me))
        .route("/api/user", read().get(user))
        .route(
            "/api/staff",
            token("tickets.read").on_behalf(staff()).get(me),
        )
        .route(
            "/api/write",
            token("tickets.write").on_behalf(signed_in()).post(me),
        )
        .route("/api/plain", token("tickets.read").get(me))
        .route(
            "/api/mixed",
            token("tickets.read")
                .on_behalf(signed_in())
                .and(when("never", |_, _| false))
                .or(token("tickets.read"))
                .get(me),
        )
        .route(
            "/api/few",
            read().get(me).limit(Limit::new("few", By::Token, "2/m")),
        )
        .route(
            "/api/users",
            read().get(me).limit(Limit::new("users", By::User, "2/m")),
        );
    App::new()
        .scopes(&[
            ("tickets.read", "See your tickets"),
            ("tickets.write", "Open tickets"),
        ])
        .routes(routes)
}

async fn get(client: &Client, path: &str, token: &str) -> Answer {
    client.call((Method::GET, path), token, "").await
}

fn has_event(answer: &Answer, name: &str) -> bool {
    let events = answer.events();
    events
        .iter()
        .any(|event| event.contains(&format!("event.action={name} ")))
}

async fn site_with_token() -> (TestSite, Client, String) {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let token = ann.make_token(&["tickets.read"]).await;
    (site, ann, token)
}

#[tokio::test]
async fn a_token_acts_for_its_user_and_within_its_scope() {
    let (site, mut ann, token) = site_with_token().await;
    let id = site.id_of("ann").await;
    let answer = get(&ann, "/api/me", &token).await;
    assert_eq!(
        (answer.status, answer.body),
        (StatusCode::OK, format!("ann by {id}"))
    );
    assert_eq!(get(&ann, "/api/user", &token).await.body, "ann");
    // with POST, without a CSRF token: no cookie is read
    let posted = ann.call((Method::POST, "/api/me"), &token, "").await;
    assert_eq!(posted.status, 200, "{}", posted.body);
    // a rule without `on_behalf` gives the caller, and no authority of the user
    assert_eq!(
        get(&ann, "/api/plain", &token).await.body,
        format!("anonymous by {id}")
    );
    // the session works on the same route
    assert_eq!(ann.get("/api/me").await.body, "ann by session");
    let other = ann.call((Method::POST, "/api/write"), &token, "").await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    assert!(
        other
            .header("www-authenticate")
            .contains("insufficient_scope")
    );
    let hidden = get(&ann, "/api/staff", &token).await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    assert_eq!(
        get(&ann, "/api/user", "").await.status,
        StatusCode::UNAUTHORIZED
    );
}

// V8.2.2: the authority is that of the user at this moment
#[tokio::test]
async fn a_demoted_user_has_no_authority_by_token() {
    let site = TestSite::start(app(), &[]).await;
    let mut sam = site.sign_in("sam", Rank::Staff).await;
    let token = sam.make_token(&["tickets.read"]).await;
    assert_eq!(get(&sam, "/api/staff", &token).await.status, 200);
    site.set_rank("sam", Rank::Plain).await;
    assert_eq!(get(&sam, "/api/staff", &token).await.status, 404);
}

#[tokio::test]
async fn a_token_with_the_cookie_of_another_user_is_the_token() {
    let (site, _, token) = site_with_token().await;
    let mut ben = site.client();
    ben.sign_up("ben").await;
    let request = ben.request(Method::GET, "/api/me");
    let request = request.header("authorization", format!("Bearer {token}"));
    let answer = ben.send(request, Default::default()).await;
    assert!(answer.body.starts_with("ann by"), "{}", answer.body);
    assert_eq!(answer.header("set-cookie"), "");
}

// D13: a credential ends with the password, the account and the sessions
#[tokio::test]
async fn a_token_ends_with_password_account_and_sessions() {
    let password = "correct horse battery staple";
    for what in ["password", "sessions", "closed", "token", "operator"] {
        let (site, mut ann, token) = site_with_token().await;
        assert_eq!(get(&ann, "/api/me", &token).await.status, 200);
        match what {
            "password" => {
                let fields = [
                    ("current_password", password),
                    ("new_password", "another horse battery staple"),
                    ("new_password_again", "another horse battery staple"),
                ];
                let changed = ann
                    .submit("/account/password", "/account/password", &fields)
                    .await;
                assert_eq!(changed.status, 303, "{}", changed.body);
            }
            "sessions" => {
                ann.submit("/account/sessions", "/account/sessions", &[])
                    .await;
            }
            "closed" => {
                ann.submit(
                    "/account/close",
                    "/account/close",
                    &[("current_password", password)],
                )
                .await;
            }
            "token" => {
                let page = ann.get("/account/tokens").await;
                let id = page.hidden_field("id").unwrap();
                ann.submit("/account/tokens", "/account/tokens/end", &[("id", &id)])
                    .await;
            }
            _ => {
                let id = site.id_of("ann").await;
                site.site().accounts().end_all_sessions(id).await.unwrap();
            }
        }
        let after = get(&ann, "/api/me", &token).await;
        assert_eq!(after.status, StatusCode::UNAUTHORIZED, "{what}");
        assert!(
            after.header("www-authenticate").contains("invalid_token"),
            "{what}"
        );
        assert!(
            has_event(&after, "token_refused"),
            "{what}: {:?}",
            after.events()
        );
    }
}

#[tokio::test]
async fn a_token_of_another_user_cannot_be_ended() {
    let (site, mut ann, token) = site_with_token().await;
    let id = ann.get("/account/tokens").await.hidden_field("id").unwrap();
    let mut ben = site.client();
    ben.sign_up("ben").await;
    ben.submit("/account/tokens", "/account/tokens/end", &[("id", &id)])
        .await;
    assert_eq!(get(&ann, "/api/me", &token).await.status, 200);
    assert!(
        !ben.get("/account/tokens")
            .await
            .body
            .contains("tickets.read</td>")
    );
}

#[tokio::test]
async fn a_new_hash_of_the_same_password_keeps_the_tokens() {
    let before = TestSite::start(app(), &[("passwords.hasher", "pbkdf2_sha256")]).await;
    let mut ann = before.client();
    ann.sign_up("ann").await;
    let token = ann.make_token(&["tickets.read"]).await;
    let after = before
        .start_beside(app(), &[("passwords.hasher", "argon2id")])
        .await;
    let mut again = after.client();
    assert_eq!(get(&again, "/api/me", &token).await.status, 200);
    let login = again.log_in("ann", "correct horse battery staple").await;
    assert_eq!(login.status, StatusCode::SEE_OTHER, "{}", login.body);
    let hash = sql!("SELECT password FROM auth_user");
    let hash: Option<(String,)> = after
        .site()
        .database()
        .handle()
        .fetch_one(hash)
        .await
        .unwrap();
    assert!(hash.as_ref().unwrap().0.starts_with("argon2"), "{hash:?}");
    assert_eq!(get(&again, "/api/me", &token).await.status, 200);
}

#[tokio::test]
async fn a_token_expires_and_its_owner_is_told_a_week_before() {
    let (site, ann, token) = site_with_token().await;
    site.clock().advance(chrono::TimeDelta::days(24));
    site.site().accounts().sweep().await.unwrap();
    let mail = ann.mail_to("ann@example.org").await.expect("a mail");
    assert!(mail.text.contains("ends in 6 day"), "{}", mail.text);
    assert_eq!(get(&ann, "/api/me", &token).await.status, 200);
    site.clock().advance(chrono::TimeDelta::days(7));
    assert_eq!(get(&ann, "/api/me", &token).await.status, 401);
}

#[tokio::test]
async fn wrong_tokens_are_refused() {
    let (_site, ann, token) = site_with_token().await;
    let mut swapped = token.clone();
    swapped.replace_range(10..11, if &token[10..11] == "a" { "b" } else { "a" });
    for wrong in [
        &swapped,
        "pal_",
        "pal_x",
        &token[1..],
        &token[..39],
        &token.to_uppercase(),
        "a.b.c",
    ] {
        let answer = get(&ann, "/api/me", wrong).await;
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(!answer.body.contains("ann"), "{wrong}");
    }
    let twice = ann
        .clone()
        .with_header("authorization", &format!("Bearer {token}"));
    assert_eq!(get(&twice, "/api/me", &token).await.status, 401);
}

// a token in a URL is in logs and histories: it ends there
#[tokio::test]
async fn a_token_in_a_url_ends() {
    for place in ["/api/me?key=TOKEN", "/api/me?a=1&token=TOKEN&b", "/TOKEN"] {
        let (_site, mut ann, token) = site_with_token().await;
        let answer = ann.get(&place.replace("TOKEN", &token)).await;
        let expected = if place == "/TOKEN" { 404 } else { 400 };
        assert_eq!(answer.status, expected, "{place}");
        let after = get(&ann, "/api/me", &token).await.status;
        assert_eq!(after, if expected == 400 { 401 } else { 200 }, "{place}");
    }
}

// neither a token in the URL nor a wrong one reveals a hidden route
#[tokio::test]
async fn a_hidden_route_looks_the_same_with_every_token() {
    let (_site, ann, token) = site_with_token().await;
    let mut stranger = ann.clone();
    stranger.cookies().clear();
    for (path, sent) in [
        ("/account/locks?key=TOKEN", ""),
        ("/api/staff", ""),
        ("/api/staff", "pal_x"),
        ("/api/staff", "a.b.c"),
        ("/api/staff?key=TOKEN", ""),
    ] {
        let path = path.replace("TOKEN", &token);
        let answer = stranger.call((Method::GET, &path), sent, "").await;
        assert_eq!(answer.status, 404, "{path} {sent}");
    }
    assert_eq!(
        get(&ann, "/api/me", &token).await.status,
        200,
        "it was not taken"
    );
}

// an alternative that refused gives no authority to another one
#[tokio::test]
async fn a_refused_alternative_grants_nothing() {
    let (site, ann, token) = site_with_token().await;
    let id = site.id_of("ann").await;
    let answer = get(&ann, "/api/mixed", &token).await;
    assert_eq!(answer.body, format!("anonymous by {id}"));
}

#[tokio::test]
async fn a_found_token_is_ended_by_its_finder() {
    let (site, ann, token) = site_with_token().await;
    let finder = site.client();
    let report = |token: &str| json!({ "token": token }).to_string();
    let wrong = report(&format!(
        "{}{}",
        &token[..39],
        if token.ends_with('0') { 1 } else { 0 }
    ));
    let found = (Method::POST, "/account/tokens/found");
    assert_eq!(finder.call(found.clone(), "", &wrong).await.status, 204);
    assert_eq!(get(&ann, "/api/me", &token).await.status, 200);
    let answer = finder.call(found.clone(), "", &report(&token)).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert!(has_event(&answer, "token_found"));
    assert_eq!(get(&ann, "/api/me", &token).await.status, 401);
    let mail = ann.mail_to("ann@example.org").await.expect("a mail");
    assert!(mail.text.contains("reported as found"), "{}", mail.text);
    for _ in 0..5 {
        finder.call(found.clone(), "", &wrong).await;
    }
    assert_eq!(finder.call(found, "", &wrong).await.status, 429);
}

#[tokio::test]
async fn a_token_is_bound_to_its_networks() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let fields = [
        ("name", "office"),
        ("days", "30"),
        ("scopes", "tickets.read"),
        ("networks", "192.0.2.0/24\n2001:db8::/32"),
    ];
    let made = ann
        .submit("/account/tokens", "/account/tokens", &fields)
        .await;
    let token = made
        .body
        .split("id=\"token\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    let from = |address: &str| ann.clone().from_address(address.parse::<IpAddr>().unwrap());
    for (address, status) in [
        ("192.0.2.9", 200),
        ("2001:db8::1", 200),
        ("198.51.100.1", 401),
        ("2001:db9::1", 401),
    ] {
        assert_eq!(
            get(&from(address), "/api/me", &token).await.status,
            status,
            "{address}"
        );
    }
}

#[tokio::test]
async fn the_owner_is_told_of_another_network() {
    let (site, ann, token) = site_with_token().await;
    assert_eq!(get(&ann, "/api/me", &token).await.status, 200);
    // its own program goes on
    site.clock().advance(chrono::TimeDelta::minutes(2));
    assert_eq!(get(&ann, "/api/me", &token).await.status, 200);
    let abroad = ann.clone().from_address("203.0.113.9".parse().unwrap());
    let moved = get(&abroad, "/api/me", &token).await;
    assert_eq!(moved.status, 200);
    assert!(has_event(&moved, "token_moved"), "{:?}", moved.events());
    let mail = ann.mail_to("ann@example.org").await.expect("a mail");
    assert!(mail.text.contains("another network"), "{}", mail.text);
}

#[tokio::test]
async fn a_form_with_errors_comes_back_and_makes_no_token() {
    let site = TestSite::start(
        app(),
        &[("api.tokens_per_user", "2"), ("api.token_days_max", "90")],
    )
    .await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let wrong: [&[(&str, &str)]; 6] = [
        &[("name", "x"), ("days", "30")],
        &[("name", "x"), ("days", "30"), ("scopes", "admin")],
        &[
            ("name", "x"),
            ("days", "30"),
            ("scopes", "tickets.read"),
            ("scopes", "admin"),
        ],
        &[("name", "x"), ("days", "91"), ("scopes", "tickets.read")],
        &[("name", ""), ("days", "30"), ("scopes", "tickets.read")],
        &[
            ("name", "x"),
            ("days", "30"),
            ("scopes", "tickets.read"),
            ("networks", "office"),
        ],
    ];
    for fields in wrong {
        let answer = ann
            .submit("/account/tokens", "/account/tokens", fields)
            .await;
        assert_eq!(answer.status, 422, "{fields:?}");
        assert!(!answer.body.contains("id=\"token\""), "{fields:?}");
        assert!(
            !fields.contains(&("scopes", "tickets.read"))
                || answer.body.contains("value=\"tickets.read\" checked"),
            "{fields:?}"
        );
    }
    ann.make_token(&["tickets.read"]).await;
    ann.make_token(&["tickets.read", "tickets.write"]).await;
    let third = [("name", "x"), ("days", "30"), ("scopes", "tickets.read")];
    let refused = ann
        .submit("/account/tokens", "/account/tokens", &third)
        .await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.contains("You have 2 tokens"),
        "{}",
        refused.body
    );
    // those that ended with the sessions do not count
    ann.submit("/account/sessions", "/account/sessions", &[])
        .await;
    ann.make_token(&["tickets.read"]).await;
}

#[tokio::test]
async fn the_token_is_nowhere_but_in_the_response() {
    let (site, mut ann, token) = site_with_token().await;
    get(&ann, "/api/me", &token).await;
    let page = ann.get("/account/tokens").await.body;
    assert!(page.contains(&token[..10]) && !page.contains(&token[10..]));
    let database = std::fs::read_dir(site.folder()).unwrap().flat_map(|file| {
        let path = file.unwrap().path();
        std::fs::read(path).unwrap_or_default()
    });
    let database: Vec<u8> = database.collect();
    let random = &token.as_bytes()[10..40];
    assert!(!database.windows(30).any(|window| window == random));
}

// F091: limits by token and by user
#[tokio::test]
async fn limits_count_tokens_and_users() {
    let (_site, mut ann, first) = site_with_token().await;
    let second = ann.make_token(&["tickets.read"]).await;
    for path in ["/api/few", "/api/users"] {
        assert_eq!(get(&ann, path, &first).await.status, 200);
        assert_eq!(get(&ann, path, &first).await.status, 200);
        let third = get(&ann, path, &first).await;
        assert_eq!(third.status, 429);
        assert!(
            third.header("ratelimit-policy").contains("q=2;w=60"),
            "{:?}",
            third.headers
        );
    }
    assert_eq!(get(&ann, "/api/few", &second).await.status, 200);
    assert_eq!(
        get(&ann, "/api/users", &second).await.status,
        429,
        "another token of the user"
    );
}

#[tokio::test]
async fn an_undeclared_scope_stops_the_start() {
    let routes = Routes::new().route("/api/x", token("other").get(me));
    let error = TestSite::try_start(app().routes(routes), &[])
        .await
        .err()
        .expect("no start");
    assert!(error.to_string().contains("other"), "{error}");
}

#[tokio::test]
#[should_panic(expected = "neither a second factor nor a recent login")]
async fn a_token_cannot_be_asked_for_a_factor() {
    let _ = token("tickets.read").on_behalf(signed_in().with_factor());
}

// V7.5.1: a token outlives the session that makes it
#[tokio::test]
async fn a_token_needs_a_login_of_the_last_ten_minutes() {
    let (site, mut ann, _) = site_with_token().await;
    site.clock().advance(chrono::TimeDelta::minutes(11));
    let page = ann.get("/account/tokens").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(
        page.header("location")
            .starts_with("/account/reauthenticate")
    );
    let fields = [("name", "x"), ("days", "30"), ("scopes", "tickets.read")];
    let made = ann.submit("/account", "/account/tokens", &fields).await;
    assert!(!made.body.contains("id=\"token\""), "{}", made.body);
    let id = site.id_of("ann").await;
    let count = sql!(
        "SELECT COUNT(*) FROM palisade_access_token WHERE user_id = ?",
        id
    );
    let db = site.site().database().handle();
    let count: Option<(i64,)> = db.fetch_one(count).await.unwrap();
    assert_eq!(count, Some((1,)), "the first one");
}
