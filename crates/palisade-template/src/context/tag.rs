//! State of the tag that is being read, and what is written into it.

use super::attribute_kind::Kind;
use super::script::{Script, ScriptKind};
use super::style::Style;
use super::url::leaves_site;
use super::{Attribute, Context, Fault, Html, InlineHandlers, Language, Namespace, Pass, Scan};

/// Names that only rewriting writes.
pub(crate) const NONCE: &str = " nonce=\"{{ (_palisade.nonce)|_palisade_text_quoted }}\"";
pub(crate) const TOKEN: &str = "{{ _palisade_token() }}";
pub(crate) const TOKEN_IF_OURS: &str = "{{ _palisade_token_if_ours() }}";
/// Behind a form that gets no token, and behind the end of each: what a macro prints in between gets none either.
pub(crate) const WITHOUT_TOKEN: &str = "{{ _palisade_without_token() }}";
pub(crate) const FORM_ENDS: &str = "{{ _palisade_form_ends() }}";

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Tag {
    pub(super) element: String,
    pub(super) is_end: bool,
    /// The value of `type`, of `method`, …: the first of each name counts, as in browsers.
    pub(super) facts: Vec<(&'static str, String)>,
    /// Names of those that stand in the tag, perhaps: in some branch.
    pub(super) seen: Vec<&'static str>,
    pub(super) action: Action,
    pub(super) has_nonce: bool,
    /// A `/` stands before the `>`.
    pub(super) closes_itself: bool,
}

/// Where a form goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) enum Action {
    #[default]
    Here,
    Elsewhere,
    /// One value decides; the escaper remembers what it was.
    Value,
    /// Branches disagree.
    Unknown,
    /// Several values, or a value and text.
    Unclear,
}

/// Attributes whose written value decides something.
const FACTS: [&str; 11] = [
    "type",
    "method",
    "rel",
    "src",
    "href",
    "integrity",
    "action",
    "http-equiv",
    "name",
    "property",
    "itemprop",
];

/// What makes a `meta` a description.
const NAMES: [&str; 3] = ["name", "property", "itemprop"];

impl Tag {
    pub(super) fn fact(&self, name: &str) -> Option<&str> {
        self.facts
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the content of a `meta` is text: it has a name, and is no instruction to the browser.
    pub(super) fn is_description(&self) -> bool {
        NAMES.iter().any(|name| self.seen.contains(name)) && !self.seen.contains(&"http-equiv")
    }

    /// Whether a `link` names something that no browser runs or applies.
    pub(super) fn is_harmless_link(&self) -> bool {
        const HARMLESS: [&str; 15] = [
            "alternate",
            "apple-touch-icon",
            "author",
            "canonical",
            "dns-prefetch",
            "help",
            "icon",
            "license",
            "mask-icon",
            "me",
            "next",
            "preconnect",
            "prev",
            "search",
            "shortcut",
        ];
        let rel = self
            .fact("rel")
            .unwrap_or("stylesheet")
            .to_ascii_lowercase();
        rel.split_ascii_whitespace()
            .all(|word| HARMLESS.contains(&word) && !rel.contains("stylesheet"))
    }
}

impl Context {
    /// Whether the text of the attribute has to be kept.
    pub(super) fn keeps_text(&self) -> bool {
        let name = self.attribute.name.as_str();
        FACTS.contains(&name) || self.attribute.kind == Kind::SentTo
    }

    /// The attribute is complete.
    pub(super) fn end_attribute(&mut self, scan: &mut Scan<'_>) -> Result<(), Fault> {
        self.language.finish()?;
        let attribute = std::mem::take(&mut self.attribute);
        self.language = Language::None;
        self.html = Html::BeforeName;
        if !self.tag.is_end {
            self.note(&attribute, scan)?;
        }
        Ok(())
    }

    fn note(&mut self, attribute: &Attribute, scan: &mut Scan<'_>) -> Result<(), Fault> {
        let text = attribute.text.as_deref();
        if attribute.name == "nonce" && scan.pass == Pass::Rewrite {
            return Err(Fault::new(
                "the nonce is written by the framework",
                "remove the nonce attribute: every <script> and <style> of a template gets it by \
                    itself",
            ));
        }
        if matches!(attribute.kind, Kind::Handler)
            && scan.rules.inline_handlers == InlineHandlers::Refused
        {
            return Err(Fault::new(
                format!(
                    "the inline event handler {} never runs under the content security policy",
                    attribute.name
                ),
                "move the code into a <script> of the page: element.addEventListener(…)",
            ));
        }
        if attribute.kind == Kind::SentTo && text.is_none_or(leaves_site) {
            return Err(Fault::new(
                "formaction could send the form, with its token, to another site",
                "write a path of this site, or make a second form",
            ));
        }
        self.tag.has_nonce |= attribute.name == "nonce";
        let Some(name) = FACTS.iter().find(|name| **name == attribute.name) else {
            return Ok(());
        };
        self.decide(name, attribute, text)
    }

    /// What the attribute says about the tag, once.
    fn decide(
        &mut self,
        name: &'static str,
        attribute: &Attribute,
        text: Option<&str>,
    ) -> Result<(), Fault> {
        let element = self.tag.element.as_str();
        if self.tag.seen.contains(&name) {
            return Err(Fault::new(
                format!("the attribute {name} may stand twice in this tag"),
                "browsers read the first one: leave out the other",
            ));
        }
        let is_instruction = element == "meta"
            && name == "http-equiv"
            && self.tag.seen.iter().any(|name| NAMES.contains(name));
        if is_instruction {
            return Err(Fault::new(
                "http-equiv stands behind a name",
                "a <meta> has a name or a http-equiv, not both",
            ));
        }
        if text.is_none() && matches!((element, name), ("script", "type") | ("form", "method")) {
            return Err(Fault::new(
                format!("the branches disagree on the {name} of this <{element}>"),
                "write the element into each branch",
            ));
        }
        if element == "base" && name == "href" && text.is_some_and(leaves_site) {
            return Err(Fault::new(
                "<base> sends every link and form to another site",
                "write the whole URL where it is needed",
            ));
        }
        if element == "form" && name == "action" {
            self.tag.action = action(attribute);
        }
        self.tag.seen.push(name);
        self.tag
            .facts
            .extend(text.map(|text| (name, text.to_owned())));
        Ok(())
    }

    /// The `>` at `at` in the source.
    pub(super) fn end_tag(&mut self, at: usize, scan: &mut Scan<'_>) -> Result<(), Fault> {
        let tag = std::mem::take(&mut self.tag);
        let element = tag.element.clone();
        *self = Self {
            html: Html::Text,
            namespace: self.namespace,
            form_is_open: self.form_is_open,
            ..Self::default()
        };
        if tag.is_end {
            self.close(&element, at, scan);
            return Ok(());
        }
        let is_raw = matches!(element.as_str(), "script" | "style" | "title" | "textarea");
        if is_raw && tag.closes_itself {
            return Err(Fault::new(
                format!("browsers do not read <{element}/> as closed"),
                "write the end tag",
            )
            .at(at));
        }
        match element.as_str() {
            "script" => self.begin_script(&tag, at, scan)?,
            "style" => {
                write_nonce(&tag, at, scan);
                self.begin(
                    Html::Code,
                    element,
                    Language::Style(Style::in_element(self.namespace)),
                );
            }
            "textarea" => self.begin(Html::PlainTextStart, element, Language::None),
            "title" | "iframe" | "xmp" | "noembed" | "noframes" => {
                self.begin(Html::PlainText, element, Language::None);
            }
            "plaintext" => {
                return Err(Fault::new("<plaintext> cannot be ended", "use <pre>").at(at));
            }
            "form" if self.form_is_open => {
                return Err(Fault::new(
                    "a form within a form: browsers leave out the inner one, and send its token \
                        with the outer one",
                    "close the first form before this one",
                )
                .at(at));
            }
            "form" => {
                form(&tag, at, scan)?;
                self.form_is_open = true;
            }
            "link" => write_integrity(&tag, "href", at, scan),
            "svg" | "math" if !tag.closes_itself => self.namespace = Namespace::Foreign,
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, element: &str, at: usize, scan: &mut Scan<'_>) {
        if matches!(element, "svg" | "math") {
            self.namespace = Namespace::Html;
        }
        self.form_is_open &= element != "form";
        if element == "form" && scan.pass == Pass::Rewrite {
            scan.replace(at + 1, 0, FORM_ENDS);
        }
    }

    fn begin(&mut self, html: Html, element: String, language: Language) {
        self.html = html;
        self.tag.element = element;
        self.language = language;
    }

    fn begin_script(&mut self, tag: &Tag, at: usize, scan: &mut Scan<'_>) -> Result<(), Fault> {
        let kind = ScriptKind::of_type(tag.fact("type"));
        if kind != ScriptKind::Markup {
            write_nonce(tag, at, scan);
        }
        write_integrity(tag, "src", at, scan);
        self.begin(
            Html::Code,
            "script".into(),
            Language::Script(Script::in_element(kind, self.namespace)),
        );
        Ok(())
    }
}

fn action(attribute: &Attribute) -> Action {
    match (&attribute.text, attribute.kind) {
        (Some(text), _) if leaves_site(text) => Action::Elsewhere,
        (Some(_), _) | (None, Kind::ActionPath) => Action::Here,
        (None, Kind::ActionValue) => Action::Value,
        (None, Kind::ActionElsewhere) => Action::Elsewhere,
        (None, _) => Action::Unclear,
    }
}

fn form(tag: &Tag, at: usize, scan: &mut Scan<'_>) -> Result<(), Fault> {
    let is_post = tag
        .fact("method")
        .is_some_and(|method| method.trim().eq_ignore_ascii_case("post"));
    if scan.pass == Pass::Verify {
        return Ok(());
    }
    if !is_post {
        scan.replace(at + 1, 0, WITHOUT_TOKEN);
        return Ok(());
    }
    match tag.action {
        Action::Here => scan.replace(at + 1, 0, TOKEN),
        Action::Value => scan.replace(at + 1, 0, TOKEN_IF_OURS),
        Action::Elsewhere => scan.replace(at + 1, 0, WITHOUT_TOKEN),
        Action::Unclear => {
            return Err(Fault::new(
                "this form could be sent anywhere, with its token",
                "start the action with its path, as in action=\"/tickets/{{ id }}\", or let one \
                    value be all of it",
            )
            .at(at));
        }
        Action::Unknown => {
            return Err(Fault::new(
                "the branches disagree on where this form goes",
                "write the whole form into each branch",
            )
            .at(at));
        }
    }
    Ok(())
}

fn write_nonce(tag: &Tag, at: usize, scan: &mut Scan<'_>) {
    if !tag.has_nonce {
        scan.replace(end_of_attributes(tag, at), 0, NONCE);
    }
}

fn write_integrity(tag: &Tag, url: &str, at: usize, scan: &mut Scan<'_>) {
    let known = tag.fact(url).and_then(|url| scan.rules.files.get(url));
    if let (Some(file), None) = (known, tag.fact("integrity")) {
        let written = format!(" integrity=\"{}\"", file.integrity);
        scan.replace(end_of_attributes(tag, at), 0, written);
    }
}

fn end_of_attributes(tag: &Tag, at: usize) -> usize {
    at - usize::from(tag.closes_itself)
}
