//! Keeps a form that was sent after the session had ended, so that nothing typed is lost (D82).

use super::request_info::RequestInfo;
use crate::auth::Visitor;
use crate::auth::views::UNSENT;
use crate::auth::{MOST_UNSENT_BYTES, UnsentForm};
use crate::forms::{FormStart, TOKEN_FIELD, is_form};
use axum::body::{Body, HttpBody};
use http::request::Parts;
use http::{HeaderValue, Method};

/// Words in the names of fields: forms with one of them are not kept.
const SECRETS: [&str; 16] = [
    "pass",
    "password",
    "passwort",
    "passphrase",
    "passcode",
    "passwd",
    "pwd",
    "pin",
    "secret",
    "token",
    "key",
    "otp",
    "cvv",
    "cvc",
    "card",
    "iban",
];

/// Keeps the form of a request. Returns the cookie that finds it, if it was kept.
pub(super) async fn keep(
    info: &RequestInfo,
    visitor: &Visitor,
    parts: &Parts,
    body: &mut Body,
) -> Option<HeaderValue> {
    let is_short = body
        .size_hint()
        .upper()
        .is_some_and(|most| most <= MOST_UNSENT_BYTES as u64);
    let is_kept = parts.method == Method::POST
        && is_short
        && is_form(&parts.headers)
        && !parts.uri.path().starts_with("/account/")
        && info.site.csrf.check_source(parts, info.scheme).is_ok();
    if !is_kept {
        return None;
    }
    let start = FormStart::read(body, MOST_UNSENT_BYTES).await.ok()?;
    let form = start.whole().filter(|form| !has_secret(form))?;
    let form = UnsentForm {
        path: parts.uri.path_and_query()?.as_str().to_owned(),
        body: form.to_vec(),
    };
    match visitor.keep_unsent(&parts.headers, &form).await {
        Ok(cookie) => cookie,
        Err(error) => {
            tracing::warn!(target: "palisade", %error, "a form without a session could not be kept");
            None
        }
    }
}

fn has_secret(form: &[u8]) -> bool {
    let mut fields = url::form_urlencoded::parse(form);
    fields.any(|(name, _)| {
        if name == TOKEN_FIELD {
            return false;
        }
        let name = name.to_lowercase();
        let mut words = name.split(|letter: char| !letter.is_alphanumeric());
        name.contains("password") || words.any(|word| SECRETS.contains(&word))
    })
}

/// The page that shows it after the login.
pub(super) const PAGE: &str = UNSENT;
