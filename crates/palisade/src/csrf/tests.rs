#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::http::{Origin, OriginPattern, Scheme};
use crate::testing::vectors;
use http::Method;
use serde_json::Value;

fn method(text: &str) -> Method {
    text.parse().unwrap()
}

/// Rows that Django accepts and we refuse, knowingly.
fn why_stricter(case: &Value) -> Option<&'static str> {
    let unsafe_method = !matches!(
        vectors::text(case, "method"),
        "GET" | "HEAD" | "OPTIONS" | "TRACE"
    );
    if unsafe_method && case["token"] == "raw_secret_form" {
        return Some(
            "the bare secret as a token: scripts cannot read our cookie, so no honest client sends \
                it, and it is not masked against BREACH",
        );
    }
    let own = Origin::of_request(Scheme::Http, vectors::text(case, "host"));
    let is_trusted = |origin: &Origin| {
        vectors::texts(case, "trusted_origins")
            .iter()
            .any(|text| text.parse::<OriginPattern>().unwrap().matches(origin))
    };
    let names_another_site = case["referer"]
        .as_str()
        .and_then(Origin::of_url)
        .is_some_and(|referer| {
            !own.as_ref().is_some_and(|own| own.is_same_host(&referer)) && !is_trusted(&referer)
        });
    if unsafe_method && case["secure"] == false && case["origin"].is_null() && names_another_site {
        return Some(
            "over plain HTTP Django ignores the Referer; one that names another site is enough \
                for us",
        );
    }
    let parents = vectors::texts(case, "trusted_origins")
        .into_iter()
        .filter_map(|text| {
            let parent = text.replacen("://*.", "://", 1);
            (parent != text).then(|| Origin::parse(&parent)).flatten()
        });
    let parents: Vec<Origin> = parents.collect();
    let sent = [
        case["origin"].as_str().and_then(Origin::parse),
        case["referer"].as_str().and_then(Origin::of_url),
    ];
    if unsafe_method
        && sent
            .iter()
            .flatten()
            .any(|origin| !is_trusted(origin) && parents.contains(origin))
    {
        return Some(
            "https://*.example.org covers https://example.org in Django; here each is named, and `adopt check` writes both",
        );
    }
    None
}

// F066, F070; D01, D02; ASVS 3.5.1
#[test]
fn csrf_vectors() {
    let mut stricter = 0;
    for case in vectors::cases("csrf.json") {
        let secrets: Vec<CsrfSecret> = case["cookie"]
            .as_str()
            .and_then(CsrfSecret::from_django)
            .into_iter()
            .collect();
        let trusted: Vec<OriginPattern> = vectors::texts(&case, "trusted_origins")
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let token = case["form"]
            .as_str()
            .filter(|token| !token.is_empty())
            .or(case["header"].as_str());
        let verdict = judge(&Evidence {
            method: &method(vectors::text(&case, "method")),
            scheme: match case["secure"].as_bool().unwrap() {
                true => Scheme::Https,
                false => Scheme::Http,
            },
            host: vectors::text(&case, "host"),
            fetch_site: None,
            origin: case["origin"].as_str(),
            referer: case["referer"].as_str(),
            secrets: &secrets,
            token,
            trusted: &trusted,
        });
        let django = case["accepted"].as_bool().unwrap();
        match why_stricter(&case) {
            Some(_) if django => {
                stricter += 1;
                assert!(verdict.is_err(), "{case}");
            }
            _ => assert_eq!(verdict.is_ok(), django, "{case}: {verdict:?}"),
        }
    }
    println!("{stricter} cases are knowingly stricter");
}

fn evidence<'a>(method: &'a Method, secrets: &'a [CsrfSecret], token: &'a str) -> Evidence<'a> {
    let host = "desk.example.org";
    Evidence {
        method,
        scheme: Scheme::Https,
        host,
        fetch_site: None,
        origin: Some("https://desk.example.org"),
        referer: None,
        secrets,
        token: Some(token),
        trusted: &[],
    }
}

// ASVS 3.5.1; D02
#[test]
fn fetch_metadata_and_unknown_methods() {
    let secrets = [CsrfSecret::from_django(&"a1B2".repeat(8)).unwrap()];
    let token = secrets[0].mask();
    let post = Method::POST;
    let good = evidence(&post, &secrets, &token);
    let rows = [
        ("same-origin", Some("same-origin"), good.origin, true),
        ("typed by the user", Some("none"), None, true),
        ("a sibling domain", Some("same-site"), None, false),
        (
            "a sibling domain that lies about its origin",
            Some("same-site"),
            good.origin,
            false,
        ),
        ("another site", Some("cross-site"), None, false),
        (
            "another site's origin behind same-origin",
            Some("same-origin"),
            Some("https://evil.org"),
            false,
        ),
        ("a word of the future", Some("sideways"), None, false),
    ];
    for (name, fetch_site, origin, accepted) in rows {
        assert_eq!(
            judge(&Evidence {
                fetch_site,
                origin,
                ..good.clone()
            })
            .is_ok(),
            accepted,
            "{name}"
        );
    }
    for name in [
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "PROPFIND",
        "get",
        "CONNECT",
        "X-ANYTHING",
    ] {
        let method = method(name);
        assert!(
            judge(&Evidence {
                token: None,
                ..evidence(&method, &secrets, "")
            })
            .is_err(),
            "{name} without a token"
        );
    }
    let trusted = ["https://partner.example".parse().unwrap()];
    let partner = Evidence {
        fetch_site: Some("cross-site"),
        origin: Some("https://partner.example"),
        trusted: &trusted,
        ..good.clone()
    };
    assert_eq!(judge(&partner), Ok(()));
    assert_eq!(
        judge(&Evidence {
            token: None,
            ..partner
        }),
        Err(Refusal::NoToken),
        "trust does not replace the token"
    );
}

#[test]
fn tokens_differ_on_every_page_and_belong_to_one_secret() {
    let (ours, theirs) = (
        CsrfSecret::from_django(&"a".repeat(32)).unwrap(),
        CsrfSecret::from_django(&"b".repeat(32)).unwrap(),
    );
    let tokens: std::collections::HashSet<String> = (0..100).map(|_| ours.mask()).collect();
    assert_eq!(tokens.len(), 100);
    for token in &tokens {
        assert!(ours.is_token(token) && !theirs.is_token(token));
        assert!(
            !ours.is_token(&token[..63])
                && !ours.is_token(&format!("{token}x"))
                && !ours.is_token(&token.replace(&token[..1], "é"))
        );
    }
    assert!(!ours.is_token("") && !ours.is_token(&"a".repeat(32)));
}
