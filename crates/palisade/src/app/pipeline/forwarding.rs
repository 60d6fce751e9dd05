//! Forwarding headers: applied from trusted proxies, removed from other clients.

use super::REQUEST_ID;
use crate::app::Site;
use crate::http::{Link, Peer, Scheme, X_FORWARDED_FOR, is_forwarding};
#[cfg(feature = "otlp")]
use crate::telemetry::Traced;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use std::sync::atomic::Ordering;

/// Copies the `:authority` of HTTP/2 to Host
/// ([RFC 9113 section 8.3.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1)), so that all
/// requests look the same. Returns whether this one came over HTTP/1.
pub(super) fn copy_authority_to_host(parts: &mut Parts) -> bool {
    if parts.version != Version::HTTP_2 {
        return true;
    }
    let authority = parts
        .uri
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority.filter(|_| !parts.headers.contains_key(header::HOST)) {
        parts.headers.insert(header::HOST, authority);
    }
    false
}

/// Logs forwarding headers of an untrusted peer: either a proxy is not configured, and all visitors
/// count as one client, or a client tries to spoof its address. Logged once, because it can be
/// input.
pub(super) fn warn_of_untrusted_proxy(site: &Site, peer: Peer, headers: &HeaderMap) {
    let speaks =
        || headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
    let is_news = peer.may_forward
        && !site.proxies.trusts(peer.address)
        && !site.has_warned.load(Ordering::Relaxed);
    if is_news && speaks() && !site.has_warned.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            target: "palisade", peer = %peer.address,
            "forwarding headers from an address that is not in http.trusted_proxies are ignored: \
                is this a proxy of yours?"
        );
    }
}

/// Replaces Host by `X-Forwarded-Host` of a trusted proxy, if enabled. It is validated as any other
/// Host.
pub(super) fn apply_forwarded_host(site: &Site, peer: Peer, parts: &mut Parts) {
    if !site.settings.http.forwarded_host || !is_proxy(site, peer) {
        return;
    }
    if let Some(host) = site.proxies.host(&parts.headers) {
        parts.headers.insert(header::HOST, host);
        // the target of an absolute-form request names the other host
        let target = parts.uri.path_and_query().cloned();
        parts.uri = target.map(http::Uri::from).unwrap_or_default();
    }
}

/// The `X-Request-ID` of a trusted proxy, if enabled and safe to log.
pub(super) fn forwarded_request_id(site: &Site, peer: Peer, headers: &HeaderMap) -> Option<String> {
    let is_read = site.settings.http.forwarded_request_id && is_proxy(site, peer);
    let id = headers.get(REQUEST_ID).filter(|_| is_read)?.to_str().ok()?;
    let is_name = (8..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_name.then(|| id.to_owned())
}

/// Whether a request is traced. Only a trusted proxy can name its trace.
#[cfg(feature = "otlp")]
pub(super) fn begin_trace(site: &Site, peer: Peer, headers: &HeaderMap) -> Option<Traced> {
    let of_proxy = is_proxy(site, peer).then_some(headers);
    site.telemetry.begin(of_proxy)
}

/// The scheme of the client's connection.
pub(super) fn scheme(site: &Site, peer: Peer, headers: &HeaderMap) -> Scheme {
    match peer.link {
        Link::RedirectsOnly => Scheme::Http,
        _ => site.proxies.scheme(peer, headers),
    }
}

/// Removes forwarding headers, on which handlers, extractors and middleware rely: only the configured
/// header of a trusted proxy stays.
pub(super) fn remove_forwarding_headers(site: &Site, peer: Peer, headers: &mut HeaderMap) {
    let is_proxy = is_proxy(site, peer);
    let is_kept = |name: &HeaderName| is_proxy && site.proxies.reads(name);
    let doubtful: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_forwarding(name) && !is_kept(name))
        .cloned()
        .collect();
    doubtful.iter().for_each(|name| drop(headers.remove(name)));
}

fn is_proxy(site: &Site, peer: Peer) -> bool {
    peer.may_forward && site.proxies.trusts(peer.address)
}
