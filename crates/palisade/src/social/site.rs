use super::flow::OpenIdClient;
use super::{Provider, SocialSettings};
use crate::views::{Error, ErrorKind};
use std::fmt;

/// The providers of a site.
pub(crate) struct Providers(Vec<(Provider, OpenIdClient)>);

/// Why a login failed.
#[derive(Debug, Clone)]
pub(crate) enum ProviderError {
    /// The provider is unreachable.
    Unreachable(String),
    /// The response is invalid.
    InvalidResponse(String),
    /// The provider is misconfigured, here or there; a visitor cannot fix it.
    Misconfigured(String),
}

impl Providers {
    pub(crate) fn new(settings: &SocialSettings) -> Self {
        let with =
            |one: &super::ProviderSettings| (Provider::new(one.clone()), OpenIdClient::default());
        Self(settings.providers.iter().map(with).collect())
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The provider of a name, or 404.
    pub(super) fn named(&self, name: &str) -> Result<(&Provider, &OpenIdClient), Error> {
        let found = self
            .0
            .iter()
            .find(|(provider, _)| provider.settings.name == name);
        found
            .map(|(provider, party)| (provider, party))
            .ok_or_else(Error::not_found)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unreachable(what) | Self::InvalidResponse(what) | Self::Misconfigured(what)) =
            self;
        f.write_str(what)
    }
}

impl ProviderError {
    /// The message for the visitor; the details are logged.
    pub(super) fn said(&self, provider: &Provider) -> Error {
        let label = &provider.settings.label;
        tracing::warn!(target: "palisade", provider = provider.settings.name, trouble = %self, "a social login failed");
        match self {
            Self::Unreachable(_) => Error::new(
                ErrorKind::Unavailable,
                format!(
                    "{label} does not answer right now. Try again, or use another login method."
                ),
            ),
            Self::Misconfigured(_) => Error::new(
                ErrorKind::Unavailable,
                format!(
                    "Login with {label} does not work at the moment. Use another login method, \
                        or contact the operators of this site."
                ),
            ),
            Self::InvalidResponse(_) => Error::new(
                ErrorKind::BadRequest,
                format!(
                    "The response of {label} does not belong to a login that was started in this \
                        browser. Start again."
                ),
            ),
        }
    }
}
