use crate::site::{Notes, app};
use http::{Method, StatusCode};
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite};
use sea_orm::{EntityTrait, PaginatorTrait};

async fn notes(site: &TestSite) -> u64 {
    Notes::find()
        .count(&site.site().database().handle())
        .await
        .unwrap()
}

async fn forged(
    client: &mut Client,
    method: &str,
    headers: &[(&str, &str)],
    token: &str,
) -> Answer {
    let request = client.request(method.parse().unwrap(), "/notes");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    client
        .form(
            request,
            &[("title", "forged"), ("csrfmiddlewaretoken", token)],
        )
        .await
}

// D02, D03, D04; F066, F068; ASVS 3.5.1
#[tokio::test]
async fn nothing_is_written_without_the_visitors_own_token() {
    let site = TestSite::start(app(), &[]).await;
    let (mut victim, mut attacker) = (site.client(), site.client());
    victim.sign_up("victim").await;
    attacker.sign_up("attacker").await;
    let own = victim.get("/account/password").await.token().unwrap();
    let foreign = attacker.get("/account/password").await.token().unwrap();
    let home = [
        ("origin", "http://localhost"),
        ("sec-fetch-site", "same-origin"),
    ];
    let rows: [(&str, &[(&str, &str)], &str); 9] = [
        ("no token", &home, ""),
        ("another visitor's token", &home, &foreign),
        ("junk", &home, &"x".repeat(64)),
        (
            "the session key as token",
            &home,
            &victim.cookies()["session"].clone(),
        ),
        (
            "another site",
            &[
                ("origin", "https://evil.example"),
                ("sec-fetch-site", "cross-site"),
            ],
            &own,
        ),
        ("a sibling domain", &[("sec-fetch-site", "same-site")], &own),
        (
            "the same host on another port",
            &[("origin", "http://localhost:8001")],
            &own,
        ),
        ("a page without origin", &[("origin", "null")], &own),
        (
            "a link from elsewhere",
            &[("referer", "https://evil.example/")],
            &own,
        ),
    ];
    for (name, headers, token) in rows {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer = forged(&mut victim, method, headers, token).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method}: {name}");
            assert!(
                answer
                    .events()
                    .iter()
                    .any(|event| event.contains("event.action=csrf_refused")),
                "{name}"
            );
        }
    }
    assert_eq!(notes(&site).await, 0, "nothing happened");
    assert_eq!(
        forged(&mut victim, "POST", &home, &own).await.status,
        StatusCode::OK,
        "the visitor's own form"
    );
    let scripted = victim
        .request(Method::POST, "/notes")
        .header("x-csrftoken", &own)
        .header("origin", "http://localhost");
    assert_eq!(
        victim
            .form(scripted, &[("title", "by script")])
            .await
            .status,
        StatusCode::OK,
        "the header of a script"
    );
    assert_eq!(notes(&site).await, 2);
}

// D05; ASVS 7.6.2
#[tokio::test]
async fn login_and_sign_up_cannot_be_forged() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("attacker").await;
    let fields = [
        ("username", "attacker"),
        ("password", "correct horse battery staple"),
    ];
    let mut victim = site.client();
    assert_eq!(
        victim.post("/account/login", &fields).await.status,
        StatusCode::FORBIDDEN,
        "without cookie and token"
    );
    let mut elsewhere = site.client();
    let token = elsewhere.get("/account/login").await.token().unwrap();
    let planted = [&fields[..], &[("csrfmiddlewaretoken", token.as_str())]].concat();
    assert_eq!(
        victim.post("/account/login", &planted).await.status,
        StatusCode::FORBIDDEN,
        "with the attacker's token"
    );
    assert!(!victim.cookies().contains_key("session"));
    let sign_up = [
        ("username", "new"),
        ("email", "n@example.org"),
        ("password", "correct horse battery staple"),
        ("password_again", "correct horse battery staple"),
    ];
    assert_eq!(
        victim.post("/account/signup", &sign_up).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        site.site().accounts().list().await.unwrap().len(),
        1,
        "no account was made"
    );
}

#[tokio::test]
async fn a_token_dies_with_its_session() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    let before = client.get("/account/login").await.token().unwrap();
    client.sign_up("ann").await;
    let fields = |token: &str| {
        [
            ("title".to_owned(), "x".to_owned()),
            ("csrfmiddlewaretoken".to_owned(), token.to_owned()),
        ]
    };
    let post = fields(&before);
    let post: Vec<(&str, &str)> = post
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        client.post("/notes", &post).await.status,
        StatusCode::FORBIDDEN,
        "a token of before the login"
    );
}

// D03
#[tokio::test]
async fn an_exemption_hangs_on_one_route() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    assert_eq!(
        client.post("/hook", &[("title", "signed")]).await.status,
        StatusCode::OK
    );
    for path in ["/hook/", "/hook/x", "/Hook", "/hook%2f", "/notes"] {
        let answer = client.post(path, &[("title", "elsewhere")]).await;
        assert!(
            matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN),
            "{path}: {}",
            answer.status
        );
    }
    assert_eq!(notes(&site).await, 1);
}

// F069
#[tokio::test]
async fn the_site_has_its_own_refusal_page_with_a_typed_reason() {
    let app = app().csrf_refusal_page(|refusal| format!("refused: {refusal:?}"));
    let site = TestSite::start(app, &[]).await;
    let answer = site.client().post("/notes", &[("title", "x")]).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::FORBIDDEN, "refused: NoCookie")
    );
}
