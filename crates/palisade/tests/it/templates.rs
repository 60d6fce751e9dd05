//! Templates on a running site.

use palisade::app::BootError;
use palisade::prelude::*;
use palisade::template::Layer;
use palisade::testing::{TestSite, events};

const PAGE: &str = "{% extends \"base.html\" %}{% block main %}<a id=\"link\" href=\"{{ url }}\">x</a>\
<form method=\"post\" action=\"{{ url }}\">{% csrf_token %}</form><script type=\"application/json\">{{ {\"url\": url}|json }}</script>{% endblock %}";

const ENDLESS: &str =
    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";

fn site(page: &str) -> App {
    let shown = async |page: Page, uri: http::Uri| {
        page.render(
            "page.html",
            context! { url => uri.query().unwrap_or_default() },
        )
        .await
    };
    let endless = async |page: Page| page.render("endless.html", context! {}).await;
    let routes = Routes::new()
        .route("/page", public().get(shown))
        .route("/endless", public().get(endless));
    App::new()
        .templates(Layer::embedded(&[
            ("page.html", page),
            ("endless.html", ENDLESS),
        ]))
        .routes(routes)
}

// F054, F067, ASVS 1.2.2: refused and recorded, and the log does not hold the value
#[tokio::test]
async fn a_refused_value_is_replaced_and_recorded() {
    let site = TestSite::start(site(PAGE), &[]).await;
    let fine = site.client().get("/page?/tickets").await;
    assert!(
        fine.body.contains("<a id=\"link\" href=\"/tickets\">"),
        "{}",
        fine.body
    );
    assert_eq!(
        fine.body.matches("csrfmiddlewaretoken").count(),
        1,
        "the form stays here: {}",
        fine.body
    );
    let refused = site.client().get("/page?javascript:secret_word").await;
    assert_eq!(refused.status, 200);
    assert!(
        refused
            .body
            .contains("<a id=\"link\" href=\"about:invalid#blocked\">"),
        "{}",
        refused.body
    );
    let log: Vec<String> = events("a template value was refused")
        .into_iter()
        .filter(|event| event.contains("page.html"))
        .collect();
    assert_eq!(log.len(), 2, "the link and the form: {log:?}");
    assert!(
        log[0].contains("page.html") && log[0].contains("url") && log[0].contains("start of a URL"),
        "{log:?}"
    );
    assert!(!log.concat().contains("secret_word"), "{log:?}");
    let elsewhere = site.client().get("/page?https://evil.example/").await;
    assert!(
        !elsewhere.body.contains("csrfmiddlewaretoken"),
        "{}",
        elsewhere.body
    );
    assert!(
        elsewhere
            .body
            .contains("{\"url\":\"https:\\/\\/evil.example\\/\"}"),
        "{}",
        elsewhere.body
    );
}

// F058: inline code that the policy would block is refused before the first request
#[tokio::test]
async fn an_unsafe_template_stops_the_start_with_its_place() {
    for (page, message) in [
        (
            "<p>\n<button onclick=\"f()\">",
            "the inline event handler onclick never runs",
        ),
        ("<p>\n{{ url|safe }}", "the filter `safe` does not exist"),
        (
            "{% extends \"base.html\" %}\n{% block main %}<a href=\"{% endblock %}",
            "the block main begins in HTML text",
        ),
    ] {
        let Err(BootError::Refused(report)) = TestSite::try_start(site(page), &[]).await else {
            panic!("{page} is refused")
        };
        let said = report.to_string();
        assert!(
            said.contains(message)
                && said.contains("page.html:2:")
                && said.contains("^")
                && said.contains("help: "),
            "{said}"
        );
    }
}

// F017
#[tokio::test]
async fn a_runaway_template_is_an_error_of_one_page() {
    let site = TestSite::production(site(PAGE), &[]).await;
    let mut client = site.client();
    assert_eq!(client.get("/endless").await.status, 500);
    assert_eq!(
        client.get("/page?/x").await.status,
        200,
        "the site lives on"
    );
    let development = TestSite::start(self::site(PAGE), &[]).await;
    let explained = development.client().get("/endless").await.body;
    assert!(explained.contains("endless.html:1:"), "{explained}");
}

#[tokio::test]
async fn pages_say_what_their_stylesheet_is() {
    let site = TestSite::start(site(PAGE), &[]).await;
    let mut client = site.client();
    let page = client.get("/page").await.body;
    let hash = page
        .split("integrity=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    assert!(hash.starts_with("sha384-"), "{page}");
    let sheet = client.get("/static/palisade.css").await;
    let tag = sheet.header("etag").to_owned();
    assert!(
        tag.len() > 16 && page.contains(&format!("/static/palisade.{}.css", tag.trim_matches('"'))),
        "{tag}: {page}"
    );
    assert_eq!(sheet.header("cache-control"), "public, no-cache");
    let known = client
        .with_header("if-none-match", &tag)
        .get("/static/palisade.css")
        .await;
    assert_eq!(
        (known.status, known.body.as_str()),
        (304.try_into().unwrap(), "")
    );
}
