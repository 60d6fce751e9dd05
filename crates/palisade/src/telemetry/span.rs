//! Traces by OTLP/HTTP with JSON
//! ([specification](https://opentelemetry.io/docs/specs/otlp/#otlphttp)): one server span of each
//! traced request. Attributes are those of OpenTelemetry's conventions for HTTP that hold no value
//! of a client.

use super::{Outbox, TraceSettings};
use crate::alerts::HookUrl;
use crate::http::client::Client;
use crate::http::known_method;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use palisade_crypto::random;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Spans that wait. More are dropped.
const MOST_WAITING: usize = 4_096;
const BATCH: (usize, Duration) = (512, Duration::from_secs(2));

/// A request that is traced.
#[derive(Debug, Clone)]
pub(crate) struct Traced {
    trace: String,
    parent: String,
    began: SystemTime,
}

/// A span that has ended.
struct Span {
    traced: Traced,
    ended: SystemTime,
    route: String,
    method: &'static str,
    status: StatusCode,
}

/// The traces of a site.
pub(crate) struct Traces {
    url: HookUrl,
    per_cent: u64,
    service: String,
    client: Client,
    outbox: Outbox<Span>,
}

fn hex<const N: usize>() -> String {
    crate::crypto::hex(&random::bytes::<N>())
}

/// Trace, parent and whether it is sampled, of a header `traceparent`
/// ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header)).
fn parent(headers: &HeaderMap) -> Option<(String, String, bool)> {
    let header = headers.get("traceparent")?.to_str().ok()?;
    let [version, trace, parent, flags] = header.split('-').collect::<Vec<_>>().try_into().ok()?;
    let is_hex = |text: &str, length: usize| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == length && text.bytes().all(is_digit)
    };
    let is_null = |text: &str| text.bytes().all(|byte| byte == b'0');
    let is_valid = version == "00" && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (is_valid && !is_null(trace) && !is_null(parent))
        .then(|| (trace.to_owned(), parent.to_owned(), is_sampled))
}

impl Traces {
    /// The traces of the settings, if there is a receiver.
    pub(crate) fn new(
        settings: &TraceSettings,
        (client, service): (Client, String),
    ) -> Option<Self> {
        Some(Self {
            url: settings.url.clone()?,
            per_cent: settings.per_cent,
            service,
            client,
            outbox: Outbox::new(MOST_WAITING),
        })
    }

    /// Whether a request is traced. `headers` are those of a trusted proxy, which may have begun the
    /// trace.
    pub(crate) fn begin(&self, headers: Option<&HeaderMap>) -> Option<Traced> {
        let began = SystemTime::now();
        if let Some((trace, parent, is_sampled)) = headers.and_then(parent) {
            return is_sampled.then_some(Traced {
                trace,
                parent,
                began,
            });
        }
        let dice = u32::from_le_bytes(random::bytes());
        let is_sampled = u64::from(dice) % 100 < self.per_cent;
        is_sampled.then(|| Traced {
            trace: hex::<16>(),
            parent: String::new(),
            began,
        })
    }

    /// Queues the span of a response. Does not wait.
    pub(crate) fn answered(&self, traced: Traced, route: &str, answer: (&Method, StatusCode)) {
        self.outbox.put(Span {
            traced,
            ended: SystemTime::now(),
            route: route.to_owned(),
            // a client cannot make up names of spans
            method: known_method(answer.0).map_or("_OTHER", Method::as_str),
            status: answer.1,
        });
    }

    /// Sends spans until the site stops.
    pub(crate) async fn send_on(&self) {
        loop {
            let spans = self.outbox.next(BATCH).await;
            self.send(&spans).await;
            let dropped = self.outbox.take_dropped();
            if dropped > 0 {
                tracing::warn!(target: "palisade", dropped, "spans were dropped: their receiver is too slow");
            }
        }
    }

    /// Sends the spans that wait. For tests.
    pub(crate) async fn send_waiting(&self) -> usize {
        let spans = self.outbox.take().await;
        self.send(&spans).await;
        spans.len()
    }

    async fn send(&self, spans: &[Span]) {
        if spans.is_empty() {
            return;
        }
        let request = Request::post(self.url.expose())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(self.body(spans).to_string()));
        let Ok(request) = request else { return };
        match self.client.send(request).await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => {
                tracing::warn!(target: "palisade", status = answer.status().as_u16(), "spans were refused");
            }
            Err(error) => {
                tracing::warn!(target: "palisade", url = %self.url, kind = ?error.kind(), "spans could not be sent");
            }
        }
    }

    fn body(&self, spans: &[Span]) -> Value {
        let resource = [text("service.name", &self.service)];
        let scope = json!({ "name": "palisade", "version": env!("CARGO_PKG_VERSION") });
        let spans: Vec<Value> = spans.iter().map(Span::json).collect();
        json!({ "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }]})
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Nanoseconds since 1970, as a string: JSON numbers have 53 bits.
fn nanos(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

/// Kind and status of the protocol's enumerations.
const SERVER: u8 = 2;
const ERROR: u8 = 2;

impl Span {
    fn json(&self) -> Value {
        let mut attributes = vec![
            text("http.request.method", self.method),
            json!({ "key": "http.response.status_code", "value": { "intValue": self.status.as_u16().to_string() } }),
        ];
        let mut name = self.method.to_owned();
        if !self.route.is_empty() {
            attributes.push(text("http.route", &self.route));
            name = format!("{name} {}", self.route);
        }
        let status = match self.status.is_server_error() {
            true => json!({ "code": ERROR }),
            false => json!({}),
        };
        json!({
            "traceId": self.traced.trace,
            "spanId": hex::<8>(),
            "parentSpanId": self.traced.parent,
            "name": name,
            "kind": SERVER,
            "startTimeUnixNano": nanos(self.traced.began),
            "endTimeUnixNano": nanos(self.ended),
            "attributes": attributes,
            "status": status,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_traceparent_is_read_strictly() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", text.parse().unwrap());
            parent(&headers)
        };
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let sampled = read(&format!("00-{trace}-{span}-01")).unwrap();
        assert_eq!(sampled, (trace.into(), span.into(), true));
        assert!(!read(&format!("00-{trace}-{span}-00")).unwrap().2);
        for wrong in [
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}-{span}"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-{span}-01-02"),
            "x".into(),
        ] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
    }
}
