use serde::{Deserialize, Serialize};
use std::fmt;

/// A file that was received and validated. It is held for an hour for its visitor, so that it is not
/// sent again when another field was wrong.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedFile {
    /// Secret name of the held file.
    pub token: String,
    /// Name of the form's field.
    pub field: String,
    /// Name of the kind.
    pub kind: String,
    /// File name.
    pub name: String,
    /// Media type, by the content.
    pub media_type: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// Without the token, by which its visitor finds the file.
impl fmt::Debug for ReceivedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedFile")
            .field("field", &self.field)
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("media_type", &self.media_type)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
