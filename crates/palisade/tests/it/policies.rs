//! Content security policies of single pages.

use palisade::headers::{ContentSecurityPolicy, Directive, PagePolicies, Source};
use palisade::prelude::*;
use palisade::testing::TestSite;

fn app() -> App {
    let tiles = Source::origin("https://tiles.example.org").unwrap();
    let map = ContentSecurityPolicy::strict().allow(Directive::ImgSrc, tiles);
    let tried = ContentSecurityPolicy::strict().set(Directive::StyleSrc, vec![Source::NOTHING]);
    let own = PagePolicies::default().enforce(&ContentSecurityPolicy::empty().allow(Directive::DefaultSrc, Source::NOTHING));
    let weak = async || {
        let headers = [("content-security-policy", "default-src *"), ("content-security-policy-report-only", "default-src *")];
        (headers, "weak")
    };
    let routes = Routes::new()
        .route("/", public().get(async || "front"))
        .route("/map", public().get(async || "map").content_security_policy(&map))
        .route("/tried", public().get(async || "tried").content_security_policy_report_only(&tried))
        .route("/lost", public().get(async || http::StatusCode::NOT_FOUND).content_security_policy(&map))
        .route("/own", public().get(async move || (axum::Extension(own.clone()), "own")))
        .route("/none", public().get(async || "none").content_security_policy(&ContentSecurityPolicy::empty()))
        .route("/weak", public().get(weak));
    App::new().routes(routes)
}

// F058, V3.4.3: one header, never two
#[tokio::test]
async fn a_page_has_the_policy_of_its_route_and_only_one() {
    let site = TestSite::start(app(), &[]).await;
    let mut nonces = std::collections::BTreeSet::new();
    let rows = [
        ("/", "img-src 'self';", ""),
        ("/map", "img-src 'self' https://tiles.example.org;", ""),
        ("/tried", "style-src 'self' 'nonce-", "style-src 'none'"),
        ("/lost", "img-src 'self';", ""),
        ("/own", "default-src 'none'; script-src 'nonce-", ""),
        ("/none", "default-src 'none'; script-src 'nonce-", ""),
        ("/weak", "default-src 'none'; script-src 'nonce-", ""),
        ("/nothing-here", "img-src 'self';", ""),
    ];
    for (path, enforced, reported) in rows {
        let answer = site.client().get(path).await;
        let both =
            |name: &str| answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        let (policies, tried) = (both("content-security-policy"), both("content-security-policy-report-only"));
        assert_eq!(policies.len(), 1, "{path}: {policies:?}");
        assert!(policies[0].contains(enforced), "{path}: {policies:?}");
        assert_eq!(tried.len(), usize::from(!reported.is_empty()), "{path}: {tried:?}");
        assert!(tried.iter().all(|policy| policy.contains(reported)), "{path}: {tried:?}");
        if let Some((_, after)) = policies[0].split_once("'nonce-") {
            assert!(nonces.insert(after.split('\'').next().unwrap().to_owned()), "a nonce of its own");
        }
    }
    // nothing is weaker for what a policy leaves out
    for path in ["/own", "/none"] {
        let policy = site.client().get(path).await.header("content-security-policy").to_owned();
        for floor in ["object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.contains(floor), "{path}: {floor} in {policy}");
        }
    }
}
