use crate::settings::{section, setting_from_str};
use std::fmt;
use std::str::FromStr;

section! {
    /// Incidents: `INCIDENT.md` of `incident plan`, and evidence.
    IncidentSettings("incident") {
        /// People who work on an incident, such as `Ines Roth, +41 44 555 01 23`
        team: Vec<String> = |_| Vec::new();
        /// The supervisory authority that is told of a breach
        authority: Option<String> = |_| None;
        /// Hours until it is told (GDPR article 33)
        authority_hours: u64 = |_| 72;
        /// Public keys of age, `age1…`, for which `incident evidence` encrypts
        recipients: Vec<Recipient> = |_| Vec::new();
    }
}

/// A public key of [age](https://age-encryption.org/v1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient(String);

setting_from_str!(
    Recipient,
    "a public key of age: age1 and 58 letters and digits"
);

impl FromStr for Recipient {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let rest = text.strip_prefix("age1").ok_or(())?;
        let is_key = rest.len() == 58 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_key.then(|| Self(text.to_owned())).ok_or(())
    }
}

#[cfg(any(feature = "backup", feature = "evidence"))]
impl Recipient {
    /// The key, for encryption.
    ///
    /// # Errors
    /// When its checksum is wrong.
    pub(crate) fn key(&self) -> Result<age::x25519::Recipient, String> {
        let parsed = self.0.parse();
        parsed.map_err(|error| format!("{self}: {error}"))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
