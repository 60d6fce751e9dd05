use super::MailError;
use super::reading::read;
use palisade_template::{PageSecrets, Templates, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A mail to one address: plain text, and HTML beside it where there is some.
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
    /// The same as HTML: a whole document.
    #[serde(default)]
    pub html: Option<String>,
}

impl Mail {
    /// A mail of text alone.
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
        }
    }

    /// A mail from an HTML document: its title is the subject, and the text part is made of it, with the target of each link behind its words.
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
        })
    }
}

impl fmt::Debug for Mail {
    /// Without the text, which may hold a link that opens an account.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mail {:?}", self.subject)
    }
}

/// A mail that a template makes.
pub(crate) struct Letter {
    pub(crate) to: String,
    /// Name of the template, such as `mail/reset.html`.
    pub(crate) template: &'static str,
    pub(crate) values: Value,
}

impl Letter {
    pub(super) fn render(&self, templates: &Templates) -> Result<Mail, MailError> {
        let page = templates.render(self.template, self.values.clone(), PageSecrets::none());
        Mail::from_html(
            &self.to,
            page.map_err(|error| MailError(error.to_string()))?,
        )
    }
}
