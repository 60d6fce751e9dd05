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
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::ReadOnly => "read-only",
            Self::Pause => "pause",
            Self::Block => "block",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        let all = [Self::Incident, Self::ReadOnly, Self::Pause, Self::Block];
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
