//! Pairwise test of the security settings: for every pair of values, a login form works or `check` finds an error.

use http::{Method, StatusCode};
use palisade::app::SiteSettings;
use palisade::checks::Level;
use palisade::crypto::KeyRing;
use palisade::prelude::App;
use palisade::settings::{Origin, Sources};
use palisade::testing::TestSite;
use std::collections::BTreeSet;

/// Settings, and values of them; the first one is the default.
const SETTINGS: [(&str, &[&str]); 22] = [
    ("headers.hsts_secs", &["31536000", "0"]),
    ("headers.hsts_include_subdomains", &["true", "false"]),
    ("headers.hsts_preload", &["false", "true"]),
    ("headers.trusted_types", &["report", "off", "enforce"]),
    ("headers.frames", &["deny", "sameorigin"]),
    (
        "headers.referrer_policy",
        &[
            "same-origin",
            "no-referrer",
            "strict-origin",
            "strict-origin-when-cross-origin",
            "unsafe-url",
        ],
    ),
    (
        "headers.opener_policy",
        &["same-origin", "same-origin-allow-popups", "unsafe-none"],
    ),
    (
        "csrf.trusted_origins",
        &["", "https://partner.example", "https://*.desk.example.org"],
    ),
    ("csrf.cookie_secure", &["true", "false"]),
    ("sessions.store", &["database", "memory", "cookie"]),
    ("sessions.binding", &["note", "off", "ask", "end"]),
    ("sessions.expire_at_browser_close", &["true", "false"]),
    ("sessions.cookie_secure", &["true", "false"]),
    ("sessions.same_site", &["lax", "strict", "none"]),
    ("http.https_redirect", &["true", "false"]),
    ("passwords.hasher", &["argon2id", "pbkdf2_sha256"]),
    ("passwords.min_length", &["12", "8", "24"]),
    ("lockout.failures", &["5", "1"]),
    ("lockout.challenge_after", &["3", "0"]),
    ("mfa.require_for_all", &["false", "true"]),
    ("login.by_mail", &["false", "true"]),
    ("throttle.changes", &["1200/m", "60/m"]),
];

type Chosen = Vec<(&'static str, &'static str)>;

/// Whether `check` finds an error.
fn is_refused(chosen: &Chosen, key: &str) -> bool {
    let mut sources = Sources::none();
    let base = [
        ("profile", "production"),
        ("http.allowed_hosts", "desk.example.org"),
        ("http.trusted_proxies", "127.0.0.1"),
        ("keys.secret", key),
    ];
    for (name, value) in base.iter().chain(chosen) {
        sources.set(name, *value, Origin::CommandLine("test"));
    }
    let findings = SiteSettings::read(sources).unwrap().findings();
    findings.iter().any(|finding| finding.level == Level::Error)
}

/// Logs in by the form, as a browser would under the policy of the page.
async fn logs_in(chosen: &Chosen) -> bool {
    let site = TestSite::production(App::new(), chosen).await;
    site.client().sign_up("ann").await;
    let mut ann = site.client();
    let page = ann.get("/account/login").await;
    let origin = if page.header("referrer-policy").ends_with("no-referrer") {
        "null"
    } else {
        "https://desk.example.org"
    };
    let token = page.token().unwrap();
    let request = ann
        .request(Method::POST, "/account/login")
        .header("origin", origin)
        .header("sec-fetch-site", "same-origin");
    let fields = [
        ("username", "ann"),
        ("password", "correct horse battery staple"),
        ("csrfmiddlewaretoken", token.as_str()),
    ];
    let answer = ann.form(request, &fields).await;
    answer.status == StatusCode::SEE_OTHER
        && ann.get("/account/sessions").await.status != StatusCode::FORBIDDEN
}

/// Choices that hold every pair of values: greedily, each with the values that are in most pairs that are missing.
fn covering(settings: &[(&'static str, Vec<&'static str>)]) -> Vec<Chosen> {
    let mut missing = BTreeSet::new();
    for (at, (one, values)) in settings.iter().enumerate() {
        for (other, others) in &settings[at + 1..] {
            missing.extend(values.iter().flat_map(|value| {
                others
                    .iter()
                    .map(move |second| ((*one, *value), (*other, *second)))
            }));
        }
    }
    let mut all = Vec::new();
    while let Some((first, second)) = missing.iter().next().copied() {
        let mut chosen: Chosen = vec![first, second];
        for (name, values) in settings
            .iter()
            .filter(|(name, _)| ![first.0, second.0].contains(name))
        {
            let news = |value: &&&'static str| {
                let pair = |other: &(&'static str, &'static str)| {
                    missing.contains(&(*other, (*name, **value)))
                        || missing.contains(&((*name, **value), *other))
                };
                chosen.iter().filter(|other| pair(other)).count()
            };
            let best = *values.iter().max_by_key(news).unwrap();
            chosen.push((name, best));
        }
        missing.retain(|(one, other)| !(chosen.contains(one) && chosen.contains(other)));
        all.push(chosen);
    }
    all
}

#[tokio::test]
async fn every_pair_of_security_settings_works_or_is_refused() {
    let key = KeyRing::generate();
    let key = key.expose().as_str();
    let mut working = Vec::new();
    for (name, values) in SETTINGS {
        let mut fine = Vec::new();
        for value in values {
            let chosen = vec![(name, *value)];
            if !is_refused(&chosen, key) {
                assert!(
                    logs_in(&chosen).await,
                    "{name} = {value}: the form does not log in, and check says nothing"
                );
                fine.push(*value);
            }
        }
        assert!(fine.contains(&values[0]), "{name}: the default works");
        working.push((name, fine));
    }
    let choices = covering(&working);
    for chosen in &choices {
        assert!(
            is_refused(chosen, key) || logs_in(chosen).await,
            "{chosen:?}"
        );
    }
    assert!((4..60).contains(&choices.len()), "{}", choices.len());
}
