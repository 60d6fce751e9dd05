//! Meaning of an attribute's value in browsers, by element and name.

use super::attribute_kind::Kind;
use super::lists::{Meta, Srcset};
use super::script::Script;
use super::style::Style;
use super::tag::Tag;
use super::url::Url;
use super::{Context, Language};

/// Names that hold URLs in some element or other.
const LINKS: [&str; 12] = [
    "href",
    "src",
    "cite",
    "background",
    "poster",
    "action",
    "longdesc",
    "usemap",
    "manifest",
    "ping",
    "lowsrc",
    "dynsrc",
];

/// Attributes that decide how the rest of the element is read, or what it may do.
const FIXED: [&str; 12] = [
    "http-equiv",
    "sandbox",
    "integrity",
    "formmethod",
    "method",
    "attributename",
    "is",
    "charset",
    "language",
    "csp",
    "allow",
    "hx-trigger",
];

pub(super) fn classify(tag: &Tag, name: &str) -> Kind {
    let element = tag.element.as_str();
    // svg:onclick and xlink:href are what they are without their prefix, in some browser at some time
    let bare = name.rsplit(':').next().unwrap_or(name);
    if is_client_expression(name) {
        return Kind::Expression;
    }
    match (element, bare) {
        _ if bare.starts_with("on") => Kind::Handler,
        (_, "style") => Kind::Style,
        (_, "srcdoc") => Kind::Srcdoc,
        (_, "srcset" | "imagesrcset") => Kind::Srcset,
        ("meta", "content") if tag.is_description() => Kind::Plain,
        ("meta", "content") => Kind::Meta,
        ("script", "type") | ("link", "rel" | "as") => Kind::Fixed,
        (
            "animate" | "set" | "animatetransform" | "animatemotion",
            "to" | "from" | "by" | "values",
        ) => Kind::Animation,
        (_, "formaction") => Kind::SentTo,
        ("form", "action") => Kind::Action,
        _ if FIXED.contains(&bare) => Kind::Fixed,
        ("script" | "use", "src" | "href")
        | ("object", "data" | "codebase" | "classid")
        | ("embed", "src")
        | ("base", "href") => Kind::Code,
        ("link", "href") if !tag.is_harmless_link() => Kind::Code,
        (_, "base") if name.starts_with("xml:") => Kind::Code,
        _ if name.starts_with("xmlns") => Kind::Link,
        _ if LINKS.contains(&bare) || holds_url(bare) => Kind::Link,
        _ => Kind::Plain,
    }
}

/// Custom names, such as `data-src-url`.
fn holds_url(name: &str) -> bool {
    name.split(['-', '_', '.'])
        .any(|word| matches!(word, "src" | "uri" | "url" | "href"))
}

/// Alpine, Vue, Angular, htmx and hyperscript evaluate these as code.
fn is_client_expression(name: &str) -> bool {
    const PREFIXES: [&str; 9] = [
        "x-",
        "@",
        ":",
        "v-",
        "ng-",
        "data-ng-",
        "hx-on",
        "data-hx-on",
        "data-on-",
    ];
    let is_bracketed = name.starts_with(['(', '[', '*', '#']);
    const NAMES: [&str; 9] = [
        "hx-vars",
        "data-hx-vars",
        "hx-vals",
        "data-hx-vals",
        "hx-headers",
        "hx-request",
        "_",
        "data-script",
        "data-bind",
    ];
    is_bracketed || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// Whether a value may be the name of this attribute.
pub(crate) fn is_plain_attribute(element: &str, name: &str) -> bool {
    let tag = Tag {
        element: element.to_owned(),
        ..Tag::default()
    };
    let lower = name.to_ascii_lowercase();
    let decides = [
        "nonce",
        "form",
        "type",
        "rel",
        "target",
        "value",
        "slot",
        "shadowrootmode",
        "language",
        "as",
    ]
    .contains(&lower.as_str());
    let is_word = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic());
    is_word && starts_well && !decides && classify(&tag, &lower) == Kind::Plain
}

impl super::Attribute {
    /// Whether what is read now begins a link, of which nothing was read yet.
    pub(super) fn is_whole_link(&self, language: &Language) -> bool {
        matches!(self.kind, Kind::Link | Kind::Code) && *language == Language::Url(Url::Start)
    }
}

impl Context {
    /// The name of an attribute is complete and `=` was read.
    pub(super) fn begin_attribute(&mut self) {
        let name = std::mem::take(&mut self.name);
        let kind = if self.tag.is_end {
            Kind::Plain
        } else {
            classify(&self.tag, &name)
        };
        self.attribute = super::Attribute {
            name,
            kind,
            ..Default::default()
        };
        self.attribute.text = self.keeps_text().then(String::new);
        self.language = match kind {
            Kind::Plain | Kind::Fixed => Language::None,
            Kind::Link | Kind::Code | Kind::SentTo | Kind::Animation => Language::Url(Url::Start),
            Kind::Action | Kind::ActionValue | Kind::ActionPath | Kind::ActionElsewhere => {
                Language::Url(Url::Start)
            }
            Kind::Srcset => Language::Srcset(Srcset::Start),
            Kind::Srcdoc => Language::Srcdoc(Box::default()),
            Kind::Meta => Language::Meta(Meta::Plain {
                read: String::new(),
                is_begun: false,
            }),
            Kind::Style => Language::Style(Style::in_attribute()),
            Kind::Handler | Kind::Expression => Language::Script(Script::in_attribute()),
        };
    }
}
