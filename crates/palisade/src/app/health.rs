//! For balancers: is the process alive, can it serve.

use super::Site;
use crate::db::Attached;
use crate::throttle::Throttle;
use axum::Extension;
use http::StatusCode;
use http::request::Parts;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where a balancer asks whether to send visitors here.
pub(super) const READY: &str = "/health/ready";

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// Gives [`ready`] what it asks.
pub(super) fn attach(site: &Site, parts: &mut Parts) {
    if parts.uri.path() == READY {
        parts.extensions.insert(site.throttle.clone());
    }
}

/// `GET /health/ready`: the database answers, and Redis if there is one. Says no more than that to strangers; the log says what does not.
pub(super) async fn ready(
    Extension(Attached(database)): Extension<Attached>,
    Extension(throttle): Extension<Arc<Throttle>>,
) -> (StatusCode, &'static str) {
    let is_ready = answers("the database", database.ping()).await
        && match throttle.shared() {
            Some(store) => answers("Redis", store.ping()).await,
            None => true,
        };
    if is_ready { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

async fn answers<E: fmt::Display>(what: &str, ping: impl Future<Output = Result<(), E>>) -> bool {
    match tokio::time::timeout(PATIENCE, ping).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(target: "palisade", %error, "{what} does not answer");
            false
        }
        Err(_) => {
            tracing::error!(target: "palisade", "{what} does not answer in {PATIENCE:?}");
            false
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(2);
