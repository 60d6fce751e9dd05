use crate::sanitize::Preset;
use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};
use std::fmt;
use std::sync::Arc;

/// What a trusted text is trusted as. It counts in that place only: everywhere else it is text like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Attribute,
    Script,
    ScriptString,
    Json,
    Css,
    Url,
    Srcset,
}

/// Text that is trusted in one place.
#[derive(Debug)]
pub(crate) struct Trusted {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

impl Object for Trusted {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// HTML that is printed as it is in HTML text. In an attribute it is its text, without tags;
/// elsewhere it is escaped like any text.
///
/// ```
/// use palisade_template::{Preset, TrustedHtml};
/// let html = TrustedHtml::sanitize("<b onclick=alert(1)>hello</b><script>alert(1)</script>", Preset::Comment);
/// assert_eq!(html.as_str(), "<b>hello</b>");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedHtml(String);

impl TrustedHtml {
    /// Sanitized HTML.
    pub fn sanitize(html: &str, preset: Preset) -> Self {
        Self(preset.clean(html))
    }

    /// Trusts `html`. `reason` is why no part of it can come from input.
    ///
    /// # Security
    /// Input in it is script injection (XSS).
    pub fn dangerous_from(html: impl Into<String>, reason: &'static str) -> Self {
        Self(because(html.into(), reason))
    }

    /// The HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<TrustedHtml> for Value {
    fn from(html: TrustedHtml) -> Self {
        Value::from_safe_string(html.0)
    }
}

fn because(text: String, reason: &'static str) -> String {
    assert!(
        !reason.trim().is_empty(),
        "say why this text can be trusted"
    );
    text
}

/// Types that are trusted on the programmer's word alone.
macro_rules! trusted {
    ($($(#[$doc:meta])* $name:ident is $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Trusts `text` in its place. `reason` is why no part of it can come from input.
            ///
            /// # Security
            /// Input in it is injection.
            pub fn dangerous_from(text: impl Into<String>, reason: &'static str) -> Self {
                Self(because(text.into(), reason))
            }
        }

        impl From<$name> for Value {
            fn from(trusted: $name) -> Self {
                Value::from_object(Trusted { kind: Kind::$kind, text: trusted.0 })
            }
        }
    )*};
}

trusted! {
    /// Attributes with their values, printed between the attributes of a tag: `data-a="1" hidden`.
    TrustedAttr is Attribute;
    /// A JavaScript expression.
    TrustedJs is Script;
    /// The inside of a JavaScript string, escapes included.
    TrustedJsString is ScriptString;
    /// CSS: a value, a declaration, a selector.
    TrustedCss is Css;
    /// A URL of any scheme, and a part of a URL that keeps its `&`, `=` and `%`.
    TrustedUrl is Url;
    /// A list of pictures for `srcset`.
    TrustedSrcset is Srcset;
}

/// The text of trusted HTML, without its tags, for attributes.
pub(crate) fn html_to_text(html: &str) -> String {
    if !html.contains(['<', '&']) {
        return html.to_owned();
    }
    let without_tags = Preset::Plain.clean(html);
    htmlize::unescape(without_tags).into_owned()
}
