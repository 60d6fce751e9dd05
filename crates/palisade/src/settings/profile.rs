use std::fmt;
use std::str::FromStr;

/// What the site is running for. It sets defaults; it never switches a protection off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// On the developer's machine. Serves loopback addresses only; plain HTTP is allowed there; error pages explain.
    Development,
    /// Production rules on a machine for trying things; pages ask not to be indexed.
    Staging,
    /// The real thing. Refuses to start while an error-level check fires.
    Production,
}

impl Profile {
    /// Development in debug builds, production in release builds.
    pub const DEFAULT: Self = if cfg!(debug_assertions) {
        Self::Development
    } else {
        Self::Production
    };

    /// Whether this is the developer's machine.
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
