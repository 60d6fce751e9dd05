//! Lists of breached passwords, queried by range (k-anonymity): the service, or a mirror, learns
//! five hex digits of the password's SHA-1, which hundreds of passwords share.

use crate::auth::settings::{PasswordSettings, WhenUnknown};
use crate::http::client::Client;
use http::{Request, header};
use palisade_password::range_of;

/// A service to query.
pub(in crate::auth) struct Breached {
    url: Option<String>,
    when_unknown: WhenUnknown,
    client: Client,
}

impl Breached {
    pub(in crate::auth) fn new(settings: &PasswordSettings, client: Client) -> Self {
        let url = settings
            .breached_url
            .as_ref()
            .map(|url| url.trim_end_matches('/').to_owned());
        Self {
            url,
            when_unknown: settings.when_breached_unknown,
            client,
        }
    }

    /// The error message for a breached password.
    pub(in crate::auth) async fn judge(&self, password: &str) -> Result<(), String> {
        let Some(url) = &self.url else { return Ok(()) };
        let (range, rest) = range_of(password);
        match (
            self.fetch(&format!("{url}/{range}")).await,
            self.when_unknown,
        ) {
            (Some(list), _) if holds(&list, &rest) => Err(
                "This password was stolen from another site, and is among those that are \
                    tried first."
                    .into(),
            ),
            (None, WhenUnknown::Refuse) => Err(
                "The password could not be checked against breached ones right now. Please \
                    try again in a minute."
                    .into(),
            ),
            _ => Ok(()),
        }
    }

    async fn fetch(&self, url: &str) -> Option<String> {
        // padded, so that the length of the response does not reveal the range to an eavesdropper
        let request = Request::get(url)
            .header("add-padding", "true")
            .header(header::ACCEPT, "text/plain")
            .body(Default::default());
        let answer = self.client.send(request.ok()?).await;
        let answer = answer.inspect_err(|error| {
            tracing::warn!(target: "palisade", %error, "the list of breached passwords does not answer");
        });
        let answer = answer.ok()?;
        if !answer.status().is_success() {
            tracing::warn!(target: "palisade", status = %answer.status(), "the list of breached passwords does not answer");
            return None;
        }
        String::from_utf8(answer.into_body().to_vec()).ok()
    }
}

/// Lines of hash suffix, colon and count; a count of 0 is padding.
fn holds(list: &str, rest: &str) -> bool {
    let mut lines = list.lines().filter_map(|line| line.trim().split_once(':'));
    lines.any(|(known, count)| {
        known.eq_ignore_ascii_case(rest) && count.trim().parse::<u64>().is_ok_and(|count| count > 0)
    })
}
