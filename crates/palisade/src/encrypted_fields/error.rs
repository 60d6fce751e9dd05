use palisade_crypto::field::OpenError;
use std::fmt;

/// A value that cannot be decrypted. A visitor sees the generic error page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    place: String,
    kind: FieldErrorKind,
}

/// Why a value cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldErrorKind {
    /// It is no encrypted value of the column's type, or was changed.
    Damaged,
    /// It names a key that the site does not have.
    UnknownKey,
    /// It was encrypted for another table, column or row.
    Moved,
    /// Its time is over.
    Expired,
    /// The key of its user was deleted.
    Forgotten,
    /// The database did not answer.
    Unavailable,
}

impl FieldError {
    pub(super) fn new(place: impl Into<String>, kind: FieldErrorKind) -> Self {
        Self {
            place: place.into(),
            kind,
        }
    }

    /// Why.
    pub fn kind(&self) -> FieldErrorKind {
        self.kind
    }
}

impl From<OpenError> for FieldErrorKind {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::UnknownKey => Self::UnknownKey,
            OpenError::Moved => Self::Moved,
            OpenError::Expired => Self::Expired,
            _ => Self::Damaged,
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.kind {
            FieldErrorKind::Damaged => "no encrypted value of its type, or changed",
            FieldErrorKind::UnknownKey => "encrypted with a key that is not in data.keys",
            FieldErrorKind::Moved => "encrypted for another table, column or row",
            FieldErrorKind::Expired => "expired",
            FieldErrorKind::Forgotten => "the key of its user was deleted",
            FieldErrorKind::Unavailable => "the database did not answer",
        };
        write!(out, "{} cannot be decrypted: {why}", self.place)
    }
}

impl std::error::Error for FieldError {}
