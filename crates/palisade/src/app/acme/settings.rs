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
