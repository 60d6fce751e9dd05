#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::http::Scheme;
use crate::settings::Profile;
use crate::testing::vectors;
use http::HeaderMap;
use serde_json::Value;

/// Django's settings as ours, starting from Django's defaults. `None` where we cannot be made that
/// weak.
fn translated(django: &Value) -> Option<HeaderSettings> {
    let mut ours = HeaderSettings {
        hsts_secs: 0,
        hsts_include_subdomains: false,
        ..HeaderSettings::default()
    };
    for (key, value) in django.as_object().unwrap() {
        match key.as_str() {
            "SECURE_HSTS_SECONDS" => ours.hsts_secs = value.as_u64().unwrap(),
            "SECURE_HSTS_INCLUDE_SUBDOMAINS" => {
                ours.hsts_include_subdomains = value.as_bool().unwrap()
            }
            "SECURE_HSTS_PRELOAD" => ours.hsts_preload = value.as_bool().unwrap(),
            // a value that no browser knows is refused at the start, so no header of ours can have
            // it
            "SECURE_REFERRER_POLICY" => ours.referrer_policy = words(value)?.parse().ok()?,
            "SECURE_CROSS_ORIGIN_OPENER_POLICY" => {
                ours.opener_policy = words(value)?.parse().ok()?
            }
            "X_FRAME_OPTIONS" => ours.frames = words(value)?.parse().ok()?,
            "SECURE_CONTENT_TYPE_NOSNIFF" if value == false => return None,
            _ => {}
        }
    }
    Some(ours)
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::Array(list) => Some(
            list.iter()
                .map(|item| item.as_str().unwrap())
                .collect::<Vec<_>>()
                .join(","),
        ),
        value => value.as_str().map(str::to_owned),
    }
}

/// Headers that Django has as well. Status and Location of redirects are tested where redirects are
/// made, in `app`.
const SHARED: [&str; 5] = [
    "x-frame-options",
    "strict-transport-security",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
];

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
        SecurityHeaders::new(&settings, Profile::Production).apply(
            &mut headers,
            "nonce",
            match case["secure"].as_bool().unwrap() {
                true => Scheme::Https,
                false => Scheme::Http,
            },
            None,
        );
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
        assert!(
            policy.split("; ").any(|directive| directive == part),
            "{part} in {policy}"
        );
    }
    assert!(!policy.contains("unsafe"));
}

// ASVS 3.4.1
#[test]
fn defaults_of_production_are_strict() {
    let mut headers = HeaderMap::new();
    SecurityHeaders::new(&HeaderSettings::default(), Profile::Production).apply(
        &mut headers,
        "n",
        Scheme::Https,
        None,
    );
    assert_eq!(
        headers["strict-transport-security"],
        "max-age=31536000; includeSubDomains"
    );
    assert!(
        crate::checks::run(CHECKS, &HeaderSettings::default())
            .iter()
            .all(|finding| finding.level == crate::checks::Level::Info)
    );
}

/// A policy as Django's settings write it.
fn built(directives: &Value) -> ContentSecurityPolicy {
    let source = |text: &str| match text {
        "'none'" => Source::NOTHING,
        "<CSP_NONCE_SENTINEL>" => Source::NONCE,
        text => Source::text(text),
    };
    directives.as_object().unwrap().iter().fold(
        ContentSecurityPolicy::empty(),
        |policy, (name, value)| {
            let directive = *Directive::ALL
                .iter()
                .find(|directive| directive.name() == name)
                .unwrap();
            let sources = match value {
                Value::Array(list) => list
                    .iter()
                    .map(|text| source(text.as_str().unwrap()))
                    .collect(),
                Value::String(text) => vec![source(text)],
                _ => Vec::new(),
            };
            policy.set(directive, sources)
        },
    )
}

/// Without a nonce Django omits a directive that has no other source, so that `default-src`
/// applies, which allows more. Here it becomes `'none'`.
fn is_stricter_without_nonce(case: &Value, directive: &str) -> bool {
    let sources = &case["directives"][directive.split(' ').next().unwrap()];
    let only_nonce = match sources {
        Value::Array(list) => {
            !list.is_empty() && list.iter().all(|source| source == "<CSP_NONCE_SENTINEL>")
        }
        source => source == "<CSP_NONCE_SENTINEL>",
    };
    case["nonce"].as_str().unwrap_or_default().is_empty() && only_nonce
}

// F058
#[test]
fn csp_vectors() {
    let (mut seen, mut stricter) = (0, 0);
    for case in vectors::cases("csp.json") {
        let text = built(&case["directives"]).text(case["nonce"].as_str().unwrap_or_default());
        let (closed, others): (Vec<&str>, Vec<&str>) = text
            .split("; ")
            .partition(|directive| is_stricter_without_nonce(&case, directive));
        assert!(
            closed
                .iter()
                .all(|directive| directive.ends_with(" 'none'")),
            "{case}: {text}"
        );
        assert_eq!(
            others.join("; "),
            case["header"].as_str().unwrap(),
            "{case}"
        );
        seen += 1;
        stricter += usize::from(!closed.is_empty());
    }
    println!("csp.json: {seen} cases, {stricter} knowingly stricter");
    assert!(seen > 0);
}

// F058: a directive without sources allows nothing
#[test]
fn a_directive_with_nothing_but_a_nonce_is_closed_without_one() {
    let policy = ContentSecurityPolicy::empty()
        .allow(Directive::DefaultSrc, Source::own())
        .allow(Directive::ScriptSrc, Source::NONCE)
        .set(Directive::UpgradeInsecureRequests, Vec::new());
    assert_eq!(
        policy.text("n"),
        "default-src 'self'; script-src 'nonce-n'; upgrade-insecure-requests"
    );
    assert_eq!(
        policy.text(""),
        "default-src 'self'; script-src 'none'; upgrade-insecure-requests"
    );
}

// F058, V3.4.3
#[test]
fn policies_are_changed_by_type() {
    let cdn = Source::origin("https://cdn.example.org").unwrap();
    let policy = ContentSecurityPolicy::strict()
        .allow(Directive::ImgSrc, cdn.clone())
        .allow(Directive::ImgSrc, cdn.clone());
    let policy = policy
        .allow(Directive::FrameSrc, cdn)
        .set(Directive::FontSrc, vec![])
        .allow(Directive::ObjectSrc, Source::own());
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
    for allowed in [
        "https://*.example.org",
        "https://a.example:8443",
        "http://localhost:3000",
    ] {
        assert!(Source::origin(allowed).is_some(), "{allowed}");
    }
    assert!(
        Source::scheme("data:").is_some()
            && Source::scheme("https:").is_none()
            && Source::scheme("javascript:").is_none()
    );
}

#[test]
fn code_never_comes_from_a_whole_scheme() {
    let data = Source::scheme("data:").unwrap();
    assert!(
        ContentSecurityPolicy::strict()
            .allow(Directive::ImgSrc, data.clone())
            .text("n")
            .contains("img-src 'self' data:")
    );
    for directive in [
        Directive::ScriptSrc,
        Directive::DefaultSrc,
        Directive::ObjectSrc,
        Directive::WorkerSrc,
        Directive::BaseUri,
    ] {
        let source = data.clone();
        assert!(
            std::panic::catch_unwind(|| ContentSecurityPolicy::strict().allow(directive, source))
                .is_err(),
            "{directive:?}"
        );
        let source = data.clone();
        assert!(
            std::panic::catch_unwind(
                || ContentSecurityPolicy::strict().set(directive, vec![source])
            )
            .is_err(),
            "{directive:?}"
        );
    }
}

/// Today's HSTS header of a site configured by these settings.
fn hsts_today(settings: HeaderSettings) -> String {
    let mut headers = HeaderMap::new();
    SecurityHeaders::new(&settings, Profile::Production).apply(
        &mut headers,
        "n",
        Scheme::Https,
        None,
    );
    headers["strict-transport-security"]
        .to_str()
        .unwrap()
        .to_owned()
}

// F007
#[test]
fn hsts_goes_up_in_steps_where_a_site_wants_it() {
    let begun = |days_ago: i64| {
        let first = chrono::Utc::now().date_naive() - chrono::TimeDelta::days(days_ago);
        HeaderSettings {
            hsts_ramp_from: Some(first),
            ..HeaderSettings::default()
        }
    };
    for (days_ago, secs) in [
        (-3, 3600),
        (0, 3600),
        (1, 86_400),
        (6, 86_400),
        (7, 604_800),
        (29, 604_800),
        (30, 2_592_000),
        (89, 2_592_000),
        (90, 31_536_000),
        (4000, 31_536_000),
    ] {
        assert_eq!(
            hsts_today(begun(days_ago)),
            format!("max-age={secs}; includeSubDomains"),
            "{days_ago} days ago"
        );
    }
    let short = HeaderSettings {
        hsts_secs: 600,
        ..begun(40)
    };
    assert_eq!(
        hsts_today(short),
        "max-age=600; includeSubDomains",
        "never more than the settings say"
    );
    let last = HeaderSettings {
        hsts_ramp_from: Some(chrono::NaiveDate::MAX),
        ..HeaderSettings::default()
    };
    assert_eq!(hsts_today(last), "max-age=3600; includeSubDomains");
}

// F007: the requirements of hstspreload.org
#[test]
fn a_site_that_the_browsers_list_would_refuse_is_told() {
    let refused = |settings: HeaderSettings| {
        crate::checks::run(CHECKS, &settings)
            .iter()
            .any(|finding| finding.id == "headers.hsts_preload_refused")
    };
    let listed = HeaderSettings {
        hsts_preload: true,
        ..HeaderSettings::default()
    };
    assert!(!refused(listed.clone()) && !refused(HeaderSettings::default()));
    assert_eq!(
        hsts_today(listed.clone()),
        "max-age=31536000; includeSubDomains; preload"
    );
    assert!(refused(HeaderSettings {
        hsts_secs: 86_400,
        ..listed.clone()
    }));
    assert!(refused(HeaderSettings {
        hsts_include_subdomains: false,
        ..listed.clone()
    }));
    assert!(refused(HeaderSettings {
        hsts_ramp_from: Some(chrono::Utc::now().date_naive()),
        ..listed
    }));
}
