//! Pages, read again by a real HTML parser, and by a real JavaScript engine and a real CSS parser where the context is theirs. The fuzz
//! targets read with the same eyes.

use cssparser::{Parser, Token};
use html5ever::tendril::TendrilSink;
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use palisade_template::{Layer, Options, PageSecrets, Templates, context};

#[path = "places.rs"]
mod places;
pub use places::{PLACES, Reads};

/// Templates that may have inline handlers, because every context is to be looked at.
pub fn lenient(files: &[(&str, &str)]) -> Result<Templates, String> {
    let options = Options::new().dangerous_inline_handlers("every context is looked at");
    Templates::load_with(vec![Layer::embedded(files)], options).map_err(|error| error.to_string())
}

pub fn secrets() -> PageSecrets {
    PageSecrets::new("n0nce", || "t0ken\"<".into())
}

pub const PLAIN: &str = "plain";

fn parse(page: &str) -> RcDom {
    html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default()).one(page)
}

/// Elements, attributes and kinds of children, without their text. Where the value chooses a name, all harmless ones count as one.
fn skeleton(node: &Handle, chosen: Option<&str>, out: &mut String) {
    match &node.data {
        NodeData::Element { name, attrs, .. } => {
            let names: Vec<String> = attrs
                .borrow()
                .iter()
                .map(|attribute| attribute_name(&attribute.name.local, chosen))
                .collect();
            out.push_str(&format!(
                "<{} {}>",
                element_name(&name.local),
                names.join(" ")
            ));
        }
        NodeData::Comment { .. } => out.push_str("<!>"),
        _ => {}
    }
    for child in node.children.borrow().iter() {
        skeleton(child, chosen, out);
    }
    if matches!(node.data, NodeData::Element { .. }) {
        out.push_str("</>");
    }
}

fn attribute_name(name: &str, chosen: Option<&str>) -> String {
    let is_chosen = chosen.is_some_and(|value| {
        name.strip_prefix("data-")
            .unwrap_or(name)
            .eq_ignore_ascii_case(value.trim())
    });
    let is_harmful = name.starts_with("on") || HARMFUL.contains(&name);
    if name == "data-blocked" || (is_chosen && !is_harmful) {
        "CHOSEN".into()
    } else {
        name.into()
    }
}

fn element_name(name: &str) -> &str {
    if matches!(
        name,
        "h-blocked" | "hplain" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6"
    ) {
        "CHOSEN"
    } else {
        name
    }
}

/// Names of attributes that mean something to a browser.
const HARMFUL: [&str; 10] = [
    "style",
    "href",
    "src",
    "srcset",
    "srcdoc",
    "action",
    "formaction",
    "http-equiv",
    "content",
    "data",
];

pub fn shape(page: &str, chosen: Option<&str>) -> String {
    let mut out = String::new();
    skeleton(&parse(page).document, chosen, &mut out);
    out
}

fn find(node: &Handle, found: &mut Option<Handle>) {
    if let NodeData::Element { attrs, .. } = &node.data
        && attrs
            .borrow()
            .iter()
            .any(|attribute| &*attribute.name.local == "id" && &*attribute.value == "v")
    {
        *found = Some(node.clone());
    }
    for child in node.children.borrow().iter() {
        find(child, found);
    }
}

fn text_of(node: &Handle, out: &mut String) {
    if let NodeData::Text { contents } = &node.data {
        out.push_str(&contents.borrow());
    }
    for child in node.children.borrow().iter() {
        text_of(child, out);
    }
}

fn read_text(page: &str) -> String {
    let (dom, mut out) = (parse(page), String::new());
    let mut found = None;
    find(&dom.document, &mut found);
    text_of(&found.unwrap_or(dom.document.clone()), &mut out);
    out
}

fn read_attribute(page: &str, name: &str) -> String {
    let (dom, mut found) = (parse(page), None);
    find(&dom.document, &mut found);
    let node = found.unwrap_or_else(|| panic!("the element is there: {page}"));
    let NodeData::Element { attrs, .. } = &node.data else {
        panic!("an element")
    };
    let attribute = attrs
        .borrow()
        .iter()
        .find(|attribute| &*attribute.name.local == name)
        .map(|attribute| attribute.value.to_string());
    attribute.unwrap_or_else(|| panic!("{name} is there: {page}"))
}

/// Normalization by the HTML parser: one kind of line break, and no NUL, which it removes or replaces.
fn as_html_reads(value: &str) -> String {
    value
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace(['\0', '\u{fffd}'], "")
}

fn run(code: &str, expected: &str) -> Result<(String, bool), String> {
    let runtime = rquickjs::Runtime::new().unwrap();
    let engine = rquickjs::Context::full(&runtime).unwrap();
    engine.with(|js| {
        js.globals().set("expected", expected).unwrap();
        js.eval::<(), _>("var out = null, fired = false, a = 1; function alert() { fired = true }")
            .unwrap();
        js.eval::<rquickjs::Value<'_>, _>(code)
            .map_err(|error| format!("{error}: {:?}", js.catch()))?;
        assert!(
            !js.globals().get::<_, bool>("fired").unwrap(),
            "the payload ran: {code}"
        );
        Ok((
            js.eval::<String, _>("String(out)").unwrap(),
            js.eval::<bool, _>("out === true").unwrap(),
        ))
    })
}

/// The kinds of the tokens, and the strings in them.
fn style_tokens(css: &str) -> (String, Vec<String>) {
    let mut parser = Parser::new(css);
    let (mut kinds, mut strings) = (String::new(), Vec::new());
    collect_tokens(&mut parser, &mut kinds, &mut strings);
    (kinds, strings)
}

fn collect_tokens(parser: &mut Parser<'_>, kinds: &mut String, strings: &mut Vec<String>) {
    while let Ok(token) = parser.next_including_whitespace().cloned() {
        let (kind, is_nested) = match &token {
            Token::QuotedString(text) => {
                strings.push(text.to_string());
                ("string", false)
            }
            Token::Ident(_)
            | Token::Hash(_)
            | Token::IDHash(_)
            | Token::Number { .. }
            | Token::Dimension { .. }
            | Token::Percentage { .. } => ("word", false),
            Token::UnquotedUrl(_) => ("url", false),
            Token::Function(_) => ("function", true),
            Token::ParenthesisBlock => ("(", true),
            Token::SquareBracketBlock => ("[", true),
            Token::CurlyBracketBlock => ("{", true),
            Token::BadString(_) | Token::BadUrl(_) => panic!("a broken token: {token:?}"),
            Token::Semicolon => (";", false),
            Token::AtKeyword(_) => ("@", false),
            Token::WhiteSpace(_) => ("", false),
            _ => ("delimiter", false),
        };
        kinds.push_str(kind);
        if is_nested {
            let nested = parser.parse_nested_block(|inner| {
                collect_tokens(inner, kinds, strings);
                Ok::<(), cssparser::ParseError<()>>(())
            });
            nested.unwrap();
            kinds.push(')');
        }
    }
}

fn host_of(url: &str) -> Result<url::Url, String> {
    url::Url::parse("https://site.example/p/")
        .unwrap()
        .join(url)
        .map_err(|error| error.to_string())
}

/// The value as it is read back from the page, checked.
fn check(reads: Reads, page: &str, value: &str) {
    let said = || format!("{value:?} in {page}");
    match reads {
        Reads::Nothing => {}
        Reads::Text => assert_eq!(
            as_html_reads(&read_text(page)),
            as_html_reads(value),
            "{}",
            said()
        ),
        Reads::Attribute(name) => {
            let read = read_attribute(page, name);
            let unquoted_empty = value.is_empty() && read == " ";
            assert!(
                unquoted_empty || as_html_reads(&read) == as_html_reads(value),
                "{read:?} {}",
                said()
            );
        }
        Reads::Query(name) => {
            let url = host_of(&read_attribute(page, name)).unwrap();
            assert_eq!(url.host_str(), Some("site.example"), "{}", said());
            let query = url.query().unwrap_or_default();
            let read =
                percent_encoding::percent_decode_str(query.strip_prefix("a=").unwrap_or(query))
                    .decode_utf8()
                    .unwrap();
            assert_eq!(read, value, "{}", said());
        }
        Reads::SameHost(name) => {
            let url = host_of(&read_attribute(page, name)).unwrap();
            let is_blocked = url.scheme() == "about";
            assert!(
                is_blocked || url.host_str() == Some("site.example"),
                "{url} {}",
                said()
            );
        }
        Reads::AnyHost(name) => {
            if let Ok(url) = host_of(&read_attribute(page, name)) {
                assert!(
                    ["https", "http", "mailto", "tel", "sms", "ftp", "about"]
                        .contains(&url.scheme()),
                    "{url} {}",
                    said()
                );
            }
        }
        Reads::Script => {
            assert_eq!(
                run(&read_text(page), value)
                    .unwrap_or_else(|error| panic!("{error}: {}", said()))
                    .0,
                value,
                "{}",
                said()
            )
        }
        Reads::Handler(name) => {
            let code = read_attribute(page, name);
            assert_eq!(
                run(&code, value)
                    .unwrap_or_else(|error| panic!("{error}: {}", said()))
                    .0,
                value,
                "{}",
                said()
            );
        }
        Reads::Matches => {
            assert!(
                run(&read_text(page), value)
                    .unwrap_or_else(|error| panic!("{error}: {}", said()))
                    .1,
                "{}",
                said()
            )
        }
        Reads::Json => {
            let json: serde_json::Value = serde_json::from_str(&read_text(page))
                .unwrap_or_else(|error| panic!("{error}: {}", said()));
            assert_eq!(
                (&json["v"], &json["w"]),
                (&value.into(), &value.into()),
                "{}",
                said()
            );
        }
        Reads::StyleString(attribute) => {
            let css = attribute.map_or_else(|| read_text(page), |name| read_attribute(page, name));
            let is_blocked = page.contains("blocked");
            let expected = value.replace('\0', "\u{fffd}");
            let strings = style_tokens(&css).1;
            assert!(
                is_blocked || strings == [expected],
                "{strings:?} {}",
                said()
            );
        }
        Reads::Page(name) => {
            let inner = read_attribute(page, name);
            assert_eq!(
                as_html_reads(&read_text(&inner)),
                as_html_reads(value),
                "{}",
                said()
            );
            assert!(!shape(&inner, None).contains("script"), "{}", said());
        }
    }
}

pub struct Page {
    templates: Templates,
    reads: Reads,
    /// The value is a name, or part of one.
    is_name: bool,
    shape: String,
    style: String,
}

impl Page {
    pub fn new(files: &[(&str, &str)], reads: Reads) -> Self {
        let templates = lenient(files).unwrap_or_else(|error| panic!("{error}"));
        let plain = Self::rendered(&templates, PLAIN);
        let is_name = files
            .iter()
            .any(|(_, text)| text.contains("<input id=v {{") || text.contains("data-{{"));
        Self {
            reads,
            is_name,
            shape: shape(&plain, is_name.then_some(PLAIN)),
            style: Self::styles(&plain),
            templates,
        }
    }

    fn rendered(templates: &Templates, value: &str) -> String {
        templates
            .render("page.html", context! { x => value, yes => true }, secrets())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn styles(page: &str) -> String {
        if page.contains("<style") {
            style_tokens(&read_text(page)).0
        } else {
            String::new()
        }
    }

    /// Renders the value, and fails if it is anything but a value there.
    pub fn holds(&self, value: &str) {
        let page = Self::rendered(&self.templates, value);
        // an empty value leaves out the text that was there, and the attributes that it named
        if !value.trim().is_empty() {
            assert_eq!(
                shape(&page, self.is_name.then_some(value)),
                self.shape,
                "{value:?} changes the structure: {page}"
            );
        }
        if self.reads == Reads::Nothing && page.contains("<style") {
            let tokens = Self::styles(&page);
            let words = |tokens: &str| {
                tokens
                    .replace("worddelimiter", "word")
                    .replace("delimiterword", "word")
                    .replace("wordword", "word")
            };
            assert_eq!(
                tokens.matches(['{', ';', '@']).count(),
                self.style.matches(['{', ';', '@']).count(),
                "{page}"
            );
            assert!(!words(&tokens).contains("badstring"), "{page}");
        }
        check(self.reads, &page, value);
    }
}

/// A page for every place.
pub fn pages() -> Vec<Page> {
    PLACES
        .iter()
        .map(|(place, reads)| Page::new(&[("page.html", place)], *reads))
        .collect()
}
