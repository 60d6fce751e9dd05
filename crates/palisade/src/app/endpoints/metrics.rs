//! `GET /metrics`, for the networks of `metrics.from`.

use super::health::Asked;
use crate::app::Routes;
use crate::http::Networks;
use crate::metrics::CONTENT_TYPE;
use crate::permissions::public;
use crate::views::Error;
use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::header;
use ipnet::IpNet;

/// Its path.
pub(in crate::app) const METRICS: &str = "/metrics";

pub(super) fn routes(from: &[IpNet]) -> Routes {
    let monitors: Networks = from.iter().copied().collect();
    Routes::new().route(METRICS, public().get(answer).only_from(monitors))
}

async fn answer(Extension(Asked(site)): Extension<Asked>) -> Response {
    match site.metrics_text().await {
        Some(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        None => Error::not_found().into_response(),
    }
}
