//! Login by other sites: OAuth 2.0 and [OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html), with feature `social` and `social.providers`.
//!
//! A person is known by what the provider calls them and by the provider's name, and by nothing else: neither a name nor an address that somebody typed
//! there opens an account here (D34). An account is found by its address only if the provider has verified that address **and** the site trusts it to
//! (`trusts_email`); otherwise whoever has the account logs in and adds the provider, or a code that is sent to the address proves that it is theirs.
//!
//! Each way to a provider begins with a button, has a state, a nonce and a PKCE verifier of its own that never leave this site, and ends once, in the
//! browser in which it began. Second factors are asked for as after a password.

#[cfg(feature = "social")]
mod discovery;
#[cfg(feature = "social")]
mod flow;
#[cfg(feature = "social")]
mod id_token;
#[cfg_attr(
    not(feature = "social"),
    expect(dead_code, reason = "without the feature there are none to add")
)]
mod identities;
mod migration;
#[cfg(feature = "social")]
mod profile;
#[cfg(feature = "social")]
mod proof;
#[cfg_attr(
    not(feature = "social"),
    expect(dead_code, reason = "without the feature nobody is asked")
)]
mod provider;
mod settings;
#[cfg(feature = "social")]
mod sign_up;
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
    signed::{Audience, Doubt, LEEWAY_SECS, believed},
    site::{Providers, Trouble},
};

#[cfg(feature = "social")]
use {provider::Kind, provider::Provider};
