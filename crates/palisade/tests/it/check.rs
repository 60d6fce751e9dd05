//! Settings, checks and refusals to start.

use crate::site::app;
use palisade::app::{App, BootError, KeyFile, Prepared, Routes};
use palisade::checks::{Level, Report};
use palisade::prelude::{can, public};
use palisade::settings::{Origin, Sources};
use palisade::testing::{TestSite, vectors};
use serde_json::Value;

const KEY: &str = "kzuZ8QmW2vXcE5rT7yUiO9pAsDfGhJkL3nBvCxMz1qWeRtYuIoP0aSdF";

/// A production that has no finding at all.
const CLEAN: [(&str, &str); 5] = [
    ("profile", "production"),
    ("http.allowed_hosts", "desk.example.org"),
    ("http.trusted_proxies", "127.0.0.1/32"),
    ("keys.secret", KEY),
    ("headers.hsts_preload", "true"),
];

fn report(settings: &[(&str, &str)]) -> Report {
    report_of(App::new(), settings)
}

fn report_of(app: App, settings: &[(&str, &str)]) -> Report {
    let mut sources = Sources::none();
    for (key, value) in settings {
        sources.set(key, *value, Origin::CommandLine("test"));
    }
    Prepared::new(app, sources).map_or_else(
        |error| Report::unreadable(&error),
        |prepared| prepared.report(),
    )
}

/// Django's settings in our words. `None` for a case with a setting that cannot exist here, such as one of a middleware.
fn translated(django: &Value) -> Option<Vec<(&'static str, String)>> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let list = |value: &Value| {
        value.as_array().map_or_else(
            || text(value),
            |items| items.iter().map(text).collect::<Vec<_>>().join(","),
        )
    };
    let translate = |(key, value): (&String, &Value)| {
        Some(match key.as_str() {
            "DEBUG" => (
                "profile",
                if value == true {
                    "development"
                } else {
                    "production"
                }
                .to_owned(),
            ),
            "SECRET_KEY" => ("keys.secret", text(value)),
            "SECRET_KEY_FALLBACKS" => ("keys.fallbacks", list(value)),
            "ALLOWED_HOSTS" => ("http.allowed_hosts", list(value)),
            "SECURE_SSL_REDIRECT" => ("http.https_redirect", text(value)),
            "SECURE_HSTS_SECONDS" => ("headers.hsts_secs", text(value)),
            "SECURE_HSTS_INCLUDE_SUBDOMAINS" => ("headers.hsts_include_subdomains", text(value)),
            "SECURE_HSTS_PRELOAD" => ("headers.hsts_preload", text(value)),
            "SESSION_COOKIE_SECURE" => ("sessions.cookie_secure", text(value)),
            "CSRF_COOKIE_SECURE" => ("csrf.cookie_secure", text(value)),
            "SECURE_CONTENT_TYPE_NOSNIFF" => ("headers.nosniff", text(value)),
            "X_FRAME_OPTIONS" => ("headers.frames", text(value)),
            // what browsers do without the header, or did until lately
            "SECURE_REFERRER_POLICY" if value.is_null() => (
                "headers.referrer_policy",
                "no-referrer-when-downgrade".into(),
            ),
            "SECURE_REFERRER_POLICY" => ("headers.referrer_policy", list(value)),
            "SECURE_CROSS_ORIGIN_OPENER_POLICY" if value.is_null() => {
                ("headers.opener_policy", "unsafe-none".into())
            }
            "SECURE_CROSS_ORIGIN_OPENER_POLICY" => ("headers.opener_policy", text(value)),
            "SECURE_SSL_HOST" => ("http.https_host", text(value)),
            "SESSION_COOKIE_HTTPONLY" => ("sessions.http_only", text(value)),
            "SESSION_COOKIE_SAMESITE" => ("sessions.same_site", text(value)),
            "CSRF_TRUSTED_ORIGINS" => ("csrf.trusted_origins", list(value)),
            _ => return None,
        })
    };
    django.as_object().unwrap().iter().map(translate).collect()
}

// F020; D17
#[test]
fn deploy_checks_vectors() {
    let mut skipped = 0;
    for case in vectors::cases("deploy_checks.json") {
        let Some(changed) = translated(&case["changed"]) else {
            skipped += 1;
            continue;
        };
        let changed: Vec<(&str, &str)> = changed
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        let found = report(&[&CLEAN[..], &changed].concat());
        let mut ids: Vec<&str> = found
            .findings
            .iter()
            .filter_map(|finding| finding.django)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        for expected in vectors::texts(&case, "ids") {
            assert!(ids.contains(&expected.as_str()), "{case}: {ids:?}");
        }
        if case["ids"].as_array().unwrap().is_empty() {
            assert!(ids.is_empty(), "{case}: {found}");
        }
        if changed.is_empty() {
            assert!(
                found.findings.is_empty(),
                "the clean production has no finding at all: {found}"
            );
        }
    }
    println!("{skipped} cases change what cannot be changed here");
}

// Django's security.W025: an old key that is weak verifies what an attacker signs
#[test]
fn a_weak_fallback_is_named() {
    let strong = "S".to_owned() + &KEY[1..];
    let rows = [
        (strong.clone(), None),
        ("short".into(), Some("fallback 1 ")),
        (
            format!("{strong},django-insecure-{KEY}"),
            Some("fallback 2 "),
        ),
    ];
    for (fallbacks, named) in rows {
        let found = report(&[&CLEAN[..], &[("keys.fallbacks", &fallbacks)]].concat());
        let finding = found
            .findings
            .iter()
            .find(|finding| finding.id == "keys.weak_fallback");
        assert_eq!(
            finding.map(|finding| (finding.level, finding.django)),
            named.map(|_| (Level::Error, Some("security.W025"))),
            "{found}"
        );
        assert!(
            finding.is_none_or(|finding| finding.title.contains(named.unwrap())
                && !finding.title.contains("short\""))
        );
        assert!(
            !found
                .findings
                .iter()
                .any(|finding| finding.id == "keys.weak"),
            "the key itself is strong: {found}"
        );
    }
}

// D31; F023, F025, F054, F070, F041
#[test]
fn what_django_lets_pass_is_found() {
    let rows = [
        (
            "every host",
            "http.allowed_hosts",
            "*",
            "http.hosts_wildcard",
        ),
        (
            "every .com",
            "http.allowed_hosts",
            ".com",
            "http.hosts_wildcard",
        ),
        ("MD5", "passwords.hasher", "md5", "passwords.weak_hasher"),
        (
            "no validators",
            "passwords.validators",
            "",
            "passwords.no_validators",
        ),
        (
            "escaping off",
            "templates.autoescape",
            "false",
            "settings.templates.autoescape",
        ),
        (
            "a wildcard origin",
            "csrf.trusted_origins",
            "https://*.com",
            "csrf.origin_too_wide",
        ),
        (
            "SameSite=None",
            "sessions.same_site",
            "none",
            "sessions.same_site_none",
        ),
    ];
    for (name, key, value, id) in rows {
        let found = report(&[&CLEAN[..], &[(key, value)]].concat());
        let finding = found.findings.iter().find(|finding| finding.id == id);
        assert!(
            finding.is_some_and(|finding| finding.level == Level::Error),
            "{name}: {found}"
        );
    }
}

// D08, D31; F009, F102, F103; ASVS 13.4.2, 12.2.1, 13.2.3
#[tokio::test]
async fn production_refuses_to_start_on_any_error() {
    let rows = [
        ("no key", ("keys.secret", ""), "keys.missing"),
        ("a weak key", ("keys.secret", "secret"), "keys.weak"),
        ("no host", ("http.allowed_hosts", ""), "http.hosts_missing"),
        (
            "plain HTTP",
            ("http.https_redirect", "false"),
            "http.https_redirect_off",
        ),
        (
            "no TLS",
            ("http.trusted_proxies", ""),
            "http.tls_not_terminated",
        ),
        (
            "the cookie over plain HTTP",
            ("sessions.cookie_secure", "false"),
            "sessions.cookie_insecure",
        ),
        (
            "short passwords",
            ("passwords.min_length", "7"),
            "passwords.too_short",
        ),
        (
            "postgres/postgres",
            (
                "database.url",
                "postgres://postgres:postgres@db.example.org/x",
            ),
            "database.default_password",
        ),
    ];
    for (name, setting, id) in rows {
        let refused = TestSite::try_start(
            App::new(),
            &[&CLEAN[..], &[("site.migrate_at_start", "true"), setting]].concat(),
        )
        .await;
        let Err(BootError::Refused(report)) = refused else {
            panic!("{name} must not start")
        };
        assert!(
            report.errors().any(|finding| finding.id == id
                && !finding.fix.is_empty()
                && !finding.why.is_empty()),
            "{name}: {report}"
        );
    }
    let pending = TestSite::try_start(App::new(), &CLEAN).await;
    assert!(
        matches!(pending, Err(BootError::Pending(_))),
        "a start does not migrate a production database"
    );
    assert!(
        TestSite::try_start(
            App::new(),
            &[&CLEAN[..], &[("site.migrate_at_start", "true")]].concat()
        )
        .await
        .is_ok()
    );
}

#[tokio::test]
async fn a_weakened_protection_is_listed_and_must_be_allowed_by_name() {
    let found = report_of(app(), &CLEAN);
    assert_eq!(found.ledger.len(), 1);
    assert_eq!(
        (found.ledger[0].name.as_str(), found.ledger[0].reason),
        ("without_csrf /hook", "signed by the sender; no cookies")
    );
    assert!(found.ledger[0].source.contains("tests/it/site.rs:"));
    assert!(
        found
            .errors()
            .any(|finding| finding.id == "site.dangerous_not_allowed")
    );
    let migrate = [("site.migrate_at_start", "true")];
    assert!(matches!(
        TestSite::try_start(app(), &[&CLEAN[..], &migrate].concat()).await,
        Err(BootError::Refused(_))
    ));
    let other = [("site.allow_dangerous", "without_csrf /other"), migrate[0]];
    assert!(
        matches!(
            TestSite::try_start(app(), &[&CLEAN[..], &other].concat()).await,
            Err(BootError::Refused(_))
        ),
        "another name"
    );
    let named = [("site.allow_dangerous", "without_csrf /hook"), migrate[0]];
    assert!(
        TestSite::try_start(app(), &[&CLEAN[..], &named].concat())
            .await
            .is_ok()
    );
}

// D17: what `check` says in development is what stops a start there, and nothing else
#[tokio::test]
async fn check_and_start_agree_in_development() {
    let weak = [("keys.secret", "abc")];
    let Err(BootError::Refused(refused)) = TestSite::try_start(App::new(), &weak).await else {
        panic!("a weak key must not start")
    };
    assert_eq!(refused.findings, report(&weak).for_start().findings);
    assert_eq!(
        refused
            .findings
            .iter()
            .map(|finding| finding.id.as_str())
            .collect::<Vec<_>>(),
        ["keys.weak"]
    );
}

#[tokio::test]
async fn an_unknown_permission_stops_the_start_in_every_profile() {
    let app = || App::new().routes(Routes::new().route("/", can("desk.misspelt").get(async || "")));
    let Err(BootError::Refused(report)) = TestSite::try_start(app(), &[]).await else {
        panic!("development must not start")
    };
    let finding = report
        .findings
        .iter()
        .find(|finding| finding.id == "permissions.unknown")
        .unwrap();
    assert!(finding.title.contains("desk.misspelt") && finding.fix.contains("permissions"));
}

// F098 to F101
#[test]
fn settings_come_in_a_documented_order_and_errors_name_everything() {
    let folder = std::env::temp_dir().join(format!(
        "palisade-settings-{}",
        palisade::crypto::random::nonce()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("palisade.toml"),
        "[sessions]\nidle_secs = 100\nabsolute_secs = 1000\n[passwords]\nmin_length = 14\n",
    )
    .unwrap();
    std::fs::write(
        folder.join(".env"),
        "PALISADE_SESSIONS__IDLE_SECS=200\nPALISADE_PASSWORDS__MIN_LENGTH=15\n",
    )
    .unwrap();
    let secret = folder.join("key");
    std::fs::write(&secret, format!("{KEY}\n")).unwrap();
    let mut sources = Sources::of_folder(&folder);
    let variables = [
        ("PALISADE_SESSIONS__IDLE_SECS", "300".to_owned()),
        ("SECRET_KEY_FILE", secret.display().to_string()),
        (
            "DATABASE_URL",
            "postgres://u:hunter2@127.0.0.1/x".to_owned(),
        ),
    ];
    sources.add_environment(
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    let prepared = Prepared::new(App::new().setting("site.home", "/home"), sources).unwrap();
    let settings = prepared.settings();
    assert_eq!(
        (
            settings.sessions.idle_secs.0,
            settings.sessions.absolute_secs.0,
            settings.passwords.min_length
        ),
        (300, 1000, 15)
    );
    assert_eq!(settings.site.home, "/home");
    let shown: Vec<String> = settings
        .effective
        .iter()
        .map(|setting| format!("{}={} from {}", setting.key, setting.value, setting.origin))
        .collect();
    let shown = shown.join("\n");
    for line in [
        "sessions.idle_secs=300 from environment, PALISADE_SESSIONS__IDLE_SECS",
        "passwords.min_length=15 from .env",
        "palisade.toml",
        "keys.secret=(secret) from ",
    ] {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }
    assert!(!shown.contains(KEY) && !shown.contains("hunter2"));
    std::fs::remove_dir_all(folder).unwrap();

    let rows = [
        ("sessions.idle_sec", "1", "did you mean sessions.idle_secs?"),
        (
            "sessions.idle_secs",
            "soon",
            "write a whole number of seconds",
        ),
        (
            "sessions.idle_secs",
            "0",
            "write a whole number of seconds, at least 1",
        ),
        ("headers.frames", "maybe", "write deny or sameorigin"),
        ("http.allowed_hosts", "https://x.org/", "write a list"),
        ("nonsense.key", "1", "`settings` lists every key"),
        (
            "profile",
            "prod",
            "write development, staging or production",
        ),
    ];
    for (key, value, fix) in rows {
        let mut sources = Sources::none();
        sources.set(key, value, Origin::Environment("THE_VARIABLE".into()));
        let error = Prepared::new(App::new(), sources)
            .err()
            .unwrap_or_else(|| panic!("{key}={value} must be an error"))
            .to_string();
        for part in [key, fix, "THE_VARIABLE"] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }
    let environment = |variables: &[(&str, &str)]| {
        let mut sources = Sources::none();
        sources.add_environment(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Prepared::new(App::new(), sources)
            .err()
            .map(|error| error.to_string())
    };
    let misspelt = [
        ("PALISADE_PROFIL", "production"),
        ("PALISADE_SESSIONS_IDLE_SECS", "5"),
    ];
    for (name, value) in misspelt {
        let error =
            environment(&[(name, value)]).unwrap_or_else(|| panic!("{name} must be an error"));
        assert!(
            error.contains(name) && error.contains("PALISADE_SECTION__KEY"),
            "{error}"
        );
    }
    let twice = environment(&[
        ("DATABASE_URL", "sqlite:a"),
        ("PALISADE_DATABASE__URL", "sqlite:b"),
    ])
    .unwrap();
    assert!(
        twice.contains("given twice, by DATABASE_URL and by PALISADE_DATABASE__URL"),
        "{twice}"
    );
    assert!(
        environment(&[("SECRET_KEY", KEY), ("SECRET_KEY_FILE", "/nowhere")])
            .unwrap()
            .contains("given twice")
    );
    assert!(
        environment(&[
            ("PALISADE_KEYS__FILE", "other.keys"),
            ("PALISADE_VECTORS", "x"),
            ("OTHER", "x")
        ])
        .is_none()
    );
    let mut sources = Sources::none();
    sources.set(
        "database.url",
        "mysql://root:hunter2@x/y",
        Origin::Environment("DATABASE_URL".into()),
    );
    let error = Prepared::new(App::new(), sources)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("database.url") && !error.contains("hunter2"),
        "{error}"
    );
    let mut sources = Sources::none();
    sources.add_toml(
        "answer = 42\n[http]\nmax_body_bytes = \"many\"\n",
        std::path::Path::new("palisade.toml"),
    );
    let error = Prepared::new(App::new(), sources)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("answer (palisade.toml)")
            && error.contains("http.max_body_bytes (palisade.toml): \"many\""),
        "{error}"
    );
}

// F102, D08
#[tokio::test]
async fn development_writes_its_own_key_for_its_owner_alone() {
    let site = TestSite::start(App::new(), &[]).await;
    let file = KeyFile::in_settings(site.site().settings());
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        file.path().metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        std::fs::read_to_string(file.path())
            .unwrap()
            .lines()
            .count(),
        1
    );
    std::fs::write(file.path(), [b"broken \xff\n".as_slice()].concat()).unwrap();
    assert!(
        file.add_key().is_err(),
        "what cannot be read is not replaced"
    );
    let refused = TestSite::try_start(
        App::new(),
        &[("keys.file", &file.path().display().to_string())],
    )
    .await;
    assert!(
        matches!(refused, Err(BootError::Refused(_))),
        "nor taken for missing"
    );
    std::fs::write(file.path(), format!("{KEY}\n")).unwrap();
    assert_eq!(file.add_key().unwrap(), 2, "keys rotate");
    let again = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(
        again.lines().map(str::len).collect::<Vec<_>>(),
        [64, KEY.len()]
    );
    assert_eq!(
        file.path().metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn the_list_of_routes_is_read_from_those_that_are_served() {
    let prepared = Prepared::new(app(), Sources::none()).unwrap();
    let table = prepared.routes().table();
    let line = |method: &str, path: &str| {
        table
            .iter()
            .find(|route| route.method == method && route.path == path)
            .unwrap_or_else(|| panic!("{method} {path}"))
    };
    assert_eq!(
        (
            line("POST", "/notes").access.as_str(),
            line("POST", "/notes").csrf
        ),
        ("public", "token")
    );
    assert_eq!(
        (
            line("GET", "/either").access.as_str(),
            line("GET", "/either").csrf
        ),
        ("(can test.work or staff)", "-")
    );
    assert_eq!(line("POST", "/hook").csrf, "OFF");
    assert!(
        line("GET", "/bug").source.contains("tests/it/site.rs:")
            && line("GET", "/bug").handler.ends_with("bug")
    );
    assert_eq!(line("GET", "/account/password").access, "signed in");
    let own = Routes::<()>::new()
        .route("/", public().get(async || ""))
        .nest(
            "/a",
            Routes::new()
                .route("/", public().get(async || ""))
                .route("/b", public().get(async || "")),
        );
    assert_eq!(
        own.table()
            .iter()
            .map(|route| route.path.as_str())
            .collect::<Vec<_>>(),
        ["/", "/a", "/a/b"]
    );
}

// links of templates are compared with the route table
#[test]
fn a_link_without_a_route_is_a_finding() {
    use palisade::template::Layer;
    let page = "<a href=\"/tikets/{{ id }}\">x</a>\n\
        <a href=\"/tickets/{{ id }}/edit?a={{ id }}#b\">x</a><a href=\"/tickets\">x</a>\n\
        <form method=\"post\" action=\"/tickets/{{ id }}/delet\"></form>\n\
        <a href=\"/account/login\">x</a><a href=\"/static/site.css\">x</a>\n\
        <a href=\"/{{ anything }}\">x</a><a href=\"//example.org/x\">x</a><a href=\"https://example.org/\">x</a>\n\
        <a href=\"/{% if id %}a{% endif %}\">x</a><a data-href=\"/x\" href=\"/tickets/{{ several }}\">x</a>\n\
        {# <a href=\"/old\"> \n #}<!-- <a href=\"/older\"> --><a href=\"/account/profile\">x</a>\n\
        <a\nhref=\"/last/{{ id }}/x\">x</a>";
    let routes = || {
        Routes::new()
            .route("/tickets", public().get(async || ""))
            .route("/tickets/{id}/edit", public().get(async || ""))
            .route("/tickets/{id}/delete", public().post(async || ""))
    };
    let app = || {
        App::new()
            .templates(Layer::embedded(&[("page.html", page)]))
            .routes(routes())
    };
    let found = report_of(app(), &CLEAN).to_string();
    for said in [
        "page.html:1 links to /tikets/{}, which no route handles",
        "page.html:3 links to /tickets/{}/delet, which no route handles",
        "page.html:10 links to /last/{}/x, which no route handles",
    ] {
        assert!(found.contains(said), "{said}: {found}");
    }
    assert_eq!(
        found.matches("which no route handles").count(),
        3,
        "{found}"
    );
    // in front of another site, paths are not known
    let upstream = [
        CLEAN.as_slice(),
        &[("django.upstream", "http://127.0.0.1:8001")],
    ]
    .concat();
    assert!(
        !report_of(app(), &upstream)
            .to_string()
            .contains("which no route handles")
    );
}
