use super::{ContentSecurityPolicy, Directive, Frames, HeaderSettings, PagePolicies, Source, Written};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of a site, made ready once.
pub struct SecurityHeaders {
    fixed: Vec<(HeaderName, HeaderValue)>,
    hsts: Option<HeaderValue>,
    policy: Written,
}

/// What a browser could give to a page, and does not.
const PERMISSIONS_POLICY: &str = "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), display-capture=(), \
    encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), \
    microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-get=(self), screen-wake-lock=(), serial=(), \
    storage-access=(), usb=(), xr-spatial-tracking=()";

impl SecurityHeaders {
    /// The headers that these settings ask for.
    pub fn new(settings: &HeaderSettings, is_staging: bool) -> Self {
        let value = |text: String| HeaderValue::from_str(&text).expect("settings are of types that print as header values");
        let mut fixed = vec![
            (X_FRAME_OPTIONS, value(settings.frames.to_string())),
            (REFERRER_POLICY, value(settings.referrer_policy.to_string())),
            (HeaderName::from_static("cross-origin-opener-policy"), value(settings.opener_policy.to_string())),
            (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (X_XSS_PROTECTION, HeaderValue::from_static("0")),
            (HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS_POLICY)),
        ];
        if is_staging {
            fixed.push((HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")));
        }
        let ancestors = match settings.frames {
            Frames::Deny => Source::NOTHING,
            Frames::SameOrigin => Source::own(),
        };
        let policy = ContentSecurityPolicy::strict().set(Directive::FrameAncestors, vec![ancestors]);
        Self { fixed, hsts: hsts(settings).map(value), policy: Written::of(&policy) }
    }

    /// Sets them on a response. What a handler set under the same name is replaced: there is one of each.
    pub fn apply(&self, headers: &mut HeaderMap, nonce: &str, is_secure: bool, page: Option<&PagePolicies>) {
        for (name, value) in &self.fixed {
            headers.insert(name, value.clone());
        }
        if let Some(hsts) = self.hsts.as_ref().filter(|_| is_secure) {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        let enforced = page.and_then(|page| page.enforced.as_deref()).unwrap_or(&self.policy);
        let reported = page.and_then(|page| page.reported.as_deref());
        for (name, policy) in [(CONTENT_SECURITY_POLICY, Some(enforced)), (CONTENT_SECURITY_POLICY_REPORT_ONLY, reported)] {
            headers.remove(&name);
            if let Some(value) = policy.and_then(|policy| policy.value(nonce)) {
                headers.insert(name, value);
            }
        }
        headers.remove(http::header::SERVER);
        headers.remove("x-powered-by");
    }
}

/// The answer depends on who asked: no cache keeps it, whatever the handler said.
pub(crate) fn keep_from_caches(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(VARY, HeaderValue::from_static("Cookie"));
}

fn hsts(settings: &HeaderSettings) -> Option<String> {
    let mut value = format!("max-age={}", settings.hsts_secs);
    if settings.hsts_include_subdomains {
        value.push_str("; includeSubDomains");
    }
    if settings.hsts_preload {
        value.push_str("; preload");
    }
    (settings.hsts_secs > 0).then_some(value)
}
