use super::reports::{ENDPOINT, REPORTS};
use super::{
    ContentSecurityPolicy, Directive, Frames, HeaderSettings, PagePolicies, Source, TrustedTypes,
    Written,
};
use crate::http::Scheme;
use crate::settings::Profile;
use chrono::{Days, NaiveDate, Utc};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, CONTENT_TYPE,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    X_XSS_PROTECTION,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of a site, serialised once.
pub struct SecurityHeaders {
    fixed: Vec<(HeaderName, HeaderValue)>,
    /// HSTS steps with their first day, the last first.
    hsts: Vec<(NaiveDate, HeaderValue)>,
    policy: Written,
    /// Report-only policy of pages.
    tried: Option<Written>,
}

const X_POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");

/// Number of additional headers, to reserve space once.
const ROOM: usize = 12;

/// Browser features that are off.
const PERMISSIONS_POLICY: &str = "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), display-capture=(), \
    encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), \
    microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-get=(self), screen-wake-lock=(), serial=(), \
    storage-access=(), usb=(), xr-spatial-tracking=()";

fn value(text: String) -> HeaderValue {
    HeaderValue::from_str(&text).expect("settings are of types that print as header values")
}

/// The headers of every response.
fn fixed_headers(settings: &HeaderSettings, profile: Profile) -> Vec<(HeaderName, HeaderValue)> {
    let named = HeaderName::from_static;
    let mut fixed = vec![
        (X_FRAME_OPTIONS, value(settings.frames.to_string())),
        (REFERRER_POLICY, value(settings.referrer_policy.to_string())),
        (
            named("cross-origin-opener-policy"),
            value(settings.opener_policy.to_string()),
        ),
        (
            named("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_XSS_PROTECTION, HeaderValue::from_static("0")),
        (
            named("reporting-endpoints"),
            value(format!("{ENDPOINT}=\"{REPORTS}\"")),
        ),
        (
            named("permissions-policy"),
            HeaderValue::from_static(PERMISSIONS_POLICY),
        ),
    ];
    if profile == Profile::Staging {
        fixed.push((named("x-robots-tag"), HeaderValue::from_static("noindex")));
    }
    fixed
}

fn with_trusted_types(policy: ContentSecurityPolicy) -> ContentSecurityPolicy {
    let script = vec![Source::text("'script'")];
    policy.set(Directive::RequireTrustedTypesFor, script)
}

impl SecurityHeaders {
    /// Headers configured by these settings.
    pub fn new(settings: &HeaderSettings, profile: Profile) -> Self {
        Self::with_pictures(settings, profile, None)
    }

    /// The same, with pictures of users from another origin.
    pub(crate) fn with_pictures(
        settings: &HeaderSettings,
        profile: Profile,
        origin: Option<Source>,
    ) -> Self {
        let ancestors = match settings.frames {
            Frames::Deny => Source::NOTHING,
            Frames::SameOrigin => Source::own(),
        };
        let policy =
            ContentSecurityPolicy::strict().set(Directive::FrameAncestors, vec![ancestors]);
        let policy = match origin {
            Some(origin) => policy.allow(Directive::ImgSrc, origin),
            None => policy,
        };
        let policy = match settings.trusted_types {
            TrustedTypes::Enforce => with_trusted_types(policy),
            _ => policy,
        };
        let tried = (settings.trusted_types == TrustedTypes::Report)
            .then(|| with_trusted_types(ContentSecurityPolicy::empty()).reporting());
        let hsts = hsts(settings).into_iter();
        Self {
            fixed: fixed_headers(settings, profile),
            hsts: hsts.map(|(day, text)| (day, value(text))).collect(),
            policy: Written::new(&policy.reporting()),
            tried: tried.as_ref().map(Written::new),
        }
    }

    /// Today's HSTS header.
    fn hsts(&self) -> Option<&HeaderValue> {
        match self.hsts.as_slice() {
            [] => None,
            [(_, always)] => Some(always),
            steps => {
                let today = Utc::now().date_naive();
                steps
                    .iter()
                    .find(|(day, _)| *day <= today)
                    .map(|(_, value)| value)
            }
        }
    }

    /// Sets the missing headers of an upstream's page. Its own policy stays; a page without one
    /// gets a minimal policy that breaks no page.
    pub(crate) fn complete(&self, headers: &mut HeaderMap, scheme: Scheme) {
        let hsts = self
            .hsts()
            .filter(|_| scheme == Scheme::Https)
            .map(|value| (STRICT_TRANSPORT_SECURITY, value.clone()));
        for (name, value) in self.fixed.iter().cloned().chain(hsts) {
            headers.entry(name).or_insert(value);
        }
        let least = HeaderValue::from_static("base-uri 'self'; object-src 'none'");
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(least);
        headers.remove(http::header::SERVER);
        headers.remove(X_POWERED_BY);
    }

    /// Sets the headers of a response, replacing those of the handler: there is one of each.
    pub fn apply(
        &self,
        headers: &mut HeaderMap,
        nonce: &str,
        scheme: Scheme,
        page: Option<&PagePolicies>,
    ) {
        headers.reserve(self.fixed.len() + ROOM);
        for (name, value) in &self.fixed {
            headers.insert(name, value.clone());
        }
        if let Some(hsts) = self.hsts().filter(|_| scheme == Scheme::Https) {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if page.is_some_and(|page| page.is_shown_elsewhere) {
            headers.insert(
                "cross-origin-resource-policy",
                HeaderValue::from_static("cross-origin"),
            );
        }
        if page.is_some_and(|page| page.is_isolated) {
            headers.insert(
                "cross-origin-embedder-policy",
                HeaderValue::from_static("require-corp"),
            );
        }
        let enforced = page
            .and_then(|page| page.enforced.as_deref())
            .unwrap_or(&self.policy);
        let is_page = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let reported = page
            .and_then(|page| page.reported.as_deref())
            .or(self.tried.as_ref().filter(|_| is_page));
        for (name, policy) in [
            (CONTENT_SECURITY_POLICY, Some(enforced)),
            (CONTENT_SECURITY_POLICY_REPORT_ONLY, reported),
        ] {
            headers.remove(&name);
            if let Some(value) = policy.and_then(|policy| policy.value(nonce)) {
                headers.insert(name, value);
            }
        }
        headers.remove(http::header::SERVER);
        headers.remove(X_POWERED_BY);
    }
}

/// The response depends on the visitor: caches must not store it, overriding the handler.
pub(crate) fn keep_from_caches(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(VARY, HeaderValue::from_static("Cookie"));
}

/// The HSTS steps by first day, the last first.
fn hsts(settings: &HeaderSettings) -> Vec<(NaiveDate, String)> {
    if settings.hsts_secs == 0 {
        return Vec::new();
    }
    let Some(first) = settings.hsts_ramp_from else {
        return vec![(NaiveDate::MIN, hsts_text(settings, settings.hsts_secs))];
    };
    let step = |(days, secs): &(u64, u64)| {
        let day = if *days == 0 {
            NaiveDate::MIN
        } else {
            first
                .checked_add_days(Days::new(*days))
                .unwrap_or(NaiveDate::MAX)
        };
        (day, hsts_text(settings, settings.hsts_secs.min(*secs)))
    };
    HSTS_STEPS.iter().rev().map(step).collect()
}

/// Days since the first, and max-age in seconds: a mistake is found while max-age is still short.
const HSTS_STEPS: [(u64, u64); 5] = [
    (0, 3600),
    (1, 86_400),
    (7, 604_800),
    (30, 2_592_000),
    (90, u64::MAX),
];

fn hsts_text(settings: &HeaderSettings, secs: u64) -> String {
    let subdomains = if settings.hsts_include_subdomains {
        "; includeSubDomains"
    } else {
        ""
    };
    let preload = if settings.hsts_preload {
        "; preload"
    } else {
        ""
    };
    format!("max-age={secs}{subdomains}{preload}")
}
