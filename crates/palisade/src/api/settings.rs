use crate::checks::{Check, Level};
use crate::settings::{section, setting_from_str};
use std::fmt;
use std::str::FromStr;

section! {
    /// Access tokens of API clients.
    ApiSettings("api") {
        /// Audience that tokens must have; none means the site's URL
        audience: Option<String> = |_| None;
        /// Trusted issuers besides this site: URLs, which publish their keys
        issuers: Vec<Issuer> = |_| Vec::new();
        /// Most days that a personal access token is valid: 1 to 366
        token_days_max: u64 = |_| 366;
        /// Most personal access tokens of a user
        tokens_per_user: u64 = |_| 20;
        /// Whether this site issues signed tokens, and publishes its keys at /.well-known/jwks.json
        issue: bool = |_| false;
    }
}

/// Issuer of tokens ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(String);

setting_from_str!(
    Issuer,
    "an https:// URL without query and fragment, such as https://login.example.org"
);

impl Issuer {
    /// The URL, as in the `iss` claim.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Issuer {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        crate::social::is_issuer(text)
            .then(|| Self(text.into()))
            .ok_or(())
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ApiSettings {
    /// Whether any token can be valid.
    pub(crate) fn is_on(&self) -> bool {
        self.issue || !self.issuers.is_empty()
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<ApiSettings>] = &[
    Check {
        id: "api.not_built",
        django: None,
        level: Level::Error,
        title: "access tokens need feature `social`",
        why: "every request with a token is refused",
        fix: "build it with the feature social, or take api.issuers and api.issue out",
        fires: |settings| settings.is_on() && !cfg!(feature = "social"),
    },
    Check {
        id: "api.in_clear",
        django: None,
        level: Level::Error,
        title: "the keys of an issuer are fetched over plain HTTP",
        why: "a man in the middle could forge tokens that this site accepts",
        fix: "write https:// in api.issuers",
        fires: |settings| {
            settings
                .issuers
                .iter()
                .any(|issuer| issuer.0.starts_with("http:"))
        },
    },
    Check {
        id: "api.endless_tokens",
        django: None,
        level: Level::Error,
        title: "a personal access token would be valid for too long",
        why: "a forgotten token is found by an attacker sooner or later",
        fix: "set api.token_days_max to 1 to 366 days",
        fires: |settings| !(1..=366).contains(&settings.token_days_max),
    },
];
