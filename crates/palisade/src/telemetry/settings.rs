use crate::alerts::HookUrl;
use crate::checks::{Check, Level};
use crate::crypto::Secret;
use crate::settings::{section, setting_from_str};
use std::fmt;
use std::str::FromStr;
use url::Url;

section! {
    /// Reports of errors.
    SentrySettings("sentry") {
        /// DSN of a server of the Sentry protocol, which gets reports of errors without values of clients
        dsn: Option<Dsn> = |_| None;
        /// Release of the site in reports, such as 2027.4
        release: Option<String> = |_| None;
    }
}

section! {
    /// Traces.
    TraceSettings("traces") {
        /// URL of an OTLP/HTTP receiver of traces, such as `https://collector.example.org/v1/traces`
        url: Option<HookUrl> = |_| None;
        /// Share of requests that are traced, in per cent; a trusted proxy can ask for more by traceparent
        per_cent: u64 = |_| 100;
    }
}

/// A DSN: `https://KEY@HOST/PROJECT`. Its key is not printed.
#[derive(Debug, Clone)]
pub struct Dsn(
    #[cfg_attr(
        not(feature = "sentry"),
        expect(dead_code, reason = "reports of errors read it")
    )]
    Secret<String>,
    String,
);

setting_from_str!(Dsn, "a DSN such as https://KEY@errors.example.org/1");

impl FromStr for Dsn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(|_| ())?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let has_project = url
            .path()
            .rsplit('/')
            .next()
            .is_some_and(|id| !id.is_empty());
        let shown = format!(
            "{}://***@{}{}",
            url.scheme(),
            url.authority().rsplit('@').next().unwrap_or_default(),
            url.path()
        );
        let is_dsn = is_web && has_project && !url.username().is_empty() && url.query().is_none();
        is_dsn
            .then(|| Self(Secret::new(text.to_owned()), shown))
            .ok_or(())
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl Dsn {
    #[cfg(feature = "sentry")]
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Configuration checks.
pub const SENTRY_CHECKS: &[Check<SentrySettings>] = &[Check {
    id: "sentry.not_built",
    django: None,
    level: Level::Error,
    title: "errors are to be reported, and this program was built without the feature sentry",
    why: "no report would be sent",
    fix: "build with the feature sentry, or remove sentry.dsn",
    fires: |sentry| sentry.dsn.is_some() && cfg!(not(feature = "sentry")),
}];

/// Configuration checks.
pub const TRACE_CHECKS: &[Check<TraceSettings>] = &[Check {
    id: "traces.not_built",
    django: None,
    level: Level::Error,
    title: "traces are to be sent, and this program was built without the feature otlp",
    why: "no trace would be sent",
    fix: "build with the feature otlp, or remove traces.url",
    fires: |traces| traces.url.is_some() && cfg!(not(feature = "otlp")),
}];
