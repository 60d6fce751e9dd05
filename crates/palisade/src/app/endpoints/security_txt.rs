//! Security contact ([RFC 9116](https://www.rfc-editor.org/rfc/rfc9116)):
//! `/.well-known/security.txt`, generated from the configuration.

use crate::app::SiteSettings;
use crate::views::Error;
use axum::response::{IntoResponse, Response};
use chrono::{Days, SecondsFormat, Utc};

/// Its path.
pub(in crate::app) const SECURITY_TXT: &str = "/.well-known/security.txt";

/// Days until the file expires; it is generated for each request.
const HOLDS_DAYS: u64 = 90;

/// The file without its expiry.
pub(in crate::app) struct SecurityTxt(Option<String>);

impl SecurityTxt {
    /// The file of these settings; `None` without a contact.
    pub(in crate::app) fn new(settings: &SiteSettings) -> Self {
        let (site, http) = (&settings.site, &settings.http);
        let contacts = site
            .security_contacts
            .iter()
            .map(|contact| format!("Contact: {contact}\n"));
        let policy = site
            .security_policy
            .iter()
            .map(|policy| format!("Policy: {policy}\n"));
        let hosts = http
            .allowed_hosts
            .iter()
            .map(ToString::to_string)
            .filter(|host| !host.starts_with(['.', '*']));
        let canonical = hosts.map(|host| format!("Canonical: https://{host}{SECURITY_TXT}\n"));
        Self(
            (!site.security_contacts.is_empty())
                .then(|| contacts.chain(policy).chain(canonical).collect()),
        )
    }

    pub(in crate::app) fn answer(&self) -> Response {
        let Some(fixed) = &self.0 else {
            return Error::not_found().into_response();
        };
        let midnight = Utc::now()
            .date_naive()
            .and_time(chrono::NaiveTime::MIN)
            .and_utc();
        let expires = midnight
            .checked_add_days(Days::new(HOLDS_DAYS))
            .unwrap_or(midnight);
        format!(
            "{fixed}Expires: {}\n",
            expires.to_rfc3339_opts(SecondsFormat::Secs, true)
        )
        .into_response()
    }
}
