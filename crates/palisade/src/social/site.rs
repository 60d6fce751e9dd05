use super::flow::OpenIdClient;
use super::{Provider, SocialSettings};
use crate::views::Error;

/// The providers of a site.
pub(crate) struct Providers(Vec<(Provider, OpenIdClient)>);

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
