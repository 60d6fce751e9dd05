//! Contexts through all of the template language.

use crate::{lenient, page, page_of, refusal};
use palisade_template::{Layer, PageSecrets, Templates, context};

#[test]
fn branches_and_loops_keep_or_join_contexts() {
    let x = "\"'<";
    let rows = [
        (
            "<a {% if t %}href=\"/{{ x }}\"{% else %}title=\"{{ x }}\"{% endif %}>",
            "<a href=\"/%22%27%3C\">",
        ),
        (
            "<a {% if not t %}href=\"/{{ x }}\"{% elif t %}title=\"{{ x }}\"{% endif %} id=b>",
            "<a title=\"&quot;&#x27;&lt;\" id=b>",
        ),
        (
            "<a href=\"{% if t %}/a{% else %}b{% endif %}{{ x }}\">",
            "<a href=\"/a%22%27%3C\">",
        ),
        (
            "<a href=\"/?{% for i in [1, 2] %}&a{{ i }}={{ x }}{% endfor %}\">",
            "<a href=\"/?&amp;a1=%22%27%3C&amp;a2=%22%27%3C\">",
        ),
        (
            "<a href='{% for i in [1, 2] %}{{ y }}{% endfor %}'>",
            "<a href='about:invalid#blockedabout:invalid#blocked'>",
        ),
        ("<input{% if t %} checked{% endif %}>", "<input checked>"),
        (
            "<input {% if t %}checked{% else %}disabled{% endif %} id=a>",
            "<input checked id=a>",
        ),
        (
            "<script>var a = [{% for i in [1, 2] %}{{ i }},{% endfor %}]</script>",
            "<script>var a = [ 1 , 2 ,]</script>",
        ),
        (
            "<script>var a = {% if t %}1{% else %}'b'{% endif %};f({{ x }})</script>",
            "<script>var a = 1;f(\"\\\"\\u0027\\u003C\")</script>",
        ),
        (
            "{% for i in [] %}<a href=\"{{ i }}\">{% else %}{{ x }}{% endfor %}",
            "&quot;&#x27;&lt;",
        ),
        (
            "{% for i in [1, 2] %}<b>{% if i == 2 %}{% break %}{% endif %}{% continue %}</i>{% endfor %}",
            "<b><b>",
        ),
        (
            "{% with y = x %}<b title=\"{{ y }}\">{% endwith %}{% set z = x %}{{ z }}",
            "<b title=\"&quot;&#x27;&lt;\">&quot;&#x27;&lt;",
        ),
        (
            "<p title=\"{% set z %}<b>{{ x }}</b>{% endset %}{{ z }}\">{{ z }}",
            "<p title=\"&quot;&#x27;&lt;\"><b>&quot;&#x27;&lt;</b>",
        ),
        ("<p title=\"{{ 'a' if t else x }}\">", "<p title=\"a\">"),
        (
            "<p title=\"{{ x if t else 'a' }}\">",
            "<p title=\"&quot;&#x27;&lt;\">",
        ),
        ("<p title=\"{{- x -}} \">", "<p title=\"&quot;&#x27;&lt;\">"),
        (
            "<script>\n{%- if t -%}\n  f({{+ x }})\n{% endif %}\n</script>",
            "<script>f(\"\\\"\\u0027\\u003C\")\n</script>",
        ),
        ("{% filter upper %}<{{ x }}{% endfilter %}", ""),
        (
            "{% filter upper %}b{{ x }}{% endfilter %}",
            "B&quot;&#x27;&lt;",
        ),
        (
            "{% do f(x) %}{% for a in t2 recursive %}<i>{{ a.n }}{{ loop(a.c) }}</i>{% endfor %}",
            "",
        ),
        (
            "{% for a in tree recursive %}<i title=\"{{ a.n }}\">{{ loop(a.c) }}</i>{% endfor %}",
            "<i title=\"&lt;\"><i title=\"b\"></i></i>",
        ),
        (
            "<p title=\"{% for a in tree recursive %}{{ a.n }}{{ loop(a.c) }}{% endfor %}\">",
            "<p title=\"&lt;b\">",
        ),
    ];
    let tree =
        vec![context! { n => "<", c => vec![context! { n => "b", c => Vec::<String>::new() }] }];
    for (source, expected) in rows.iter().filter(|(_, expected)| !expected.is_empty()) {
        let page = page(
            source,
            context! { x, t => true, y => "a:b", tree => tree.clone() },
        );
        assert_eq!(page.replace(" nonce=\"n0nce\"", ""), *expected, "{source}");
    }
}

#[test]
fn branches_that_end_in_different_contexts_are_named() {
    let rows = [
        (
            "{% if a %}<p title=\"{% else %}<p title='{% endif %}",
            "the \"-quoted attribute title and the '-quoted attribute title",
        ),
        (
            "<p {% if a %}href='{% else %}title='{% endif %}{{ x }}'>",
            "the start of a URL in the '-quoted attribute href and the '-quoted attribute title",
        ),
        (
            "<script>f('{% if a %}'{% endif %}</script>",
            "a JavaScript value in <script> and a '-quoted JavaScript string in <script>",
        ),
        (
            "<style>p { a: {% if a %}url({% endif %} }</style>",
            "a CSS url() in <style> and a CSS value in <style>",
        ),
        (
            "{% if a %}<textarea>{% endif %}",
            "the text of <textarea> and HTML text",
        ),
        (
            "{% if a %}<!-- {% endif %}",
            "an HTML comment and HTML text",
        ),
        (
            "<p class={% if a %}b{% endif %} id=c>",
            "the unquoted attribute class and the value of the attribute class",
        ),
        (
            "{% for i in a %}<p title=\"{% endfor %}",
            "begins in HTML text and ends in the \"-quoted attribute title",
        ),
        (
            "{% for i in a %}<b{% if i %}{% break %}{% endif %}>{% endfor %}",
            "begins in HTML text and ends in the name of a tag",
        ),
        (
            "{% for i in a %}{% else %}<b{% endfor %}",
            "{% for %} and its {% else %} end in different contexts",
        ),
        (
            "<script>`${ {% for i in a %}{ {% endfor %} }`</script>",
            "the body of this {% for %}",
        ),
        (
            "{% macro m() %}<a href=\"{% endmacro %}",
            "begins in HTML text and ends in the start of a URL",
        ),
        (
            "{% set a %}<b{% endset %}",
            "begins in HTML text and ends in the name of a tag",
        ),
        (
            "<p title=\"{% call m() %}{% endcall %}\">",
            "{% call %} in the \"-quoted attribute title",
        ),
        (
            "<p title=\"{% filter upper %}{% endfilter %}\">",
            "{% filter %} in the \"-quoted attribute title",
        ),
        (
            "<script>{% for a in b recursive %}'{{ loop(a) }}'{% endfor %}</script>",
            "written for a JavaScript value in <script>, in a '-quoted",
        ),
        (
            "{% for a in b recursive %}<i>{{ loop(a)|upper }}</i>{% endfor %}",
            "is part of an expression",
        ),
    ];
    for (source, message) in rows {
        let error = refusal(&[("page.html", source)]);
        assert!(error.contains(message), "{source}: {error}");
    }
}

#[test]
fn includes_are_checked_for_every_context_they_stand_in() {
    let part = "{{ x }}";
    let source = "{% include 'part.html' %}<p title=\"{% include 'part.html' %}\"><a href=\"/?{% include 'part.html' %}\">\
                  <script>f({% include 'part.html' %}, '{% include ['none.html', 'part.html'] %}')</script>{% include 'par' ~ 't.html' %}";
    let page = page_of(
        &[("page.html", source), ("part.html", part)],
        context! { x => "\"<" },
    );
    let expected = "&quot;&lt;<p title=\"&quot;&lt;\"><a href=\"/?%22%3C\"><script nonce=\"n0nce\">f(\"\\\"\\u003C\", '\\u0022\\u003C')</script>&quot;&lt;";
    assert_eq!(page, expected);
    let looped = [
        (
            "page.html",
            "<script>{% for i in [1] %}{% include 'part.html' %};{{ x }};{% endfor %}</script>{% include name if 1 < 2 %}",
        ),
        ("part.html", part),
    ];
    assert!(page_of(&looped, context! { x => "<", name => "part.html" }).ends_with("&lt;"));
    // parts of a page: one opens what another closes
    let parts = [
        (
            "page.html",
            "{% include 'head.html' %}{{ x }}{% include 'foot.html' %}",
        ),
        ("head.html", "<p title=\""),
        ("foot.html", "\">"),
    ];
    assert_eq!(
        page_of(&parts, context! { x => "\"" }),
        "<p title=\"&quot;\">"
    );
    let alone = lenient(&parts)
        .unwrap()
        .render("head.html", context! {}, PageSecrets::none())
        .unwrap_err()
        .to_string();
    assert!(
        alone.contains("the template ends in the \"-quoted attribute title"),
        "{alone}"
    );
    let computed = |name: &str| {
        let files = [
            ("page.html", "{% include name %}"),
            ("head.html", "<p title=\""),
            ("user.html", "{% include 'head.html' %}\">"),
            ("part.html", "{{ x }}"),
            ("s.html", "<script>{% include 'part.html' %}</script>"),
        ];
        lenient(&files)
            .unwrap()
            .render(
                "page.html",
                context! { name, x => "<" },
                PageSecrets::none(),
            )
            .map_err(|error| error.to_string())
    };
    assert_eq!(computed("part.html").unwrap(), "&lt;");
    for name in [
        "head.html",
        "part.html#0",
        "part.html#1",
        "../../etc/passwd",
        "nowhere.html",
        "",
    ] {
        assert!(computed(name).is_err(), "{name}");
    }
}

#[test]
fn includes_that_cannot_be_checked_are_refused() {
    let rows: [(&[(&str, &str)], &str); 8] = [
        // the name that rewriting gives to a.html in a title
        (
            &[
                (
                    "page.html",
                    "<p title=\"{% include 'a.html' %}\"><script>{% include ['a.html#0', 'a.html'] %}</script>",
                ),
                ("a.html", "{{ x }}"),
            ],
            "there is no template \"a.html#0\"",
        ),
        (
            &[("page.html", "{<!-- a -->{ x }}")],
            "would be a template tag",
        ),
        (
            &[("page.html", "<p title=\"{% include name %}\">")],
            "a template whose name is computed, in the \"-quoted attribute title",
        ),
        (
            &[
                (
                    "page.html",
                    "<p title=\"{% include 'a.html' if b else 'c.html' %}\">",
                ),
                ("a.html", ""),
                ("c.html", ""),
            ],
            "whose name is computed",
        ),
        (
            &[
                ("page.html", "{% include ['a.html', 'b.html'] %}"),
                ("a.html", "<b "),
                ("b.html", ""),
            ],
            "what is included may end in",
        ),
        (
            &[
                ("page.html", "{% include 'a.html' ignore missing %}>"),
                ("a.html", "<b "),
            ],
            "what is included may end in",
        ),
        (
            &[
                ("page.html", "<script>{% include 'a.html' %}"),
                ("a.html", "`${ {% include 'a.html' %}"),
            ],
            "into ever new contexts",
        ),
        (
            &[
                ("page.html", "<script>{% include 'a.html' %}</script>"),
                ("a.html", "{% extends 'b.html' %}"),
                ("b.html", ""),
            ],
            "that extends another is included in a JavaScript value",
        ),
    ];
    for (files, message) in rows {
        let error = refusal(files);
        assert!(error.contains(message), "{files:?}: {error}");
    }
    // recursion that keeps its context is fine
    let files = [
        (
            "page.html",
            "<script>var a = {% include 'n.html' %};</script>",
        ),
        (
            "n.html",
            "[{{ n }}{% if n %},{% with n = n - 1 %}{% include 'n.html' %}{% endwith %}{% endif %}]",
        ),
    ];
    assert_eq!(
        page_of(&files, context! { n => 2 }).replace(" nonce=\"n0nce\"", ""),
        "<script>var a = [ 2 ,[ 1 ,[ 0 ]]];</script>"
    );
}

#[test]
fn blocks_are_filled_in_the_context_they_stand_in() {
    let base = "<title>{% block title %}a{% endblock %}</title><p class=\"{% block class %}{% endblock %}\">{% block body %}<i>{{ x }}</i>{% endblock %}\
                <script>f({% block code %}1{% endblock %})</script>{{ self.title() }}<meta content=\"{{ self.title() }}\">";
    let child = "{% extends 'base.html' %}{% set y = 1 %}ignored {{ x }}{% block title %}{{ x }}{% endblock %}{% block class %}b {{ x }}{% endblock %}\
                 {% block body %}{{ super() }}{% block inner %}{{ x }}{% endblock %}{% endblock %}{% block code %}{{ super() }}, {{ x }}{% endblock %}";
    let grandchild =
        "{% extends 'child.html' %}{% block inner %}<b title='{{ x }}'>{{ super() }}{% endblock %}";
    let files = [
        ("page.html", grandchild),
        ("child.html", child),
        ("base.html", base),
    ];
    let expected = "<title>&lt;</title><p class=\"b &lt;\"><i>&lt;</i><b title='&lt;'>&lt;<script nonce=\"n0nce\">f(1, \"\\u003C\")</script>&lt;<meta content=\"&lt;\">";
    assert_eq!(page_of(&files, context! { x => "<" }), expected);
    let choice = [
        (
            "page.html",
            "{% extends 'a.html' if x else 'b.html' %}{% block c %}{{ x }}{% endblock %}",
        ),
        ("a.html", "<p title=\"{% block c %}{% endblock %}\">"),
        ("b.html", "<b title=\"{% block c %}{% endblock %}\">"),
    ];
    assert!(
        refusal(&choice).contains("is in another context in b.html"),
        "the elements differ"
    );
    let same = [
        choice[0],
        choice[1],
        ("b.html", "b<p title=\"{% block c %}{% endblock %}\">"),
    ];
    assert_eq!(
        page_of(&same, context! { x => "\"" }),
        "<p title=\"&quot;\">"
    );
}

#[test]
fn blocks_that_change_their_context_are_refused() {
    let base = (
        "base.html",
        "<p>{% block a %}{% endblock %}{{ x }}</p><a href=\"{% block b %}{% endblock %}\">",
    );
    let rows = [
        (
            "{% extends 'base.html' %}{% block a %}</p><script>{% endblock %}",
            "the block a begins in HTML text and has to end in HTML text, but ends in a JavaScript value",
        ),
        (
            "{% extends 'base.html' %}{% block b %}\"{% endblock %}",
            "but ends in the attributes of <a>",
        ),
        (
            "{% extends 'base.html' %}{% block c %}<b{% endblock %}",
            "but ends in the name of a tag",
        ),
        (
            "{% extends 'base.html' %}{% block a %}{{ self.b() }}{% endblock %}",
            "prints what was written for the start of a URL",
        ),
        (
            "{% extends 'base.html' %}{% block a %}{{ self.b()|upper }}{% endblock %}",
            "is part of an expression",
        ),
        (
            "{% extends 'base.html' %}{% block a %}<p title=\"{% block b %}{% endblock %}\">{% endblock %}",
            "the block b is in the \"-quoted attribute title here, and in the start of a URL",
        ),
        ("x{% extends 'base.html' %}", "something is printed before"),
        (
            "{% if x %}{% extends 'base.html' %}{% endif %}",
            "inside of something else",
        ),
        (
            "{% extends x %}",
            "the name of the extended template is computed",
        ),
        ("{{ super() }}", "super() }} without a block"),
        (
            "{% block a %}{{ super() }}{% endblock %}",
            "super() }} without a block",
        ),
        ("{{ self.nothing() }}", "a block that does not stand before"),
        ("{{ loop(x) }}", "outside of a loop"),
    ];
    for (source, message) in rows {
        let error = refusal(&[("page.html", source), base]);
        assert!(error.contains(message), "{source}: {error}");
    }
}

#[test]
fn macros_are_html_wherever_they_are_printed() {
    let source = "{% macro m(a) %}<b>{{ a }}{{ caller() if caller }}</b>{% endmacro %}{{ m(x) }}<p title=\"{{ m(x) }}\">{% call m(x) %}<i title=\"{{ x }}\">{% endcall %}\
                  <script>f({{ m(x) }})</script>{{ m(x) ~ '<' }}";
    let expected = "<b>&amp;</b><p title=\"&amp;\"><b>&amp;<i title=\"&amp;\"></b><script nonce=\"n0nce\">f(\"\\u003Cb\\u003E\\u0026amp;\\u003C\\/b\\u003E\")</script>\
                    &lt;b&gt;&amp;amp;&lt;/b&gt;&lt;";
    assert_eq!(page(source, context! { x => "&" }), expected);
    let imported = [
        (
            "page.html",
            "{% import 'lib.html' as lib %}{% from 'lib.html' import m as n %}{{ lib.m(x) }}{{ n(x) }}",
        ),
        (
            "lib.html",
            "{% macro m(a) %}<a href=\"/?{{ a }}\">{% endmacro %}",
        ),
    ];
    assert_eq!(
        page_of(&imported, context! { x => "&" }),
        "<a href=\"/?%26\"><a href=\"/?%26\">"
    );
}

#[test]
fn earlier_layers_win() {
    let layers = vec![
        Layer::embedded(&[("base.html", "site:{% block b %}{% endblock %}")]),
        Layer::embedded(&[
            ("base.html", "framework"),
            (
                "page.html",
                "{% extends 'base.html' %}{% block b %}{{ x }}{% endblock %}",
            ),
        ]),
    ];
    let templates = Templates::load(layers).unwrap();
    assert_eq!(
        templates
            .render("page.html", context! { x => "<" }, PageSecrets::none())
            .unwrap(),
        "site:&lt;"
    );
}

// F054, D19: for any file name
#[test]
fn every_file_is_html() {
    for name in ["page.txt", "page", "page.svg", "page.js", "page.json"] {
        let templates = lenient(&[(name, "<p title=\"{{ x }}\">{{ x }}</p>")]).unwrap();
        let page = templates
            .render(name, context! { x => "<\"'>" }, PageSecrets::none())
            .unwrap();
        assert_eq!(
            page, "<p title=\"&lt;&quot;&#x27;&gt;\">&lt;&quot;&#x27;&gt;</p>",
            "{name}"
        );
    }
}
