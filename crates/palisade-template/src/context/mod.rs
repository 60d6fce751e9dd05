//! Contexts of positions in a page: HTML, and within it URLs, scripts and styles. A [`Context`] parses
//! the static text of a template, and knows at each position which context a printed value has.
//!
//! It follows the tokenizer of the [HTML standard](https://html.spec.whatwg.org/multipage/parsing.html#tokenization).
//! Text that the standard leaves undefined, or that a reviewer of the template could misread, is a
//! [`Fault`], never a guess.

mod attribute;
mod attribute_kind;
mod html;
mod join;
mod lists;
mod script;
mod style;
mod tag;
mod url;
mod value;
mod words;

pub(crate) use attribute::is_plain_attribute;
pub(crate) use lists::is_plain_element;
pub(crate) use url::{is_allowed_scheme, is_code_scheme};
pub(crate) use value::Escaper;
pub(crate) use value::{Inner, Next, Outer};

use lists::{Meta, Srcset};
use script::Script;
use style::Style;
use tag::Tag;
use url::Url;

/// A place in a page.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Context {
    html: Html,
    /// The name of the element or attribute that is being read, in lower case.
    name: String,
    tag: Tag,
    attribute: Attribute,
    language: Language,
    namespace: Namespace,
    /// Inside a form, for certain.
    form_is_open: bool,
}

/// Namespace of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
enum Namespace {
    #[default]
    Html,
    /// Inside `<svg>` or `<math>`, where browsers read style and title as markup.
    Foreign,
}

/// States of the HTML tokenizer, as far as they matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
enum Html {
    #[default]
    Text,
    /// After `<` at the end of a piece of text.
    TagOpen,
    /// After `</` at the end of a piece of text.
    EndTagOpen,
    Comment(Dashes),
    /// `<!doctype …>` and what browsers take for a comment.
    Declaration,
    TagName,
    /// A tag name that a value ended.
    TagNameValue,
    BeforeName,
    /// Between attributes, where branches met: white space, `/` or `>` must follow.
    Boundary,
    Name,
    /// An attribute name that a value ended.
    NameValue,
    AfterName,
    BeforeValue,
    Value,
    /// The beginning of a textarea, where browsers leave out a line break.
    PlainTextStart,
    /// Title, textarea and the like: text in which only the end tag is markup.
    PlainText,
    /// Script and style.
    Code,
    /// After `break` and `continue`: nothing is printed from here.
    Unreachable,
}

/// How much of the end of a comment was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Dashes {
    /// Right after `<!--`.
    Start,
    /// After `<!---`.
    StartOne,
    None,
    One,
    Two,
    /// `--!`
    Bang,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
struct Attribute {
    name: String,
    kind: attribute_kind::Kind,
    quote: Quote,
    /// The decoded text so far, for attributes whose value decides something. `None` after a value.
    text: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
enum Quote {
    Double,
    Single,
    #[default]
    None,
}

/// The language that text is in, inside of HTML.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
enum Language {
    #[default]
    None,
    Url(Url),
    Script(Script),
    Style(Style),
    Srcset(Srcset),
    /// A page within an attribute.
    Srcdoc(Box<Context>),
    Meta(Meta),
}

/// Why a template is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) help: &'static str,
    /// Offset in the source, if it is not where the text begins.
    pub(crate) at: Option<usize>,
}

impl Fault {
    fn new(message: impl Into<String>, help: &'static str) -> Self {
        Self {
            message: message.into(),
            help,
            at: None,
        }
    }

    fn at(mut self, offset: usize) -> Self {
        self.at.get_or_insert(offset);
        self
    }
}

/// A change to the source: `remove` bytes at `at` give way to `insert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) at: usize,
    pub(crate) remove: usize,
    pub(crate) insert: String,
}

/// Settings of the surroundings, and results of reading.
pub(crate) struct Scan<'a> {
    pub(crate) edits: &'a mut Vec<Edit>,
    pub(crate) rules: &'a Rules,
    /// Whether the text is the result of rewriting: then what rewriting adds is expected, and nothing may be left to change.
    pub(crate) pass: Pass,
    /// Where the piece of text begins that is read; a template tag may stand before it.
    pub(crate) chunk: usize,
    /// Only white space was read since.
    is_leading: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    Rewrite,
    Verify,
}

/// Where the text is in the source, if it is text of an element and can be changed.
type Place<'p, 's> = Option<(usize, &'p mut Scan<'s>)>;

/// Options of a site's templates.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    pub(crate) inline_handlers: InlineHandlers,
    pub(crate) files: std::collections::BTreeMap<String, StaticLink>,
}

/// URL and integrity that pages write for a static file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticLink {
    /// The URL with the hash of its content, which can be cached forever.
    pub url: String,
    /// The hash, for `integrity` ([SRI](https://www.w3.org/TR/SRI/)).
    pub integrity: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum InlineHandlers {
    #[default]
    Refused,
    Escaped,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(
        edits: &'a mut Vec<Edit>,
        rules: &'a Rules,
        pass: Pass,
        chunk: usize,
    ) -> Self {
        Self {
            edits,
            rules,
            pass,
            chunk,
            is_leading: false,
        }
    }

    fn replace(&mut self, at: usize, remove: usize, insert: impl Into<String>) {
        let insert = insert.into();
        if remove > 0 || !insert.is_empty() {
            self.edits.push(Edit { at, remove, insert });
        }
    }
}

impl Context {
    /// Whether this is HTML text outside of every tag, where a page begins and ends.
    pub(crate) fn is_text(&self) -> bool {
        self.html == Html::Text
    }

    /// Whether what was captured here is HTML: text, or a title.
    pub(crate) fn is_text_or_title(&self) -> bool {
        matches!(
            self.html,
            Html::Text | Html::PlainText | Html::PlainTextStart
        )
    }

    /// Whether this is a comment that rewriting takes out.
    pub(crate) fn is_taken_out(&self) -> bool {
        match &self.language {
            _ if matches!(self.html, Html::Comment(_)) => true,
            Language::Script(script) => self.html == Html::Code && script.is_comment(),
            Language::Style(style) => self.html == Html::Code && style.is_comment(),
            _ => false,
        }
    }

    /// The context after `break` and `continue`.
    pub(crate) fn unreachable() -> Self {
        Self {
            html: Html::Unreachable,
            ..Self::default()
        }
    }
}
