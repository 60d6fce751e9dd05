//! Results of a comparison with a Django project.

/// A line of the report.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) sign: Sign,
    pub(super) what: String,
    pub(super) says: String,
    /// Its line of `palisade.toml`.
    pub(super) setting: Option<(String, String)>,
}

/// Result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Same,
    /// This site is safer.
    Stricter,
    /// Django is safer.
    Laxer,
    Unknown,
    Refused,
}

impl Sign {
    pub(super) fn mark(self) -> char {
        match self {
            Self::Same => '=',
            Self::Stricter => '>',
            Self::Laxer => '<',
            Self::Unknown => '?',
            Self::Refused => '!',
        }
    }
}

impl Compared {
    pub(super) fn new(sign: Sign, what: impl Into<String>, says: impl Into<String>) -> Self {
        Self {
            sign,
            what: what.into(),
            says: says.into(),
            setting: None,
        }
    }

    pub(super) fn write(mut self, key: &str, value: impl Into<String>) -> Self {
        self.setting = Some((key.into(), value.into()));
        self
    }
}
