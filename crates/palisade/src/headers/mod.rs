//! The headers of every response: what a browser may run, embed, send and keep. On by default, one of each, nothing to wire.
//!
//! | Header | Value |
//! |---|---|
//! | Content-Security-Policy | `default-src 'none'`, own styles and images, scripts by a fresh nonce only; changed for a route by [`ContentSecurityPolicy`] |
//! | Strict-Transport-Security | a year with subdomains, on encrypted requests |
//! | X-Frame-Options, `frame-ancestors` | nobody frames a page |
//! | Referrer-Policy | `same-origin` |
//! | Cross-Origin-Opener-Policy, Cross-Origin-Resource-Policy | `same-origin` |
//! | X-Content-Type-Options | `nosniff` |
//! | Permissions-Policy | camera, microphone, location and all else off |
//! | X-XSS-Protection | `0`: the filter of old browsers was itself a hole |
//! | Cache-Control | `no-store` where the answer depends on who asked |

mod csp;
mod policy;
mod settings;
#[cfg(test)]
mod tests;

pub use csp::{ContentSecurityPolicy, Directive, PagePolicies, Source, Written};
pub use policy::SecurityHeaders;
pub(crate) use policy::keep_from_caches;
pub use settings::{CHECKS, Frames, HeaderSettings, OpenerPolicy, ReferrerPolicy};
