//! Ways in that reviewers found, and that are closed: a value that changes what surrounds it, or a reading that is not the browser's.

use crate::reading::{lenient, secrets};
use crate::{page, page_of, refusal};
use palisade_template::{TrustedHtml, TrustedJs, TrustedJsString, context};

// a written / behind a value that may be empty is the first of the URL, and a second one names another site
#[test]
fn code_comes_from_this_site_whatever_is_empty() {
    let sources = [
        "<script src=\"{{ a }}/{{ b }}\"></script>",
        "<script src=\"{% if c %}/static{% endif %}/{{ b }}\"></script>",
        "<script src=\"{{ '/static' if c }}/{{ b }}\"></script>",
        "<script src=\"{% include 'root.html' %}/{{ b }}\"></script>",
        "<script src=\"{{ a }}/{{ b }}/app.js\"></script>",
        "<script src=\"{% for p in ['', b] %}/{{ p }}{% endfor %}/app.js\"></script>",
        "<link rel=stylesheet href=\"{{ a }}/{{ b }}\">",
        "<object data=\"{{ a }}/{{ b }}\"></object>",
    ];
    for source in sources {
        for b in [
            "/evil.example/x.js",
            "evil.example/x.js",
            "\\evil.example",
            "",
        ] {
            let files = [
                ("page.html", source),
                ("root.html", "{% if c %}/static{% endif %}"),
            ];
            let page = page_of(&files, context! { a => "", b, c => false });
            let url = page
                .split("src=\"")
                .nth(1)
                .or_else(|| page.split("ref=\"").nth(1))
                .or_else(|| page.split("data=\"").nth(1))
                .unwrap();
            assert!(
                url.starts_with('/') && !url.starts_with("//") && !url.starts_with("/\\"),
                "{source} with {b:?}: {page}"
            );
        }
    }
    for (a, b) in [
        ("", "evil.example"),
        ("", "/evil.example"),
        ("/", "evil.example"),
    ] {
        let link = page("<a href=\"/{{ a }}/{{ b }}\">", context! { a, b });
        assert!(!link.contains("=\"//"), "{link}");
    }
    let doubt = "<script src=\"/{% if a %}{{ a }}{% endif %}/{{ b }}\"></script>";
    assert!(refusal(&[("page.html", doubt)]).contains("which site code comes from"));
    let twice = "<link {% if a %}rel=\"stylesheet\"{% endif %} rel=\"icon\" href=\"{{ b }}\">";
    assert!(refusal(&[("page.html", twice)]).contains("the attribute rel may stand twice"));
}

// the place of a value in an included file was looked up by a number that had gone to another
#[test]
fn names_are_judged_for_their_own_element() {
    let files = [
        (
            "page.html",
            "<svg><a><set{% for a in attrs %} {% include 'attr.html' %}{% endfor %} x=\"y\"/></a></svg><a href=\"{{ u }}\">x</a>",
        ),
        ("attr.html", "{{ a.k }}=\"{{ a.v }}\""),
    ];
    let attrs = vec![context! { k => "to", v => "javascript:alert(1)" }];
    let page = page_of(&files, context! { attrs, u => "/" });
    assert!(
        page.contains("data-blocked=\"javascript:alert(1)\"") && !page.contains(" to="),
        "{page}"
    );
    let alone = [
        (
            "page.html",
            "<input{% for a in attrs %} {% include 'attr.html' %}{% endfor %}>",
        ),
        files[1],
    ];
    let page = page_of(
        &alone,
        context! { attrs => vec![context! { k => "maxlength", v => "5" }] },
    );
    assert_eq!(page, "<input maxlength=\"5\">");
    for name in ["TYPE", "shadowRootMode", "nonce", "Target"] {
        assert!(
            !crate::page("<script {{ x }}=\"a\"></script>", context! { x => name })
                .contains(&format!(" {name}=\"a\"")),
            "{name}"
        );
    }
    assert!(
        page_of(
            &[("page.html", "<p data-{{ k }}-url=\"{{ v }}\">")],
            context! { k => "a", v => "javascript:1" }
        )
        .contains("about:invalid")
    );
}

// two values make up the scheme that neither has alone
#[test]
fn no_two_values_make_a_script() {
    let rows = [
        (
            "<svg><a><set attributeName=\"href\" to=\"java{{ b }}\"/></a></svg>",
            "java",
            "script:alert(1)",
        ),
        (
            "<svg><animate attributeName=\"href\" values=\"{{ a }}{{ b }}\"/></svg>",
            "java",
            "script:alert(1)",
        ),
        (
            "<meta http-equiv=\"refresh\" content=\"0;{{ a }}{{ b }}\">",
            "url=java",
            "script:alert(1)",
        ),
        (
            "<meta http-equiv=\"refresh\" content=\"{{ a }}\">",
            "0 javascript:alert(1)",
            "",
        ),
        (
            "<meta http-equiv=\"refresh\" content=\"{{ a }}\">",
            "é;javascript:alert(1)",
            "",
        ),
    ];
    for (source, a, b) in rows {
        let page = page(source, context! { a, b });
        assert!(!page.contains("javascript:"), "{source}: {page}");
    }
    let harmless = "<meta name=\"description\" content=\"{{ a }}\"><svg><animate attributeName=\"x\" values=\"{{ b }}; {{ b }}\"/></svg>";
    let expected = "<meta name=\"description\" content=\"JavaScript: The Good Parts\"><svg><animate attributeName=\"x\" values=\"0 1; 0 1\"/></svg>";
    assert_eq!(
        page(
            harmless,
            context! { a => "JavaScript: The Good Parts", b => "0 1" }
        ),
        expected
    );
}

// a / was read for what it is not, so that a string began or ended elsewhere
#[test]
fn slashes_are_what_the_engine_of_the_browser_takes_them_for() {
    let regexps = [
        "var t = el.value\nreturn /\"/.test(t) || [{{ x }}, \"\\\"\"]",
        "var s = o.v\nif (ok) /\"/.test(s) && g({{ x }}, \"\\\"\")",
        "for await (const a of b) /\"/.test(a) && g({{ x }}, \"\\\"\")",
        "if (a) { } /\"/.test(a) && g({{ x }}, \"\\\"\")",
        "export default /\"/.test(a) ? {{ x }} : \"\\\"\"",
    ];
    for code in regexps {
        let page = page(
            &format!("<script type=module>{code}</script>"),
            context! { x => "alert(1)" },
        );
        assert!(page.contains("\"alert(1)\""), "{code}: {page}");
    }
    let divisions = [
        "var re\u{301} = 4; r = re\u{301} / 2 + \"/\" + {{ x }} + \"\\\"\"",
        "r = a\u{b7}in / 2 + \"/\" + {{ x }} + \"\\\"\"",
        "r = a.return / 2 + \"/\" + {{ x }}",
    ];
    for code in divisions {
        let page = page(
            &format!("<script>{code}</script>"),
            context! { x => "alert(1)" },
        );
        assert!(page.contains("\"alert(1)\""), "{code}: {page}");
    }
    assert!(
        page(
            "<script>f(...{{ x }}, [...{{ x }}])</script>",
            context! { x => "a" }
        )
        .contains("f(...\"a\", [...\"a\"])")
    );
    let doubtful = ["var r = {w: 4} / 2 + \"/\" + {{ x }} + \"\\\"\""];
    for code in doubtful {
        assert!(
            refusal(&[("page.html", &format!("<script>{code}</script>"))]).contains("could divide"),
            "{code}"
        );
    }
    let comment = "<b onclick=\"\n/* c */ --> `\nf({{ x }})//`\">";
    assert!(page(comment, context! { x => "alert(1)" }).contains("f(&quot;alert(1)&quot;)"));
}

// what browsers read in another way
#[test]
fn markup_in_scripts_and_values_in_foreign_ones() {
    let hidden = "<script>document.write(\"<script src=/a.js>\\</script><a href='{{ x }}'>go</a>\")</script>";
    let page_text = page(hidden, context! { x => "javascript:alert(1)" });
    assert_eq!(page_text.matches("</script").count(), 1, "{page_text}");
    for (source, message) in [
        (
            "<svg><script>var a = &quot;{{ x }}&quot;</script></svg>",
            "the script of an SVG",
        ),
        (
            "<script type=\"importmap\">{\"imports\": {\"a\": \"{{ x }}\"}}</script>",
            "which code the browser loads",
        ),
        (
            "<script type=\"speculationrules\">{{ x }}</script>",
            "which code the browser loads",
        ),
        (
            "<script>x <!{% if a %}--{% endif %}{{ y }}</script>",
            "two sides of a template tag",
        ),
        (
            "<script>function a_{{ x }}() {}</script>",
            "right behind a name",
        ),
        ("<script>a.{{ x }}</script>", "right behind a name or a dot"),
        (
            "<div hx-trigger=\"every {{ n }}s\">",
            "a value decides hx-trigger",
        ),
        (
            "<style>p { a: \\url({{ x }}) }</style>",
            "written as an escape",
        ),
    ] {
        let error = refusal(&[("page.html", source)]);
        assert!(error.contains(message), "{source}: {error}");
    }
    let htmx = page(
        "<div hx-headers='js:{\"a\": \"{{ x }}\"}' data-on-click=\"f('{{ x }}')\">",
        context! { x => "'+alert(1)+'" },
    );
    assert!(!htmx.contains("#x27;+alert"), "{htmx}");
    assert_eq!(page("<!--!> <script>old()</script> -->", context! {}), "");
}

#[test]
fn styles_stay_in_their_declaration_and_import_from_this_site() {
    let source = "<style>h1 { font: 1px/{{ l }} Arial; color: red }</style>";
    assert!(page(source, context! { l => "*" }).contains("1px/blocked Arial"));
    let imported = page(
        "<style>@import url(\"{{ t }}\");@import \"{{ t }}\"; p { a: url({{ t }}) }</style>",
        context! { t => "https://evil.example/x.css" },
    );
    assert_eq!(
        imported.matches("https://evil.example").count(),
        1,
        "a picture may be there: {imported}"
    );
    let text = page(
        "<style>a::after { content: \"#{{ t }}: \" } a[href^=\"javascript:\"] { }</style>",
        context! { t => "C++ é" },
    );
    assert!(text.contains("content: \"#C\\2b\\2b  é: \""), "{text}");
}

#[test]
fn trusted_text_stays_in_its_literal_and_element() {
    let why = "written in this test";
    let literal = "<script>var a = `{{ a }}{ {{ b }} }`</script>";
    let page = page_of(
        &[("page.html", literal)],
        context! { a => TrustedJsString::dangerous_from("$", why), b => "alert(1)" },
    );
    assert!(page.contains("`\\u0024{ alert(1) }`"), "{page}");
    let js = |text: &str| context! { x => TrustedJs::dangerous_from(text, why) };
    assert_eq!(
        crate::page("<script>{{ x }}/script></script>", js("a = 1 <"))
            .matches("</script")
            .count(),
        1
    );
    assert!(!crate::page("<script><!{{ x }}</script>", js("--")).contains("<!--"));
    let expression = crate::page(
        "<script>x = /<!--<script>/; y = \"{{ x }}\"</script><p>",
        js("a"),
    );
    assert!(
        expression.contains(r"x = /\u003C!--"),
        "a comment in a regular expression hides no end of the element: {expression}"
    );
    let reversed =
        context! { x => TrustedHtml::dangerous_from("<b>;tg&1=rorreno x=crs gmi;tl&</b>", why) };
    assert!(!crate::page("{{ x|reverse }}", reversed).contains("<img"));
}

#[test]
fn values_of_scripts_are_one_token() {
    let map = std::collections::BTreeMap::from([(
        "__proto__",
        std::collections::BTreeMap::from([("admin", true)]),
    )]);
    let page = page(
        "<script>return{{ n|json }};a-{{ n }};a-{{ n|json }};o = {{ map }}</script>",
        context! { n => -1, map },
    );
    assert!(
        page.contains("return -1 ;a- -1 ;a- -1 ;o = {[\"__proto__\"]:{\"admin\":true}}"),
        "{page}"
    );
}

// the filter by its own name, and numbers that fill the memory
#[test]
fn filters_take_no_names_of_escapers_and_no_huge_numbers() {
    let templates = |source: &str| lenient(&[("page.html", source)]).unwrap();
    for source in [
        "{{ [x]|map('_palisade_text_bare')|join }}",
        "{{ [x]|map(f)|join }}",
        "{{ x|indent(2000000000) }}",
        "{{ x|indent(width=2000000000) }}",
        "{{ '%9999999999d'|format(1) }}",
        "{{ [1]|slice(2000000000)|list }}",
        "{{ [1]|batch(2000000000, 0)|list }}",
        "{{ debug() }}",
    ] {
        let values = context! { x => "<script>alert(1)</script>\n", f => "_palisade_text_bare" };
        let rendered = templates(source).render("page.html", values, secrets());
        assert!(rendered.is_err(), "{source}: {rendered:?}");
    }
}

// none of these may take the program down, or forever
#[test]
fn loading_and_rendering_end() {
    for source in [
        "{%import a as b%c %}",
        "{% for x in y %}{% with z = x %}{% continue %}{% endwith %}{% endfor %}",
        "{% for x in y %}{% set z %}{% break %}{% endset %}{% endfor %}",
    ] {
        let error = refusal(&[("page.html", source), ("a", "")]);
        assert!(
            error.contains("an import without a name")
                || error.contains("the loop is left from within"),
            "{source}: {error}"
        );
    }
    let nested = "{% for a in b %}<a href=\"{{ a }}".repeat(14) + &"\">{% endfor %}".repeat(14);
    assert!(lenient(&[("page.html", &nested)]).is_err() || nested.len() > 100);
    let scripts = format!(
        "<script>{}{}</script>",
        "{% for a in b %}f({{ a }});".repeat(20),
        "{% endfor %}".repeat(20)
    );
    assert!(lenient(&[("page.html", &scripts)]).is_ok());
    let names: Vec<String> = (0..30).map(|number| format!("t{number}.html")).collect();
    let files: Vec<(String, String)> = (0..30)
        .map(|number| {
            let next = number + 1;
            let more = if next < 30 {
                format!("{{% include 't{next}.html' %}}")
            } else {
                String::new()
            };
            (
                names[number].clone(),
                format!("{{% if a %}}{{% include 't{number}.html' %}}{{% endif %}}{more}/x"),
            )
        })
        .chain([(
            "page.html".to_owned(),
            "<q cite=\"{% include 't0.html' %}\">".to_owned(),
        )])
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert!(refusal(&files).contains("includes lead too deep"));
    let many = "<blockquote>".repeat(40_000);
    assert!(
        TrustedHtml::sanitize(&many, palisade_template::Preset::Comment)
            .as_str()
            .starts_with("&lt;blockquote&gt;")
    );
}
