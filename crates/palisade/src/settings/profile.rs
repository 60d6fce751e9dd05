use std::fmt;
use std::str::FromStr;

/// The profile of a site. It sets defaults; it never disables a protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// On the developer's machine. Listens on loopback addresses only, over plain HTTP; error pages
    /// show details.
    Development,
    /// Production rules for a test deployment; pages ask not to be indexed.
    Staging,
    /// Production. Refuses to start while an error-level check fires.
    Production,
}

impl Profile {
    /// Development in debug builds, production in release builds.
    pub const DEFAULT: Self = if cfg!(debug_assertions) {
        Self::Development
    } else {
        Self::Production
    };

    /// Whether this is the development profile.
    pub fn is_development(self) -> bool {
        self == Self::Development
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "development" => Ok(Self::Development),
            "staging" => Ok(Self::Staging),
            "production" => Ok(Self::Production),
            _ => Err("must be development, staging or production".into()),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        })
    }
}
