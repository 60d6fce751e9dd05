use super::{Event, Severity};
use crate::views::RequestContext;
use chrono::{DateTime, Utc};
use palisade_crypto::chain;
use palisade_crypto::random;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An event to record.
///
/// ```
/// use palisade::audit_log::{Entry, Event};
/// let entry = Entry::new(Event::Site("order.refunded")).about(7).detail("order 12");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Entry {
    event: Event,
    subject: Option<i32>,
    name: String,
    typed: Typed,
    detail: String,
}

/// A name as it was typed. It may be a password, so it is not printed.
#[derive(Clone, Default, PartialEq, Eq)]
struct Typed(String);

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self::new(event)
    }
}

impl Entry {
    /// An event of the current request, by its authenticated user.
    pub fn new(event: Event) -> Self {
        Self {
            event,
            subject: None,
            name: String::new(),
            typed: Typed::default(),
            detail: String::new(),
        }
    }

    /// The id of the user that the event is about, if it is another one than the actor.
    pub fn about(mut self, user: i32) -> Self {
        self.subject = Some(user);
        self
    }

    /// The name that was given, such as that of a failed login. Personal data: it is stored beside
    /// the chain, and erased with the user.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// A name as it was typed, which may be a password in the wrong field: it is compared with
    /// canaries, and neither stored nor logged.
    pub(crate) fn typed(mut self, name: &str) -> Self {
        self.typed = Typed(name.to_owned());
        self
    }

    /// The same with more in its detail.
    pub(crate) fn and(mut self, more: &str) -> Self {
        if !self.detail.is_empty() {
            self.detail.push_str(", ");
        }
        self.detail.push_str(more);
        self
    }

    /// Ids, numbers, names of permissions. No personal data, because it
    /// cannot be erased. It may hold input: a line break cannot start a line of the log.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// Where and by whom something happens.
pub(super) struct Place {
    actor: String,
    request: String,
    route: String,
    address: String,
    agent: String,
}

impl Place {
    pub(super) fn of_request(context: &RequestContext) -> Self {
        let actor = context.user_id().map_or_else(|| "anonymous".into(), user);
        Self {
            actor,
            request: context.id().to_owned(),
            route: context.route().to_owned(),
            address: context.client().to_string(),
            agent: context.agent().into_owned(),
        }
    }

    pub(super) fn of_work(actor: &str) -> Self {
        Self {
            actor: actor.to_owned(),
            request: String::new(),
            route: String::new(),
            address: String::new(),
            agent: String::new(),
        }
    }
}

/// A user as actor or subject.
pub(super) fn user(id: i32) -> String {
    format!("user:{id}")
}

/// An entry with its time and place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Microseconds since 1970.
    pub(super) at: i64,
    pub(super) event: String,
    pub(super) severity: Severity,
    pub(super) outcome: String,
    pub(super) actor: String,
    pub(super) subject: String,
    pub(super) request: String,
    pub(super) route: String,
    pub(super) detail: String,
    pub(super) who: Who,
    /// See [`Entry::typed`].
    #[serde(skip)]
    typed: Typed,
}

/// The personal part of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Who {
    pub(super) salt: String,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) agent: String,
}

impl Who {
    pub(super) fn is_empty(&self) -> bool {
        self.name.is_empty() && self.address.is_empty() && self.agent.is_empty()
    }

    /// The commitment in the chain; empty for an entry without personal data.
    pub(super) fn commitment(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let values = [&self.name, &self.address, &self.agent].map(String::as_bytes);
        chain::to_text(&chain::commitment(self.salt.as_bytes(), &values))
    }
}

/// Longest stored part of an entry, in characters: a client must not flood the log with one request.
const LONGEST: usize = 200;

fn short(text: &str) -> String {
    // PostgreSQL stores no NUL
    text.chars().filter(|c| *c != '\0').take(LONGEST).collect()
}

/// A recorded event, for observers. Its name may be one as it was typed.
#[derive(Clone, Copy)]
pub(crate) struct Recorded<'a> {
    pub(crate) event: &'a str,
    pub(crate) severity: Severity,
    pub(crate) actor: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    pub(crate) route: &'a str,
    pub(crate) request: &'a str,
    pub(crate) detail: &'a str,
}

impl Record {
    pub(super) fn recorded(&self) -> Recorded<'_> {
        Recorded {
            event: &self.event,
            severity: self.severity,
            actor: &self.actor,
            subject: &self.subject,
            name: match self.typed.0.is_empty() {
                true => &self.who.name,
                false => &self.typed.0,
            },
            address: &self.who.address,
            route: &self.route,
            request: &self.request,
            detail: &self.detail,
        }
    }

    pub(super) fn new(entry: Entry, place: Place, now: DateTime<Utc>) -> Self {
        Self {
            at: now.timestamp_micros(),
            event: short(entry.event.name()),
            severity: entry.event.severity(),
            outcome: entry.event.outcome().name().into(),
            actor: place.actor,
            subject: entry.subject.map(user).unwrap_or_default(),
            request: short(&place.request),
            route: short(&place.route),
            detail: short(&entry.detail),
            who: Who {
                salt: random::nonce(),
                name: short(&entry.name),
                address: place.address,
                agent: short(&place.agent),
            },
            typed: entry.typed,
        }
    }

    pub(super) fn without_typed(mut self) -> Self {
        self.typed = Typed::default();
        self
    }

    /// Whether it erases personal parts.
    pub(super) fn is_erasure(&self) -> bool {
        self.event == Event::PersonErased.name()
    }

    /// The entry of an event that follows from this one, without its name.
    pub(super) fn followed_by(&self, event: Event) -> Self {
        Self {
            event: event.name().into(),
            severity: event.severity(),
            outcome: event.outcome().name().into(),
            detail: format!("after {}", self.event),
            typed: Typed::default(),
            who: Who {
                salt: random::nonce(),
                name: String::new(),
                ..self.who.clone()
            },
            ..self.clone()
        }
    }

    /// Writes its line, with the names of the Elastic Common Schema. Input is quoted, so that it
    /// cannot start a line of its own (log injection).
    pub(super) fn log(&self) {
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "palisade::audit",
                    $level,
                    event.action = self.event.as_str(),
                    event.code = self.owasp(),
                    event.outcome = self.outcome.as_str(),
                    event.severity = self.severity.name(),
                    source.ip = given(&self.who.address),
                    user.id = self.actor.as_str(),
                    user.target.id = given(&self.subject),
                    user.name = given(&self.who.name).filter(|_| !self.is_erasure()),
                    user_agent.original = given(&self.who.agent),
                    http.request.id = given(&self.request),
                    http.route = given(&self.route),
                    detail = given(&self.detail),
                )
            };
        }
        match self.severity {
            Severity::Low | Severity::Moderate => line!(tracing::Level::INFO),
            Severity::High | Severity::Critical => line!(tracing::Level::WARN),
        }
    }

    fn owasp(&self) -> &'static str {
        let known = Event::all().find(|event| event.name() == self.event);
        known.map_or("custom", |event| event.owasp())
    }
}
