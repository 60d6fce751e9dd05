#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::rewrite::rewrite;

fn page(source: &str, values: Value) -> String {
    let templates = Templates::load(vec![Layer::embedded(&[("page.html", source)])]).unwrap();
    templates.render("page.html", values, PageSecrets::new("n0nce", || "t0ken\"<".into())).unwrap()
}

// F054, D19: D19's quotes included
#[test]
fn every_value_is_escaped_whatever_the_file_is_called() {
    let payload = "<script>alert(1)</script>\" onmouseover='x' & `";
    for name in ["page.html", "page.txt", "page", "page.svg"] {
        let templates = Templates::load(vec![Layer::embedded(&[(name, "<p title=\"{{ x }}\">{{ x }}</p>")])]).unwrap();
        let page = templates.render(name, context! { x => payload }, PageSecrets::none()).unwrap();
        assert!(!page.contains("<script") && !page.contains("\" onmouseover") && !page.contains("'x'"), "{name}: {page}");
    }
    let trusted = TrustedHtml::dangerous_from("<b>x</b>", "written here, in this test");
    assert_eq!(page("{{ a }}{{ b }}{{ none }}", context! { a => trusted, b => "<b>", none => () }), "<b>x</b>&lt;b&gt;");
}

// F067: into every form that posts here, into no other
#[test]
fn the_token_goes_into_forms_that_post_here() {
    let with = [
        "<form method=\"post\">",
        "<form method=post action=\"/a\">",
        "<FORM ACTION='/a/{{ id }}' METHOD='POST'>",
        "<form\n  class=\"x > y\"\n  method=\"post\" action=\"?page=2\">",
        "<form method=\"post\" action=\"\">",
    ];
    let without = [
        "<form method=\"get\" action=\"/a\">",
        "<form>",
        "<form method=\"post\" action=\"https://evil.example/\">",
        "<form method=\"post\" action=\"//evil.example/\">",
        "<form method=\"post\" action=\"/\\evil.example\">",
        "<form method=\"post\" action=\"javascript:x\">",
        "<!-- <form method=\"post\"> -->",
        "<formula method=\"post\">",
        "<form data-method=\"post\">",
        "{# <form method=\"post\"> #}",
    ];
    for source in with {
        let page = page(source, context! { id => 7 });
        assert!(
            page.ends_with("><input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"t0ken&quot;&lt;\">"),
            "{source}: {page}"
        );
    }
    for source in without {
        assert!(!page(source, context! {}).contains("csrfmiddlewaretoken"), "{source}");
    }
    assert_eq!(page("{% csrf_token %}", context! {}), "", "Django's tag is accepted and adds nothing");
}

#[test]
fn scripts_and_styles_get_the_nonce() {
    let source =
        "<script src=\"/a.js\"></script><style>p { }</style><script>if (a < b) { '<form method=\"post\">' }</script><scripted>";
    let page = page(source, context! {});
    assert_eq!(page.matches(" nonce=\"n0nce\"").count(), 3, "{page}");
    assert!(!page.contains("csrfmiddlewaretoken"), "a form in a script's text is no form");
}

#[test]
fn what_cannot_be_made_safe_is_refused_with_place_and_remedy() {
    let rows = [
        ("{{ x|safe }}", "`safe` does not exist"),
        ("{{ x | upper | safe }}", "`safe` does not exist"),
        ("{% autoescape false %}{{ x }}{% endautoescape %}", "cannot be switched off"),
        ("{%- autoescape false %}{%- endautoescape %}", "cannot be switched off"),
        ("<form method=\"{{ m }}\">", "method must be written out"),
        ("<form method=\"post\" action=\"{{ url }}\">", "could be sent anywhere"),
        ("<form method=\"post\" action=\"/{{ path }}\">", "could be sent anywhere"),
        ("<form method=\"post\" action=\"/\\{{ path }}\">", "could be sent anywhere"),
        ("<button formaction=\"/elsewhere\">", "formaction"),
        ("<!-- {% autoescape false %} -->{{ x }}<!-- {% endautoescape %} -->", "cannot be switched off"),
        ("<script nonce=\"abc\">", "written by the framework"),
        ("{{ _palisade.nonce }}", "belong to the framework"),
        ("{% set _palisade = 1 %}", "belong to the framework"),
        ("{% if x %}", "unexpected end"),
        ("{{ x", "unexpected"),
    ];
    for (source, message) in rows {
        let problems = check("page.html", &format!("<p>\n{source}"));
        let shown = problems.iter().map(ToString::to_string).collect::<String>();
        assert!(shown.contains(message) && shown.contains("page.html:2") && shown.contains("help:"), "{source}: {shown}");
    }
    let error =
        Templates::load(vec![Layer::embedded(&[("a.html", "{{ x|safe }}"), ("b.html", "{% autoescape false %}")])]).err().unwrap();
    assert!(error.problems().len() >= 2, "all of them: {error}");
    assert!(check("fine.html", "<p>{{ \"|safe\" }}</p>{# |safe #}").len() <= 1);
}

// F017: a runaway template is an error, not a dead site
#[test]
fn work_is_bounded_and_misspellings_are_errors() {
    let render = |source: &str| {
        let templates = Templates::load(vec![Layer::embedded(&[("page.html", source)])]).unwrap();
        templates.render("page.html", context! { map => context! { a => 1 } }, PageSecrets::none())
    };
    for source in [
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        "{{ misspelt }}",
        "{{ map }}",
        "{% include 'page.html' %}",
        "{{ '../secret'|nofilter }}",
        "<a title=\"{{ 'x'|tojson }}\">",
        "{% include '../../etc/passwd' %}",
    ] {
        assert!(render(source).is_err(), "{source}");
    }
}

#[test]
fn earlier_layers_win_and_nothing_else_changes() {
    let layers = vec![
        Layer::embedded(&[("base.html", "site:{% block b %}{% endblock %}")]),
        Layer::embedded(&[
            ("base.html", "framework"),
            ("page.html", "{% extends 'base.html' %}{% block b %}{{ x }}{% endblock %}"),
        ]),
    ];
    let templates = Templates::load(layers).unwrap();
    assert_eq!(templates.render("page.html", context! { x => "<" }, PageSecrets::none()).unwrap(), "site:&lt;");
    for plain in ["<p>{{ a }} < b</p>", "{% raw %}{{ not read }}{% endraw %}", "<a href='x'>é</a>", "{ { } }", "<", "{"] {
        assert_eq!(rewrite("page.html", plain).unwrap(), plain);
    }
}
