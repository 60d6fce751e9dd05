use super::{Limit, Rates, WhenUnreachable};
use crate::checks::{Check, Level};
use crate::settings::{section, setting_from_str, setting_words};

setting_from_str!(
    Rates,
    "a rate such as 5/m (s, m, h or d) or 60/m burst 5, several with commas between them, or off"
);
setting_words!(
    WhenUnreachable,
    "pass or refuse",
    Pass = "pass",
    Refuse = "refuse"
);

section! {
    /// Rate limits of all requests.
    ThrottleSettings("throttle") {
        /// Requests of one address (IPv6: one /64), such as 5/m or 100/h, several with commas; or
        /// off
        requests: Rates = |_| "6000/m".parse().expect("a rate");
        /// Requests of one address with unsafe methods
        changes: Rates = |_| "1200/m".parse().expect("a rate");
        /// Requests of one user to the API, with all tokens and sessions together; of an address
        /// where it has no user
        api: Rates = |_| "600/m".parse().expect("a rate");
        /// Behaviour of these rate limits when Redis does not answer: pass (counted in each
        /// instance) or refuse (503)
        when_unreachable: WhenUnreachable = |_| WhenUnreachable::Pass;
    }
}

impl ThrottleSettings {
    /// The limit of all requests.
    pub(crate) fn requests(&self, name: &'static str) -> Limit {
        Limit::of_settings(name, self.requests.clone(), self.when_unreachable)
    }

    /// The limit of the API.
    pub(crate) fn api(&self, name: &'static str) -> Limit {
        Limit::of_settings(name, self.api.clone(), self.when_unreachable).by_user()
    }

    /// The limit of unsafe requests.
    pub(crate) fn changes(&self, name: &'static str) -> Limit {
        Limit::of_settings(name, self.changes.clone(), self.when_unreachable)
    }
}

/// Requests per second of one client that no person makes.
const TOO_MANY_A_SECOND: f64 = 1000.0;

fn is_loose(rates: &Rates) -> bool {
    let a_second = rates
        .as_slice()
        .iter()
        .map(|rate| f64::from(rate.count()) / rate.period().as_secs_f64());
    rates.is_off() || a_second.fold(f64::INFINITY, f64::min) > TOO_MANY_A_SECOND
}

/// Configuration checks.
pub const CHECKS: &[Check<ThrottleSettings>] = &[Check {
    id: "throttle.off",
    django: None,
    level: Level::Warning,
    title: "one client may send any number of requests",
    why: "guessing and flooding cost nothing (ASVS 2.4.1)",
    fix: "set throttle.requests and throttle.changes to what a busy person needs, 6000/m and \
        1200/m or less",
    fires: |settings| is_loose(&settings.requests) || is_loose(&settings.changes),
}];
