use crate::checks::{Check, Level};
use crate::settings::section;
use ipnet::IpNet;
use std::net::SocketAddr;

section! {
    /// The admin.
    AdminSettings("admin") {
        /// Path of the admin, such as /backoffice; none means one that is derived from the site's
        /// key, which `routes` and `serve` print
        path: Option<String> = |_| None;
        /// Networks that reach the admin; all others get 404. Without any, all networks do
        networks: Vec<IpNet> = |_| Vec::new();
        /// Host of the admin, such as admin.example.org, one of http.allowed_hosts: its cookies are
        /// those of no other host. On other hosts the admin is 404
        host: Option<String> = |_| None;
        /// Address of a listener of its own, such as 10.0.0.5:8443: at server.address, the admin is 404.
        /// It serves all other pages, too, with the same TLS
        address: Option<SocketAddr> = |_| None;
        /// Most rows of an action on all rows that match
        max_bulk: u64 = |_| 10_000;
        /// Most rows of an export
        max_export: u64 = |_| 50_000;
        /// Days that deleted rows stay in the bin
        bin_days: u64 = |_| 30;
        /// Whether a user gets a mail when a member of staff views the site as that user
        tell_viewed: bool = |_| true;
        /// Milliseconds of a statement of a list; then the page asks for a narrower filter
        max_statement_ms: u64 = |_| 3_000;
    }
}

/// Configuration checks of the admin.
pub const CHECKS: &[Check<AdminSettings>] = &[
    Check {
        id: "admin.path",
        django: None,
        level: Level::Error,
        title: "admin.path is no path for the admin",
        why: "the admin would be served nowhere, or in place of the site's own pages",
        fix: "write a path of letters, digits, - and _ with one leading slash, such as /backoffice",
        fires: |settings| settings.path.as_deref().is_some_and(|path| !is_path(path)),
    },
    Check {
        id: "admin.guessable",
        django: None,
        level: Level::Warning,
        title: "admin.path is among the first that scanners try",
        why: "scanners find the login of staff, and try passwords (ASVS 13.4.5)",
        fix: "remove admin.path, or choose a path that names your organisation's word for it",
        fires: |settings| {
            let path = settings.path.as_deref().unwrap_or_default();
            GUESSED.contains(&path.trim_matches('/'))
        },
    },
];

/// Paths that scanners try first.
const GUESSED: [&str; 8] = [
    "admin",
    "administrator",
    "backend",
    "manage",
    "wp-admin",
    "dashboard",
    "staff",
    "console",
];

/// Whether a text is one segment of a path.
pub(crate) fn is_path(text: &str) -> bool {
    text.strip_prefix('/').is_some_and(|name| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=60).contains(&name.len()) && name.bytes().all(is_plain)
    })
}
