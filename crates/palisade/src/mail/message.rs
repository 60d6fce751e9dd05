use serde::{Deserialize, Serialize};
use std::fmt;

/// A mail: plain text to one address.
///
/// The address and the subject may hold input. What they hold cannot become another header, another recipient or another line: the builder of the message
/// refuses or encodes it ([RFC 5322 section 2.2](https://www.rfc-editor.org/rfc/rfc5322#section-2.2)).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Address.
    pub to: String,
    /// Subject, one line.
    pub subject: String,
    /// Text.
    pub text: String,
}

impl fmt::Debug for Mail {
    /// Without the text, which may hold a link that opens an account.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mail {:?}", self.subject)
    }
}
