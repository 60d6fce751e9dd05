//! For balancers: is the process alive, can it serve.

use crate::db::Attached;
use axum::Extension;
use http::StatusCode;
use std::time::Duration;

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// `GET /health/ready`: the database answers. Says no more than that to strangers.
pub(super) async fn ready(Extension(Attached(database)): Extension<Attached>) -> (StatusCode, &'static str) {
    let ping = tokio::time::timeout(Duration::from_secs(2), database.ping()).await;
    match ping {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            tracing::error!(target: "palisade", %error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}
