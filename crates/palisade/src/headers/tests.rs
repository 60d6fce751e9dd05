#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::testing::vectors;
use http::HeaderMap;
use serde_json::Value;

/// Django's settings in our words, starting from Django's defaults. `None` where we cannot be made that weak.
fn translated(django: &Value) -> Option<HeaderSettings> {
    let mut ours = HeaderSettings { hsts_secs: 0, hsts_include_subdomains: false, ..HeaderSettings::default() };
    for (key, value) in django.as_object().unwrap() {
        match key.as_str() {
            "SECURE_HSTS_SECONDS" => ours.hsts_secs = value.as_u64().unwrap(),
            "SECURE_HSTS_INCLUDE_SUBDOMAINS" => ours.hsts_include_subdomains = value.as_bool().unwrap(),
            "SECURE_HSTS_PRELOAD" => ours.hsts_preload = value.as_bool().unwrap(),
            "SECURE_REFERRER_POLICY" => ours.referrer_policy = words(value)?.parse().unwrap(),
            "SECURE_CROSS_ORIGIN_OPENER_POLICY" => ours.opener_policy = words(value)?.parse().unwrap(),
            "X_FRAME_OPTIONS" => ours.frames = words(value)?.parse().unwrap(),
            "SECURE_CONTENT_TYPE_NOSNIFF" if value == false => return None,
            _ => {}
        }
    }
    Some(ours)
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::Array(list) => Some(list.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join(",")),
        value => value.as_str().map(str::to_owned),
    }
}

/// Headers that Django has as well. Status and Location of redirects are judged where redirects are made, in `app`.
const SHARED: [&str; 5] =
    ["x-frame-options", "strict-transport-security", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy"];

// F007, F058 to F063
#[test]
fn security_headers_vectors() {
    let mut stricter = 0;
    for case in vectors::cases("security_headers.json") {
        let Some(settings) = translated(&case["settings"]) else {
            stricter += 1; // the header is off there and cannot be switched off here
            continue;
        };
        let mut headers = HeaderMap::new();
        SecurityHeaders::new(&settings, false).apply(&mut headers, "nonce", case["secure"].as_bool().unwrap(), None);
        let is_redirect = case["status"] == 301;
        for name in SHARED {
            // Django's redirects carry no X-Frame-Options; ours do
            if is_redirect && name == "x-frame-options" {
                continue;
            }
            let ours = headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(ours, case["headers"][name].as_str(), "{name} of {case}");
        }
    }
    println!("{stricter} cases switch off what cannot be switched off here");
}

// F058, ASVS 3.4.3, 1.3.2
#[test]
fn the_policy_starts_from_nothing() {
    let policy = ContentSecurityPolicy::strict().text("abc");
    for part in [
        "default-src 'none'",
        "script-src 'nonce-abc' 'strict-dynamic'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|directive| directive == part), "{part} in {policy}");
    }
    assert!(!policy.contains("unsafe"));
}

// ASVS 3.4.1
#[test]
fn defaults_of_production_are_strict() {
    let mut headers = HeaderMap::new();
    SecurityHeaders::new(&HeaderSettings::default(), false).apply(&mut headers, "n", true, None);
    assert_eq!(headers["strict-transport-security"], "max-age=31536000; includeSubDomains");
    assert!(
        crate::checks::run(CHECKS, &HeaderSettings::default()).iter().all(|finding| finding.level == crate::checks::Level::Info)
    );
}

/// A policy as Django's settings write it.
fn built(directives: &Value) -> ContentSecurityPolicy {
    let source = |text: &str| match text {
        "'none'" => Source::NOTHING,
        "<CSP_NONCE_SENTINEL>" => Source::NONCE,
        text => Source::text(text),
    };
    directives.as_object().unwrap().iter().fold(ContentSecurityPolicy::empty(), |policy, (name, value)| {
        let directive = *Directive::ALL.iter().find(|directive| directive.name() == name).unwrap();
        let sources = match value {
            Value::Array(list) => list.iter().map(|text| source(text.as_str().unwrap())).collect(),
            Value::String(text) => vec![source(text)],
            _ => Vec::new(),
        };
        policy.set(directive, sources)
    })
}

// F058
#[test]
fn csp_vectors() {
    let mut seen = 0;
    for case in vectors::cases("csp.json") {
        let text = built(&case["directives"]).text(case["nonce"].as_str().unwrap_or_default());
        assert_eq!(text, case["header"].as_str().unwrap(), "{case}");
        seen += 1;
    }
    println!("csp.json: {seen} cases");
    assert!(seen > 0);
}

// F058, V3.4.3
#[test]
fn policies_are_changed_by_type() {
    let cdn = Source::origin("https://cdn.example.org").unwrap();
    let policy = ContentSecurityPolicy::strict().allow(Directive::ImgSrc, cdn.clone()).allow(Directive::ImgSrc, cdn.clone());
    let policy = policy.allow(Directive::FrameSrc, cdn).set(Directive::FontSrc, vec![]).allow(Directive::ObjectSrc, Source::own());
    let policy = policy.allow(Directive::ScriptSrc, Source::hash_of("start()"));
    let text = policy.text("n");
    for expected in [
        "img-src 'self' https://cdn.example.org;",
        "object-src 'self';",
        "script-src 'nonce-n' 'strict-dynamic' 'sha256-",
        "; frame-src https://cdn.example.org",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("font-src") && text.starts_with("default-src 'none'; "));
    for refused in [
        "*",
        "https:",
        "http://cdn.example.org",
        "https://cdn.example.org/path",
        "https://a b",
        "https://a;script-src *",
        "'unsafe-inline'",
        "https://a,b",
        "javascript:",
        "https://user@a.example",
        "",
        "https://*",
        "https://*.com",
        "http://localhost.evil.example",
        "//a.example",
    ] {
        assert_eq!(Source::origin(refused), None, "{refused}");
    }
    for allowed in ["https://*.example.org", "https://a.example:8443", "http://localhost:3000"] {
        assert!(Source::origin(allowed).is_some(), "{allowed}");
    }
    assert!(Source::scheme("data:").is_some() && Source::scheme("https:").is_none() && Source::scheme("javascript:").is_none());
}

#[test]
fn code_never_comes_from_a_whole_scheme() {
    let data = Source::scheme("data:").unwrap();
    assert!(ContentSecurityPolicy::strict().allow(Directive::ImgSrc, data.clone()).text("n").contains("img-src 'self' data:"));
    for directive in [Directive::ScriptSrc, Directive::DefaultSrc, Directive::ObjectSrc, Directive::WorkerSrc, Directive::BaseUri] {
        let source = data.clone();
        assert!(std::panic::catch_unwind(|| ContentSecurityPolicy::strict().allow(directive, source)).is_err(), "{directive:?}");
        let source = data.clone();
        assert!(
            std::panic::catch_unwind(|| ContentSecurityPolicy::strict().set(directive, vec![source])).is_err(),
            "{directive:?}"
        );
    }
}
