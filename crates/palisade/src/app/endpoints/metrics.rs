//! `GET /metrics`, for the networks of `metrics.from`.

use super::health::{Asked, METRICS};
use crate::app::write_probe::answers;
use crate::app::{Routes, Site};
use crate::http::Networks;
use crate::metrics::{CONTENT_TYPE, State};
use crate::permissions::public;
use crate::views::Error;
use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::header;
use ipnet::IpNet;

pub(super) fn routes(from: &[IpNet]) -> Routes {
    let monitors: Networks = from.iter().copied().collect();
    Routes::new().route(METRICS, public().get(answer).only_from(monitors))
}

async fn answer(Extension(Asked(site)): Extension<Asked>) -> Response {
    match site.metrics.text(&state(&site).await) {
        Some(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        None => Error::not_found().into_response(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating-point numbers"
)]
async fn state(site: &Site) -> State {
    let is_up = answers("database", site.database.ping()).await;
    let jobs = if is_up { site.job_counts().await } else { None };
    let mails = if is_up {
        site.mail.waiting().await.ok()
    } else {
        None
    };
    let posture = site.incident.posture();
    State {
        uptime: site.began.elapsed().as_secs_f64(),
        connections: site.connections() as f64,
        held_bytes: site.memory.held_bytes() as f64,
        database_up: f64::from(is_up),
        audit_waiting: site.audit.waiting() as f64,
        mails_waiting: mails.unwrap_or_default() as f64,
        jobs_waiting: jobs.as_ref().map_or(0, |jobs| jobs.pending) as f64,
        jobs_failed: jobs.as_ref().map_or(0, |jobs| jobs.failed) as f64,
        read_only: f64::from(posture.is_read_only()),
        measures: posture.count() as f64,
        certificate_end: site.certificate_end().unwrap_or_default() as f64,
    }
}
