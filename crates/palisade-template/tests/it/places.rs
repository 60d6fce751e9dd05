//! Places for a value, and how it is read back there. A browser is shown the same places.

/// How the value is read back.
#[derive(Clone, Copy, PartialEq)]
pub enum Reads {
    /// Text of the element.
    Text,
    /// The attribute of this name.
    Attribute(&'static str),
    /// The query of the URL in the attribute, with the host unchanged.
    Query(&'static str),
    /// Only where the URL in the attribute leads: to this host, or nowhere harmful.
    SameHost(&'static str),
    AnyHost(&'static str),
    /// The script of the element, or of the attribute, leaves the value in `out`.
    Script,
    Handler(&'static str),
    /// The script leaves `true`.
    Matches,
    /// JSON text of the element holds the value at `v`.
    Json,
    /// A string of the style in the element or attribute.
    StyleString(Option<&'static str>),
    /// A page in the attribute has the value as its text.
    Page(&'static str),
    /// The structure alone.
    Nothing,
}

/// A place for the value `x`. The element has the id `v`.
pub const PLACES: [(&str, Reads); 63] = [
    ("<p id=v>{{ x }}</p>", Reads::Text),
    ("<p id=v>a {{ x }} b</p>", Reads::Nothing),
    ("<svg><text id=v>{{ x }}</text></svg>", Reads::Text),
    ("<math><mi id=v>{{ x }}</mi></math>", Reads::Text),
    ("<textarea id=v>{{ x }}</textarea>", Reads::Text),
    ("<textarea id=v><b{{ x }}</textarea>", Reads::Nothing),
    ("<svg><title id=v>{{ x }}</title></svg>", Reads::Text),
    ("<p id=v title=\"{{ x }}\"></p>", Reads::Attribute("title")),
    ("<p id=v title='{{ x }}'></p>", Reads::Attribute("title")),
    ("<p id=v title={{ x }}></p>", Reads::Attribute("title")),
    (
        "<p id=v title={{ x }} lang=a></p>",
        Reads::Attribute("title"),
    ),
    ("<p id=v title=a{{ x }}></p>", Reads::Nothing),
    (
        "<p id=v data-a=\"{{ x }}\" data-b='{{ x }}'></p>",
        Reads::Attribute("data-a"),
    ),
    ("<input id=v value=\"{{ x }}\">", Reads::Attribute("value")),
    ("<input id=v {{ x }}>", Reads::Nothing),
    ("<input id=v {{ x }}=\"a\">", Reads::Nothing),
    ("<input id=v data-{{ x }}=\"a\">", Reads::Nothing),
    ("<h{{ x }} id=v></h{{ x }}>", Reads::Nothing),
    ("<!-- {{ x }} --><i></i>", Reads::Nothing),
    ("<a id=v href=\"{{ x }}\"></a>", Reads::AnyHost("href")),
    ("<a id=v href='{{ x }}'></a>", Reads::AnyHost("href")),
    ("<a id=v href={{ x }}></a>", Reads::AnyHost("href")),
    ("<a id=v href=\"/a/{{ x }}\"></a>", Reads::SameHost("href")),
    ("<a id=v href=\"/{{ x }}\"></a>", Reads::SameHost("href")),
    ("<a id=v href=\"b{{ x }}\"></a>", Reads::SameHost("href")),
    ("<a id=v href=\"/?a={{ x }}\"></a>", Reads::Query("href")),
    ("<a id=v href=/?{{ x }}></a>", Reads::Query("href")),
    ("<a id=v href=\"#{{ x }}\"></a>", Reads::SameHost("href")),
    ("<img id=v src=\"{{ x }}\">", Reads::AnyHost("src")),
    ("<img id=v srcset=\"{{ x }}\">", Reads::Nothing),
    ("<img id=v srcset=\"/a?{{ x }} 2x, /b\">", Reads::Nothing),
    ("<img id=v srcset=\"/a 1x, {{ x }} 2x\">", Reads::Nothing),
    (
        "<script id=v src=\"{{ x }}\"></script>",
        Reads::SameHost("src"),
    ),
    (
        "<script id=v src=\"/static/{{ x }}\"></script>",
        Reads::SameHost("src"),
    ),
    (
        "<object id=v data=\"{{ x }}\"></object>",
        Reads::SameHost("data"),
    ),
    (
        "<svg><a id=v xlink:href=\"{{ x }}\"></a></svg>",
        Reads::Nothing,
    ),
    (
        "<svg><animate id=v attributeName=\"href\" values=\"{{ x }}\"/></svg>",
        Reads::Nothing,
    ),
    (
        "<form id=v method=\"get\" action=\"{{ x }}\"></form>",
        Reads::AnyHost("action"),
    ),
    ("<iframe id=v srcdoc=\"{{ x }}\"></iframe>", Reads::Nothing),
    (
        "<iframe id=v srcdoc=\"<p>{{ x }}\"></iframe>",
        Reads::Page("srcdoc"),
    ),
    (
        "<iframe id=v srcdoc='<b title=&quot;{{ x }}&quot;>{{ x }}</b>'></iframe>",
        Reads::Page("srcdoc"),
    ),
    (
        "<meta id=v name=\"a\" content=\"0;url={{ x }}\">",
        Reads::Nothing,
    ),
    ("<meta id=v name=\"a\" content=\"{{ x }}\">", Reads::Nothing),
    ("<p id=v style=\"color: {{ x }}\"></p>", Reads::Nothing),
    (
        "<p id=v style=\"content: '{{ x }}'\"></p>",
        Reads::StyleString(Some("style")),
    ),
    ("<p id=v style='a: url({{ x }})'></p>", Reads::Nothing),
    (
        "<style id=v>p::after { content: \"{{ x }}\" }</style>",
        Reads::StyleString(None),
    ),
    (
        "<style id=v>p { a: {{ x }}; b: url('{{ x }}') } {{ x }} { c: d }</style>",
        Reads::Nothing,
    ),
    (
        "<style id=v>/* {{ x }} */ p { a: b }</style>",
        Reads::Nothing,
    ),
    (
        "<b id=v onclick=\"out = {{ x }}\"></b>",
        Reads::Handler("onclick"),
    ),
    (
        "<b id=v onclick='out = \"{{ x }}\"'></b>",
        Reads::Handler("onclick"),
    ),
    (
        "<b id=v onclick=\"out = `{{ x }}`\"></b>",
        Reads::Handler("onclick"),
    ),
    (
        "<b id=v x-text=\"out = '{{ x }}'\"></b>",
        Reads::Handler("x-text"),
    ),
    ("<script id=v>out = {{ x }}</script>", Reads::Script),
    ("<script id=v>out = \"{{ x }}\"</script>", Reads::Script),
    ("<script id=v>out = '{{ x }}'</script>", Reads::Script),
    ("<script id=v>out = `{{ x }}`</script>", Reads::Script),
    (
        "<script id=v>out = `${ `${ {{ x }} }` }`</script>",
        Reads::Script,
    ),
    (
        "<script id=v>out = [{{ x }}][0] // {{ x }}\n/* {{ x }} */</script>",
        Reads::Script,
    ),
    (
        "<script id=v>out = /^{{ x }}$/.test(expected) && /[{{ x }}a]/.test('a')</script>",
        Reads::Matches,
    ),
    (
        "<script id=v>out = (a /{{ x }}/ 1, true)</script>",
        Reads::Matches,
    ),
    (
        "<script id=v type=\"application/json\">{\"v\": {{ x|json }}, \"w\": \"{{ x }}\"}</script>",
        Reads::Json,
    ),
    (
        "<script id=v type=\"text/template\"><b>{{ x }}</b></script>",
        Reads::Nothing,
    ),
];
