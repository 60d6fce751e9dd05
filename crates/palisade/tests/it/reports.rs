//! What people reported of other frameworks, by its number: F1 to F24 are faults, M1 to M27 wishes.

use crate::server::Served;
use crate::site::app;
use http::StatusCode;
use palisade::app::{BootError, Prepared};
use palisade::db::{Database, DatabaseSettings};
use palisade::prelude::*;
use palisade::settings::{Origin, Sources};
use palisade::testing::{TestSite, new_postgres, server};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

fn refusal_of(folder: &Path) -> String {
    Prepared::new(App::new(), Sources::of_folder(folder))
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

fn refusal_of_setting(key: &str, value: &str) -> String {
    let mut sources = Sources::none();
    sources.set(key, value, Origin::CommandLine("test"));
    Prepared::new(App::new(), sources)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

fn findings(settings: &[(&str, &str)]) -> Vec<String> {
    let mut sources = Sources::none();
    settings
        .iter()
        .for_each(|(key, value)| sources.set(key, *value, Origin::CommandLine("test")));
    let settings = palisade::app::SiteSettings::read(sources).unwrap();
    settings
        .findings()
        .into_iter()
        .map(|finding| finding.id.to_string())
        .collect()
}

// F1, F14: each file says what is wrong with it, and where
#[test]
fn f01_f14_dot_env_says_line_and_cause() {
    let files: [(&[u8], &str); 6] = [
        (
            b"A=1\n\nPALISADE_SITE__DATA=a # b\n",
            ".env, line 3): holds a # after a space",
        ),
        (
            b"A=1\nthis is nothing\n",
            ".env, line 2): is not NAME=value",
        ),
        (
            b"PALISADE_SITE__DATA=\"open\n",
            ".env, line 1): opens a quote",
        ),
        (b"\xff\xfeA\0=\0", "is UTF-16"),
        (b"A=1\nB=\xe9\n", ".env, line 2): is not UTF-8"),
        (b"PALISADE_NOTHING__KEY=1\n", "there is no such setting"),
    ];
    for (bytes, said) in files {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), bytes).unwrap();
        let error = refusal_of(folder.path());
        assert!(
            error.contains(said) && error.contains("fix: "),
            "{said}: {error}"
        );
    }
    for fine in [
        "\u{feff}PALISADE_SESSIONS__IDLE_SECS=600\n",
        "COMPANY_NAME=Acme Inc Ltd\n",
        "OTHER=\"${HOME}\" # note\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), fine).unwrap();
        assert_eq!(refusal_of(folder.path()), "", "{fine}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".env")).unwrap();
    assert!(refusal_of(folder.path()).contains("is a folder"));
}

// F1: a secret arrives as it was written
#[test]
fn f01_secrets_arrive_as_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        "PALISADE_SITE__DATA=da$ta-${x}\n",
    )
    .unwrap();
    let prepared = Prepared::new(App::new(), Sources::of_folder(folder.path())).unwrap();
    assert_eq!(prepared.settings().data(), Path::new("da$ta-${x}"));
}

// F4, F15, M25, M26: what the system or the server said, and what to do
#[tokio::test]
async fn f04_f15_databases_that_cannot_be_used_say_why() {
    let Some(url) = server("PALISADE_TEST_POSTGRES") else {
        return;
    };
    let server: url::Url = url.parse().unwrap();
    let (host, port) = (server.host_str().unwrap(), server.port().unwrap_or(5432));
    let folder = tempfile::tempdir().unwrap();
    let said = async |url: &str| {
        let settings = DatabaseSettings {
            url: url.parse().unwrap(),
            ..DatabaseSettings::default()
        };
        match Database::connect(&settings, folder.path()).await {
            Ok(_) => String::new(),
            Err(error) => BootError::Database(error).to_string(),
        }
    };
    for (url, words) in [
        (
            "postgres://u:p@127.0.0.1:1/d".to_owned(),
            "127.0.0.1:1: Connection refused",
        ),
        (
            "postgres://u:p@[::1]:1/d".to_owned(),
            "::1:1: Connection refused",
        ),
        (
            "postgres://u:p@nowhere.invalid/d".to_owned(),
            "nowhere.invalid",
        ),
        (
            format!(
                "postgres://{}@{host}:{port}/no_such_database",
                server.username()
            ),
            "createdb",
        ),
        (
            format!("postgres://no_such_user@{host}:{port}/postgres"),
            "user name and password",
        ),
        (
            "sqlite:no/such/folder/x.sqlite3".to_owned(),
            "cannot create",
        ),
    ] {
        let error = said(&url).await;
        assert!(error.contains(words), "{url}: {error}");
        assert!(
            !error.contains("at line"),
            "no line of the server's source: {error}"
        );
    }
    std::fs::write(
        folder.path().join("text.sqlite3"),
        "this is no database, however long it is, it has no header",
    )
    .unwrap();
    assert!(
        said("sqlite:text.sqlite3")
            .await
            .contains("fix: name an SQLite database"),
        "{}",
        said("sqlite:text.sqlite3").await
    );
    for url in [
        "postgres://u:p#w@127.0.0.1/d",
        "postgres://u:p?w@127.0.0.1/d",
        "postgres://u:p/w@127.0.0.1/d",
    ] {
        let error = refusal_of_setting("database.url", url);
        assert!(
            error.contains("percent-encoded") && !error.contains(":p"),
            "{url}: {error}"
        );
    }
    assert!(refusal_of_setting("database.url", "mysql://u:p@h/d").contains("sqlite or postgres"));
}

// M19: three slashes are a relative path, as in Django's tools; four are an absolute one
#[test]
fn m19_sqlite_urls_are_those_of_django() {
    for (url, path) in [
        ("sqlite:///db.sqlite3", "db.sqlite3"),
        ("sqlite:////srv/db.sqlite3", "/srv/db.sqlite3"),
        ("sqlite:db.sqlite3", "db.sqlite3"),
        ("sqlite:/srv/db.sqlite3", "/srv/db.sqlite3"),
        ("sqlite:///my%20site.sqlite3", "my site.sqlite3"),
    ] {
        let url: palisade::db::DatabaseUrl = url.parse().unwrap();
        assert_eq!(url.to_string(), format!("sqlite:{path}"));
    }
}

// F5: several that start at once wait for each other
#[tokio::test]
async fn f05_migrate_waits_for_another_migrate() {
    let folder = tempfile::tempdir().unwrap();
    let mut urls = vec![format!(
        "sqlite:{}",
        folder.path().join("shared.sqlite3").display()
    )];
    urls.extend(new_postgres().await);
    for url in urls {
        let starts: Vec<_> = (0..3).map(|_| start_elsewhere(url.clone())).collect();
        for start in starts {
            assert_eq!(start.join().unwrap(), Ok(()), "{url}");
        }
    }
}

/// Starts a site as a process of its own would: with its own runtime.
fn start_elsewhere(url: String) -> std::thread::JoinHandle<Result<(), String>> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let started = runtime.block_on(TestSite::try_start(app(), &[("database.url", &url)]));
        started.map(drop).map_err(|error| error.to_string())
    })
}

// F9: no form would be accepted, on a developer's machine neither
#[tokio::test]
async fn f09_a_referrer_policy_that_breaks_forms_stops_the_start() {
    let error = TestSite::try_start(App::new(), &[("headers.referrer_policy", "no-referrer")])
        .await
        .err()
        .map(|error| error.to_string());
    assert!(error.is_some_and(|error| error.contains("headers.referrer_breaks_forms")));
}

// F9, M16: settings that cannot both work
#[test]
fn f09_m16_settings_that_cannot_work_are_findings() {
    let has =
        |settings: &[(&str, &str)], id: &str| findings(settings).iter().any(|found| found == id);
    assert!(has(
        &[("headers.referrer_policy", "no-referrer")],
        "headers.referrer_breaks_forms"
    ));
    assert!(!has(
        &[("headers.referrer_policy", "no-referrer, same-origin")],
        "headers.referrer_breaks_forms"
    ));
    for (url, is_found) in [
        ("smtps://u:p@mail.example.org:587", true),
        ("smtp://u:p@mail.example.org:465", true),
        ("smtps://u:p@mail.example.org", false),
        ("smtp://u:p@mail.example.org:587", false),
    ] {
        assert_eq!(
            has(&[("mail.url", url)], "mail.tls_at_port"),
            is_found,
            "{url}"
        );
    }
}

// F10: a balancer names an address that changes, or no host; other pages are refused, and so is a second Host
#[tokio::test]
async fn f10_probes_are_answered_for_every_host() {
    let served = Served::start(&[]).await;
    for (request, status) in [
        (
            "GET /health/live HTTP/1.1\r\nHost: 10.0.1.5:8201\r\nConnection: close\r\n\r\n",
            "200",
        ),
        (
            "GET /health/ready HTTP/1.1\r\nHost: 10.0.1.5\r\nConnection: close\r\n\r\n",
            "200",
        ),
        ("GET /health/live HTTP/1.0\r\n\r\n", "200"),
        (
            "HEAD /health/live HTTP/1.1\r\nHost: x.example\r\nConnection: close\r\n\r\n",
            "200",
        ),
        (
            "GET / HTTP/1.1\r\nHost: 10.0.1.5\r\nConnection: close\r\n\r\n",
            "400",
        ),
        (
            "GET /health/detail HTTP/1.1\r\nHost: 10.0.1.5\r\nConnection: close\r\n\r\n",
            "400",
        ),
        (
            "POST /health/live HTTP/1.1\r\nHost: 10.0.1.5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "400",
        ),
        (
            "GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
            "400",
        ),
    ] {
        let answer = served.raw(request.as_bytes()).await;
        assert!(
            answer.split(' ').nth(1) == Some(status),
            "{request}: {answer}"
        );
    }
}

// F11, F12, M1: the attributes that phones and password managers use
#[tokio::test]
async fn f11_f12_m01_fields_say_what_they_are() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    for page in ["/account/login", "/account/signup"] {
        let body = client.get(page).await.body;
        let field = body
            .split("<input")
            .find(|field| field.contains("name=\"username\""))
            .unwrap()
            .to_owned();
        assert!(
            field.contains("autocapitalize=\"none\"") && field.contains("spellcheck=\"false\""),
            "{field}"
        );
    }
    client.sign_up("ann").await;
    client
        .submit("/account/factors", "/account/factors/app", &[])
        .await;
    let body = client.get("/account/factors/app").await.body;
    let field = body
        .split("<input")
        .find(|field| field.contains("name=\"code\""))
        .unwrap()
        .to_owned();
    for attribute in [
        "autocomplete=\"one-time-code\"",
        "inputmode=\"numeric\"",
        "enterkeyhint=\"go\"",
    ] {
        assert!(field.contains(attribute), "{attribute}: {field}");
    }
    let change = site.client().get("/.well-known/change-password").await;
    assert_eq!(
        (change.status, change.header("location")),
        (StatusCode::SEE_OTHER, "/account/password")
    );
}

// F16: a plain address is a network of one
#[test]
fn f16_addresses_are_networks() {
    for value in ["127.0.0.1", "::1", "10.0.0.0/8, 192.0.2.7"] {
        assert_eq!(
            refusal_of_setting("http.trusted_proxies", value),
            "",
            "{value}"
        );
    }
    let error = refusal_of_setting("http.trusted_proxies", "proxy.example.org");
    assert!(
        error.contains("192.0.2.7") && error.contains("commas"),
        "{error}"
    );
}

// F19: a form that is refused for its origin says in the log what would accept it
#[tokio::test]
async fn f19_a_refused_origin_is_logged_with_what_was_expected() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    let request = client
        .request(http::Method::POST, "/account/login")
        .header("origin", "http://localhost:8443")
        .header("sec-fetch-site", "same-origin");
    let answer = client.form(request, &[("username", "ann")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let events = answer.events();
    let said = |words: &str| {
        events
            .iter()
            .any(|line| line.contains("csrf_refused") && line.contains(words))
    };
    assert!(
        said("Origin=http://localhost:8443")
            && said("expected=http://")
            && said("setting=csrf.trusted_origins"),
        "{events:?}"
    );
}

// F20: text that cannot be seen is none
#[test]
fn f20_invisible_text_is_empty() {
    use palisade::forms::{Field, Line, Text, Username};
    for text in [
        "\u{200b}",
        "\u{2060}\u{200d}",
        "\u{3164}",
        "\u{ad}",
        "\u{2800}",
        "\u{200e}\u{200f}",
        "\u{feff}",
        " \u{a0}\u{3000}",
        "\u{115f}\u{ffa0}",
    ] {
        assert!(
            Line::<100>::parse(Some(text)).is_err() && Text::<100>::parse(Some(text)).is_err(),
            "{text:?}"
        );
        assert!(
            Username::parse(Some(text)).is_err()
                && Username::parse(Some(&format!("ann{text}")))
                    .is_err_and(|_| !text.trim().is_empty())
                    | text.trim().is_empty(),
            "{text:?}"
        );
    }
    for text in ["👩\u{200d}💻", "می\u{200c}خواهم", "a\u{ad}b"] {
        assert!(Line::<100>::parse(Some(text)).is_ok(), "{text:?}");
    }
}

// F22: the keep-alive timeout does not depend on the header timeout
#[tokio::test]
async fn f22_keep_alive_is_what_the_setting_says() {
    let served = Served::start(&[
        ("server.keep_alive_secs", "1"),
        ("server.header_timeout_secs", "600"),
    ])
    .await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let ended = timeout(Duration::from_secs(60), stream.read_to_string(&mut answer)).await;
    assert!(
        ended.is_ok() && answer.starts_with("HTTP/1.1 200"),
        "closed long before the time of headers"
    );
}

// F23: the redirect leads to the port of the HTTPS listener; behind a proxy or NAT that maps ports, to the default one
#[tokio::test]
async fn f23_redirects_keep_the_port() {
    let authority = crate::tls::Authority::new();
    let (_site, url, plain) = authority
        .serve_with_redirect(&[("http.https_redirect", "true")])
        .await;
    let port = url.rsplit(':').next().unwrap().to_owned();
    for (host, location) in [
        (
            format!("localhost:{}", plain.port()),
            format!("https://localhost:{port}/x"),
        ),
        ("localhost".to_owned(), "https://localhost/x".to_owned()),
    ] {
        let mut stream = tokio::net::TcpStream::connect(plain).await.unwrap();
        stream
            .write_all(
                format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .await
            .unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(
            answer.contains(&format!("location: {location}\r\n")),
            "{host}: {answer}"
        );
    }
}

// F17: a form that arrives after its session has ended
#[tokio::test]
async fn f17_a_form_after_the_end_of_its_session_leads_back() {
    let site = TestSite::start(app(), &[("sessions.idle_secs", "60")]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    site.clock().advance(chrono::TimeDelta::seconds(61));
    let token = ann.get("/account/login").await.token().unwrap();
    for (referer, next) in [
        (
            "http://localhost/account/email?x=1",
            "%2Faccount%2Femail%3Fx%3D1",
        ),
        ("http://evil.example/account/email", ""),
        ("http://localhost//evil.example", "%2F%2Fevil.example"),
    ] {
        let request = ann
            .request(http::Method::POST, "/account/email")
            .header("origin", "http://localhost")
            .header("referer", referer);
        let answer = ann
            .form(
                request,
                &[
                    ("email", "new@example.org"),
                    ("csrfmiddlewaretoken", &token),
                ],
            )
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(
            answer.header("location"),
            format!("/account/login?lost=on&next={next}")
        );
        let page = ann.get(answer.header("location")).await;
        assert!(
            page.body.contains("its input is lost") && !page.body.contains("evil.example"),
            "{}",
            page.body
        );
    }
}

// People: an error page is a page of the site for a user who is signed in, whose way out works; a stranger, or a site in trouble, gets the plain one
#[tokio::test]
async fn error_pages_of_signed_in_users_keep_the_navigation() {
    let site = TestSite::start(app(), &[]).await;
    let (mut ann, mut stranger) = (site.client(), site.client());
    ann.sign_up("ann").await;
    let navigation = "<nav aria-label=\"Main\">";
    for (path, status) in [
        ("/nowhere", 404),
        ("/staff", 404),
        ("/work", 403),
        ("/bug", 500),
        ("/panic", 500),
    ] {
        let (hers, theirs) = (ann.get(path).await, stranger.get(path).await);
        assert_eq!(hers.status.as_u16(), status, "{path}");
        let is_known = status < 500;
        assert_eq!(
            hers.body.contains(navigation) && hers.body.contains(">ann</a>"),
            is_known,
            "{path}: {}",
            hers.body
        );
        assert!(!theirs.body.contains(navigation), "{path}: {}", theirs.body);
        assert!(
            !is_known || hers.header("cache-control").contains("no-store"),
            "{path}: {}",
            hers.header("cache-control")
        );
        assert!(hers.body.contains(hers.header("x-request-id")));
    }
    // a message waits for a page that its reader looks at
    let refused = ann.post("/notes", &[("title", "x")]).await;
    assert!(
        refused.status == StatusCode::FORBIDDEN && refused.body.contains(navigation),
        "{}",
        refused.body
    );
    // the form of the error page itself
    let token = ann.get("/nowhere").await.token().unwrap();
    let out = ann
        .post("/account/logout", &[("csrfmiddlewaretoken", &token)])
        .await;
    assert_eq!(
        (out.status, out.header("location")),
        (StatusCode::SEE_OTHER, "/")
    );
    assert!(!ann.get("/nowhere").await.body.contains(navigation));
    // a database that does not answer is not waited for twice
    ann.log_in("ann", "correct horse battery staple").await;
    site.site().database().close().await.unwrap();
    assert_eq!(ann.get("/nowhere").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        ann.get("/mine").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

// a site's base.html that needs more than an error page has: the plain page, and a line in the log
#[tokio::test]
async fn an_error_page_survives_a_base_that_needs_more() {
    let base = "{% extends \"palisade/skeleton.html\" %}{% block nav %}{% if user %}{{ cart.total }}{% endif %}{% endblock %}";
    let site = TestSite::start(
        app().templates(palisade::template::Layer::embedded(&[("base.html", base)])),
        &[],
    )
    .await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let answer = ann.get("/nowhere").await;
    assert!(
        answer.status == StatusCode::NOT_FOUND && answer.body.contains("This page does not exist."),
        "{}",
        answer.body
    );
    let logged = answer.events();
    assert!(
        logged.iter().any(
            |line| line.contains("cannot be rendered with the navigation") && line.contains("cart")
        ),
        "{logged:?}"
    );
}

// M2: an address is as good as a name, for the limits, too
#[tokio::test]
async fn m02_login_by_confirmed_address() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("ann").await;
    assert_eq!(
        site.client()
            .log_in("ANN@example.org", "correct horse battery staple")
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    // guesses at an address are counted the same for known and unknown ones, ignoring case, and separately from those at the name
    for address in ["ann@example.org", "nobody@example.org"] {
        for guess in 0..5 {
            let typed = if guess % 2 == 0 {
                address.to_uppercase()
            } else {
                address.to_owned()
            };
            assert_eq!(
                site.client().log_in(&typed, "wrong").await.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{typed}"
            );
        }
        assert_eq!(
            site.client()
                .log_in(address, "correct horse battery staple")
                .await
                .status,
            StatusCode::TOO_MANY_REQUESTS,
            "{address}"
        );
    }
    assert_eq!(
        site.client()
            .log_in("ann", "correct horse battery staple")
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    // a stranger cannot take an address for a name
    let fields = [
        ("username", "bob@example.org"),
        ("email", "eve@example.org"),
        ("password", "correct horse battery staple"),
        ("password_again", "correct horse battery staple"),
    ];
    let eve = site
        .client()
        .submit("/account/signup", "/account/signup", &fields)
        .await;
    assert!(
        eve.status == StatusCode::UNPROCESSABLE_ENTITY && eve.body.contains("your own address"),
        "{}",
        eve.body
    );
}

// M4: one password, written in several ways by several keyboards
#[tokio::test]
async fn m04_passwords_in_every_unicode_form() {
    use palisade::auth::HashPool;
    let hasher = palisade_password::Hasher::new(palisade_password::Algorithm::Pbkdf2Sha256 {
        iterations: 1000,
    });
    let pool = HashPool::new(hasher.clone(), 1, 8);
    let (composed, decomposed) = ("caf\u{e9} und Cr\u{e8}me", "cafe\u{301} und Cre\u{300}me");
    for stored in [composed, decomposed] {
        // as Django stores them, and as this site does
        for encoded in [
            hasher.hash(stored),
            pool.hash(stored.to_owned()).await.unwrap(),
        ] {
            for typed in [composed, decomposed] {
                assert!(
                    pool.verify(typed.to_owned(), Some(encoded.clone()))
                        .await
                        .unwrap()
                        .is_match(),
                    "{stored:?} {typed:?}"
                );
            }
            assert!(
                !pool
                    .verify("cafe und Creme".to_owned(), Some(encoded))
                    .await
                    .unwrap()
                    .is_match()
            );
        }
    }
}

// M12, M13: a platform's port, and cookies of several sites on one machine
#[tokio::test]
async fn m12_m13_ports() {
    let address = |variables: &[(&str, &str)]| {
        let mut sources = Sources::none();
        sources.add_environment(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        palisade::app::SiteSettings::read(sources)
            .unwrap()
            .server
            .address
            .to_string()
    };
    assert_eq!(
        address(&[("PORT", "8212"), ("PALISADE_PROFILE", "production")]),
        "0.0.0.0:8212"
    );
    assert_eq!(
        address(&[("PORT", "8212"), ("PALISADE_PROFILE", "development")]),
        "127.0.0.1:8212"
    );
    assert_eq!(
        address(&[
            ("PORT", "8212"),
            ("PALISADE_SERVER__ADDRESS", "10.0.0.1:80")
        ]),
        "10.0.0.1:80"
    );
    let mut sources = Sources::none();
    sources.add_toml(
        "[server]\naddress = \"127.0.0.1:8000\"\n",
        Path::new("palisade.toml"),
    );
    sources.add_environment([("PORT".to_owned(), "3000".to_owned())].into_iter());
    let named = palisade::app::SiteSettings::read(sources)
        .unwrap()
        .server
        .address
        .to_string();
    assert_eq!(named, "127.0.0.1:8000", "what the operator has named");
    assert!(refusal_of_setting("server.port", "0").contains("1 to 65535"));
    let site = TestSite::start(app(), &[("server.address", "127.0.0.1:8001")]).await;
    let login = site.client().get("/account/login").await;
    let cookies: Vec<_> = login
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|line| line.to_str().unwrap().to_owned())
        .collect();
    assert!(
        !cookies.is_empty()
            && cookies
                .iter()
                .all(|cookie| cookie.split('=').next().unwrap().ends_with("_8001")),
        "{cookies:?}"
    );
    let mut ann = site.client();
    ann.sign_up("ann").await;
    assert_eq!(ann.get("/account/sessions").await.status, StatusCode::OK);
}

// M20, M21: a second tab, and a second click
#[tokio::test]
async fn m20_m21_no_error_for_who_is_signed_in() {
    let site = TestSite::start(app(), &[]).await;
    site.client().sign_up("ann").await;
    let mut ann = site.client();
    let old = ann.get("/account/login").await.token().unwrap();
    ann.log_in("ann", "correct horse battery staple").await;
    let request = ann
        .request(http::Method::POST, "/account/login")
        .header("origin", "http://localhost");
    let again = ann
        .form(
            request,
            &[
                ("username", "ann"),
                ("password", "correct horse battery staple"),
                ("csrfmiddlewaretoken", &old),
            ],
        )
        .await;
    assert_eq!(
        (again.status, again.header("location")),
        (StatusCode::SEE_OTHER, "/account/login?entered=on")
    );
    assert_eq!(
        ann.get("/account/login?entered=on")
            .await
            .header("location"),
        "/"
    );
    assert_eq!(
        site.client().get("/account/login?entered=on").await.status,
        StatusCode::OK,
        "others log in"
    );
    let request = ann
        .request(http::Method::POST, "/account/email")
        .header("origin", "http://localhost");
    assert_eq!(
        ann.form(
            request,
            &[("email", "x@example.org"), ("csrfmiddlewaretoken", &old)]
        )
        .await
        .status,
        StatusCode::FORBIDDEN,
        "nothing else"
    );
}

// M10, M15: host and request id from a trusted proxy, where enabled, and from no other client
#[tokio::test]
async fn m10_m15_hosts_and_names_of_requests_from_proxies() {
    let on = [
        ("http.trusted_proxies", "127.0.0.1"),
        ("http.forwarded_host", "true"),
        ("http.forwarded_request_id", "true"),
    ];
    let none = &[("http.trusted_proxies", "127.0.0.1")][..];
    let foreign = &[("http.trusted_proxies", "10.0.0.1"), on[1], on[2]][..];
    for (settings, host, forwarded, status) in [
        (&on[..], "backend:8000", "localhost", "200"),
        (&on[..], "backend:8000", "evil.example, localhost", "200"),
        (&on[..], "localhost", "evil.example", "400"),
        (none, "localhost", "evil.example", "200"),
        (none, "backend:8000", "localhost", "400"),
        (foreign, "backend:8000", "localhost", "400"),
        (foreign, "localhost", "evil.example", "200"),
    ] {
        let served = Served::start(settings).await;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: {forwarded}\r\nX-Request-ID: trace-0123456789\r\nConnection: close\r\n\r\n"
        );
        let answer = served.raw(request.as_bytes()).await;
        assert!(
            answer.split(' ').nth(1) == Some(status),
            "{settings:?} {host} {forwarded}: {answer}"
        );
        assert_eq!(
            answer.contains("x-request-id: trace-0123456789"),
            settings == &on[..],
            "{answer}"
        );
    }
    let served = Served::start(&on).await;
    for bad in [
        "short",
        "a b c d e f g",
        "\"><script>alert(1)",
        &"x".repeat(65),
    ] {
        let answer = served
            .raw(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {bad}\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        assert!(!answer.contains(bad), "{bad}: {answer}");
    }
}
