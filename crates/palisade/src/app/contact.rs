use crate::settings::setting_from_str;
use std::fmt;
use std::str::FromStr;

/// A contact: a `mailto:`, `https:` or `tel:` URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact(String);

setting_from_str!(
    Contact,
    "mailto:security@example.org, https://example.org/report or tel:+31-20-1234567"
);

impl FromStr for Contact {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_one_line = text.chars().all(|character| character.is_ascii_graphic());
        let has_scheme = ["mailto:", "https://", "tel:"]
            .iter()
            .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
        if is_one_line && has_scheme {
            Ok(Self(text.to_owned()))
        } else {
            Err(())
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
