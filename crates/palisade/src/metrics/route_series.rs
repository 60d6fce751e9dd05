use http::{Method, StatusCode};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};
use std::time::Duration;

/// The vectors that the series of all routes come from.
pub(super) struct RouteVectors {
    pub(super) requests: IntCounterVec,
    pub(super) durations: HistogramVec,
    pub(super) slow: IntCounterVec,
    pub(super) queries: HistogramVec,
    pub(super) slow_queries: IntCounterVec,
}

/// The series of one route, made at the start.
pub(super) struct RouteSeries {
    methods: Vec<(Method, Classes)>,
    /// Methods that the route does not declare.
    other: Classes,
    durations: Histogram,
    slow: IntCounter,
    queries: Histogram,
    slow_queries: IntCounter,
}

/// Counters by class of the status.
type Classes = [IntCounter; 4];
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

impl RouteVectors {
    /// The series of a route with its declared methods.
    pub(super) fn of(&self, route: &str, methods: Vec<Method>) -> RouteSeries {
        let classes = |method: &str| {
            CLASSES.map(|class| self.requests.with_label_values(&[route, method, class]))
        };
        RouteSeries {
            other: classes("other"),
            methods: methods
                .into_iter()
                .map(|method| (method.clone(), classes(method.as_str())))
                .collect(),
            durations: self.durations.with_label_values(&[route]),
            slow: self.slow.with_label_values(&[route]),
            queries: self.queries.with_label_values(&[route]),
            slow_queries: self.slow_queries.with_label_values(&[route]),
        }
    }
}

/// The class of a status; a response of 1xx is an upgraded connection, which is a success.
fn class(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100)
        .saturating_sub(2)
        .min(CLASSES.len() - 1)
}

impl RouteSeries {
    pub(super) fn answered(
        &self,
        (method, status): (&Method, StatusCode),
        took: Duration,
        is_slow: impl Fn(Duration) -> bool,
    ) {
        let declared = self.methods.iter().find(|(known, _)| known == method);
        let classes = declared.map_or(&self.other, |(_, classes)| classes);
        classes[class(status)].inc();
        self.durations.observe(took.as_secs_f64());
        if is_slow(took) {
            self.slow.inc();
        }
    }

    /// Counts a statement.
    pub(super) fn queried(&self, took: Duration) {
        self.queries.observe(took.as_secs_f64());
    }

    pub(super) fn queried_slowly(&self) {
        self.slow_queries.inc();
    }
}
