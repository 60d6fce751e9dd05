//! Health checks for load balancers (liveness, readiness), and details for monitoring.

use crate::app::write_probe::answers;
use crate::app::{Site, SiteSettings};
use crate::tasks::TaskState;
use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Whether a path is a health check, which is answered even when all connections are taken.
pub(in crate::app) fn is_page(path: &str) -> bool {
    path.starts_with("/health/")
}

/// Whether a path is a probe of load balancers, or the page of monitors, which ask each instance by
/// its address: they are answered for every Host.
pub(in crate::app) fn is_probe(settings: &SiteSettings, path: &str) -> bool {
    [LIVE, READY].contains(&path) || (path == METRICS && settings.metrics.is_on())
}

/// Path of the metrics.
pub(in crate::app) const METRICS: &str = "/metrics";

/// Path of the liveness check.
pub(in crate::app) const LIVE: &str = "/health/live";

/// Path of the readiness check.
pub(in crate::app) const READY: &str = "/health/ready";

/// `GET /health/live`: the process answers.
pub(in crate::app) async fn live() -> &'static str {
    "live\n"
}

/// Path of the details.
pub(in crate::app) const DETAIL: &str = "/health/detail";

/// Extension with the site for [`ready`], [`detail`] and the metrics.
pub(in crate::app) fn attach(site: &Arc<Site>, parts: &mut Parts) {
    if [READY, DETAIL, METRICS].contains(&parts.uri.path()) {
        parts.extensions.insert(Asked(site.clone()));
    }
}

/// The site.
#[derive(Clone)]
pub(in crate::app) struct Asked(pub(super) Arc<Site>);

/// `GET /health/ready`: 200, with `reads only` while the database rejects writes (full disk,
/// standby), or 503 while it does not answer. Redis is optional and does not count. The response
/// has no details; the log names the cause.
pub(in crate::app) async fn ready(
    Extension(Asked(site)): Extension<Asked>,
) -> (StatusCode, &'static str) {
    if !need("database", site.database.ping()).await.answers {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready\n");
    }
    (
        StatusCode::OK,
        if site.write_probe.answers(&site.database).await {
            "ready\n"
        } else {
            "reads only\n"
        },
    )
}

/// `GET /health/detail`, for the networks of `site.health_detail_from` only.
pub(in crate::app) async fn detail(Extension(Asked(site)): Extension<Asked>) -> Response {
    let needs = needs(&site).await;
    let answers = |name: &str| needs.iter().all(|need| need.name != name || need.answers);
    let (is_ready, takes_writes) = (answers("database"), answers("database writes"));
    let needs: serde_json::Map<String, Value> = needs
        .iter()
        .map(|need| {
            (
                need.name.to_owned(),
                json!({ "answers": need.answers, "ms": need.ms }),
            )
        })
        .collect();
    let text = json!({
        "ready": is_ready, "reads_only": is_ready && !takes_writes, "needs": needs, "uptime_secs": site.began.elapsed().as_secs(),
        "connections": site.connections(), "held_bytes": site.memory.held_bytes(), "profile": site.settings.profile.to_string(),
        "version": env!("CARGO_PKG_VERSION"), "tasks": tasks(&site).await, "jobs": site.job_counts().await,
    });
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        text.to_string(),
    )
        .into_response()
}

/// The tasks with their last runs; none while the database does not answer.
async fn tasks(site: &Site) -> Value {
    let states = site.task_states().await.unwrap_or_default();
    let state =
        |(schedule, state): &(String, TaskState)| json!({ "schedule": schedule, "state": state });
    states.iter().map(state).collect()
}

/// A dependency of the site.
struct Need {
    name: &'static str,
    answers: bool,
    ms: u128,
}

async fn needs(site: &Site) -> Vec<Need> {
    let mut needs = vec![
        need("database", site.database.ping()).await,
        need("database writes", site.database.ping_writer()).await,
    ];
    if let Some(store) = site.throttle.shared_store() {
        needs.push(need("redis", store.ping()).await);
    }
    needs
}

async fn need<E: fmt::Display>(
    name: &'static str,
    ping: impl Future<Output = Result<(), E>>,
) -> Need {
    let asked = Instant::now();
    let answers = answers(name, ping).await;
    Need {
        name,
        answers,
        ms: asked.elapsed().as_millis(),
    }
}
