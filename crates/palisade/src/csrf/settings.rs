use crate::checks::{Check, Level};
use crate::http::OriginPattern;
use crate::settings::{section, setting_from_str};

setting_from_str!(
    OriginPattern,
    "an origin such as https://partner.example or https://*.partner.example"
);

section! {
    /// Trusted origins, and the CSRF cookie.
    CsrfSettings("csrf") {
        /// Trusted origins of cross-origin forms
        trusted_origins: Vec<OriginPattern> = |_| Vec::new();
        /// Whether the cookie of anonymous visitors is sent over HTTPS only
        cookie_secure: bool = |_| true;
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<CsrfSettings>] = &[
    Check {
        id: "csrf.cookie_insecure",
        django: Some("security.W016"),
        level: Level::Error,
        title: "the CSRF cookie is sent over plain HTTP",
        why: "an attacker who reads or sets it can forge a login (login CSRF)",
        fix: "set csrf.cookie_secure = true",
        fires: |settings| !settings.cookie_secure,
    },
    Check {
        id: "csrf.origin_too_wide",
        django: None,
        level: Level::Error,
        title: "a trusted origin is open to anyone",
        why: "an attacker who registers a matching domain can forge requests of every visitor",
        fix: "name the partners in csrf.trusted_origins, without a wildcard below a public suffix",
        fires: |settings| {
            settings
                .trusted_origins
                .iter()
                .any(OriginPattern::is_too_wide)
        },
    },
    Check {
        id: "csrf.origin_insecure",
        django: None,
        level: Level::Error,
        title: "a trusted origin is not https",
        why: "a man in the middle can impersonate it",
        fix: "write csrf.trusted_origins with https://",
        fires: |settings| {
            settings
                .trusted_origins
                .iter()
                .any(OriginPattern::is_insecure)
        },
    },
];
