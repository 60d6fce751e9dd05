//! Errors of forms that cannot be read.

use super::input::RawError;
use crate::views::{Error, ErrorKind};

/// 400 with the name of the field for the log, and not its value.
pub(super) fn about(field: &str, message: &'static str) -> Error {
    let name: String = field.chars().take(LONGEST_NAME).collect();
    Error::new(ErrorKind::BadRequest, message).because(format!("field {name:?}"))
}

/// Longest logged name, in characters.
const LONGEST_NAME: usize = 60;

/// 413.
pub(super) fn too_long() -> Error {
    Error::new(
        ErrorKind::TooLarge,
        "The form is longer than its fields allow.",
    )
}

/// 400 or 413 for a form that cannot be parsed.
pub(super) fn unreadable(error: RawError) -> Error {
    match error {
        RawError::Encoding => Error::new(ErrorKind::BadRequest, "The text is not UTF-8."),
        RawError::Duplicate(name) => about(&name, "A field was sent twice."),
        RawError::TooMany => Error::new(ErrorKind::TooLarge, "There are too many fields."),
    }
}
