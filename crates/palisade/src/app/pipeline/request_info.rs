//! Data of a request that all steps of the pipeline share.

use crate::app::Site;
use crate::audit_log::{self, Entry, Event};
use crate::http::{ClientAddress, Entrance, Scheme};
use crate::views::RequestContext;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Results of steps 2 to 6.
#[derive(Clone)]
pub(in crate::app) struct RequestInfo {
    pub(in crate::app) site: Arc<Site>,
    pub(in crate::app) context: RequestContext,
    pub(in crate::app) client: ClientAddress,
    pub(in crate::app) scheme: Scheme,
    pub(in crate::app) entrance: Entrance,
    #[cfg(feature = "otlp")]
    pub(in crate::app) traced: Option<crate::telemetry::Traced>,
}

impl RequestInfo {
    /// Records the refusal of a request before its route, unless this client has used up its share
    /// of log lines.
    pub(in crate::app) fn record_refusal(&self, event: Event, detail: &str) {
        if self.is_refusal_logged() {
            audit_log::record(Entry::new(event).detail(detail));
        }
    }

    /// Whether a refusal gets log lines of its own. The others are counted.
    pub(in crate::app) fn is_refusal_logged(&self) -> bool {
        let site = &self.site;
        let is_logged = self
            .context
            .decide_log(|| site.throttle.admit_here(&site.limits.refusals, self.client));
        let unlogged = if is_logged {
            site.unlogged.swap(0, Ordering::Relaxed)
        } else {
            site.unlogged.fetch_add(1, Ordering::Relaxed)
        };
        if is_logged && unlogged > 0 {
            tracing::info!(target: "palisade", unlogged, "requests were refused without log lines of their own");
        }
        is_logged
    }
}
