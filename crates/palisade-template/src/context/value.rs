//! Which escaper a value needs at a place, and where the page goes on after it.

use super::attribute_kind::Kind;
use super::lists::{Meta, Srcset};
use super::script::{At as ScriptAt, Script, ScriptKind, Slash};
use super::style::{At as StyleAt, Style};
use super::url::Url;
use super::{Context, Fault, Html, Language, Namespace, Quote};

/// How a value is encoded: for the language it is part of, and for what that language stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Escaper {
    pub(crate) inner: Inner,
    pub(crate) outer: Outer,
}

/// The language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inner {
    /// Printed in a comment: nothing is.
    Nothing,
    Text,
    /// Text of an element that holds no markup, such as a title.
    PlainText,
    /// The same, where a line break at the beginning would be lost.
    PlainTextStart,
    /// Text of an attribute's page.
    Srcdoc,
    UrlStart,
    UrlBegun,
    UrlAfterSlash,
    UrlPart,
    UrlQuery,
    CodeUrlStart,
    ActionStart,
    SrcsetList,
    SrcsetStart,
    SrcsetPart,
    SrcsetQuery,
    NoScript,
    /// The same after other text, which may have been the beginning of a scheme.
    NoScriptRest,
    Json,
    ScriptValue,
    ScriptString,
    ScriptTemplate,
    ScriptRegexp,
    StyleValue,
    StyleString,
    StyleStringStart,
    TagName,
    AttributeName,
    /// The same, where printing nothing is fine.
    AttributeNameOrNothing,
    AttributeNamePart,
}

/// What it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outer {
    /// Nothing that needs more: text, a script or style element.
    Bare,
    Quoted,
    Unquoted,
    /// The beginning of an unquoted attribute, which must not be empty.
    UnquotedStart,
}

/// What follows a value in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// White space, `/` or `>`.
    Separator,
    Other,
}

impl Context {
    /// The escaper for a value printed here; `None` where the engine's own is right. Goes on to the place after the value.
    pub(crate) fn value(&mut self, next: Next) -> Result<Option<Escaper>, Fault> {
        match self.html {
            Html::Text | Html::Unreachable => Ok(None),
            Html::PlainTextStart => {
                self.html = Html::PlainText;
                Ok(Some(Escaper {
                    inner: Inner::PlainTextStart,
                    outer: Outer::Bare,
                }))
            }
            Html::PlainText => Ok(Some(Escaper {
                inner: Inner::PlainText,
                outer: Outer::Bare,
            })),
            Html::Comment(_) => {
                self.html = Html::Comment(super::Dashes::None);
                Ok(Some(Escaper {
                    inner: Inner::Nothing,
                    outer: Outer::Bare,
                }))
            }
            Html::Code => self.in_language(Outer::Bare).map(Some),
            Html::Value => {
                let outer = if self.attribute.quote == Quote::None {
                    Outer::Unquoted
                } else {
                    Outer::Quoted
                };
                self.in_attribute(outer).map(Some)
            }
            Html::BeforeValue => {
                self.html = Html::Value;
                self.in_attribute(Outer::UnquotedStart).map(Some)
            }
            Html::TagName | Html::BeforeName | Html::Name | Html::AfterName => {
                self.in_name(next).map(Some)
            }
            Html::TagOpen | Html::EndTagOpen => Err(Fault::new(
                "a value here would begin a tag",
                "write the element's name in the template, or &lt; for a less-than sign",
            )),
            Html::Declaration => Err(Fault::new(
                "a value in a declaration",
                "write the declaration in the template",
            )),
            Html::TagNameValue | Html::NameValue => Err(Fault::new(
                "two values make up one name",
                "put the whole name into one value",
            )),
            Html::Boundary => Err(Fault::new(
                "a value here could continue an attribute of one of the branches",
                "put a space before the value",
            )),
        }
    }

    fn in_name(&mut self, next: Next) -> Result<Escaper, Fault> {
        let inner = match self.html {
            Html::TagName => {
                self.html = Html::TagNameValue;
                Inner::TagName
            }
            Html::Name if !(self.name.starts_with("data-") || self.name.starts_with("aria-")) => {
                return Err(Fault::new(
                    format!("a value completes the name of the attribute {}…", self.name),
                    "write the name in the template; only names that begin with data- or aria- may end in a value",
                ));
            }
            Html::Name => Inner::AttributeNamePart,
            // a name without value before it is complete
            _ if next == Next::Separator => Inner::AttributeNameOrNothing,
            _ => Inner::AttributeName,
        };
        if inner != Inner::TagName && inner != Inner::AttributeNamePart {
            self.name.clear();
        }
        if inner != Inner::TagName {
            self.html = Html::NameValue;
        }
        Ok(Escaper {
            inner,
            outer: Outer::Bare,
        })
    }

    fn in_attribute(&mut self, outer: Outer) -> Result<Escaper, Fault> {
        let kind = self.attribute.kind;
        let name = &self.attribute.name;
        if kind == Kind::Fixed {
            return Err(Fault::new(
                format!("a value decides {name}, which changes what the element is"),
                "write it in the template; if it may be one of several, write the element into each branch",
            ));
        }
        let text = self.attribute.text.as_deref();
        if kind == Kind::SentTo && text.is_some_and(super::join::is_certain_path) {
            self.attribute.kind = Kind::ActionPath;
        } else if kind == Kind::SentTo {
            return Err(Fault::new(
                "formaction could send the form, with its token, to another site",
                "write a path of this site, or make a second form",
            ));
        }
        let escaper = self.in_language(outer)?;
        if kind == Kind::Action {
            self.attribute.kind = match self.attribute.text.as_deref() {
                Some("") => Kind::ActionValue,
                Some(text) if super::url::leaves_site(text) => Kind::ActionElsewhere,
                Some(_) => Kind::ActionPath,
                None => Kind::Action,
            };
        } else if kind == Kind::ActionValue && escaper.inner != Inner::UrlQuery {
            self.attribute.kind = Kind::Action;
        }
        self.attribute.text = None;
        Ok(escaper)
    }

    fn in_language(&mut self, outer: Outer) -> Result<Escaper, Fault> {
        let kind = self.attribute.kind;
        let inner = match &mut self.language {
            Language::None => Inner::Text,
            Language::Url(url) => in_url(url, kind)?,
            Language::Script(script) => in_script(script)?,
            Language::Style(style) => in_style(style)?,
            Language::Srcset(srcset) => in_srcset(srcset)?,
            Language::Srcdoc(page) => in_page(page)?,
            Language::Meta(meta) => in_meta(meta)?,
        };
        match &mut self.language {
            Language::None | Language::Srcdoc(_) => {}
            Language::Url(url) => url.after_value(),
            Language::Script(script) => script.after_value(),
            Language::Style(style) => style.after_value(),
            Language::Srcset(srcset) => srcset.after_value(),
            Language::Meta(meta) => meta.after_value(),
        }
        Ok(Escaper { inner, outer })
    }

    /// The name that a value completes, or the element whose attribute it names.
    pub(crate) fn name_facts(&self) -> (String, String) {
        (self.name.clone(), self.tag.element.clone())
    }
}

fn in_url(url: &Url, kind: Kind) -> Result<Inner, Fault> {
    let is_code = kind == Kind::Code;
    match (url, kind) {
        (Url::Blocked(scheme), _) => Err(Fault::new(
            format!("a value in a {scheme}: URL"),
            "serve the data under a URL of its own",
        )),
        (Url::Unknown, _) => Err(Fault::new(
            "this may be before or after the ? of the URL",
            "write the ? in every branch or in none",
        )),
        (Url::Begun | Url::Scheme(_) | Url::Slashes | Url::Authority, Kind::Code) => {
            Err(Fault::new(
                "a value decides which site code comes from",
                "begin the URL with a path, as in src=\"/static/{{ name }}\"",
            ))
        }
        (Url::Start, Kind::Animation) => Ok(Inner::NoScript),
        (_, Kind::Animation) => Ok(Inner::NoScriptRest),
        (Url::Start, Kind::Action) => Ok(Inner::ActionStart),
        (Url::Start, _) if is_code => Ok(Inner::CodeUrlStart),
        (Url::Start | Url::Begun, _) => Ok(Inner::UrlStart),
        (Url::Scheme(_), _) => Ok(Inner::UrlBegun),
        (Url::OneSlash | Url::BegunSlash, _) => Ok(Inner::UrlAfterSlash),
        (Url::Slashes | Url::Authority | Url::Path, _) => Ok(Inner::UrlPart),
        (Url::Query, _) => Ok(Inner::UrlQuery),
    }
}

fn in_script(script: &Script) -> Result<Inner, Fault> {
    if script.namespace == Namespace::Foreign {
        return Err(Fault::new(
            "a value in the script of an SVG",
            "put the value into a data- attribute, and read it from a script of the page",
        ));
    }
    if script.kind == ScriptKind::Map {
        return Err(Fault::new(
            "a value decides which code the browser loads",
            "write the import map or speculation rules in the template",
        ));
    }
    if script.is_glued() {
        return Err(Fault::new(
            "a value right behind a name or a dot",
            "a value is a whole expression: put it into a string, or write window[{{ name }}]",
        ));
    }
    Ok(match (script.kind, script.at) {
        (ScriptKind::Markup, _) => Inner::PlainText,
        (_, ScriptAt::LineComment | ScriptAt::BlockComment) => Inner::Nothing,
        (ScriptKind::Json, ScriptAt::Code | ScriptAt::AfterSlash) => Inner::Json,
        (_, ScriptAt::AfterSlash) if script.slash == Slash::Regexp => Inner::ScriptRegexp,
        (_, ScriptAt::Code | ScriptAt::AfterSlash) => Inner::ScriptValue,
        (_, ScriptAt::Double | ScriptAt::Single) => Inner::ScriptString,
        (_, ScriptAt::Template | ScriptAt::TemplateDollar) => Inner::ScriptTemplate,
        (_, ScriptAt::Regexp | ScriptAt::RegexpClass) => Inner::ScriptRegexp,
    })
}

fn in_style(style: &Style) -> Result<Inner, Fault> {
    if style.namespace == Namespace::Foreign {
        return Err(Fault::new(
            "a value in the style of an SVG",
            "set a class, and style it in the page's stylesheet",
        ));
    }
    if style.is_rule_name() {
        return Err(Fault::new(
            "a value would be the name of a CSS rule",
            "write the name of the rule in the template",
        ));
    }
    match style.at {
        StyleAt::LineComment if style.is_in_attribute() => Err(Fault::new(
            "// is not a comment in CSS, and hides nothing",
            "write /* and */, or leave the comment out",
        )),
        StyleAt::Comment | StyleAt::LineComment => Ok(Inner::Nothing),
        StyleAt::Code | StyleAt::UrlEnd => Ok(Inner::StyleValue),
        _ if style.is_import && !matches!(style.at, StyleAt::Code | StyleAt::UrlEnd) => {
            in_url(&style.url, Kind::Code)
        }
        StyleAt::Double | StyleAt::Single if style.is_query() => Ok(Inner::UrlQuery),
        StyleAt::Double | StyleAt::Single if style.url == Url::Start => Ok(Inner::StyleStringStart),
        StyleAt::Double | StyleAt::Single => Ok(Inner::StyleString),
        StyleAt::UrlStart | StyleAt::Url | StyleAt::UrlDouble | StyleAt::UrlSingle => {
            in_url(&style.url, Kind::Link)
        }
    }
}

fn in_srcset(srcset: &Srcset) -> Result<Inner, Fault> {
    match srcset {
        Srcset::Start => Ok(Inner::SrcsetList),
        Srcset::Descriptor => Ok(Inner::SrcsetStart),
        Srcset::Candidate(url) => match in_url(url, Kind::Link)? {
            Inner::UrlStart | Inner::UrlBegun => Ok(Inner::SrcsetStart),
            Inner::UrlQuery => Ok(Inner::SrcsetQuery),
            _ => Ok(Inner::SrcsetPart),
        },
    }
}

fn in_page(page: &mut Context) -> Result<Inner, Fault> {
    let before = page.html;
    let is_text = match before {
        Html::Text | Html::PlainText | Html::PlainTextStart => true,
        Html::Value => page.language == Language::None && page.attribute.quote != Quote::None,
        _ => false,
    };
    if !is_text {
        return Err(Fault::new(
            "a value in the markup of a srcdoc, other than its text",
            "make the frame a page of its own, and give its address in src",
        ));
    }
    page.value(Next::Other)?;
    Ok(Inner::Srcdoc)
}

fn in_meta(meta: &Meta) -> Result<Inner, Fault> {
    match meta {
        Meta::Plain {
            is_begun: false, ..
        } => Ok(Inner::NoScript),
        Meta::Plain { .. } => Ok(Inner::NoScriptRest),
        Meta::Url(url) => in_url(url, Kind::Link),
    }
}

impl Escaper {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Inner::ALL
            .into_iter()
            .flat_map(|inner| Outer::ALL.map(|outer| Self { inner, outer }))
    }

    /// The name of the filter.
    pub(crate) fn filter(self) -> String {
        format!("_palisade_{}_{}", self.inner.name(), self.outer.name())
    }

    /// Whether it may refuse a value and print a placeholder.
    pub(crate) fn can_block(self) -> bool {
        use Inner::{
            ActionStart, AttributeName, AttributeNameOrNothing, AttributeNamePart, CodeUrlStart,
            NoScript, NoScriptRest, SrcsetList, SrcsetStart, StyleStringStart, StyleValue, TagName,
            UrlStart,
        };
        matches!(
            self.inner,
            UrlStart
                | CodeUrlStart
                | ActionStart
                | SrcsetList
                | SrcsetStart
                | NoScript
                | NoScriptRest
                | StyleValue
                | StyleStringStart
                | TagName
                | AttributeName
                | AttributeNameOrNothing
                | AttributeNamePart
        )
    }
}

impl Inner {
    pub(crate) const ALL: [Self; 30] = [
        Self::Nothing,
        Self::Text,
        Self::PlainText,
        Self::PlainTextStart,
        Self::Srcdoc,
        Self::UrlStart,
        Self::UrlBegun,
        Self::UrlAfterSlash,
        Self::UrlPart,
        Self::UrlQuery,
        Self::CodeUrlStart,
        Self::ActionStart,
        Self::SrcsetList,
        Self::SrcsetStart,
        Self::SrcsetPart,
        Self::SrcsetQuery,
        Self::NoScript,
        Self::NoScriptRest,
        Self::Json,
        Self::ScriptValue,
        Self::ScriptString,
        Self::ScriptTemplate,
        Self::ScriptRegexp,
        Self::StyleValue,
        Self::StyleString,
        Self::StyleStringStart,
        Self::TagName,
        Self::AttributeName,
        Self::AttributeNameOrNothing,
        Self::AttributeNamePart,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Text => "text",
            Self::PlainText => "plain_text",
            Self::PlainTextStart => "plain_text_start",
            Self::Srcdoc => "srcdoc",
            Self::UrlStart => "url_start",
            Self::UrlBegun => "url_begun",
            Self::UrlAfterSlash => "url_after_slash",
            Self::UrlPart => "url_part",
            Self::UrlQuery => "url_query",
            Self::CodeUrlStart => "code_url_start",
            Self::ActionStart => "action_start",
            Self::SrcsetList => "srcset_list",
            Self::SrcsetStart => "srcset_start",
            Self::SrcsetPart => "srcset_part",
            Self::SrcsetQuery => "srcset_query",
            Self::NoScript => "no_script",
            Self::NoScriptRest => "no_script_rest",
            Self::Json => "json",
            Self::ScriptValue => "script_value",
            Self::ScriptString => "script_string",
            Self::ScriptTemplate => "script_template",
            Self::ScriptRegexp => "script_regexp",
            Self::StyleValue => "style_value",
            Self::StyleString => "style_string",
            Self::StyleStringStart => "style_string_start",
            Self::TagName => "tag_name",
            Self::AttributeName => "attribute_name",
            Self::AttributeNameOrNothing => "attribute_name_or_nothing",
            Self::AttributeNamePart => "attribute_name_part",
        }
    }
}

impl Outer {
    pub(crate) const ALL: [Self; 4] = [
        Self::Bare,
        Self::Quoted,
        Self::Unquoted,
        Self::UnquotedStart,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Quoted => "quoted",
            Self::Unquoted => "unquoted",
            Self::UnquotedStart => "unquoted_start",
        }
    }
}
