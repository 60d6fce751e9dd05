//! Reports of errors and traces of a site: absent without the feature or the setting.

use super::{BootError, SiteSettings};
use crate::crypto::KeyRing;
use crate::http::client::Client;
#[cfg(feature = "sentry")]
use crate::http::known_method;
#[cfg(feature = "sentry")]
use crate::telemetry::{Fault, Reports};
#[cfg(feature = "otlp")]
use crate::telemetry::{Traced, Traces};
#[cfg(feature = "sentry")]
use crate::views::{Failure, FaultObserver, RequestContext};
use http::Extensions;
#[cfg(feature = "otlp")]
use http::HeaderMap;
#[cfg(feature = "sentry")]
use http::Method;
#[cfg(any(feature = "sentry", feature = "otlp"))]
use http::StatusCode;
#[cfg(feature = "sentry")]
use std::sync::Arc;

/// Reports and traces, if they are on.
pub(super) struct SiteTelemetry {
    #[cfg(feature = "sentry")]
    reports: Option<Arc<Reports>>,
    #[cfg(feature = "otlp")]
    pub(super) traces: Option<Traces>,
}

impl SiteTelemetry {
    /// Reports that observe the errors of pages, and traces.
    #[cfg_attr(
        not(all(feature = "sentry", feature = "otlp")),
        expect(unused_variables, reason = "a site without them")
    )]
    pub(super) fn new(
        settings: &SiteSettings,
        (client, ring): (Client, KeyRing),
        services: &mut Extensions,
        name: &str,
    ) -> Result<Self, BootError> {
        #[cfg(feature = "sentry")]
        let reports = {
            let shared = (client.clone(), ring);
            let made = Reports::new(&settings.sentry, shared, settings.profile.to_string());
            let reports = made.map_err(BootError::Sentry)?.map(Arc::new);
            if let Some(reports) = reports.clone() {
                services.insert(observer(reports));
            }
            reports
        };
        Ok(Self {
            #[cfg(feature = "sentry")]
            reports,
            #[cfg(feature = "otlp")]
            traces: Traces::new(&settings.traces, (client, name.to_owned())),
        })
    }

    /// Sends reports and spans until the site stops.
    pub(crate) async fn send_on(&self) {
        #[cfg(feature = "sentry")]
        let reports = async {
            if let Some(reports) = &self.reports {
                reports.send_on().await;
            }
        };
        #[cfg(not(feature = "sentry"))]
        let reports = async {};
        #[cfg(feature = "otlp")]
        let traces = async {
            if let Some(traces) = &self.traces {
                traces.send_on().await;
            }
        };
        #[cfg(not(feature = "otlp"))]
        let traces = async {};
        tokio::join!(reports, traces);
    }

    /// Sends all that waits, and returns its number.
    pub(super) async fn send_waiting(&self) -> usize {
        let count = 0;
        #[cfg(feature = "sentry")]
        let count = match &self.reports {
            Some(reports) => count + reports.send_waiting().await,
            None => count,
        };
        #[cfg(feature = "otlp")]
        let count = match &self.traces {
            Some(traces) => count + traces.send_waiting().await,
            None => count,
        };
        count
    }

    /// Whether a request is traced.
    #[cfg(feature = "otlp")]
    pub(super) fn begin(&self, headers: Option<&HeaderMap>) -> Option<Traced> {
        self.traces.as_ref()?.begin(headers)
    }

    /// Queues the span of a response.
    #[cfg(feature = "otlp")]
    pub(super) fn answered(
        &self,
        traced: Option<Traced>,
        route: &str,
        answer: (&http::Method, StatusCode),
    ) {
        if let Some((traces, traced)) = self.traces.as_ref().zip(traced) {
            traces.answered(traced, route, answer);
        }
    }
}

#[cfg(feature = "sentry")]
fn observer(reports: Arc<Reports>) -> FaultObserver {
    let observe = move |context: &RequestContext, status: StatusCode, failure: Option<&Failure>| {
        reports.put(fault(context, status, failure));
    };
    FaultObserver(Arc::new(observe))
}

/// The fields of a report.
#[cfg(feature = "sentry")]
fn fault(context: &RequestContext, status: StatusCode, failure: Option<&Failure>) -> Fault {
    let (kind, code) = failure.map_or(("Response", None), |failure| failure.error().cause());
    let place = failure.map(|failure| {
        let place = failure.place();
        (place.file.clone().into_owned(), place.line)
    });
    Fault {
        kind,
        code,
        place,
        status,
        method: known_method(context.method()).map_or("other", Method::as_str),
        route: context.route().to_owned(),
        request: context.id().to_owned(),
        user: context.user_id(),
    }
}
