//! Kinds of attributes, by the meaning of their values.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) enum Kind {
    #[default]
    Plain,
    /// A link or a picture: any harmless scheme.
    Link,
    /// Code, or the origin of code: this site only.
    Code,
    /// Where a form goes: nothing printed yet.
    Action,
    /// Where a form goes: one value so far, and nothing else.
    ActionValue,
    /// Where a form goes: a path of this site, with values in it.
    ActionPath,
    /// Where a form goes: another site, with values in its URL.
    ActionElsewhere,
    /// `formaction`.
    SentTo,
    /// The end of an SVG animation: may become a link's target.
    Animation,
    Srcset,
    Srcdoc,
    Meta,
    Style,
    /// `on…`.
    Handler,
    /// What client libraries evaluate.
    Expression,
    /// No value may decide this.
    Fixed,
}

impl Kind {
    /// Written text follows: a form's action is then no longer one value alone.
    pub(super) fn with_text(self, text: &str) -> Self {
        let is_query = text.trim_start().is_empty() || text.starts_with(['?', '#']);
        if self == Self::ActionValue && !is_query {
            Self::Action
        } else {
            self
        }
    }
}
