//! Files that do not change between requests. First cut: the framework's own stylesheet, from memory.

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha384};
use std::sync::LazyLock;

/// Where the stylesheet is.
pub const STYLESHEET: &str = "/static/palisade.css";

const TEXT: &str = include_str!("palisade.css");

/// What pages say of the file ([SRI](https://www.w3.org/TR/SRI/)); a browser applies no other.
static HASH: LazyLock<String> = LazyLock::new(|| format!("sha384-{}", STANDARD.encode(Sha384::digest(TEXT))));

/// The stylesheet of the framework's pages, light and dark. Browsers ask each time whether it is still the same: one that they kept from
/// before an update would not be what the page says.
pub async fn stylesheet(headers: HeaderMap) -> Response {
    let tag = format!("\"{}\"", *HASH);
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.to_str().is_ok_and(|known| known.contains(&tag)));
    let answer = [(ETAG, tag), (CACHE_CONTROL, "public, no-cache".into()), (CONTENT_TYPE, "text/css; charset=utf-8".into())];
    if is_known { (StatusCode::NOT_MODIFIED, answer).into_response() } else { (answer, TEXT).into_response() }
}

/// The hash of every file, by its URL.
pub fn integrity() -> Vec<(String, String)> {
    vec![(STYLESHEET.into(), HASH.clone())]
}
