//! Every context: what comes out of a value that would break out of most of them, and what is refused.

use crate::{lenient, page, secrets};
use palisade_template::{Value, context};

/// Ends strings, attributes, comments, elements and template literals, and has letters that are encoded.
const NASTY: &str = "a</script>\"'>&`${1}\\\u{2028}é";

/// Places whose value is [`NASTY`].
const NASTY_ROWS: [(&str, &str); 37] = [
    (
        "<p>{{ x }}</p>",
        "<p>a&lt;/script&gt;&quot;&#x27;&gt;&amp;`${1}\\\u{2028}é</p>",
    ),
    (
        "<title>{{ x }}</title>",
        "<title>a&lt;/script&gt;&quot;&#x27;&gt;&amp;`${1}\\\u{2028}é</title>",
    ),
    (
        "<textarea>{{ x }}</textarea>",
        "<textarea>a&lt;/script&gt;&quot;&#x27;&gt;&amp;`${1}\\\u{2028}é</textarea>",
    ),
    (
        "<p title=\"{{ x }}\">",
        "<p title=\"a&lt;/script&gt;&quot;&#x27;&gt;&amp;`${1}\\\u{2028}é\">",
    ),
    (
        "<p title='{{ x }}'>",
        "<p title='a&lt;/script&gt;&quot;&#x27;&gt;&amp;`${1}\\\u{2028}é'>",
    ),
    (
        "<p title={{ x }}>",
        "<p title=a&#60;/script&#62;&#34;&#39;&#62;&#38;&#96;&#36;&#123;1&#125;&#92;\u{2028}é>",
    ),
    (
        "<a href=\"{{ x }}\">",
        "<a href=\"a%3C/script%3E%22%27%3E&amp;%60$%7B1%7D%5C%E2%80%A8%C3%A9\">",
    ),
    (
        "<a href=\"/a/{{ x }}\">",
        "<a href=\"/a/a%3C/script%3E%22%27%3E&amp;%60$%7B1%7D%5C%E2%80%A8%C3%A9\">",
    ),
    (
        "<a href=\"/a?b={{ x }}\">",
        "<a href=\"/a?b=a%3C%2Fscript%3E%22%27%3E%26%60%24%7B1%7D%5C%E2%80%A8%C3%A9\">",
    ),
    (
        "<a href=\"/a#{{ x }}\">",
        "<a href=\"/a#a%3C%2Fscript%3E%22%27%3E%26%60%24%7B1%7D%5C%E2%80%A8%C3%A9\">",
    ),
    (
        "<img srcset=\"/{{ x }} 2x\">",
        "<img srcset=\"/a%3C/script%3E%22%27%3E&amp;%60$%7B1%7D%5C%E2%80%A8%C3%A9 2x\">",
    ),
    (
        "<iframe srcdoc=\"{{ x }}\">",
        "<iframe srcdoc=\"a&amp;lt;/script&amp;gt;&amp;quot;&amp;#x27;&amp;gt;&amp;amp;`${1}\\\u{2028}é\">",
    ),
    (
        "<iframe srcdoc=\"<p>{{ x }}\">",
        "<iframe srcdoc=\"<p>a&amp;lt;/script&amp;gt;&amp;quot;&amp;#x27;&amp;gt;&amp;amp;`${1}\\\u{2028}é\">",
    ),
    (
        "<meta name=\"a\" content=\"{{ x }}\">",
        "<meta name=\"a\" content=\"a&lt;/script&gt;&quot;&#x27;&gt;&amp;`${1}\\\u{2028}é\">",
    ),
    (
        "<meta content=\"0; URL = {{ x }}\">",
        "<meta content=\"0; URL = a%3C/script%3E%22%27%3E&amp;%60$%7B1%7D%5C%E2%80%A8%C3%A9\">",
    ),
    (
        "<p style=\"color: {{ x }}\">",
        "<p style=\"color: blocked\">",
    ),
    (
        "<p style=\"font: '{{ x }}'\">",
        "<p style=\"font: 'a\\3c\\2fscript\\3e\\22\\27\\3e\\26\\60$\\7b 1\\7d\\5c\\2028é'\">",
    ),
    (
        "<p style=\"background: url({{ x }})\">",
        "<p style=\"background: url(a%3C/script%3E%22%27%3E&amp;%60$%7B1%7D%5C%E2%80%A8%C3%A9)\">",
    ),
    (
        "<p style=\"background: url('/?{{ x }}')\">",
        "<p style=\"background: url('/?a%3C%2Fscript%3E%22%27%3E%26%60%24%7B1%7D%5C%E2%80%A8%C3%A9')\">",
    ),
    ("<style>{{ x }} { }</style>", "<style>blocked { }</style>"),
    (
        "<style>a::after { content: \"{{ x }}\" }</style>",
        "<style>a::after { content: \"a\\3c\\2fscript\\3e\\22\\27\\3e\\26\\60$\\7b 1\\7d\\5c\\2028é\" }</style>",
    ),
    (
        "<style>/* {{ x }} */ p { }</style>",
        "<style>  p { }</style>",
    ),
    (
        "<b onclick=\"f({{ x }})\">",
        "<b onclick=\"f(&quot;a\\u003C\\/script\\u003E\\&quot;\\u0027\\u003E\\u0026\\u0060${1}\\\\\\u2028é&quot;)\">",
    ),
    (
        "<b onclick=\"f('{{ x }}')\">",
        "<b onclick=\"f('a\\u003C\\/script\\u003E\\u0022\\u0027\\u003E\\u0026\\u0060\\u0024\\u007B1\\u007D\\\\\\u2028é')\">",
    ),
    (
        "<b x-text=\"{{ x }}\">",
        "<b x-text=\"&quot;a\\u003C\\/script\\u003E\\&quot;\\u0027\\u003E\\u0026\\u0060${1}\\\\\\u2028é&quot;\">",
    ),
    (
        "<script>f({{ x }})</script>",
        "<script>f(\"a\\u003C\\/script\\u003E\\\"\\u0027\\u003E\\u0026\\u0060${1}\\\\\\u2028é\")</script>",
    ),
    (
        "<script>f(\"{{ x }}\")</script>",
        "<script>f(\"a\\u003C\\/script\\u003E\\u0022\\u0027\\u003E\\u0026\\u0060\\u0024\\u007B1\\u007D\\\\\\u2028é\")</script>",
    ),
    (
        "<script>f('{{ x }}')</script>",
        "<script>f('a\\u003C\\/script\\u003E\\u0022\\u0027\\u003E\\u0026\\u0060\\u0024\\u007B1\\u007D\\\\\\u2028é')</script>",
    ),
    (
        "<script>f(`{{ x }}`)</script>",
        "<script>f(`a\\u003C\\/script\\u003E\\u0022\\u0027\\u003E\\u0026\\u0060\\u0024\\u007B1\\u007D\\\\\\u2028é`)</script>",
    ),
    (
        "<script>f(`${ `${ {{ x }} }` }`)</script>",
        "<script>f(`${ `${ \"a\\u003C\\/script\\u003E\\\"\\u0027\\u003E\\u0026\\u0060${1}\\\\\\u2028é\" }` }`)</script>",
    ),
    (
        "<script>f(/{{ x }}/)</script>",
        "<script>f(/a\\u003C\\u002Fscript\\u003E\\u0022\\u0027\\u003E\\u0026\\u0060\\u0024\\u007B1\\u007D\\u005C\\u2028\\u00E9/)</script>",
    ),
    (
        "<script>f() // {{ x }}\n</script>",
        "<script>f() \n</script>",
    ),
    ("<script>f(/* {{ x }} */)</script>", "<script>f( )</script>"),
    (
        "<script type=\"module\">f({{ x }})</script>",
        "<script type=\"module\">f(\"a\\u003C\\/script\\u003E\\\"\\u0027\\u003E\\u0026\\u0060${1}\\\\\\u2028é\")</script>",
    ),
    (
        "<script type=\"application/json\">[{{ x }}]</script>",
        "<script type=\"application/json\">[\"a\\u003C\\/script\\u003E\\\"\\u0027\\u003E\\u0026\\u0060${1}\\\\\\u2028é\"]</script>",
    ),
    (
        "<script type=\"text/template\">{{ x }}</script>",
        "<script type=\"text/template\">a&lt;/script&gt;&quot;&#x27;&gt;&amp;`${1}\\\u{2028}é</script>",
    ),
    ("<!-- {{ x }} --><p>", "<p>"),
];

/// Places with a value that means something there.
const ROWS: [(&str, &str, &str); 46] = [
    ("<p title={{ x }} id=a>", "", "<p title=&#32; id=a>"),
    (
        "<a href=\"{{ x }}\">",
        "https://example.org/?a=b&c=d",
        "<a href=\"https://example.org/?a=b&amp;c=d\">",
    ),
    (
        "<a href=\"{{ x }}\">",
        "mailto:a@example.org",
        "<a href=\"mailto:a@example.org\">",
    ),
    (
        "<a href=\"{{ x }}\">",
        "/100%25 %",
        "<a href=\"/100%25%20%25\">",
    ),
    (
        "<a href=\"{{ x }}\">",
        "java\tscript:alert(1)",
        "<a href=\"about:invalid#blocked\">",
    ),
    (
        "<a href=\"{{ x }}\">",
        "\u{1}JavaScript:alert(1)",
        "<a href=\"about:invalid#blocked\">",
    ),
    (
        "<a href=\"{{ x }}\">",
        "data:text/html,<script>",
        "<a href=\"about:invalid#blocked\">",
    ),
    (
        "<a href=\"{{ x }}\">",
        "vbscript:x",
        "<a href=\"about:invalid#blocked\">",
    ),
    (
        "<a href=\"{{ x }}\">",
        "x-unknown:y",
        "<a href=\"about:invalid#blocked\">",
    ),
    (
        "<a href=\"{{ x }}{{ x }}\">",
        ":x",
        "<a href=\"about:invalid#blockedabout:invalid#blocked\">",
    ),
    (
        "<a href=\"java{{ x }}\">",
        "script:alert(1)",
        "<a href=\"javascript%3Aalert%281%29\">",
    ),
    (
        "<a href=\"/{{ x }}\">",
        "/evil.example",
        "<a href=\"/%2Fevil.example\">",
    ),
    (
        "<a href=\"/{{ x }}\">",
        "\\evil.example",
        "<a href=\"/%5Cevil.example\">",
    ),
    (
        "<a href=\"https://{{ x }}/\">",
        "example.org",
        "<a href=\"https://example.org/\">",
    ),
    ("<a href=/?{{ x }}>", "a b", "<a href=/?a%20b>"),
    (
        "<a href=\"/?a=1&{{ x }}=2\">",
        "lt;",
        "<a href=\"/?a=1&amp;lt%3B=2\">",
    ),
    (
        "<script src=\"{{ x }}\"></script>",
        "/static/a.js",
        "<script src=\"/static/a.js\"></script>",
    ),
    (
        "<script src=\"{{ x }}\"></script>",
        "https://evil.example/a.js",
        "<script src=\"about:invalid#blocked\"></script>",
    ),
    (
        "<script src=\"{{ x }}\"></script>",
        "\\\\evil.example/a.js",
        "<script src=\"about:invalid#blocked\"></script>",
    ),
    (
        "<script src=\"{{ x }}/evil.example\"></script>",
        "/",
        "<script src=\"/./evil.example\"></script>",
    ),
    (
        "<script src=\"/{{ x }}/evil.example\"></script>",
        "",
        "<script src=\"/./evil.example\"></script>",
    ),
    (
        "<link rel=\"icon\" href=\"{{ x }}\">",
        "https://cdn.example/i.png",
        "<link rel=\"icon\" href=\"https://cdn.example/i.png\">",
    ),
    (
        "<link rel=\"stylesheet\" href=\"{{ x }}\">",
        "https://evil.example/",
        "<link rel=\"stylesheet\" href=\"about:invalid#blocked\">",
    ),
    (
        "<object data=\"{{ x }}\">",
        "https://evil.example/",
        "<object data=\"about:invalid#blocked\">",
    ),
    (
        "<img src=\"{{ x }}\">",
        "data:image/svg+xml,<svg onload=alert(1)>",
        "<img src=\"about:invalid#blocked\">",
    ),
    (
        "<img srcset=\"{{ x }}\">",
        "a.png 1x, /b.png 2x",
        "<img srcset=\"a.png 1x, /b.png 2x\">",
    ),
    (
        "<img srcset=\"{{ x }}\">",
        "a.png 1x, javascript:alert(1) 2x",
        "<img srcset=\"about:invalid#blocked\">",
    ),
    (
        "<img srcset=\"a.png 1x, {{ x }} 2x\">",
        "b, c.png",
        "<img srcset=\"a.png 1x, b%2C%20c.png 2x\">",
    ),
    (
        "<meta http-equiv=\"refresh\" content=\"0;url='{{ x }}'\">",
        "javascript:alert(1)",
        "<meta http-equiv=\"refresh\" content=\"0;url='about:invalid#blocked'\">",
    ),
    (
        "<meta http-equiv=\"refresh\" content=\"{{ x }}\">",
        "0;url=javascript:alert(1)",
        "<meta http-equiv=\"refresh\" content=\"about:invalid#blocked\">",
    ),
    (
        "<p style=\"width: {{ x }}\">",
        "calc(1px)",
        "<p style=\"width: blocked\">",
    ),
    (
        "<p style=\"{{ x }}\">",
        "color: red",
        "<p style=\"color: red\">",
    ),
    (
        "<p style=\"{{ x }}\">",
        "color: red; position: fixed",
        "<p style=\"blocked\">",
    ),
    (
        "<p style=\"width: {{ x }}\">",
        "e\\78 pression(1)",
        "<p style=\"width: blocked\">",
    ),
    (
        "<style>p { background: url({{ x }}) }</style>",
        "javascript:alert(1)",
        "<style>p { background: url(about:invalid#blocked) }</style>",
    ),
    (
        "<style>p { border-{{ x }}: 0 }</style>",
        "left",
        "<style>p { border-left: 0 }</style>",
    ),
    (
        "<style>@import '{{ x }}';</style>",
        "javascript:alert(1)",
        "<style>@import 'about:invalid#blocked';</style>",
    ),
    (
        "<script>f(/{{ x }}/)</script>",
        "",
        "<script>f(/(?:)/)</script>",
    ),
    ("<input {{ x }}>", "checked", "<input checked>"),
    ("<input {{ x }}>", "", "<input >"),
    ("<input {{ x }}=\"1\">", "", "<input data-blocked=\"1\">"),
    ("<input {{ x }}>", "onclick", "<input data-blocked>"),
    ("<input {{ x }}>", "a=1 onclick", "<input data-blocked>"),
    (
        "<input data-{{ x }}=\"1\">",
        "row onclick=",
        "<input data-blocked=\"1\">",
    ),
    ("<h{{ x }}>a</h{{ x }}>", "2", "<h2>a</h2>"),
    (
        "<s{{ x }}>a</s{{ x }}>",
        "cript",
        "<s-blocked>a</s-blocked>",
    ),
];

/// Places where no encoding would make a value safe, and static text that browsers read in more than one way.
const REFUSED: [(&str, &str); 50] = [
    ("<{{ x }}>", "begin a tag"),
    ("</{{ x }}>", "begin a tag"),
    ("<!doctype {{ x }}>", "a value in a declaration"),
    ("<![CDATA[ {{ x }} ]]>", "CDATA"),
    ("<a {{ x }}{{ x }}>", "two values make up one name"),
    (
        "<a on{{ x }}=\"f()\">",
        "completes the name of the attribute on",
    ),
    (
        "<a h{{ x }}=\"f()\">",
        "completes the name of the attribute h",
    ),
    ("<h{{ x }}y>", "letters follow the value in a tag's name"),
    (
        "<a {{ x }}y>",
        "letters follow the value in an attribute's name",
    ),
    ("<a title=a\"b>", "a \" in an attribute without quotes"),
    ("<a title=a=b>", "a = in an attribute without quotes"),
    ("<a title=`b`>", "a ` in an attribute without quotes"),
    ("<a \"b\">", "a \" in a name"),
    ("<a <b>", "a < in a name"),
    ("<a href=\"javascript:f()\">", "a javascript: URL is code"),
    (
        "<a href=\" java&#10;script&colon;f()\">",
        "a javascript: URL is code",
    ),
    (
        "<a href=\"data:text/html,{{ x }}\">",
        "a value in a data: URL",
    ),
    ("<a href=\"{{ x }}:alert(1)\">", "would choose the scheme"),
    (
        "<a href=\"{% if y %}?a{% endif %}{{ x }}\">",
        "before or after the ?",
    ),
    (
        "<script src=\"https://{{ x }}/a.js\"></script>",
        "which site code comes from",
    ),
    (
        "<script src=\"{{ x }}{{ x }}\"></script>",
        "which site code comes from",
    ),
    ("<base href=\"//{{ x }}\">", "which site code comes from"),
    ("<script type=\"{{ x }}\"></script>", "a value decides type"),
    (
        "<meta http-equiv=\"{{ x }}\">",
        "a value decides http-equiv",
    ),
    ("<iframe sandbox=\"{{ x }}\">", "a value decides sandbox"),
    (
        "<animate attributeName=\"{{ x }}\">",
        "a value decides attributename",
    ),
    (
        "<iframe srcdoc=\"<script>{{ x }}</script>\">",
        "a value in the markup of a srcdoc",
    ),
    ("<svg><style>{{ x }}</style></svg>", "the style of an SVG"),
    ("<script/>", "do not read <script/> as closed"),
    ("<plaintext>", "cannot be ended"),
    ("<script>f(\"a\nb\")</script>", "a line break in a string"),
    (
        "<script>f(\"a\\{{ x }}\")</script>",
        "an escape in a string is cut off",
    ),
    (
        "<script>f(\"a</script>",
        "the template ends in a \"-quoted JavaScript string",
    ),
    ("<script>/* </script>", "inside a comment"),
    (
        "<script>{% if y %}a{% endif %}/b/{{ x }}</script>",
        "could divide or begin a regular expression",
    ),
    (
        "<script>yield /b/{{ x }}</script>",
        "could divide or begin a regular expression",
    ),
    (
        "<script type=\"module\">a <!-- b\n</script>",
        "browsers disagree",
    ),
    (
        "<script type=\"text/x\">a </{{ x }}</script>",
        "could complete an end tag",
    ),
    (
        "<script type=\"text/x\"><!-- </script>",
        "keep the script from ending",
    ),
    ("<b onclick=\"f('\">", "the script ends inside"),
    (
        "<style>a { b: \"c\nd\" }</style>",
        "a line break in a string",
    ),
    ("<style>@{{ x }} a</style>", "name of a CSS rule"),
    (
        "<style>p { a: {{ x }}(b) }</style>",
        "name of a CSS function",
    ),
    (
        "<style>p { a: ur\\6c (b) }</style>",
        "a letter is written as an escape",
    ),
    ("<style>p </{{ x }}</style>", "could complete an end tag"),
    (
        "<style>p { a: url(b c) }</style>",
        "between the URL and its )",
    ),
    ("<style>p { a: url( {{ x }}", "the template ends in"),
    ("<form method=\"{{ x }}\">", "a value decides method"),
    ("<button formaction=\"{{ x }}\">", "formaction"),
    ("<!--", "this ends in an HTML comment"),
];

fn without_nonce(page: &str) -> String {
    page.replace(" nonce=\"n0nce\"", "")
}

// F054, D19, ASVS 1.2.1, 1.2.2, 1.2.3
#[test]
fn every_context_encodes_for_itself() {
    for (source, expected) in NASTY_ROWS {
        let closed = format!(
            "{source}{}",
            if source.starts_with("<iframe") {
                "</iframe>"
            } else {
                ""
            }
        );
        let written = without_nonce(&page(&closed, context! { x => NASTY }));
        assert_eq!(written.trim_end_matches("</iframe>"), expected, "{source}");
    }
    for (source, value, expected) in ROWS {
        assert_eq!(
            without_nonce(&page(source, context! { x => value })),
            expected,
            "{source} with {value:?}"
        );
    }
}

#[test]
fn what_no_encoding_makes_safe_is_refused() {
    for (source, message) in REFUSED {
        let error = lenient(&[("page.html", source)])
            .err()
            .unwrap_or_else(|| panic!("not refused: {source}"));
        assert!(
            error.contains(message)
                && error.contains("--> page.html:")
                && error.contains("= help: "),
            "{source}: {error}"
        );
        assert!(!error.contains("cannot be verified"), "{source}: {error}");
    }
}

// ASVS 1.2.3
#[test]
fn values_of_every_type_are_values_in_scripts() {
    let values = context! { n => -7, f => 1.5, yes => true, none => (), list => vec!["<", "b"], map => context! { a => 1 }, nan => f64::NAN };
    let source = "<script>f({{ n }},{{ f }},{{ yes }},{{ none }},{{ list }},{{ map|json }},{{ nan }});x={{ n }}in{{ n }}</script>";
    let expected = "<script nonce=\"n0nce\">f( -7 , 1.5 , true , null ,[\"\\u003C\",\"b\"],{\"a\":1}, null );x= -7 in -7 </script>";
    assert_eq!(page(source, values.clone()), expected);
    assert_eq!(
        page(
            "<b title=\"{{ n }} {{ yes }}{{ none }}\">{{ f }}</b>",
            values.clone()
        ),
        "<b title=\"-7 True\">1.5</b>"
    );
    let templates = lenient(&[
        ("page.html", "<b title=\"{{ list }}\">"),
        ("text.html", "{{ map }}"),
        ("url.html", "<a href=\"{{ map }}\">"),
    ])
    .unwrap();
    for name in ["page.html", "text.html", "url.html"] {
        let error = templates
            .render(name, values.clone(), secrets())
            .unwrap_err()
            .to_string();
        assert!(error.contains("a map or list cannot be printed"), "{error}");
    }
}

// HTML comments, script comments and stray < are written so that no browser reads them otherwise
#[test]
fn static_text_is_made_unambiguous() {
    let rows = [
        ("a < b <3 <<a>", "a &lt; b &lt;3 &lt;<a>"),
        ("<<!-- x -->!-- y", "&lt;!-- y"),
        ("<!-- a -- b --!>c<!-->d<!--->e", "cde"),
        (
            "<script>a(\"<script></script><!--\")</script>",
            "<script>a(\"\\u003Cscript>\\u003C/script>\\u003C!--\")</script>",
        ),
        (
            "<script>a /* 1\n */ b <!-- c\nd\n--> e\nwhile (x --> 0) {}</script>",
            "<script>a \n b \nd\n\nwhile (x --> 0) {}</script>",
        ),
        ("<script>a // b</script>c", "<script>a </script>c"),
        (
            "<script>a </b/i.test(c)</script>",
            "<script>a < /b/i.test(c)</script>",
        ),
        (
            "<script>a{% if true %}// b\n c{% endif %}</script>",
            "<script>a//\n c</script>",
        ),
        (
            "<script>a\n{% if true -%} // b\n c{% endif %}</script>",
            "<script>a\n//\n c</script>",
        ),
        ("<!--!> <b> --><p>", "<p>"),
        (
            "<script>a(\"\\</script>\\<script\")</script>",
            "<script>a(\"\\u003C/script>\\u003Cscript\")</script>",
        ),
        ("<textarea><b></textarea>", "<textarea>&lt;b></textarea>"),
        (
            "<p title=\"R&{{ '' }}\">R&{{ '' }}",
            "<p title=\"R&amp;\">R&amp;",
        ),
        ("<style>a // b\n{ }</style>", "<style>a \n{ }</style>"),
        (
            "{% raw %}{{ not read }}<!-- {{ x }} -->{% endraw %}",
            "{{ not read }}",
        ),
        (
            "<a href=x>é</a> { { } } &amp; {",
            "<a href=x>é</a> { { } } &amp; {",
        ),
        (
            "<!doctype html><?xml x?><p/></p >",
            "<!doctype html><?xml x?><p/></p >",
        ),
    ];
    for (source, expected) in rows {
        assert_eq!(
            without_nonce(&page(source, Value::from(()))),
            expected,
            "{source}"
        );
    }
}
