/// The kind of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An incident is open; its value is its name.
    Incident,
    ReadOnly,
    /// Its value is the part of the site.
    Pause,
    /// Its value is a rule as JSON.
    Block,
    /// Its value is the id of a frozen account.
    Freeze,
    /// Its value is a name or a path that no user has a reason to use.
    Canary,
}

/// Effect of closing the incident on a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtClose {
    /// It is ended.
    Ends,
    /// It stays until it is ended by itself.
    Stays,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::ReadOnly => "read-only",
            Self::Pause => "pause",
            Self::Block => "block",
            Self::Freeze => "freeze",
            Self::Canary => "canary",
        }
    }

    pub(crate) fn at_close(self) -> AtClose {
        match self {
            Self::Freeze | Self::Canary => AtClose::Stays,
            _ => AtClose::Ends,
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Incident,
            Self::ReadOnly,
            Self::Pause,
            Self::Block,
            Self::Freeze,
            Self::Canary,
        ];
        all.into_iter().find(|kind| kind.word() == word)
    }
}

/// A measure of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measure {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) value: String,
    pub(crate) reason: String,
    /// Seconds since 1970.
    pub(crate) since: i64,
    /// The end, or 0.
    pub(crate) until: i64,
    /// Requests that it refused.
    pub(crate) hits: i64,
}
