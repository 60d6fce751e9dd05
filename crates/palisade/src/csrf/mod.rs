//! Cross-site request forgery (CSRF) protection: another site cannot make a visitor's browser
//! change state here, log in or sign up.
//!
//! Every method except GET, HEAD, OPTIONS and TRACE is validated, in this order: `Sec-Fetch-Site`
//! (same-site is not same-origin), `Origin`, `Referer` where both are missing, and always a token
//! that is bound to the session and masked differently on every page. Forms contain it
//! automatically; scripts send it as `X-CSRFToken`. Trusted origins are listed in
//! `csrf.trusted_origins`.
//!
//! A route is exempted by [`dangerous_without_csrf`](crate::app::Guarded::dangerous_without_csrf).

mod policy;
mod protection;
mod settings;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use policy::is_safe;
pub use policy::{Evidence, Refusal, judge};
pub(crate) use protection::KEPT_SECRET;
pub use protection::{Csrf, FormTokens, SecretStorage};
pub use settings::{CHECKS, CsrfSettings};
pub use token::CsrfSecret;
