//! Errors for servers of the Sentry protocol, and traces by OTLP. Both are off unless they are
//! asked for.
//!
//! ```toml
//! [sentry]
//! dsn = "https://KEY@errors.example.org/1"       # or SENTRY_DSN in the environment
//! [traces]
//! url = "https://collector.example.org/v1/traces"
//! ```
//!
//! A report has the fields of an allow-list, and none of them holds a value of a client: the type of
//! the error, its place in the source, route, method, status, request id, release, profile, and a
//! keyed hash of the user's id. There are no headers, cookies, bodies, queries, addresses, variables
//! or messages; the log of the site has the cause under the request id.

#[cfg(any(feature = "sentry", feature = "otlp"))]
mod outbox;
#[cfg(feature = "sentry")]
mod report;
mod settings;
#[cfg(feature = "otlp")]
mod span;

#[cfg(any(feature = "sentry", feature = "otlp"))]
pub(crate) use outbox::Outbox;
#[cfg(feature = "sentry")]
pub(crate) use report::{Fault, Reports};
pub use settings::{Dsn, SENTRY_CHECKS, SentrySettings, TRACE_CHECKS, TraceSettings};
#[cfg(feature = "otlp")]
pub(crate) use span::{Traced, Traces};
