//! Alerts: events for the operators of a site, by mail, webhook, chat and syslog.
//!
//! Rules count the events of the [audit log](crate::audit_log) in memory. An alert of the same rule,
//! route and key is sent at once, then after 15 minutes, 30 minutes and so on up to a day, with the
//! number of the ones between; mails have a limit for each day. Sending delays no request.

mod grouping;
mod migration;
mod rules;
mod settings;
mod sinks;
mod syslog;
mod syslog_target;
mod webhook;

pub(crate) use migration::migrations;
pub use rules::{By, Rule};
pub use settings::{AlertSettings, CHECKS};
pub use syslog_target::SyslogTarget;
pub use webhook::{HookUrl, WebhookKey};

use crate::audit_log::{AuditLog, Event, Recorded, Severity};
use crate::clock::{Clock, unix_seconds};
use crate::db::Database;
use crate::http::client::Client;
use crate::mail::MailQueue;
use chrono::{DateTime, SecondsFormat, Utc};
use rules::{Counters, Reached, built_in};
use serde::{Deserialize, Serialize};
use sinks::Sinks;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc;

/// Alerts that wait to be sent. More are dropped: the events are in the audit log.
const MOST_WAITING: usize = 256;

/// The alerts of a site.
#[derive(Clone)]
pub(crate) struct Alerts(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Alert>>,
    sinks: Arc<Sinks>,
}

/// Counts events. It holds no part of the site: the audit log, which every connection of the
/// database knows, calls it.
struct Watch {
    rules: Vec<Rule>,
    counters: Mutex<Counters>,
    clock: Arc<dyn Clock>,
    waiting: mpsc::Sender<Alert>,
}

/// An alert, with the event that completed its rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alert {
    rule: String,
    severity: Severity,
    /// RFC 3339.
    at: String,
    event: String,
    /// Number of events that were counted.
    count: u32,
    /// Alerts of the same kind that were not sent since the last one.
    suppressed: i64,
    actor: String,
    subject: String,
    address: String,
    route: String,
    request: String,
    detail: String,
    /// Address, user or route of the counted events.
    key: String,
}

impl Alert {
    fn new(rule: &Rule, reached: Reached, event: &Recorded<'_>, now: DateTime<Utc>) -> Self {
        Self {
            rule: rule.name.to_owned(),
            severity: rule.severity.max(event.severity),
            at: now.to_rfc3339_opts(SecondsFormat::Secs, true),
            event: event.event.to_owned(),
            count: reached.events,
            suppressed: 0,
            actor: event.actor.to_owned(),
            subject: event.subject.to_owned(),
            address: event.address.to_owned(),
            route: event.route.to_owned(),
            request: event.request.to_owned(),
            detail: event.detail.to_owned(),
            key: reached.key,
        }
    }

    fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Alerts with the same fingerprint are grouped.
    fn fingerprint(&self) -> String {
        crate::crypto::random::stored_hash(&format!("{}\n{}\n{}", self.rule, self.key, self.route))
    }

    /// One line for subjects and chats.
    fn title(&self) -> String {
        let severity = self.severity.name();
        format!("[{severity}] {}: {}", self.rule, self.event)
    }

    /// The alert as lines. Values of clients are quoted.
    fn text(&self) -> String {
        let mut lines = vec![
            format!("Rule: {} ({} events)", self.rule, self.count),
            format!("Event: {}", self.event),
            format!("Severity: {}", self.severity.name()),
            format!("Time: {}", self.at),
        ];
        let more = [
            ("By", &self.actor),
            ("About", &self.subject),
            ("Address", &self.address),
            ("Route", &self.route),
            ("Request", &self.request),
        ];
        let given = more.iter().filter(|(_, value)| !value.is_empty());
        lines.extend(given.map(|(name, value)| format!("{name}: {value}")));
        if !self.detail.is_empty() {
            lines.push(format!("Detail: {:?}", self.detail));
        }
        let runbook = Event::runbook_of(&self.event);
        lines.push(format!("Runbook: {runbook}, `runbook {}`", self.event));
        if self.suppressed > 0 {
            let count = self.suppressed;
            lines.push(format!("{count} more of these since the last message"));
        }
        lines.join("\n")
    }
}

/// Parts of the alerts.
pub(crate) struct AlertParts<'a> {
    pub(crate) settings: &'a AlertSettings,
    pub(crate) rules: Vec<Rule>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mail: MailQueue,
    pub(crate) client: Client,
    pub(crate) site: String,
}

impl Watch {
    /// Counts an event, and queues the alerts that it completes. Does not wait.
    fn observe(&self, event: &Recorded<'_>) {
        let now = self.clock.now();
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for reached in counters.count(&self.rules, event, now.timestamp()) {
            let alert = Alert::new(&self.rules[reached.rule], reached, event, now);
            if self.waiting.try_send(alert).is_err() {
                tracing::warn!(target: "palisade", "an alert was dropped: too many are waiting");
            }
        }
    }
}

impl Alerts {
    /// The alerts of a site, which observe its audit log if they are sent anywhere.
    pub(crate) fn new(parts: AlertParts<'_>, log: &AuditLog) -> Self {
        let (sender, waiting) = mpsc::channel(MOST_WAITING);
        let sinks = Sinks::new(parts.settings, parts.mail, (parts.client, parts.site));
        let sinks = Arc::new(sinks);
        if !sinks.is_empty() {
            let quiet = &parts.settings.quiet;
            let rules = built_in().into_iter().chain(parts.rules);
            let rules = rules.filter(|rule| !quiet.iter().any(|name| name == rule.name));
            let watch = Watch {
                rules: rules.collect(),
                counters: Mutex::default(),
                clock: parts.clock.clone(),
                waiting: sender,
            };
            log.observe(move |event| {
                watch.observe(event);
                None
            });
            let (sinks, clock) = (sinks.clone(), parts.clock.clone());
            log.observe_checkpoints(move |note| sinks.keep_checkpoint(note, clock.now()));
        }
        Self(Arc::new(Inner {
            clock: parts.clock,
            waiting: tokio::sync::Mutex::new(waiting),
            sinks,
        }))
    }

    /// Sends alerts until the site stops.
    pub(crate) async fn send_on(&self, database: &Database) {
        let mut last = Instant::now();
        loop {
            // a trickle of alerts must not keep summaries back
            if last.elapsed() > grouping::TICK {
                self.send_summaries(database).await;
                last = Instant::now();
            }
            let mut waiting = self.0.waiting.lock().await;
            match tokio::time::timeout(grouping::TICK, waiting.recv()).await {
                Ok(Some(alert)) => self.send(database, alert).await,
                // without a sink
                Ok(None) => return,
                Err(_) => {}
            }
        }
    }

    /// Sends waiting alerts when a command ends, and waits for their delivery, for half a minute at
    /// most.
    pub(crate) async fn close(&self, database: &Database) {
        self.send_queued(database).await;
        self.0.sinks.delivered().await;
    }

    /// Sends waiting alerts and due summaries. For tests.
    pub(crate) async fn send_waiting(&self, database: &Database) {
        self.send_queued(database).await;
        self.send_summaries(database).await;
    }

    async fn send_queued(&self, database: &Database) {
        let mut waiting = self.0.waiting.lock().await;
        while let Ok(alert) = waiting.try_recv() {
            self.send(database, alert).await;
        }
    }

    async fn send(&self, database: &Database, alert: Alert) {
        let now = self.now();
        let sent = grouping::send(database, &self.0.sinks, (alert, now)).await;
        if let Err(error) = sent {
            tracing::warn!(target: "palisade", %error, "an alert could not be sent: the database does not answer");
        }
    }

    async fn send_summaries(&self, database: &Database) {
        let sent = grouping::send_summaries(database, &self.0.sinks, self.now()).await;
        if let Err(error) = sent {
            tracing::warn!(target: "palisade", %error, "alerts could not be read: the database does not answer");
        }
    }

    fn now(&self) -> i64 {
        i64::try_from(unix_seconds(self.0.clock.now())).unwrap_or_default()
    }
}
