//! Reports of errors in the Sentry protocol. Format and DSN are those of the crate `sentry-types`;
//! its client would collect headers and bodies by itself.

use super::{Outbox, SentrySettings};
use crate::crypto::KeyRing;
use crate::http::client::Client;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use sentry_types::protocol::v7::{
    ClientSdkInfo, Envelope, EnvelopeHeaders, Event, Exception, Frame, Level, Map, Stacktrace,
    User, Values,
};
use sentry_types::{Dsn, Uuid};
use std::borrow::Cow;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

/// Reports that wait. More are dropped: the log has every error.
const MOST_WAITING: usize = 100;
/// Most reports of one minute: a fault of every request must not use up the quota of a month.
const MOST_PER_MINUTE: u32 = 30;
/// Pause after the server said that it has enough, unless it names a time.
const PAUSE: Duration = Duration::from_secs(60);
const AGENT: &str = concat!("palisade/", env!("CARGO_PKG_VERSION"));

/// An error of a request, by the fields that may leave the site.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// Type of the error in the program.
    pub(crate) kind: &'static str,
    /// Code of the database.
    pub(crate) code: Option<String>,
    /// Source file and line.
    pub(crate) place: Option<(String, u32)>,
    pub(crate) status: StatusCode,
    /// A known method, or `other`.
    pub(crate) method: &'static str,
    /// Template of the route.
    pub(crate) route: String,
    pub(crate) request: String,
    pub(crate) user: Option<i32>,
}

/// The reports of a site.
pub(crate) struct Reports {
    dsn: Dsn,
    client: Client,
    ring: KeyRing,
    environment: String,
    release: Option<String>,
    outbox: Outbox<Fault>,
    minute: Mutex<(Option<Instant>, u32)>,
}

impl Reports {
    /// The reports of the settings, if there is a DSN.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn new(
        settings: &SentrySettings,
        (client, ring): (Client, KeyRing),
        environment: String,
    ) -> Result<Option<Self>, String> {
        let Some(dsn) = &settings.dsn else {
            return Ok(None);
        };
        let parsed: Result<Dsn, _> = dsn.expose().parse();
        Ok(Some(Self {
            dsn: parsed.map_err(|error| format!("sentry.dsn: {error}"))?,
            client,
            ring,
            environment,
            release: settings.release.clone(),
            outbox: Outbox::new(MOST_WAITING),
            minute: Mutex::default(),
        }))
    }

    /// Queues a report. Does not wait.
    pub(crate) fn put(&self, fault: Fault) {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if minute
            .0
            .is_none_or(|begun| begun.elapsed() > Duration::from_secs(60))
        {
            *minute = (Some(Instant::now()), 0);
        }
        minute.1 += 1;
        if minute.1 <= MOST_PER_MINUTE {
            self.outbox.put(fault);
        }
    }

    /// Sends reports until the site stops.
    pub(crate) async fn send_on(&self) {
        loop {
            for fault in self.outbox.next((1, Duration::ZERO)).await {
                if let Some(pause) = self.send(&fault).await {
                    tokio::time::sleep(pause).await;
                }
            }
            let dropped = self.outbox.take_dropped();
            if dropped > 0 {
                tracing::warn!(target: "palisade", dropped, "reports of errors were dropped: their server is too slow");
            }
        }
    }

    /// Sends the reports that wait. For tests.
    pub(crate) async fn send_waiting(&self) -> usize {
        let waiting = self.outbox.take().await;
        for fault in &waiting {
            self.send(fault).await;
        }
        waiting.len()
    }

    /// Sends one report. Returns the time that the server asks to wait.
    async fn send(&self, fault: &Fault) -> Option<Duration> {
        let request = self.request(fault)?;
        match self.client.send(request).await {
            Ok(answer) if answer.status() == StatusCode::TOO_MANY_REQUESTS => {
                let after = answer.headers().get(header::RETRY_AFTER);
                let secs = after.and_then(|after| after.to_str().ok()?.parse().ok());
                Some(secs.map_or(PAUSE, |secs: u64| Duration::from_secs(secs.min(3_600))))
            }
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => {
                tracing::warn!(target: "palisade", status = answer.status().as_u16(), "a report of an error was refused");
                None
            }
            Err(error) => {
                let host = self.dsn.host();
                tracing::warn!(target: "palisade", host, kind = ?error.kind(), "a report of an error could not be sent");
                None
            }
        }
    }

    /// The request; `None` if the event cannot be written, which drops it.
    fn request(&self, fault: &Fault) -> Option<Request<Bytes>> {
        let event = self.event(fault);
        let headers = EnvelopeHeaders::new().with_event_id(event.event_id);
        let mut envelope = Envelope::new().with_headers(headers);
        envelope.add_item(event);
        let mut body = Vec::new();
        envelope.to_writer(&mut body).ok()?;
        Request::post(self.dsn.envelope_api_url().as_str())
            .header(header::CONTENT_TYPE, "application/x-sentry-envelope")
            .header("x-sentry-auth", self.dsn.to_auth(Some(AGENT)).to_string())
            .body(body.into())
            .ok()
    }

    fn event(&self, fault: &Fault) -> Event<'static> {
        let place = fault.place.as_ref();
        let at = place.map(|(file, line)| format!("{file}:{line}"));
        let at = at.unwrap_or_default();
        let route = match fault.route.is_empty() {
            true => "none",
            false => fault.route.as_str(),
        };
        let fingerprint = [fault.kind, at.as_str(), route].map(|part| Cow::Owned(part.to_owned()));
        Event {
            event_id: Uuid::from_bytes(random_bytes()),
            level: Level::Error,
            fingerprint: Cow::Owned(fingerprint.to_vec()),
            transaction: Some(route.to_owned()),
            logger: Some("palisade".into()),
            platform: Cow::Borrowed("native"),
            timestamp: SystemTime::now(),
            release: self.release.clone().map(Cow::Owned),
            environment: Some(Cow::Owned(self.environment.clone())),
            user: fault.user.map(|id| User {
                id: Some(self.pseudonym(id)),
                ..User::default()
            }),
            exception: Values::from(vec![exception(fault, at)]),
            tags: tags(fault, route),
            sdk: Some(Cow::Owned(ClientSdkInfo {
                name: "palisade".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                integrations: Vec::new(),
                packages: Vec::new(),
            })),
            ..Event::default()
        }
    }

    /// A keyed hash: the number of affected users can be seen, and not who they are.
    fn pseudonym(&self, id: i32) -> String {
        let hash = self
            .ring
            .derive_newest("sentry user", id.to_string().as_bytes());
        crate::crypto::hex(&hash[..8])
    }
}

fn random_bytes() -> [u8; 16] {
    let mut bytes = palisade_crypto::random::bytes::<16>();
    // version 4, variant 1 (RFC 9562 section 5.4)
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

fn exception(fault: &Fault, at: String) -> Exception {
    let frame = |(file, line): &(String, u32)| Frame {
        filename: Some(file.clone()),
        lineno: Some((*line).into()),
        in_app: Some(true),
        ..Frame::default()
    };
    let frames: Vec<Frame> = fault.place.iter().map(frame).collect();
    Exception {
        ty: fault.kind.to_owned(),
        value: Some(at),
        stacktrace: (!frames.is_empty()).then(|| Stacktrace {
            frames,
            ..Stacktrace::default()
        }),
        ..Exception::default()
    }
}

fn tags(fault: &Fault, route: &str) -> Map<String, String> {
    let mut tags = Map::new();
    tags.insert("route".into(), route.to_owned());
    tags.insert("method".into(), fault.method.to_owned());
    tags.insert("status".into(), fault.status.as_u16().to_string());
    tags.insert("request_id".into(), fault.request.clone());
    if let Some(code) = &fault.code {
        tags.insert("db_code".into(), code.clone());
    }
    tags
}
