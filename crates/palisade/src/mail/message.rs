use super::MailError;
use super::reading::read;
use palisade_template::Value;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A mail to one address: plain text, optionally with HTML.
///
/// Address and subject may contain input. It cannot become another header, recipient or line
/// (header injection): the message builder refuses or encodes it
/// ([RFC 5322 section 2.2](https://www.rfc-editor.org/rfc/rfc5322#section-2.2)).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Address.
    pub to: String,
    /// Subject, one line.
    pub subject: String,
    /// Text part.
    pub text: String,
    /// HTML part: a whole document.
    #[serde(default)]
    pub html: Option<String>,
    /// Address for replies; `None` means the sender's (`mail.from`).
    #[serde(default)]
    pub reply_to: Option<String>,
}

impl Mail {
    /// A text-only mail.
    pub fn plain(
        to: impl Into<String>,
        subject: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            to: to.into(),
            subject: subject.into(),
            text: text.into(),
            html: None,
            reply_to: None,
        }
    }

    /// Sets the address for replies, such as that of the visitor who filled in a contact form.
    #[must_use]
    pub fn reply_to(mut self, address: impl Into<String>) -> Self {
        self.reply_to = Some(address.into());
        self
    }

    /// A mail from an HTML document: its title becomes the subject, and the text part is generated,
    /// with the URL of each link after its text.
    ///
    /// # Errors
    /// When it has no title.
    pub fn from_html(to: impl Into<String>, html: String) -> Result<Self, MailError> {
        let (subject, text) = read(&html).map_err(MailError)?;
        Ok(Self {
            to: to.into(),
            subject,
            text,
            html: Some(html),
            reply_to: None,
        })
    }
}

impl fmt::Debug for Mail {
    /// Without the text, which may hold a secret link.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mail {:?}", self.subject)
    }
}

/// A mail from a template.
pub(crate) struct Letter {
    pub(crate) to: String,
    /// Name of the template, such as `mail/reset.html`.
    pub(crate) template: &'static str,
    pub(crate) values: Value,
}
