//! Trusted types and the sanitizer.

use crate::{lenient, page};
use palisade_template::{
    Blocked, Layer, Options, PageSecrets, Preset, Templates, TrustedAttr, TrustedCss, TrustedHtml,
    TrustedJs, TrustedJsString, TrustedSrcset, TrustedUrl, Value, context,
};
use std::sync::{Arc, Mutex};

const REASON: &str = "written in this test";

pub fn trusted(kind: &str, text: &str) -> Value {
    match kind {
        "html" => TrustedHtml::dangerous_from(text, REASON).into(),
        "attr" => TrustedAttr::dangerous_from(text, REASON).into(),
        "js" => TrustedJs::dangerous_from(text, REASON).into(),
        "jsstr" => TrustedJsString::dangerous_from(text, REASON).into(),
        "css" => TrustedCss::dangerous_from(text, REASON).into(),
        "url" => TrustedUrl::dangerous_from(text, REASON).into(),
        "srcset" => TrustedSrcset::dangerous_from(text, REASON).into(),
        other => panic!("an unknown type {other}"),
    }
}

// F056
#[test]
fn trust_counts_in_its_own_place_only() {
    let own = [
        ("html", "<b>x</b>", "{{ x }}", "<b>x</b>"),
        (
            "html",
            "<b>&amp;</b>\"",
            "<p title=\"{{ x }}\">",
            "<p title=\"&amp;&quot;\">",
        ),
        (
            "html",
            "<b>&amp;</b>",
            "<title>{{ x }}</title>",
            "<title>&lt;b&gt;&amp;&lt;/b&gt;</title>",
        ),
        (
            "html",
            "<b>&amp;",
            "<iframe srcdoc=\"{{ x }}\"></iframe>",
            "<iframe srcdoc=\"&lt;b&gt;&amp;amp;\"></iframe>",
        ),
        (
            "attr",
            "hidden title=\"a\"",
            "<p {{ x }}>",
            "<p hidden title=\"a\">",
        ),
        ("attr", " hidden", "<p{{ x }}>", "<p hidden>"),
        (
            "attr",
            " hidden",
            "<script{{ x }}></script>",
            "<script-blocked></script>",
        ),
        (
            "js",
            "a < b",
            "<script>f({{ x }})</script>",
            "<script>f( a < b )</script>",
        ),
        (
            "js",
            "'</script>'",
            "<script>f({{ x }})</script>",
            "<script>f( '<\\/script>' )</script>",
        ),
        (
            "jsstr",
            "a\\n'",
            "<script>f('{{ x }}')</script>",
            "<script>f('a\\n\\u0027')</script>",
        ),
        (
            "jsstr",
            "a`${b}",
            "<script>f(`{{ x }}`)</script>",
            "<script>f(`a\\u0060\\u0024{b}`)</script>",
        ),
        (
            "css",
            "url(a)</style>",
            "<style>p { a: {{ x }} }</style>",
            "<style>p { a: url(a)\\3C /style> }</style>",
        ),
        (
            "url",
            "app:x?a=b&c",
            "<a href=\"{{ x }}\">",
            "<a href=\"app:x?a=b&amp;c\">",
        ),
        (
            "url",
            "a=b&c",
            "<a href=\"/?{{ x }}\">",
            "<a href=\"/?a=b&amp;c\">",
        ),
        (
            "srcset",
            "app:x 2x, y",
            "<img srcset=\"{{ x }}\">",
            "<img srcset=\"app:x 2x, y\">",
        ),
    ];
    for (kind, text, source, expected) in own {
        assert_eq!(
            page(source, context! { x => trusted(kind, text) }).replace(" nonce=\"n0nce\"", ""),
            expected,
            "{kind} in {source}"
        );
    }
    let evil = "\"'><script>alert(1)</script>javascript:;}";
    for kind in ["attr", "js", "jsstr", "css", "url", "srcset"] {
        assert_eq!(
            page("{{ x }}", context! { x => trusted(kind, evil) }),
            page("{{ x }}", context! { x => evil }),
            "{kind}"
        );
    }
    for source in [
        "<a href=\"{{ x }}\">",
        "<style>p { a: {{ x }} }</style>",
        "<p {{ x }}>",
        "<img srcset=\"{{ x }}\">",
    ] {
        let places = if source.contains("href") {
            vec!["html", "js", "jsstr", "css", "attr"]
        } else {
            vec!["html", "js", "jsstr"]
        };
        for kind in places {
            assert_eq!(
                page(source, context! { x => trusted(kind, evil) }),
                page(source, context! { x => evil }),
                "{kind} in {source}"
            );
        }
    }
}

#[test]
fn no_filter_makes_or_keeps_trust_that_it_should_not() {
    let html =
        || context! { x => TrustedHtml::dangerous_from("<i>a b</i>&lt;", REASON), y => "<b>" };
    let rows = [
        ("{{ x|upper }}", "A B&lt;"),
        ("{{ x|reverse }}", "&lt;b a"),
        ("{{ x|first }}{{ x|last }}", "a&lt;"),
        ("{{ x|replace('a', y) }}", "&lt;b&gt; b&lt;"),
        ("{{ x|split(' ')|join('|') }}", "a|b&lt;"),
        ("{{ x|list|join }}", "a b&lt;"),
        ("{{ x|trim('<') }}", "a b"),
        ("{{ x[0:3] }}", "&lt;i&gt;"),
        ("{{ x ~ y }}", "&lt;i&gt;a b&lt;/i&gt;&amp;lt;&lt;b&gt;"),
        ("{{ x|e }}", "&lt;i&gt;a b&lt;/i&gt;&amp;lt;"),
        ("{{ y|e }}{{ y|escape|e }}", "&lt;b&gt;&lt;b&gt;"),
        ("{{ [x, y]|join }}", "<i>a b</i>&lt;&lt;b&gt;"),
        ("{{ '%s'|format(y) }}", "&lt;b&gt;"),
        (
            "<a href=\"/?{{ y|urlencode }}\">{{ y|urlencode }}",
            "<a href=\"/?%3Cb%3E\">%3Cb%3E",
        ),
        (
            "{{ y|tojson }}<p title='{{ y|json }}'>",
            "&quot;\\u003Cb\\u003E&quot;<p title='&quot;\\u003Cb\\u003E&quot;'>",
        ),
        ("{{ y|string|default('a')|trim }}", "&lt;b&gt;"),
    ];
    for (source, expected) in rows {
        assert_eq!(page(source, html()), expected, "{source}");
    }
}

// F057, ASVS 1.3.1
#[test]
fn the_sanitizer_leaves_what_its_preset_names() {
    let html = "<h1 onclick=x>T</h1><p style=\"x\">a <b>b</b> <a href=\"javascript:x\">c</a> <a href=\"/d\" target=_blank>d</a></p>\
                <img src=x onerror=alert(1)><script>alert(1)</script><style>p{}</style><!-- c --><svg><script>1</script></svg><form action=x><input name=y>";
    assert_eq!(
        TrustedHtml::sanitize(html, Preset::Plain).as_str(),
        "Ta b c d"
    );
    let rel = "rel=\"nofollow ugc noopener noreferrer\"";
    let comment = format!("T<p>a <b>b</b> <a {rel}>c</a> <a href=\"/d\" {rel}>d</a></p>");
    assert_eq!(
        TrustedHtml::sanitize(html, Preset::Comment).as_str(),
        comment
    );
    let article = TrustedHtml::sanitize(html, Preset::Article);
    assert!(
        article.as_str().contains("<h1>T</h1>") && article.as_str().contains("<img src=\"x\">"),
        "{article:?}"
    );
    let source = "{{ x|sanitize('comment') }}<p title=\"{{ x|sanitize('plain') }}\">";
    assert_eq!(
        page(
            source,
            context! { x => "<b onclick=x>1</b><script>2</script>" }
        ),
        "<b>1</b><p title=\"1\">"
    );
}

// ASVS 1.2.2: recorded, without the value
#[test]
fn a_refused_value_is_told_to_the_program() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    let options = Options::new()
        .on_blocked(move |blocked: &Blocked<'_>| hook.lock().unwrap().push(format!("{blocked:?}")));
    let source = "<p>\n<a href=\"{{ link.url }}\">";
    let templates =
        Templates::load_with(vec![Layer::embedded(&[("page.html", source)])], options).unwrap();
    for (url, count) in [("/fine", 0), ("javascript:secret()", 1)] {
        templates
            .render(
                "page.html",
                context! { link => context! { url } },
                PageSecrets::none(),
            )
            .unwrap();
        assert_eq!(told.lock().unwrap().len(), count, "{url}");
    }
    let line = told.lock().unwrap().join("");
    assert!(
        line.contains("page.html")
            && line.contains("line: 2")
            && line.contains("link.url")
            && line.contains("start of a URL"),
        "{line}"
    );
    assert!(!line.contains("secret"), "{line}");
}

#[test]
#[should_panic(expected = "say why")]
fn trust_without_a_reason_is_refused() {
    let _ = TrustedUrl::dangerous_from("x", " ");
}

// for reviewers: every value that is not HTML text
#[test]
fn uses_lists_what_is_not_text() {
    let files = [
        (
            "b.html",
            "{{ a }}<a href=\"/{{ b.c }}\">\n<script>f({{ d|upper }})</script>",
        ),
        ("a.html", "<p title='{{ e }}'>{% include 'b.html' %}"),
    ];
    let uses = lenient(&files).unwrap().uses();
    let shown: Vec<String> = uses
        .iter()
        .map(|one| {
            format!(
                "{}:{}:{} {} {}",
                one.template, one.line, one.column, one.expression, one.context
            )
        })
        .collect();
    let expected = [
        "a.html:1:11 e the '-quoted attribute title",
        "b.html:1:18 b.c a URL after its first / in the \"-quoted attribute href",
        "b.html:2:11 d|upper a JavaScript value in <script>",
    ];
    assert_eq!(shown, expected);
}
