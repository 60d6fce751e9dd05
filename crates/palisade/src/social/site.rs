use super::discovery::Discovery;
use super::{Provider, SocialSettings};
use crate::views::Error;

/// The providers of a site, with their metadata.
pub(crate) struct Providers(Vec<(Provider, Discovery)>);

impl Providers {
    pub(crate) fn new(settings: &SocialSettings) -> Self {
        let with =
            |one: &super::ProviderSettings| (Provider::new(one.clone()), Discovery::default());
        Self(settings.providers.iter().map(with).collect())
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The provider of a name, or 404.
    pub(super) fn named(&self, name: &str) -> Result<(&Provider, &Discovery), Error> {
        let is_named = |(provider, _): &&(Provider, Discovery)| provider.settings.name == name;
        let found = self.0.iter().find(is_named);
        let (provider, discovery) = found.ok_or_else(Error::not_found)?;
        Ok((provider, discovery))
    }
}
