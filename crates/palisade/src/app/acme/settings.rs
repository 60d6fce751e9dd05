use crate::app::SiteSettings;
use crate::checks::{Check, Level};
use crate::crypto::Secret;
use crate::settings::{section, setting_words};

/// How control over a name is validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// tls-alpn-01, by a certificate on port 443
    /// ([RFC 8737](https://www.rfc-editor.org/rfc/rfc8737)): needs `server.address` only.
    TlsAlpn,
    /// http-01, by a file on port 80
    /// ([RFC 8555 section 8.3](https://www.rfc-editor.org/rfc/rfc8555#section-8.3)): needs
    /// `tls.redirect_address`.
    Http,
}

setting_words!(
    Challenge,
    "tls-alpn-01 or http-01",
    TlsAlpn = "tls-alpn-01",
    Http = "http-01"
);

section! {
    /// Certificates from an ACME server, which validates control over each name.
    AcmeSettings("acme") {
        /// Names of the certificate; no certificate is ordered without any
        domains: Vec<String> = |_| Vec::new();
        /// Email address for notices of the certificate authority
        contact: Option<String> = |_| None;
        /// Whether you accept the terms of service of the certificate authority
        accept_terms: bool = |_| false;
        /// Directory URL of the ACME server
        directory: String = |_| "https://acme-v02.api.letsencrypt.org/directory".into();
        /// Challenge type: tls-alpn-01 (on server.address) or http-01 (on tls.redirect_address)
        challenge: Challenge = |_| Challenge::TlsAlpn;
        /// Key id of external account binding, where the ACME server requires it
        account_id: Option<String> = |_| None;
        /// HMAC key of external account binding, in base64url
        account_key: Option<Secret<String>> = |_| None;
    }
}

impl AcmeSettings {
    /// Whether certificates are ordered.
    pub fn is_on(&self) -> bool {
        !self.domains.is_empty()
    }
}

fn is_served(settings: &SiteSettings, domain: &str) -> bool {
    settings
        .http
        .allowed_hosts
        .iter()
        .any(|host| host.matches(domain))
}

/// Checks of these settings.
pub const CHECKS: &[Check<SiteSettings>] = &[
    Check {
        id: "acme.not_built",
        django: None,
        level: Level::Error,
        title: "certificates are to be ordered, and this program was built without the feature \
            acme",
        why: "the site would have no certificate",
        fix: "build with the feature acme, or name files in tls.certificate and tls.key",
        fires: |settings| settings.acme.is_on() && cfg!(not(feature = "acme")),
    },
    Check {
        id: "acme.terms",
        django: None,
        level: Level::Error,
        title: "the terms of service of the certificate authority are not accepted",
        why: "certificates are issued only to accounts that accept them",
        fix: "read them, and set acme.accept_terms = true",
        fires: |settings| settings.acme.is_on() && !settings.acme.accept_terms,
    },
    Check {
        id: "acme.two_certificates",
        django: None,
        level: Level::Error,
        title: "there are both certificate files and an ACME configuration",
        why: "it is ambiguous which certificate is used",
        fix: "leave out tls.certificate and tls.key, or acme.domains",
        fires: |settings| settings.acme.is_on() && settings.tls.has_files(),
    },
    Check {
        id: "acme.not_served",
        django: None,
        level: Level::Error,
        title: "a certificate is to be ordered for a host that is not allowed",
        why: "the ACME server's validation requests would be refused",
        fix: "write every name of acme.domains into http.allowed_hosts too; names with * cannot \
            be shown this way",
        fires: |settings| {
            settings
                .acme
                .domains
                .iter()
                .any(|domain| domain.contains('*') || !is_served(settings, domain))
        },
    },
    Check {
        id: "acme.nowhere_to_show",
        django: None,
        level: Level::Error,
        title: "http-01 challenges are requested on port 80, and nothing listens there",
        why: "every order would fail",
        fix: "set tls.redirect_address = \"0.0.0.0:80\", or acme.challenge = \"tls-alpn-01\"",
        fires: |settings| {
            settings.acme.is_on()
                && settings.acme.challenge == Challenge::Http
                && settings.tls.redirect_address.is_none()
        },
    },
    Check {
        id: "acme.in_clear",
        django: None,
        level: Level::Error,
        title: "the ACME server is contacted over plain HTTP",
        why: "a man in the middle could order certificates in this account",
        fix: "use an https:// URL in acme.directory",
        fires: |settings| settings.acme.is_on() && !settings.acme.directory.starts_with("https://"),
    },
    Check {
        id: "acme.account_by_halves",
        django: None,
        level: Level::Error,
        title: "only one of acme.account_id and acme.account_key is set",
        why: "external account binding needs both, and every order would be refused",
        fix: "set both, as the certificate authority issued them, or neither",
        fires: |settings| settings.acme.account_id.is_some() != settings.acme.account_key.is_some(),
    },
];
