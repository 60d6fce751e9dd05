//! Values that stand next to each other are printed together. Nothing of it may be seen.

use crate::payloads::payloads;
use crate::reading::{PLACES, lenient, secrets};
use crate::{page, page_of};
use palisade_template::{Layer, Options, PageSecrets, Templates, TrustedHtml, context};

#[test]
fn every_place_prints_the_same_alone_and_together() {
    for (place, _) in PLACES {
        let (together, apart) = (
            format!("{place}{place}"),
            format!("{place}{{%+ set q = 0 +%}}{place}"),
        );
        let both = lenient(&[("together.html", &together), ("apart.html", &apart)]).unwrap();
        for payload in payloads() {
            let shown = |name| {
                both.render(name, context! { x => &payload }, secrets())
                    .map_err(|error| error.to_string())
            };
            assert_eq!(
                shown("together.html").unwrap(),
                shown("apart.html").unwrap(),
                "{place} {payload:?}"
            );
        }
        for value in [
            context! { x => 7 },
            context! { x => 0.5 },
            context! { x => true },
            context! { x => () },
            html(),
        ] {
            let shown = |name| both.render(name, value.clone(), secrets()).ok();
            assert_eq!(
                shown("together.html"),
                shown("apart.html"),
                "{place} {value:?}"
            );
        }
        let shown = |name| both.render(name, context! {}, secrets()).is_err();
        assert_eq!(
            shown("together.html"),
            shown("apart.html"),
            "{place}: a name that is not defined"
        );
    }
}

fn html() -> palisade_template::Value {
    context! { x => TrustedHtml::dangerous_from("<b title='\"'>&amp;</b>", "a test of what is trusted") }
}

#[test]
fn what_stands_between_stays() {
    let shown = |source: &str| page(source, context! { a => "<", b => "a b" });
    let rows = [
        (
            "<p title=\"{{ a }}\" lang=\"{{- b -}}\"> </p>",
            "<p title=\"&lt;\" lang=\"a b\"> </p>",
        ),
        ("<p title=\"{{ a -}}   {{- b }}\">", "<p title=\"&lt;a b\">"),
        (
            "{% if true %}\n  <p title=\"{{ a }}\"\n  lang=\"{{ b }}\">\n{% endif %}\n.",
            "  <p title=\"&lt;\"\n  lang=\"a b\">\n.",
        ),
        (
            "<p title=\"{{ a }}{# {{ a }} #}{{ b }}\">\n",
            "<p title=\"&lt;a b\">",
        ),
        (
            "<p title=\"{{ a }}{% raw %}{{ a }}{% endraw %}{{ b }}\">",
            "<p title=\"&lt;{{ a }}a b\">",
        ),
        (
            "<p title=\"{{ '|_palisade_run((' }}{{ \"(\" }}\">",
            "<p title=\"|_palisade_run(((\">",
        ),
        ("{<p title=\"{{ a }}{{ b }}\">", "{<p title=\"&lt;a b\">"),
        (
            "<p title=\"{{ a if a else b }}{{ a ~ b }}{{ 'x'|upper }}\">",
            "<p title=\"&lt;&lt;a bX\">",
        ),
    ];
    for (source, expected) in rows {
        assert_eq!(shown(source), expected, "{source}");
    }
}

// F057
#[test]
fn a_form_knows_where_it_goes_among_other_values() {
    let form = "<p title=\"{{ a }}\" lang=\"{{ a }}\"><form method=\"post\" action=\"{{ to }}\" id=\"{{ a }}\" class=\"{{ a }}\"></form>";
    let shown = |to: &str| page(form, context! { a => "x", to });
    assert!(shown("/here").contains("csrfmiddlewaretoken"));
    assert!(!shown("https://elsewhere.example/").contains("csrfmiddlewaretoken"));
    let called = "{% macro m() %}<form method=\"post\" action=\"{{ to }}\"></form>{% endmacro %}\
                  <p title=\"{{ to }}\" lang=\"{{ to }}\">{{ m() }}";
    assert_eq!(
        page(called, context! { to => "/" })
            .matches("csrfmiddlewaretoken")
            .count(),
        1
    );
}

#[test]
fn an_error_in_a_run_shows_its_value() {
    let source =
        "<p>\n<p title=\"{{ a }}\"\n lang=\"{{ a }}\" dir=\"{{ misspelt }}\"\n id=\"{{ a }}\">";
    let templates = Templates::load(vec![Layer::embedded(&[("page.html", source)])]).unwrap();
    let error = templates
        .render("page.html", context! { a => 1 }, PageSecrets::none())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("page.html:3:22")
            && error.contains(" lang=\"{{ a }}\" dir=\"{{ misspelt }}\""),
        "{error}"
    );
    let error = templates
        .render(
            "page.html",
            context! { a => [1], misspelt => 1 },
            PageSecrets::none(),
        )
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("page.html:2:11") && error.contains("cannot be printed"),
        "{error}"
    );
    let source =
        "<p>\n<p title=\"{{ a }}\"\n lang=\"{{ a }}\" dir=\"{{ a.b.c }}\"\n id=\"{{ a }}\">";
    let templates = Templates::load(vec![Layer::embedded(&[("page.html", source)])]).unwrap();
    let error = templates
        .render("page.html", context! { a => 1 }, PageSecrets::none())
        .unwrap_err()
        .to_string();
    assert!(error.contains("page.html:3:"), "{error}");
}

// F017: a run is not put together when it is longer than a page may be.
#[test]
fn a_run_is_no_longer_than_a_page() {
    let source = "{% set kept %}<p title=\"{{ a }}\" lang=\"{{ a }}\" dir=\"{{ a }}\">{% endset %}";
    let templates = Templates::load_with(
        vec![Layer::embedded(&[("page.html", source)])],
        Options::new().max_page_bytes(1000),
    )
    .unwrap();
    let shown = |length| {
        templates.render(
            "page.html",
            context! { a => "a".repeat(length) },
            PageSecrets::none(),
        )
    };
    assert_eq!(shown(300).unwrap(), "");
    let error = shown(500).unwrap_err().to_string();
    assert!(error.contains("longer than 1000 bytes"), "{error}");
}

#[test]
fn however_many_values_there_are() {
    let source = format!("<p title=\"{}\">", "{{ a }}-{{ b }},".repeat(40_000));
    assert_eq!(
        page(&source, context! { a => "<", b => 1 }),
        format!("<p title=\"{}\">", "&lt;-1,".repeat(40_000))
    );
}

#[test]
fn runs_stand_in_blocks_macros_and_includes() {
    let files = [
        (
            "base.html",
            "<p title=\"{{ a }}\" {% block b %}{% endblock %} id=\"{{ a }}\">{% include 'part.html' %}",
        ),
        ("part.html", "<i title=\"{{ a }}\" id=\"{{ a }}\">"),
        (
            "page.html",
            "{% extends 'base.html' %}{% block b %}lang=\"{{ a }}\" dir=\"{{ a }}\"{% endblock %}",
        ),
    ];
    let expected =
        "<p title=\"&lt;\" lang=\"&lt;\" dir=\"&lt;\" id=\"&lt;\"><i title=\"&lt;\" id=\"&lt;\">";
    assert_eq!(page_of(&files, context! { a => "<" }), expected);
}
