//! The headers of every response: what a browser may run, embed, send and keep. On by default, one of each, nothing to wire.
//!
//! | Header | Value |
//! |---|---|
//! | Content-Security-Policy | `default-src 'none'`, own styles and images, scripts by a fresh nonce only; changed for a route by [`ContentSecurityPolicy`] |
//! | Content-Security-Policy-Report-Only | `require-trusted-types-for 'script'` on pages: what scripts would have to change |
//! | Reporting-Endpoints | [`REPORTS`], where what browsers refused is grouped and logged |
//! | Strict-Transport-Security | a year with subdomains, on encrypted requests; in steps, where `headers.hsts_ramp_from` says so |
//! | X-Frame-Options, `frame-ancestors` | nobody frames a page |
//! | Referrer-Policy | `same-origin` |
//! | Cross-Origin-Opener-Policy, Cross-Origin-Resource-Policy | `same-origin` |
//! | X-Content-Type-Options | `nosniff` |
//! | Permissions-Policy | camera, microphone, location and all else off |
//! | X-XSS-Protection | `0`: the filter of old browsers was itself a hole |
//! | Cross-Origin-Embedder-Policy | `require-corp` where a route asks for isolation |
//! | Access-Control-… | none; for single routes by [`Cors`] |
//! | Cache-Control | `no-store` where the answer depends on who asked |

mod cors;
mod csp;
mod policy;
mod reports;
mod settings;
#[cfg(test)]
mod tests;

pub use cors::Cors;
pub use csp::{ContentSecurityPolicy, Directive, PagePolicies, Source, Written};
pub use policy::SecurityHeaders;
pub(crate) use policy::keep_from_caches;
pub(crate) use reports::is_report;
pub use reports::{REPORTS, Reports};
pub use settings::{CHECKS, Frames, HeaderSettings, OpenerPolicy, ReferrerPolicy, TrustedTypes};
