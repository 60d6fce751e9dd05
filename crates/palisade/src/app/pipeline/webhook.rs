//! Verification of webhooks, before the access rule asks for it.

use super::request_info::RequestInfo;
use crate::audit_log::{self, Entry, Event};
use crate::permissions::SignedBy;
use crate::views::{Error, ErrorKind};
use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

/// Longest body of a delivery.
const MOST_BYTES: usize = 1024 * 1024;

/// Reads the body of a delivery, and verifies its signature.
pub(super) async fn verify(
    info: &RequestInfo,
    parts: &mut Parts,
    (body, source): (&mut Body, &'static str),
) -> Result<(), Response> {
    let bytes = to_bytes(std::mem::take(body), MOST_BYTES).await;
    let bytes = bytes.map_err(|_| {
        Error::new(ErrorKind::TooLarge, "This delivery is longer than 1 MiB.").into_response()
    })?;
    let now = info.site.accounts.now().timestamp_millis();
    let verdict = info
        .site
        .webhooks
        .verify(source, (&parts.headers, &bytes), now);
    *body = Body::from(bytes);
    match verdict {
        Ok(signed) => {
            parts.extensions.insert(SignedBy(source));
            parts.extensions.insert(signed);
            Ok(())
        }
        Err(why) => {
            let detail = format!("{source}: {why:?}");
            audit_log::record(Entry::new(Event::WebhookRefused).detail(detail));
            Err(StatusCode::UNAUTHORIZED.into_response())
        }
    }
}
