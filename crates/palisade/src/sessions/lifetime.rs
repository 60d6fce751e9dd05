/// How long a session may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// The timeouts of the configuration.
    Usual,
    /// Longer: the user chose to stay signed in.
    Kept,
}

impl From<bool> for Lifetime {
    /// The answer to "keep me signed in".
    fn from(is_kept: bool) -> Self {
        match is_kept {
            true => Self::Kept,
            false => Self::Usual,
        }
    }
}
