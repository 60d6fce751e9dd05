use super::MetricSettings;
use super::route_series::{RouteSeries, RouteVectors};
use crate::audit_log::Event;
use http::{Method, StatusCode};
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The label of requests without a route, and of statements outside of requests.
const NO_ROUTE: &str = "none";
/// The label of events of the site itself.
const OF_SITE: &str = "site";

/// The metrics of a site.
pub(crate) struct Metrics {
    registry: Registry,
    routes: HashMap<String, RouteSeries>,
    no_route: RouteSeries,
    events: HashMap<&'static str, IntCounter>,
    events_of_site: IntCounter,
    in_flight: IntGauge,
    state: Vec<Gauge>,
    slow_request: Duration,
    slow_query: Duration,
}

/// A request that has no response yet.
pub(crate) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Values that are read when metrics are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct State {
    pub(crate) uptime: f64,
    pub(crate) connections: f64,
    pub(crate) held_bytes: f64,
    pub(crate) database_up: f64,
    pub(crate) audit_waiting: f64,
    pub(crate) mails_waiting: f64,
    pub(crate) jobs_waiting: f64,
    pub(crate) jobs_failed: f64,
    pub(crate) read_only: f64,
    pub(crate) measures: f64,
    /// Seconds since 1970, or 0 without a certificate.
    pub(crate) certificate_end: f64,
}

/// Name, help and value of a gauge.
type StateRow = (&'static str, &'static str, fn(&State) -> f64);

const STATE: [StateRow; 11] = [
    (
        "palisade_uptime_seconds",
        "Time since the start of the process.",
        |state| state.uptime,
    ),
    (
        "palisade_connections",
        "Open connections of clients.",
        |state| state.connections,
    ),
    (
        "palisade_held_bytes",
        "Memory that requests and responses hold.",
        |state| state.held_bytes,
    ),
    (
        "palisade_database_up",
        "Whether the database answers.",
        |state| state.database_up,
    ),
    (
        "palisade_audit_waiting_entries",
        "Entries of the audit log in the memory of this instance.",
        |state| state.audit_waiting,
    ),
    (
        "palisade_mails_waiting",
        "Mails of the queue that are not sent.",
        |state| state.mails_waiting,
    ),
    (
        "palisade_jobs_waiting",
        "Jobs of the queue that are not done.",
        |state| state.jobs_waiting,
    ),
    (
        "palisade_jobs_failed",
        "Jobs that failed for good.",
        |state| state.jobs_failed,
    ),
    (
        "palisade_read_only",
        "Whether an operator made the site read-only.",
        |state| state.read_only,
    ),
    (
        "palisade_measures",
        "Measures of operators that hold.",
        |state| state.measures,
    ),
    (
        "palisade_certificate_end_timestamp_seconds",
        "End of the certificate; 0 without one.",
        |state| state.certificate_end,
    ),
];

/// Upper bounds of the histograms, in seconds.
const REQUEST_BOUNDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const QUERY_BOUNDS: [f64; 7] = [0.0005, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0];

/// Registers metrics. The names are literals that tests gather, so that an error is a bug here.
struct Register(Registry);

impl Register {
    fn counters(
        &self,
        (name, help): (&str, &str),
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn histograms(
        &self,
        (name, help): (&str, &str),
        bounds: &[f64],
    ) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        let histograms = HistogramVec::new(options, &["route"])?;
        self.0.register(Box::new(histograms.clone()))?;
        Ok(histograms)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        let gauge = Gauge::new(name, help)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn in_flight(&self) -> prometheus::Result<IntGauge> {
        let gauge = IntGauge::new(
            "palisade_http_requests_in_flight",
            "Requests without a response yet.",
        )?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn version(&self) -> prometheus::Result<()> {
        let labels = Opts::new("palisade_build_info", "Version of Palisade.")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        let version = IntGauge::with_opts(labels)?;
        version.set(1);
        self.0.register(Box::new(version))
    }

    fn routes(&self) -> prometheus::Result<RouteVectors> {
        Ok(RouteVectors {
            requests: self.counters(
                (
                    "palisade_http_requests_total",
                    "Requests by route, declared method and class of the status.",
                ),
                &["route", "method", "status"],
            )?,
            durations: self.histograms(
                (
                    "palisade_http_request_duration_seconds",
                    "Time until the head of the response.",
                ),
                &REQUEST_BOUNDS,
            )?,
            slow: self.counters(
                (
                    "palisade_http_slow_requests_total",
                    "Requests that took longer than metrics.slow_request_ms.",
                ),
                &["route"],
            )?,
            queries: self.histograms(
                (
                    "palisade_db_query_duration_seconds",
                    "Time of statements of the database.",
                ),
                &QUERY_BOUNDS,
            )?,
            slow_queries: self.counters(
                (
                    "palisade_db_slow_queries_total",
                    "Statements that took longer than metrics.slow_query_ms.",
                ),
                &["route"],
            )?,
        })
    }
}

impl Metrics {
    /// The metrics of routes, with all their series.
    ///
    /// # Errors
    /// When two have the same name.
    pub(crate) fn new<'a>(
        settings: &MetricSettings,
        routes: impl Iterator<Item = (&'a str, &'a Method)>,
    ) -> prometheus::Result<Self> {
        let register = Register(Registry::new());
        let vectors = register.routes()?;
        let mut declared: BTreeMap<&str, Vec<Method>> = BTreeMap::new();
        for (route, method) in routes {
            declared.entry(route).or_default().push(method.clone());
        }
        let series = declared
            .into_iter()
            .map(|(route, methods)| (route.to_owned(), vectors.of(route, methods)));
        let events = register.counters(
            (
                "palisade_events_total",
                "Security events of this instance, by name.",
            ),
            &["event"],
        )?;
        let event = |event: Event| (event.name(), events.with_label_values(&[event.name()]));
        let state = STATE.map(|(name, help, _)| register.gauge(name, help));
        register.version()?;
        Ok(Self {
            routes: series.collect(),
            no_route: vectors.of(NO_ROUTE, Vec::new()),
            events: Event::all().map(event).collect(),
            events_of_site: events.with_label_values(&[OF_SITE]),
            in_flight: register.in_flight()?,
            state: state.into_iter().collect::<prometheus::Result<_>>()?,
            slow_request: settings.slow_request(),
            slow_query: settings.slow_query(),
            registry: register.0,
        })
    }

    fn series(&self, route: &str) -> &RouteSeries {
        self.routes.get(route).unwrap_or(&self.no_route)
    }

    /// Counts a request until the value is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts a response.
    pub(crate) fn answered(&self, route: &str, answer: (&Method, StatusCode), took: Duration) {
        self.series(route)
            .answered(answer, took, |took| took > self.slow_request);
    }

    /// Counts a statement of the database. A slow one is logged: its values are not part of it.
    pub(crate) fn queried(&self, route: &str, sql: &str, took: Duration) {
        let series = self.series(route);
        series.queried(took);
        if took > self.slow_query {
            series.queried_slowly();
            let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(target: "palisade", route, sql, ms, "a statement of the database was slow");
        }
    }

    /// Counts a security event.
    pub(crate) fn recorded(&self, event: &str) {
        self.events.get(event).unwrap_or(&self.events_of_site).inc();
    }

    /// All series as text.
    ///
    /// # Errors
    /// When a value cannot be written.
    pub(crate) fn text(&self, state: &State) -> prometheus::Result<String> {
        for (gauge, (_, _, value)) in self.state.iter().zip(STATE) {
            gauge.set(value(state));
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
