//! Metrics of a site: absent without the feature or without `metrics.from`.

use super::{RouteInfo, SiteSettings};
use crate::audit_log::AuditLog;
use crate::db::Database;
#[cfg(feature = "metrics")]
use crate::metrics::{InFlight, Metrics, State};
use http::{Method, StatusCode};
#[cfg(feature = "metrics")]
use std::sync::Arc;
use std::time::Duration;

/// The metrics, if they are on.
pub(super) struct SiteMetrics {
    #[cfg(feature = "metrics")]
    metrics: Option<Arc<Metrics>>,
}

#[cfg(feature = "metrics")]
impl SiteMetrics {
    /// Metrics that observe the database and the audit log of a site.
    pub(super) fn new(
        settings: &SiteSettings,
        table: &[RouteInfo],
        (database, audit): (&Database, &AuditLog),
    ) -> Self {
        let routes = table.iter().map(|row| (row.path.as_str(), &row.method));
        let metrics = settings.metrics.is_on().then(|| {
            let made = Metrics::new(&settings.metrics, routes);
            // all names are literals: tests register them
            Arc::new(made.unwrap_or_else(|error| panic!("metrics cannot be registered: {error}")))
        });
        if let Some(metrics) = &metrics {
            let queries = metrics.clone();
            database.recorder().observe(move |sql, took| {
                let context = crate::views::current_context();
                let route = context.as_ref().map_or("", |context| context.route());
                queries.queried(route, sql, took);
            });
            let events = metrics.clone();
            audit.observe(move |recorded| {
                events.recorded(recorded.event);
                None
            });
        }
        Self { metrics }
    }

    /// Counts a request until the value is dropped.
    pub(super) fn begin(&self) -> Option<InFlight> {
        self.metrics.as_ref().map(|metrics| metrics.begin())
    }

    /// All series as text; `None` without metrics.
    pub(super) fn text(&self, state: &State) -> Option<String> {
        match self.metrics.as_ref()?.text(state) {
            Ok(text) => Some(text),
            Err(error) => {
                tracing::error!(target: "palisade", %error, "metrics cannot be written");
                None
            }
        }
    }

    pub(super) fn answered(&self, route: &str, answer: (&Method, StatusCode), took: Duration) {
        if let Some(metrics) = &self.metrics {
            metrics.answered(route, answer, took);
        }
    }
}

#[cfg(not(feature = "metrics"))]
impl SiteMetrics {
    pub(super) fn new(_: &SiteSettings, _: &[RouteInfo], _: (&Database, &AuditLog)) -> Self {
        Self {}
    }

    pub(super) fn begin(&self) {}

    pub(super) fn answered(&self, _: &str, _: (&Method, StatusCode), _: Duration) {}
}
