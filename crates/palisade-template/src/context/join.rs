//! Where two branches meet.

use super::attribute_kind::Kind;
use super::script::ScriptKind;
use super::tag::{Action, Tag};
use super::url::{Url, leaves_site};
use super::{Attribute, Context, Fault, Html, Language};

impl Context {
    /// The context that is right after either of two branches, if there is one.
    pub(crate) fn join(&self, other: &Self) -> Option<Self> {
        if self == other || other.html == Html::Unreachable {
            return Some(self.clone());
        }
        if self.html == Html::Unreachable {
            return Some(other.clone());
        }
        let (one, two) = (self.settle(), other.settle());
        let html = one.join_html(&two)?;
        let tag = one.tag.join(&two.tag)?;
        let namespace = one.namespace.max(two.namespace);
        let form_is_open = one.form_is_open && two.form_is_open;
        if html == Html::Boundary {
            return Some(Self {
                html,
                tag,
                namespace,
                form_is_open,
                ..Self::default()
            });
        }
        if one.name != two.name {
            return None;
        }
        let attribute = one.attribute.join(&two.attribute)?;
        let language = one.language.join(&two.language)?;
        Some(Self {
            html,
            name: one.name.clone(),
            tag,
            attribute,
            language,
            namespace,
            form_is_open,
        })
    }

    /// Names that could end here are ended: `<input {% if x %}checked{% endif %}>`.
    fn settle(&self) -> Self {
        let is_complete_name = matches!(self.html, Html::Name | Html::NameValue);
        if self.html == Html::TagName {
            let tag = Tag {
                element: self.name.clone(),
                ..self.tag.clone()
            };
            return Self {
                html: Html::Boundary,
                name: String::new(),
                tag,
                ..self.clone()
            };
        }
        let is_plain = Kind::Plain == super::attribute::classify(&self.tag, &self.name);
        // white space stands behind the name: an = would be refused there
        if self.html == Html::AfterName && is_plain {
            return Self {
                html: Html::BeforeName,
                name: String::new(),
                ..self.clone()
            };
        }
        if is_complete_name && is_plain {
            return Self {
                html: Html::Boundary,
                name: String::new(),
                ..self.clone()
            };
        }
        self.clone()
    }

    fn join_html(&self, other: &Self) -> Option<Html> {
        let is_between = |context: &Self| {
            matches!(context.html, Html::BeforeName | Html::Boundary) || context.ends_unquoted()
        };
        match (self.html, other.html) {
            (one, two) if one == two && one != Html::Value => Some(one),
            (Html::PlainText, Html::PlainTextStart) | (Html::PlainTextStart, Html::PlainText) => {
                Some(Html::PlainText)
            }
            (Html::Value, Html::Value)
                if self.attribute.name == other.attribute.name
                    && self.attribute.quote == other.attribute.quote =>
            {
                Some(Html::Value)
            }
            _ if is_between(self) && is_between(other) => Some(Html::Boundary),
            _ => None,
        }
    }

    /// An unquoted value that may be complete, and whose meaning ends with it.
    fn ends_unquoted(&self) -> bool {
        let is_kept = self.attribute.text.is_some()
            || matches!(
                self.attribute.kind,
                Kind::Action | Kind::ActionValue | Kind::SentTo
            );
        self.html == Html::Value
            && self.attribute.quote == super::Quote::None
            && !is_kept
            && self.language.finish().is_ok()
    }

    /// After a block: another template may fill it with other text of the same kind.
    pub(crate) fn after_block(mut self) -> Self {
        self.attribute.text = None;
        match &mut self.language {
            Language::Script(script) => script.after_block(),
            Language::Style(style) => style.after_block(),
            Language::Url(url) => *url = Url::Unknown,
            Language::None | Language::Srcset(_) | Language::Srcdoc(_) | Language::Meta(_) => {}
        }
        self
    }

    /// Where a file or a block ends, the comments in it are gone.
    ///
    /// # Errors
    /// A comment that would go on in another file.
    pub(crate) fn after_comments(mut self) -> Result<Self, Fault> {
        let is_open = match &mut self.language {
            _ if matches!(self.html, Html::Comment(_)) => true,
            Language::Script(script) if self.html == Html::Code => script.end_comment(),
            Language::Style(style) if self.html == Html::Code => style.end_comment(),
            _ => false,
        };
        if is_open {
            Err(Fault::new(
                format!("this ends in {self}"),
                "close the comment where it is opened",
            ))
        } else {
            Ok(self)
        }
    }
}

impl Tag {
    fn join(&self, other: &Self) -> Option<Self> {
        if self.element != other.element || self.is_end != other.is_end {
            return None;
        }
        let decides = |name: &str| {
            matches!(
                (self.element.as_str(), name),
                ("script", "type") | ("form", "method")
            )
        };
        let is_same = |name: &str| match name {
            "type" => ScriptKind::of_type(self.fact(name)) == ScriptKind::of_type(other.fact(name)),
            name => self.fact(name) == other.fact(name),
        };
        if self
            .facts
            .iter()
            .chain(&other.facts)
            .any(|(name, _)| decides(name) && !is_same(name))
        {
            return None;
        }
        let facts = self
            .facts
            .iter()
            .filter(|(name, _)| is_same(name) || decides(name))
            .cloned()
            .collect();
        let mut seen = self.seen.clone();
        seen.extend(other.seen.iter().filter(|name| !self.seen.contains(name)));
        let action = if self.action == other.action {
            self.action
        } else {
            Action::Unknown
        };
        let has_nonce = self.has_nonce || other.has_nonce;
        Some(Self {
            element: self.element.clone(),
            is_end: self.is_end,
            facts,
            seen,
            action,
            has_nonce,
            closes_itself: false,
        })
    }
}

impl Attribute {
    fn join(&self, other: &Self) -> Option<Self> {
        if self.name != other.name || self.quote != other.quote {
            return None;
        }
        let is_action = |kind| {
            matches!(
                kind,
                Kind::Action | Kind::ActionValue | Kind::ActionPath | Kind::ActionElsewhere
            )
        };
        let (kind, text) = match (self.kind, other.kind) {
            (one, two) if one == two && self.text == other.text => (one, self.text.clone()),
            (one, two)
                if is_action(one) && is_action(two) && self.is_certain() && other.is_certain() =>
            {
                (Kind::ActionPath, None)
            }
            (one, two) if is_action(one) && is_action(two) => (Kind::Action, None),
            (one, two) if one == two => (one, None),
            _ => return None,
        };
        Some(Self {
            name: self.name.clone(),
            kind,
            quote: self.quote,
            text,
        })
    }

    /// Whether a form's action stays on this site for any following value.
    fn is_certain(&self) -> bool {
        self.kind == Kind::ActionPath || self.text.as_deref().is_some_and(is_certain_path)
    }
}

/// A path of this site, for any following value.
pub(super) fn is_certain_path(text: &str) -> bool {
    let second = text.as_bytes().get(1);
    text.starts_with('/')
        && second.is_some_and(|byte| !matches!(byte, b'/' | b'\\'))
        && !leaves_site(text)
}

impl Language {
    fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::None, Self::None) => Some(Self::None),
            (Self::Url(one), Self::Url(two)) => one.join(two).map(Self::Url),
            (Self::Script(one), Self::Script(two)) => one.join(two).map(Self::Script),
            (Self::Style(one), Self::Style(two)) => one.join(two).map(Self::Style),
            (Self::Srcset(one), Self::Srcset(two)) => one.join(two).map(Self::Srcset),
            (Self::Srcdoc(one), Self::Srcdoc(two)) => {
                one.join(two).map(|page| Self::Srcdoc(Box::new(page)))
            }
            (Self::Meta(one), Self::Meta(two)) => one.join(two).map(Self::Meta),
            _ => None,
        }
    }

    /// The text of the attribute or element ends here.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        match self {
            Self::Script(script) => script.finish(),
            Self::Style(style) => style.finish(),
            Self::None | Self::Url(_) | Self::Srcset(_) | Self::Srcdoc(_) | Self::Meta(_) => Ok(()),
        }
    }
}
