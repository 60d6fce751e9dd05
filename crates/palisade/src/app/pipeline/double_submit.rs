//! Double submission: recognizes a form that was sent twice (two clicks on one button).

use crate::app::pipeline::repeats::{Entered, Key, MAX_BYTES};
use crate::app::pipeline::request_info::RequestInfo;
use crate::forms::{FormStart, is_form};
use crate::sessions::Session;
use axum::body::{Body, HttpBody};
use axum::response::IntoResponse;
use http::StatusCode;
use http::request::Parts;
use sha2::{Digest, Sha256};

/// Waits for requests with the same form. Reads the form, if it is short.
pub(in crate::app) async fn enter(
    info: &RequestInfo,
    session: &Session,
    parts: &Parts,
    body: &mut Body,
) -> Entered {
    let Some(session_key) = session
        .cookie_key()
        .filter(|_| is_repeatable(info, parts, body))
    else {
        return Entered::Alone;
    };
    let form = match FormStart::read(body, MAX_BYTES).await {
        Ok(form) => form,
        Err(_) => return Entered::Again(StatusCode::BAD_REQUEST.into_response()),
    };
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    match form.whole() {
        Some(form) => {
            info.site
                .repeats
                .enter(key(&[session_key.as_bytes(), path.as_bytes(), form]))
                .await
        }
        None => Entered::Alone,
    }
}

fn is_repeatable(info: &RequestInfo, parts: &Parts, body: &Body) -> bool {
    let is_short = body
        .size_hint()
        .upper()
        .is_some_and(|most| most <= MAX_BYTES as u64);
    is_short && is_form(&parts.headers) && info.site.csrf.check_source(parts, info.scheme).is_ok()
}

fn key(parts: &[&[u8]]) -> Key {
    let add = |hash: Sha256, part: &&[u8]| {
        hash.chain_update((part.len() as u64).to_be_bytes())
            .chain_update(part)
    };
    parts.iter().fold(Sha256::new(), add).finalize().into()
}
