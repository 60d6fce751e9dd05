//! Files that do not change between requests. First cut: the framework's own stylesheet, from memory.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// The stylesheet of the framework's pages, light and dark.
pub async fn stylesheet() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, include_str!("palisade.css")).into_response()
}
