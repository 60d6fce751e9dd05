//! Security headers of every response. On by default, one of each, without configuration.
//!
//! | Header | Value |
//! |---|---|
//! | Content-Security-Policy | `default-src 'none'`, own styles and images, scripts by a fresh nonce only; changed for a route by [`ContentSecurityPolicy`] |
//! | Content-Security-Policy-Report-Only | `require-trusted-types-for 'script'` on pages: reports scripts that need changes |
//! | Reporting-Endpoints | [`REPORTS`], where violation reports are grouped and logged |
//! | Strict-Transport-Security | a year with subdomains, on encrypted requests; in steps with `headers.hsts_ramp_from` |
//! | X-Frame-Options, `frame-ancestors` | pages cannot be framed |
//! | Referrer-Policy | `same-origin` |
//! | Cross-Origin-Opener-Policy, Cross-Origin-Resource-Policy | `same-origin` |
//! | X-Content-Type-Options | `nosniff` |
//! | Permissions-Policy | camera, microphone, location and all others off |
//! | X-XSS-Protection | `0`: the filter of old browsers was itself vulnerable |
//! | Cross-Origin-Embedder-Policy | `require-corp` where a route requires isolation |
//! | Access-Control-… | none; for single routes by [`Cors`] |
//! | Cache-Control | `no-store` where the response depends on the visitor |

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
