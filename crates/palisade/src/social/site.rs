use super::flow::Party;
use super::{Provider, SocialSettings};
use crate::views::{Error, ErrorKind};
use std::fmt;

/// The providers of a site.
pub(crate) struct Providers(Vec<(Provider, Party)>);

/// Why a login failed.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// The provider is unreachable.
    Away(String),
    /// The response is invalid.
    Lied(String),
    /// The provider is misconfigured, here or there; a visitor cannot fix it.
    Broken(String),
}

impl Providers {
    pub(crate) fn new(settings: &SocialSettings) -> Self {
        let with = |one: &super::ProviderSettings| (Provider::new(one.clone()), Party::default());
        Self(settings.providers.iter().map(with).collect())
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The provider of a name, or 404.
    pub(super) fn named(&self, name: &str) -> Result<(&Provider, &Party), Error> {
        let found = self
            .0
            .iter()
            .find(|(provider, _)| provider.settings.name == name);
        found
            .map(|(provider, party)| (provider, party))
            .ok_or_else(Error::not_found)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Away(what) | Self::Lied(what) | Self::Broken(what)) = self;
        f.write_str(what)
    }
}

impl Trouble {
    /// The message for the visitor; the details are logged.
    pub(super) fn said(&self, provider: &Provider) -> Error {
        let label = &provider.settings.label;
        tracing::warn!(target: "palisade", provider = provider.settings.name, trouble = %self, "a social login failed");
        match self {
            Self::Away(_) => Error::new(
                ErrorKind::Unavailable,
                format!(
                    "{label} does not answer right now. Try again, or use another login method."
                ),
            ),
            Self::Broken(_) => Error::new(
                ErrorKind::Unavailable,
                format!(
                    "Login with {label} does not work at the moment. Use another login method, \
                        or contact the operators of this site."
                ),
            ),
            Self::Lied(_) => Error::new(
                ErrorKind::BadRequest,
                format!(
                    "The response of {label} does not belong to a login that was started in this \
                        browser. Start again."
                ),
            ),
        }
    }
}
