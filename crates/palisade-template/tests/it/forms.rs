//! What the framework writes into pages by itself: form tokens, nonces, integrity.

use crate::{page, refusal, secrets};
use palisade_template::{Layer, Options, Templates, context};

const FIELD: &str =
    "<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"t0ken&quot;&lt;\">";

// F067: into every form that posts here, into no other
#[test]
fn the_token_goes_into_forms_that_post_here() {
    let with = [
        "<form method=\"post\">",
        "<form method=post action=\"/a\">",
        "<FORM ACTION='/a/{{ id }}' METHOD='POST'>",
        "<form\n  class=\"x > y\"\n  method=\"post\" action=\"?page=2\">",
        "<form method=\"post\" action=\"\">",
        "<form method=\"post\" action>",
        "<form method=\"post\" action=\"a/b\">",
        "<form {% if id %}method=\"post\"{% else %}method=\"post\" class=\"a\"{% endif %}>",
        "<form method=\"post\" action=\"{% if id %}/a{% else %}/b/{{ id }}{% endif %}\">",
        "<form method=\"post\" action=\"{{ ours }}\">",
        "<form method=\"post\" action=\"/{{ theirs }}\">",
        "{% raw %}<form method=\"post\">{% endraw %}",
        "{% for i in [1] %}<form method=\"post\">{% endfor %}",
    ];
    let without = [
        "<form method=\"get\" action=\"/a\">",
        "<form>",
        "<form method=\"dialog\">",
        "<form method=\"post\" action=\"https://evil.example/\">",
        "<form method=\"post\" action=\"//evil.example/\">",
        "<form method=\"post\" action=\"/\t/evil.example/\">",
        "<form method=\"post\" action=\"/\\evil.example\">",
        "<form method=\"post\" action=\"mailto:a@example.org\">",
        "<form method=\"post\" action=\"{{ theirs }}\">",
        "<form method=\"post\" action=\"{{ slashes }}\">",
        "<form method=\"post\" action=\"https://{{ id }}/\">",
        "<!-- <form method=\"post\"> -->",
        "<formula method=\"post\">",
        "<form data-method=\"post\">",
        "{# <form method=\"post\"> #}",
        "<textarea><form method=\"post\"></textarea>",
        "<script>'<form method=\"post\">'</script>",
        "<p title='<form method=\"post\">'>",
        "</form method=\"post\">",
        "{% csrf_token %}{%- csrf_token -%}{% raw %}{% csrf_token %}{% endraw %}",
    ];
    let values = || context! { id => 7, ours => "/a?b", theirs => "https://evil.example/", slashes => "\\/evil.example" };
    for source in with {
        let page = page(source, values());
        assert!(
            page.ends_with(FIELD) && page.matches(FIELD).count() == 1,
            "{source}: {page}"
        );
    }
    for source in without {
        assert!(
            !page(source, values()).contains("csrfmiddlewaretoken"),
            "{source}"
        );
    }
    let tagged = page(
        "<form method=\"post\">{% csrf_token %}{%- csrf_token -%}<b></form>{# {% csrf_token %} #}",
        values(),
    );
    assert_eq!(
        tagged,
        format!("<form method=\"post\">{FIELD}<b></form>"),
        "Django's tag changes nothing"
    );
    let several = page(
        "{% for to in [ours, theirs, ours] %}<form method=\"post\" action=\"{{ to }}\"></form>{% endfor %}",
        values(),
    );
    assert_eq!(
        several.matches(FIELD).count(),
        2,
        "each form is judged by its own action: {several}"
    );
}

#[test]
fn the_token_reaches_forms_of_macros_and_imports() {
    let files = [
        (
            "page.html",
            "{% from 'lib.html' import form %}{{ form('/a') }}{% include 'part.html' %}",
        ),
        (
            "lib.html",
            "{% macro form(to) %}<form method=\"post\" action=\"{{ to }}\"></form><script></script>{% endmacro %}",
        ),
        ("part.html", "<form method=\"post\"></form>"),
    ];
    let page = crate::page_of(&files, context! {});
    assert_eq!(page.matches(FIELD).count(), 2, "{page}");
    assert!(page.contains("<script nonce=\"n0nce\">"), "{page}");
}

// browsers leave out a form within a form, and send its fields with the outer one
#[test]
fn no_token_goes_with_the_form_around_it() {
    let form = "{% macro out() %}<form method=post action=/logout></form>{% endmacro %}{% macro away() %}<form action=https://evil.example/>{{ caller() }}</form>{% endmacro %}";
    let within = [
        "<form action=\"https://evil.example/\">{{ out() }}</form>",
        "<form method=post action=\"https://evil.example/\">{{ out() }}</form>",
        "<form method=post action=\"{{ theirs }}\">{{ out() }}</form>",
        "<form>{{ out() }}</form>",
        "{% call away() %}{{ out() }}{% endcall %}",
        "{% call away() %}<form method=post></form>{% endcall %}",
    ];
    for source in within {
        let source = format!("{form}{source}");
        assert!(
            !page(&source, context! { theirs => "https://evil.example/" })
                .contains("csrfmiddlewaretoken"),
            "{source}"
        );
    }
    let after = format!(
        "{form}<form action=\"https://evil.example/\"></form>{{{{ out() }}}}{{{{ out() }}}}<form method=post></form>"
    );
    assert_eq!(
        page(&after, context! {}).matches(FIELD).count(),
        3,
        "what comes behind it is a form of its own"
    );
}

#[test]
fn where_a_form_goes_is_never_in_doubt() {
    let rows = [
        (
            "<form method=\"post\" action=\"{{ a }}{{ b }}\">",
            "could be sent anywhere",
        ),
        (
            "<form method=\"post\" action=\"{{ a }}/b\">",
            "could be sent anywhere",
        ),
        (
            "<form method=\"post\" action=\"{% if a %}/{% endif %}/b\">",
            "could be sent anywhere",
        ),
        (
            "<form method=\"post\" {% if a %}action=\"/a\"{% else %}action=\"https://b.example\"{% endif %}>",
            "the branches disagree on where",
        ),
        (
            "<form {% if a %}method=\"post\"{% endif %}>",
            "end in different contexts",
        ),
        ("<form method=\"{{ m }}\">", "a value decides method"),
        (
            "<button formaction=\"https://evil.example/\">",
            "formaction could send",
        ),
        ("<input formaction=\"/{{ x }}\">", "formaction could send"),
        ("<form method=\"post\" method=\"get\">", "may stand twice"),
        (
            "<form method=\"post\" {% if a %}action=\"https://b.example/\"{% endif %} action=\"/c\">",
            "may stand twice",
        ),
        (
            "<form method=\"{% if a %}post{% else %}get{% endif %}\">",
            "the branches disagree on the method",
        ),
        (
            "<form action=\"https://b.example/\"><form method=\"post\">",
            "a form within a form",
        ),
        (
            "<form>{% include 'part.html' %}</form>",
            "a form within a form",
        ),
        (
            "<base href=\"https://b.example/\">",
            "sends every link and form to another site",
        ),
    ];
    for (source, message) in rows {
        let error = refusal(&[
            ("page.html", source),
            ("part.html", "<form method=\"post\"></form>"),
        ]);
        assert!(error.contains(message), "{source}: {error}");
    }
    // a form that posts nothing has no token that could go anywhere
    for source in [
        "<form action=\"{{ a }}/b\">",
        "{% if a %}<form>{% else %}<form>{% endif %}</form><form></form>",
        "<form method=post action=\"{{ a }}?b={{ a }}\">",
    ] {
        assert!(
            !page(source, context! { a => "//evil.example" }).contains("csrfmiddlewaretoken"),
            "{source}"
        );
    }
    let overwritten = "{% macro m(u) %}<form method=post action=\"{{ u }}\"></form>{% endmacro %}<form method=post action=\"{{ a }}\" title=\"{{ m('/x') }}\">";
    assert!(
        !page(overwritten, context! { a => "https://evil.example/" })
            .contains("csrfmiddlewaretoken")
    );
    assert_eq!(
        page("<button formaction=\"/a/{{ 1 }}\">", context! {}),
        "<button formaction=\"/a/1\">"
    );
    assert_eq!(
        page("<button formaction=\"/elsewhere\">", context! {}),
        "<button formaction=\"/elsewhere\">"
    );
}

// F058
#[test]
fn scripts_and_styles_get_the_nonce() {
    let source = "<script src=\"/a.js\"></script><style>p { }</style><SCRIPT>if (a < b) { '<script>' }</SCRIPT><scripted><script type=module></script>";
    let page = page(source, context! {});
    assert_eq!(page.matches(" nonce=\"n0nce\"").count(), 4, "{page}");
    for source in [
        "<script nonce=\"abc\">",
        "<style nonce>",
        "<script nonce=\"{{ x }}\">",
        "<p nonce=a>",
    ] {
        assert!(
            refusal(&[("page.html", source)]).contains("written by the framework"),
            "{source}"
        );
    }
}

#[test]
fn known_files_get_their_hash_and_integrity() {
    let file = |url: &str, hashed: &str, hash: &str| {
        (
            url.to_owned(),
            palisade_template::StaticLink {
                url: hashed.to_owned(),
                integrity: hash.to_owned(),
            },
        )
    };
    let options = Options::new().files([
        file("/a.js", "/a.1.js", "sha384-A"),
        file("/a.css", "/a.2.css", "sha384-B"),
        file("/a.png", "/a.3.png", "sha384-C"),
    ]);
    let source = "<script src=\"/a.js\"></script><link rel=stylesheet href=/a.css><link href=\"/a.css\" integrity=\"mine\"><script src=/b.js></script>\
                  <link href=\"/{{ 'a.css' }}\"><img src='/a.png' alt='/a.png'><a href=\"/a.png?x\"><a href=\" /a.png\"><video poster=/a.png>\
                  <form action=/a.js></form>{% if x %}<img src=\"{% if x %}/b{% endif %}/a.png\">{% endif %}";
    let templates =
        Templates::load_with(vec![Layer::embedded(&[("page.html", source)])], options).unwrap();
    let page = templates
        .render("page.html", context! { x => true }, secrets())
        .unwrap();
    let expected = "<script src=\"/a.1.js\" nonce=\"n0nce\" integrity=\"sha384-A\"></script><link rel=stylesheet href=/a.2.css integrity=\"sha384-B\">\
                    <link href=\"/a.2.css\" integrity=\"mine\"><script src=/b.js nonce=\"n0nce\"></script><link href=\"/a.css\">\
                    <img src='/a.3.png' alt='/a.png'><a href=\"/a.png?x\"><a href=\" /a.png\"><video poster=/a.3.png>\
                    <form action=/a.js></form><img src=\"/b/a.png\">";
    assert_eq!(page, expected);
}

#[test]
fn inline_handlers_are_errors_unless_the_site_says_why_not() {
    for source in [
        "<b onclick=\"f()\">",
        "<body ONLOAD=f()>",
        "<svg:a svg:onclick='f()'>",
        "<b onclick>",
    ] {
        let error = refusal(&[("page.html", source)]);
        assert!(
            error.contains("never runs under the content security policy"),
            "{source}: {error}"
        );
        assert!(page(source, context! {}).contains("nclick") || source.contains("ONLOAD"));
    }
}
