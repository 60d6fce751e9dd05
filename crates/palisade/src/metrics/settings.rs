use crate::checks::{Check, Level};
use crate::settings::section;
use ipnet::IpNet;
use std::time::Duration;

section! {
    /// Metrics.
    MetricSettings("metrics") {
        /// Networks that may read /metrics, such as that of a monitor; all others get 404, and
        /// without any there is no such page
        from: Vec<IpNet> = |_| Vec::new();
        /// A request that takes longer is counted as slow, in milliseconds
        slow_request_ms: u64 = |_| 1_000;
        /// A statement of the database that takes longer is counted as slow and logged without its
        /// values, in milliseconds
        slow_query_ms: u64 = |_| 200;
    }
}

impl MetricSettings {
    /// Whether there are metrics.
    pub fn is_on(&self) -> bool {
        !self.from.is_empty()
    }

    /// Longest time of a request that is not slow.
    pub fn slow_request(&self) -> Duration {
        Duration::from_millis(self.slow_request_ms)
    }

    /// Longest time of a statement that is not slow.
    pub fn slow_query(&self) -> Duration {
        Duration::from_millis(self.slow_query_ms)
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<MetricSettings>] = &[
    Check {
        id: "metrics.not_built",
        django: None,
        level: Level::Error,
        title: "metrics are asked for, and this program was built without the feature metrics",
        why: "the monitor would find no /metrics",
        fix: "build with the feature metrics, or remove metrics.from",
        fires: |metrics| metrics.is_on() && cfg!(not(feature = "metrics")),
    },
    Check {
        id: "metrics.open_to_all",
        django: None,
        level: Level::Warning,
        title: "every client may read the metrics",
        why: "they tell an attacker the routes, the errors and the failed logins of the site",
        fix: "name the network of the monitor in metrics.from",
        fires: |metrics| metrics.from.iter().any(|network| network.prefix_len() == 0),
    },
];
