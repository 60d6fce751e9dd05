use crate::checks::{Check, Level};
use crate::settings::{section, setting_from_str, setting_words};
use chrono::NaiveDate;
use std::fmt;
use std::str::FromStr;

/// Framing of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// Not allowed.
    Deny,
    /// By pages of this site.
    SameOrigin,
}

/// What other sites learn from the Referer
/// ([Referrer Policy](https://www.w3.org/TR/referrer-policy/)); browsers use the last value they
/// know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrerPolicy(Vec<&'static str>);

/// Whether a page shares its browsing context group with cross-origin windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenerPolicy {
    /// With none.
    SameOrigin,
    /// With popups that it opens, for logins and payments.
    SameOriginAllowPopups,
    /// With all.
    UnsafeNone,
}

/// Whether scripts may write strings into DOM sinks
/// ([Trusted Types](https://www.w3.org/TR/trusted-types/)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedTypes {
    /// Allowed.
    Off,
    /// Allowed and reported.
    Report,
    /// Refused.
    Enforce,
}

setting_words!(
    TrustedTypes,
    "off, report or enforce",
    Off = "off",
    Report = "report",
    Enforce = "enforce"
);
setting_from_str!(NaiveDate, "a day such as 2027-01-31");
setting_words!(
    Frames,
    "deny or sameorigin",
    Deny = "DENY",
    SameOrigin = "SAMEORIGIN"
);
setting_from_str!(
    ReferrerPolicy,
    "no-referrer, same-origin, strict-origin, strict-origin-when-cross-origin or a list of them"
);
setting_words!(
    OpenerPolicy,
    "same-origin, same-origin-allow-popups or unsafe-none",
    SameOrigin = "same-origin",
    SameOriginAllowPopups = "same-origin-allow-popups",
    UnsafeNone = "unsafe-none"
);

/// The policies of the standard; those that reveal full URLs, or send a Referer over plain HTTP,
/// are last.
const REFERRER_POLICIES: [&str; 8] = [
    "no-referrer",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
    "origin",
    "origin-when-cross-origin",
    "no-referrer-when-downgrade",
    "unsafe-url",
];

impl ReferrerPolicy {
    /// Only this site's own pages get the full URL.
    pub fn same_origin() -> Self {
        Self(vec!["same-origin"])
    }

    /// Whether browsers send `Origin: null` with forms
    /// ([Fetch, 3.2](https://fetch.spec.whatwg.org/#origin-header)).
    fn hides_origin(&self) -> bool {
        self.0.last().is_some_and(|last| *last == "no-referrer")
    }

    fn is_leaky(&self) -> bool {
        self.0
            .last()
            .is_some_and(|last| REFERRER_POLICIES[4..].contains(last))
    }
}

impl FromStr for ReferrerPolicy {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let known = |name: &str| {
            REFERRER_POLICIES
                .into_iter()
                .find(|known| *known == name.trim())
                .ok_or(())
        };
        text.split(',')
            .map(known)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for ReferrerPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

section! {
    /// Security headers of every response.
    HeaderSettings("headers") {
        /// HSTS max-age in seconds; sent on encrypted requests
        hsts_secs: u64 = |profile| if profile.is_development() { 0 } else { 31_536_000 };
        /// Whether HSTS includes all subdomains
        hsts_include_subdomains: bool = |_| true;
        /// Whether browsers may add this site to the HSTS preload list; hard to revert
        hsts_preload: bool = |_| false;
        /// First day of a stepwise HSTS rollout, for sites that are not sure of HTTPS yet: an hour,
        /// a day, a week, 30 days, and after 90 days hsts_secs
        hsts_ramp_from: Option<NaiveDate> = |_| None;
        /// Trusted Types: off, report or enforce
        trusted_types: TrustedTypes = |_| TrustedTypes::Report;
        /// Framing of pages: deny or sameorigin
        frames: Frames = |_| Frames::Deny;
        /// Referrer policy
        referrer_policy: ReferrerPolicy = |_| ReferrerPolicy::same_origin();
        /// Cross-origin opener policy: whether pages share a browsing context group with other
        /// sites
        opener_policy: OpenerPolicy = |_| OpenerPolicy::SameOrigin;
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<HeaderSettings>] = &[
    Check {
        id: "headers.hsts_off",
        django: Some("security.W004"),
        level: Level::Error,
        title: "HSTS is off: browsers are not told to refuse plain HTTP",
        why: "a visit that starts with http:// can be intercepted",
        fix: "set headers.hsts_secs = 31536000",
        fires: |settings| settings.hsts_secs == 0,
    },
    Check {
        id: "headers.hsts_short",
        django: None,
        level: Level::Warning,
        title: "the HSTS max-age is less than a year",
        why: "a visitor who returns after it is unprotected again (ASVS 3.4.1)",
        fix: "raise headers.hsts_secs to 31536000 once HTTPS has proven itself",
        fires: |settings| (1..31_536_000).contains(&settings.hsts_secs),
    },
    Check {
        id: "headers.hsts_not_for_subdomains",
        django: Some("security.W005"),
        level: Level::Warning,
        title: "HSTS does not include subdomains",
        why: "a man in the middle can invent a subdomain and use it against the site",
        fix: "set headers.hsts_include_subdomains = true",
        fires: |settings| settings.hsts_secs > 0 && !settings.hsts_include_subdomains,
    },
    Check {
        id: "headers.hsts_not_preloaded",
        django: Some("security.W021"),
        level: Level::Info,
        title: "the site does not ask for HSTS preloading",
        why: "the first visit of a browser is unprotected",
        fix: "set headers.hsts_preload = true when every subdomain supports HTTPS permanently, \
            then register the site",
        fires: |settings| settings.hsts_secs > 0 && !settings.hsts_preload,
    },
    Check {
        id: "headers.hsts_preload_refused",
        django: None,
        level: Level::Error,
        title: "the site asks for HSTS preloading, and would be refused",
        why: "the preload list requires a year, all subdomains, and no steps (hstspreload.org)",
        fix: "set headers.hsts_secs = 31536000 or more and headers.hsts_include_subdomains = true, and leave out headers.hsts_ramp_from; or leave out \
              headers.hsts_preload",
        fires: |settings| {
            let is_listed = settings.hsts_secs >= 31_536_000
                && settings.hsts_include_subdomains
                && settings.hsts_ramp_from.is_none();
            settings.hsts_preload && !is_listed
        },
    },
    Check {
        id: "headers.hsts_in_steps",
        django: None,
        level: Level::Info,
        title: "HSTS is rolled out in steps",
        why: "until the last step a visitor who returns late is unprotected (ASVS 3.4.1)",
        fix: "leave out headers.hsts_ramp_from 90 days after that day",
        fires: |settings| settings.hsts_ramp_from.is_some(),
    },
    Check {
        id: "headers.frames_allowed",
        django: Some("security.W019"),
        level: Level::Warning,
        title: "pages may be framed by pages of this site",
        why: "one page with an injection can overlay any other (clickjacking)",
        fix: "set headers.frames = \"deny\"",
        fires: |settings| settings.frames != Frames::Deny,
    },
    Check {
        id: "headers.referrer_leaks",
        django: Some("security.W022"),
        level: Level::Warning,
        title: "other sites get the URLs of this site's pages in the Referer",
        why: "URLs contain names, searches and sometimes tokens",
        fix: "set headers.referrer_policy = \"same-origin\"",
        fires: |settings| settings.referrer_policy.is_leaky(),
    },
    Check {
        id: "headers.referrer_breaks_forms",
        django: None,
        level: Level::Error,
        title: "no form of the site would be accepted",
        why: "under this referrer policy browsers send Origin: null with the site's own forms, which cannot be told from those of other sites \
              (Fetch, \"append a request Origin header\")",
        fix: "set headers.referrer_policy = \"same-origin\", which reveals just as little to \
            other sites",
        fires: |settings| settings.referrer_policy.hides_origin(),
    },
    Check {
        id: "headers.opener_shared",
        django: None,
        level: Level::Warning,
        title: "pages share their browsing context group with other sites",
        why: "the other page can navigate this one to a look-alike login",
        fix: "set headers.opener_policy = \"same-origin\"",
        fires: |settings| settings.opener_policy == OpenerPolicy::UnsafeNone,
    },
];
