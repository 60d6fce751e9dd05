//! Metrics for [Prometheus](https://prometheus.io/docs/instrumenting/exposition_formats/): requests
//! and statements by route, security events by name, and the state of the process.
//!
//! ```toml
//! [metrics]
//! from = ["10.0.7.0/24"]     # networks that may read /metrics
//! ```
//!
//! Labels are templates of routes, declared methods, names of events: no value of a client is one,
//! so that the number of series is known at the start and no scanner changes it. Without
//! `metrics.from` there is no `/metrics`.

#[cfg(feature = "metrics")]
mod registry;
#[cfg(feature = "metrics")]
mod route_series;
mod settings;

#[cfg(feature = "metrics")]
pub(crate) use registry::{InFlight, Metrics, State};
pub use settings::{CHECKS, MetricSettings};

/// Content type of the text format.
#[cfg(feature = "metrics")]
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
