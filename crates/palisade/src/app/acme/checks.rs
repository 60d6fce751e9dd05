use super::Challenge;
use crate::app::SiteSettings;
use crate::checks::{Check, Level};

/// Configuration checks.
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

fn is_served(settings: &SiteSettings, domain: &str) -> bool {
    settings
        .http
        .allowed_hosts
        .iter()
        .any(|host| host.matches(domain))
}
