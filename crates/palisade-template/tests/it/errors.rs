//! Errors: what, where, and what to do.

use crate::{lenient, refusal, secrets};
use palisade_template::{check, check_all, context};

#[test]
fn an_error_shows_place_source_context_and_remedy() {
    let error = refusal(&[(
        "page.html",
        "<p>\n\té{% if a %}<a href=\"{% endif %}{{ x }}\n",
    )]);
    let expected = "\
error: the branches of {% if %} end in different contexts: the start of a URL in the \"-quoted attribute href and HTML text
 --> page.html:2:6
  |
2 | \té{% if a %}<a href=\"{% endif %}{{ x }}
  | \t    ^^^^
  = help: make every branch open and close the same tags, attributes and quotes, or move the whole element into each branch";
    assert_eq!(error, expected);
}

#[test]
fn what_is_refused_whatever_its_context() {
    let rows = [
        ("{{ x|safe }}", "the filter `safe` does not exist"),
        ("{{ x | upper | safe }}", "`safe` does not exist"),
        ("{% set y = x|safe %}", "`safe` does not exist"),
        ("{% filter safe %}{% endfilter %}", "`safe` does not exist"),
        ("{% if (x|safe) %}{% endif %}", "`safe` does not exist"),
        (
            "{% autoescape false %}{{ x }}{% endautoescape %}",
            "cannot be switched off",
        ),
        (
            "{%- autoescape false %}{%- endautoescape %}",
            "cannot be switched off",
        ),
        (
            "<!-- {% autoescape false %} -->{{ x }}<!-- {% endautoescape %} -->",
            "cannot be switched off",
        ),
        ("{{ _palisade.nonce }}", "belong to the framework"),
        ("{% set _palisade = 1 %}", "belong to the framework"),
        ("{% set _palisade.nonce = 1 %}", "belong to the framework"),
        (
            "{% for _palisade in x %}{% endfor %}",
            "belong to the framework",
        ),
        (
            "{% macro _palisade(x) %}{% endmacro %}",
            "belong to the framework",
        ),
        (
            "{% macro m(_palisade) %}{% endmacro %}",
            "belong to the framework",
        ),
        (
            "{% with _palisade = 1 %}{% endwith %}",
            "belong to the framework",
        ),
        (
            "{% from 'page.html' import a as _palisade %}",
            "belong to the framework",
        ),
        ("{{ x|_palisade_nothing_bare }}", "belong to the framework"),
        ("{{ _palisade_token_if_ours() }}", "belong to the framework"),
        ("{% if x %}", "unexpected end"),
        ("{{ x", "unexpected"),
        ("{% load static %}", "unknown statement load"),
        (
            "{% include 'nowhere.html' %}",
            "there is no template \"nowhere.html\"",
        ),
        (
            "{% extends 'nowhere.html' %}",
            "there is no template \"nowhere.html\"",
        ),
        (
            "{% import 'nowhere.html' as a %}",
            "there is no template \"nowhere.html\"",
        ),
    ];
    for (source, message) in rows {
        let error = refusal(&[("page.html", &format!("<p>\n{source}"))]);
        // what comes first in a child template is its own problem
        let is_shown = error.contains(message)
            || (source.contains("extends") && error.contains("printed before"));
        assert!(
            is_shown && error.contains("page.html:2:") && error.contains("help:"),
            "{source}: {error}"
        );
    }
    for fine in [
        "{{ \"|safe\" }}{# |safe #}{% raw %}{{ x|safe }}{% endraw %}",
        "{% include 'nowhere.html' ignore missing %}",
    ] {
        assert!(lenient(&[("page.html", fine)]).is_ok(), "{fine}");
    }
}

#[test]
fn all_templates_are_reported() {
    let error = refusal(&[
        ("a.html", "{{ x|safe }}{{ y|safe }}"),
        ("b.html", "<a title={{ x }}\">"),
        ("c.html", "fine"),
        ("d.html", "<p"),
    ]);
    for place in ["a.html:1:6", "a.html:1:18", "b.html:1:17", "d.html:1:2"] {
        assert!(error.contains(place), "{place} in {error}");
    }
    assert!(!error.contains("c.html"));
    for name in ["a#1.html", "a\".html", "a\\b.html", "a\n.html"] {
        assert!(
            refusal(&[(name, "")]).contains("rename the file"),
            "{name:?}"
        );
    }
}

// at build time the templates of other crates are not known
#[test]
fn a_template_can_be_checked_without_those_it_uses() {
    let child = "{% extends 'elsewhere.html' %}{% from 'other.html' import m %}{% block a %}{{ super() }}<b title=\"{{ x }}\">{{ m() }}</b>{% endblock %}";
    assert_eq!(check("child.html", child), []);
    assert_eq!(check("child.html", "{% include 'elsewhere.html' %}<p>"), []);
    assert_eq!(
        check(
            "child.html",
            "{% extends 'elsewhere.html' %}{% block a %}<a href=\"{% endblock %}"
        )
        .len(),
        1
    );
    let known = [
        ("a.html", "<script>{% include 'b.html' %}</script>"),
        ("b.html", "f('{{ x }}') // <b"),
    ];
    assert_eq!(check_all(&known), []);
    assert_eq!(
        check_all(&[
            ("a.html", "<script>{% include 'b.html' %}</script>"),
            ("b.html", "f('")
        ])
        .len(),
        1
    );
}

#[test]
fn errors_of_rendering_show_the_place_that_was_written() {
    let source = "<!-- a\n comment --><script></script>\n<p title=\"{{ x }}\">{{ x.y.z }}</p>";
    let templates = lenient(&[("page.html", source)]).unwrap();
    let error = templates
        .render("page.html", context! { x => "a" }, secrets())
        .unwrap_err();
    assert_eq!(error.place(), Some(("page.html", 3)));
    assert!(
        error
            .to_string()
            .contains("--> page.html:3:24\n  |\n3 | <p title=\"{{ x }}\">{{ x.y.z }}</p>\n  | "),
        "{error}"
    );
    let missing = templates
        .render("nowhere.html", context! {}, secrets())
        .unwrap_err()
        .to_string();
    assert!(missing.contains("nowhere.html"), "{missing}");
}
