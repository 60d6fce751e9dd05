//! Social login: OAuth 2.0 and
//! [OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html), with feature `social`
//! and `social.providers`.
//!
//! An external identity is the provider's subject together with the issuer, and nothing else:
//! neither a name nor an address typed at the provider gives access to an account here (D34). An
//! account is found by email address only if the provider has verified that address **and** the
//! site trusts it (`trusts_email`); otherwise the user logs in and links the identity, or a code
//! sent to the address verifies it.
//!
//! Each authorization request starts with a form, has its own state, nonce and PKCE verifier, which
//! are stored on the server, and completes once, in the same browser. Second factors are required
//! as after a password.

mod built_in;
#[cfg(feature = "social")]
mod discovery;
#[cfg(feature = "social")]
mod error;
#[cfg(feature = "social")]
mod flow;
#[cfg(feature = "social")]
mod id_token;
#[cfg_attr(
    not(feature = "social"),
    expect(dead_code, reason = "without the feature there are none to add")
)]
mod identities;
#[cfg(feature = "social")]
mod identity;
#[cfg(feature = "social")]
mod log_in;
mod migration;
#[cfg(feature = "social")]
mod profile;
#[cfg(feature = "social")]
mod proof;
#[cfg_attr(
    not(feature = "social"),
    expect(dead_code, reason = "without the feature no provider is used")
)]
mod provider;
#[cfg(feature = "social")]
mod provider_request;
#[cfg(feature = "social")]
mod request;
mod settings;
#[cfg(feature = "social")]
mod sign_up;
#[cfg(feature = "social")]
pub(crate) mod sign_up_views;
#[cfg(feature = "social")]
mod signed;
#[cfg(feature = "social")]
mod site;
#[cfg(feature = "social")]
pub(crate) mod views;

pub use identities::Identities;
pub(crate) use identities::SEALED;
pub use migration::migrations;
pub(crate) use settings::is_issuer;
pub use settings::{CHECKS, ProviderSettings, SocialSettings};
#[cfg(feature = "social")]
pub(crate) use {
    discovery::Discovery,
    error::ProviderError,
    request::SocialRequest,
    signed::{Audience, Doubt, LEEWAY_SECS, verify_signature},
    site::Providers,
};

#[cfg(feature = "social")]
use {built_in::Kind, provider::Provider};
