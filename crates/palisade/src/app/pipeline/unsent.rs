//! Keeps a form that was sent after the session had ended, so that nothing typed is lost (D82).

use super::request_info::RequestInfo;
use crate::auth::Visitor;
use crate::auth::views::UNSENT;
use crate::auth::{MOST_UNSENT_BYTES, UnsentForm};
use crate::forms::{FormStart, TOKEN_FIELD, is_form, multipart_text};
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
    let is_kept = parts.method == Method::POST
        && !parts.uri.path().starts_with("/account/")
        && info.site.csrf.check_source(parts, info.scheme).is_ok();
    if !is_kept {
        return None;
    }
    let form = fields(parts, body).await.filter(|form| !has_secret(form))?;
    let form = UnsentForm {
        path: parts.uri.path_and_query()?.as_str().to_owned(),
        body: form,
    };
    match visitor.keep_unsent(&parts.headers, &form).await {
        Ok(cookie) => cookie,
        Err(error) => {
            tracing::warn!(target: "palisade", %error, "a form without a session could not be kept");
            None
        }
    }
}

/// The fields of a form, url-encoded; of one with files, those of text, which are all that was typed.
async fn fields(parts: &Parts, body: &mut Body) -> Option<Vec<u8>> {
    if !is_form(&parts.headers) {
        let text = multipart_text(&parts.headers, body, MOST_UNSENT_BYTES).await;
        let text = text.ok().filter(|text| !text.is_empty())?;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        return Some(form.extend_pairs(text).finish().into_bytes());
    }
    let upper = body.size_hint().upper();
    if upper.is_none_or(|most| most > MOST_UNSENT_BYTES as u64) {
        return None;
    }
    let start = FormStart::read(body, MOST_UNSENT_BYTES).await.ok()?;
    start.whole().map(<[u8]>::to_vec)
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
