//! When an event becomes an alert: rules as pure functions over counters.

use crate::audit_log::{Event, Recorded, Severity};
use crate::throttle::Rate;
use std::collections::BTreeMap;
use std::time::Duration;

/// A rule: so many events of a kind within a time are an alert.
///
/// ```
/// use palisade::alerts::Rule;
/// use palisade::audit_log::Severity;
/// use palisade::prelude::*;
/// App::new().alert(Rule::new("many refunds", "order.refunded").within("20/h").severity(Severity::High));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Rule {
    pub(super) name: &'static str,
    events: Vec<&'static str>,
    count: u32,
    period: Duration,
    by: By,
    pub(super) severity: Severity,
    /// Only events with one of these in their detail.
    details: &'static [&'static str],
}

/// Events that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// All of the site.
    Site,
    /// Those of one client address.
    Address,
    /// Those of one user, or of one address without a user.
    Actor,
    /// Those about one user.
    Subject,
    /// Those of one route.
    Route,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Rule {
    /// Every event of this name is an alert of severity moderate.
    pub fn new(name: &'static str, event: &'static str) -> Self {
        Self {
            name,
            events: vec![event],
            count: 1,
            period: HOUR,
            by: By::Site,
            severity: Severity::Moderate,
            details: &[],
        }
    }

    /// So many events within a period: `20/h`.
    ///
    /// # Panics
    /// When it is no rate.
    pub fn within(mut self, rate: &str) -> Self {
        let parsed = rate.parse::<Rate>();
        let parsed = parsed.unwrap_or_else(|()| panic!("{rate:?} is no rate: write 20/h"));
        (self.count, self.period) = (parsed.count(), parsed.period());
        self
    }

    /// Which events are counted together.
    pub fn by(mut self, by: By) -> Self {
        self.by = by;
        self
    }

    /// Its severity.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    fn minutes(mut self, minutes: u64) -> Self {
        self.period = Duration::from_secs(minutes * 60);
        self
    }

    fn and(mut self, event: Event) -> Self {
        self.events.push(event.name());
        self
    }

    fn only(mut self, details: &'static [&'static str]) -> Self {
        self.details = details;
        self
    }

    fn concerns(&self, event: &Recorded<'_>) -> bool {
        let is_meant = |part: &&str| event.detail.contains(part);
        self.events.contains(&event.event)
            && (self.details.is_empty() || self.details.iter().any(is_meant))
    }

    fn key(&self, event: &Recorded<'_>) -> String {
        match self.by {
            By::Site => String::new(),
            By::Address => network_of(event.address),
            By::Actor if event.actor == "anonymous" => network_of(event.address),
            By::Actor => event.actor.to_owned(),
            By::Subject => event.subject.to_owned(),
            By::Route => event.route.to_owned(),
        }
    }
}

/// An address, or the /64 of an IPv6 address: one client has all of it.
fn network_of(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => address.to_owned(),
    }
}

/// The rules of the framework.
pub(super) fn built_in() -> Vec<Rule> {
    use Severity::{Critical, High};
    let rule = |name, event: Event| Rule::new(name, event.name());
    vec![
        rule("login failures of one address", Event::LoginFailed)
            .and(Event::SecondStepFailed)
            .within("20/m")
            .minutes(10)
            .by(By::Address),
        rule("login failures of the site", Event::LoginFailed)
            .and(Event::SecondStepFailed)
            .within("50/m")
            .minutes(10),
        rule("locks", Event::Locked).within("5/h"),
        rule("new staff", Event::SignedUp)
            .only(&["staff", "superuser"])
            .severity(High),
        rule("rights changed", Event::RightGranted)
            .and(Event::RightRevoked)
            .severity(High),
        rule("factors of staff changed", Event::FactorAdded)
            .and(Event::FactorRemoved)
            .only(&["of staff"])
            .severity(High),
        rule("factors reported as lost", Event::FactorRemovalBegun).severity(High),
        rule("rows exported", Event::Exported).by(By::Actor),
        rule("session moved", Event::SessionMoved)
            .by(By::Actor)
            .severity(High),
        rule("access denied", Event::AccessDenied)
            .within("30/m")
            .minutes(10)
            .by(By::Actor),
        rule("tokens refused", Event::TokenRefused)
            .within("30/m")
            .minutes(10)
            .by(By::Address),
        rule("errors", Event::ErrorRaised)
            .by(By::Route)
            .severity(High),
        rule("audit log incomplete", Event::EntriesLost).severity(High),
        rule("audit log damaged", Event::LogDamaged).severity(Critical),
        rule("keys changed", Event::KeysChanged).severity(High),
        rule("access revoked", Event::AccessRevoked)
            .and(Event::EvidenceTaken)
            .severity(High),
        rule("canary touched", Event::CanaryTouched)
            .by(By::Address)
            .severity(Critical),
        rule("work failed", Event::WorkFailed).severity(High),
        rule("error rate", Event::ErrorRateHigh).severity(High),
        rule("certificate near its end", Event::CertificateNearEnd).severity(High),
        rule("impossible travel", Event::ImpossibleTravel).by(By::Subject),
        rule("posture changed", Event::PostureChanged)
            .and(Event::AccountFrozen)
            .severity(High),
    ]
}

/// Events of one rule and key since the begin of a period.
#[derive(Debug, Clone, Copy)]
struct Count {
    begun: i64,
    events: u32,
}

/// The counters of all rules.
#[derive(Debug, Default)]
pub(super) struct Counters(BTreeMap<(usize, String), Count>);

/// Most counters; an attacker with many addresses must not fill the memory.
const MOST_COUNTERS: usize = 10_000;

/// A rule with a reached count, and the key of the counted events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) rule: usize,
    pub(super) key: String,
    pub(super) events: u32,
}

impl Counters {
    /// Counts an event at a time in seconds, and returns the rules that it completes.
    pub(super) fn count(&mut self, rules: &[Rule], event: &Recorded<'_>, now: i64) -> Vec<Reached> {
        let concerned = rules.iter().enumerate();
        let concerned = concerned.filter(|(_, rule)| rule.concerns(event));
        concerned
            .filter_map(|(at, rule)| self.count_one((at, rule), rule.key(event), now))
            .collect()
    }

    fn count_one(&mut self, (at, rule): (usize, &Rule), key: String, now: i64) -> Option<Reached> {
        let reached = |events| Reached {
            rule: at,
            key: key.clone(),
            events,
        };
        if rule.count <= 1 {
            return Some(reached(1));
        }
        if self.0.len() >= MOST_COUNTERS {
            self.forget_old(rule.period, now);
        }
        let period = i64::try_from(rule.period.as_secs()).unwrap_or(i64::MAX);
        let new = Count {
            begun: now,
            events: 0,
        };
        let count = self.0.entry((at, key.clone())).or_insert(new);
        // a clock that went back begins a new period
        if now - count.begun >= period || now < count.begun {
            *count = new;
        }
        count.events += 1;
        (count.events == rule.count).then(|| reached(rule.count))
    }

    fn forget_old(&mut self, period: Duration, now: i64) {
        let period = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
        self.0.retain(|_, count| now - count.begun < period);
        if self.0.len() >= MOST_COUNTERS {
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event<'a>(name: &'a str, address: &'a str, detail: &'a str) -> Recorded<'a> {
        Recorded {
            name: "",
            event: name,
            severity: Severity::Low,
            actor: "anonymous",
            subject: "",
            address,
            route: "/x",
            request: "",
            detail,
        }
    }

    fn names(rules: &[Rule], reached: &[Reached]) -> Vec<&'static str> {
        reached.iter().map(|one| rules[one.rule].name).collect()
    }

    // F107: below, at and above a threshold; by address and for the site; after the period
    #[test]
    fn thresholds_are_reached_once_in_a_period() {
        let (rules, mut counters) = (built_in(), Counters::default());
        let fail = |counters: &mut Counters, address, now| {
            let reached = counters.count(&rules, &event("login_failed", address, ""), now);
            names(&rules, &reached)
        };
        for _ in 0..19 {
            assert!(fail(&mut counters, "192.0.2.1", 1000).is_empty());
        }
        assert_eq!(
            fail(&mut counters, "192.0.2.1", 1000),
            ["login failures of one address"]
        );
        for _ in 0..29 {
            assert!(fail(&mut counters, "192.0.2.1", 1100).is_empty());
        }
        assert_eq!(
            fail(&mut counters, "192.0.2.2", 1100),
            ["login failures of the site"]
        );
        for _ in 0..19 {
            assert!(
                fail(&mut counters, "192.0.2.1", 1600).is_empty(),
                "a new period"
            );
        }
        assert_eq!(fail(&mut counters, "192.0.2.1", 1601).len(), 1);
        // clock back
        assert!(fail(&mut counters, "192.0.2.1", 5).is_empty());
    }

    #[test]
    fn details_select_events() {
        let (rules, mut counters) = (built_in(), Counters::default());
        let mut count = |name, detail| {
            let reached = counters.count(&rules, &event(name, "192.0.2.1", detail), 1);
            names(&rules, &reached)
        };
        assert!(count("signup", "").is_empty());
        assert_eq!(count("signup", "superuser"), ["new staff"]);
        assert!(count("factor_added", "app").is_empty());
        assert_eq!(
            count("factor_added", "app, of staff"),
            ["factors of staff changed"]
        );
        assert!(count("login", "").is_empty());
    }

    // many addresses fill no memory
    #[test]
    fn counters_are_bounded() {
        let (rules, mut counters) = (built_in(), Counters::default());
        for number in 0..30_000 {
            let address = format!("address {number}");
            counters.count(&rules, &event("login_failed", &address, ""), 1);
        }
        assert!(counters.0.len() <= MOST_COUNTERS);
    }
}
