//! Contexts in words, for errors and lists.

use super::attribute_kind::Kind;
use super::script::{At as ScriptAt, Script, ScriptKind};
use super::style::{At as StyleAt, Style};
use super::url::Url;
use super::{Context, Html, Language, Quote};
use std::fmt;

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let element = if self.tag.element.is_empty() {
            "an element"
        } else {
            &format!("<{}>", self.tag.element)
        };
        match self.html {
            Html::Text => f.write_str("HTML text"),
            Html::TagOpen | Html::EndTagOpen => f.write_str("the beginning of a tag"),
            Html::Comment(_) => f.write_str("an HTML comment"),
            Html::Declaration => f.write_str("a declaration"),
            Html::TagName | Html::TagNameValue => f.write_str("the name of a tag"),
            Html::BeforeName | Html::Boundary => write!(f, "the attributes of {element}"),
            Html::Name | Html::NameValue => f.write_str("the name of an attribute"),
            Html::AfterName => write!(f, "the place after the name of the attribute {}", self.name),
            Html::BeforeValue => write!(f, "the value of the attribute {}", self.attribute.name),
            Html::Value => self.value_in_words(f),
            Html::PlainText | Html::PlainTextStart => write!(f, "the text of {element}"),
            Html::Code => match &self.language {
                Language::Script(script) => write!(f, "{} in <script>", script.words()),
                Language::Style(style) => write!(f, "{} in <style>", style.words()),
                _ => f.write_str("code"),
            },
            Html::Unreachable => f.write_str("a place that is never reached"),
        }
    }
}

impl Context {
    fn value_in_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quotes = match self.attribute.quote {
            Quote::Double => "the \"-quoted attribute",
            Quote::Single => "the '-quoted attribute",
            Quote::None => "the unquoted attribute",
        };
        let name = &self.attribute.name;
        match &self.language {
            Language::None => write!(f, "{quotes} {name}"),
            Language::Url(url) => match self.attribute.kind {
                Kind::Code => write!(
                    f,
                    "{} that code comes from, in {quotes} {name}",
                    url.words()
                ),
                _ => write!(f, "{} in {quotes} {name}", url.words()),
            },
            Language::Script(script) => write!(f, "{} in {quotes} {name}", script.words()),
            Language::Style(style) => write!(f, "{} in {quotes} {name}", style.words()),
            Language::Srcset(_) => write!(f, "a list of pictures in {quotes} {name}"),
            Language::Srcdoc(page) => write!(f, "{page} of the page in {quotes} {name}"),
            Language::Meta(_) => write!(f, "the content of a <meta>, in {quotes} {name}"),
        }
    }
}

impl Url {
    fn words(&self) -> &'static str {
        match self {
            Self::Start => "the start of a URL",
            Self::Begun => "a URL that a value begins",
            Self::Scheme(_) => "a URL whose scheme may be unfinished",
            Self::OneSlash | Self::BegunSlash => "a URL after its first /",
            Self::Slashes | Self::Authority => "the host of a URL",
            Self::Path => "the path of a URL",
            Self::Query => "the query or fragment of a URL",
            Self::Blocked(_) => "a URL of code",
            Self::Unknown => "a URL that may or may not be past its ?",
        }
    }
}

impl Script {
    fn words(&self) -> &'static str {
        match (self.kind, self.at) {
            (ScriptKind::Markup, _) => "text of a script type that browsers do not run",
            (ScriptKind::Json | ScriptKind::Map, ScriptAt::Double) => "a JSON string",
            (ScriptKind::Json | ScriptKind::Map, _) => "a JSON value",
            (_, ScriptAt::Code) => "a JavaScript value",
            (_, ScriptAt::AfterSlash) => "the place after a / in JavaScript",
            (_, ScriptAt::Double) => "a \"-quoted JavaScript string",
            (_, ScriptAt::Single) => "a '-quoted JavaScript string",
            (_, ScriptAt::Template | ScriptAt::TemplateDollar) => "a JavaScript template literal",
            (_, ScriptAt::Regexp | ScriptAt::RegexpClass) => "a JavaScript regular expression",
            (_, ScriptAt::LineComment | ScriptAt::BlockComment) => "a JavaScript comment",
        }
    }
}

impl Style {
    fn words(&self) -> &'static str {
        match self.at {
            StyleAt::Code => "a CSS value",
            StyleAt::Double => "a \"-quoted CSS string",
            StyleAt::Single => "a '-quoted CSS string",
            StyleAt::UrlStart | StyleAt::Url | StyleAt::UrlDouble | StyleAt::UrlSingle => {
                "a CSS url()"
            }
            StyleAt::UrlEnd => "the end of a CSS url()",
            StyleAt::Comment | StyleAt::LineComment => "a CSS comment",
        }
    }
}
