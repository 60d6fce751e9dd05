//! Templates put together from pieces of HTML, scripts, styles and statements. If one is accepted, a hostile value gives the page the same
//! structure as a harmless one, in the eyes of a browser's parser.

#![no_main]

#[path = "../../tests/it/reading.rs"]
#[allow(dead_code, reason = "this target uses a part of it")]
mod reading;

use palisade_template::context;
use reading::{PLAIN, lenient, secrets, shape};

/// A byte chooses a piece.
const PIECES: [&str; 128] = [
    "{{ x }}", "{{ x }}", "{{ x }}", "{{ x }}", "{{- x -}}", "{% if y %}", "{% else %}", "{% endif %}", "{% for i in [1, 2] %}", "{% endfor %}",
    "{% with z = x %}", "{% endwith %}", "{% set a %}", "{% endset %}{{ a }}", "{% raw %}", "{% endraw %}", "{% include 'part.html' %}",
    "{% macro m(x) %}", "{% endmacro %}{{ m(x) }}", "{% break %}", "{% block b %}", "{% endblock %}", "{% filter trim %}", "{% endfilter %}",
    "<p>", "</p>", "<p ", "<a href=", "<a href=\"", "<img src='", "<b title=", "<b title=\"", "<b onclick=\"", "<b style=\"", "<i style='",
    "<iframe srcdoc=\"", "<img srcset=\"", "<meta content=\"", "<form method=post action=\"", "<input type=text ", "<script>", "</script>",
    "<script type=module>", "<script type=\"application/json\">", "<script type=text/x>", "<style>", "</style>", "<title>", "</title>",
    "<textarea>", "</textarea>", "<svg>", "</svg>", "<math>", "</math>", "<!--", "-->", "--!>", "<!", "<?", "<", "</", ">", "/>", "/", "\"", "'",
    "`", "=", " ", "\n", "a", "b", "on", "data-", "href", "style", "src", "=\"", "='", "&", "&am", "&#3", "amp;", ";", ":", "javascript", "http",
    "//", "?", "#", "(", ")", "{", "}", "[", "]", "${", "\\", "\\\\", "*", "/*", "*/", "+", "-", "--", "!", ",", ".", "return", "if (a)", "else",
    "url(", "@import", "content:", "x = ", "f(", "=>", "1", "<!doctype html>", "<select><option>", "<table><tr><td>", "<noscript>", "</noscript>",
    "<template>", "</template>", "<plaintext>", "<![CDATA[",
];

const HOSTILE: [&str; 12] = [
    "\"'><img src=x onerror=alert(1)>", "</script><b>", "</style><b>", "</textarea></title><b>", "--><b>", "' onclick=alert(1) ", "`${alert(1)}`",
    "*/alert(1)/*", "javascript:alert(1)", ");}b{", "\\", "&quot;",
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let source: String = bytes.iter().take(40).map(|byte| PIECES[usize::from(*byte) % PIECES.len()]).collect();
    let Ok(templates) = lenient(&[("page.html", &source), ("part.html", "{{ x }}")]).map_err(|error| {
        assert!(!error.contains("cannot be proven safe"), "{error}");
    }) else {
        return;
    };
    let render = |x: &str| templates.render("page.html", context! { x, y => true }, secrets());
    let Ok(plain) = render(PLAIN) else { return };
    for value in HOSTILE {
        let hostile = render(value).unwrap_or_else(|error| panic!("{error}\n{source}"));
        // a name that a value would complete is replaced, and a form that a value would send elsewhere gets no token
        let comparable = |shape: String| shape.replace("blocked", PLAIN).replace("<input type name value></>", "");
        let (ours, theirs) = (comparable(shape(&hostile, None)), comparable(shape(&plain, Some(PLAIN))));
        assert_eq!(ours, theirs, "{value:?} in {source:?}\n{hostile}");
    }
});
