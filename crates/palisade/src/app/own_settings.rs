use super::sections::RegisteredSection;
use super::{App, Site};
use crate::checks::Check;
use crate::settings::OwnSection;
use crate::views::{Error, RequestContext, Result};
use axum::extract::FromRequestParts;
use http::request::Parts;

/// Extractor of the site's own settings: see [`settings!`](crate::settings!).
#[derive(Debug, Clone)]
pub struct Settings<S>(pub S);

impl<T: Sync, S: OwnSection> FromRequestParts<T> for Settings<S> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        let section = context.site().services.get::<S>().cloned();
        section.map(Self).ok_or_else(unregistered::<S>)
    }
}

fn unregistered<S: OwnSection>() -> Error {
    let name = S::SECTION;
    Error::bug(format!(
        "the settings [{name}] are not registered: add them with App::settings"
    ))
}

impl App {
    /// Adds a section of the site's own settings, which `settings` lists, and checks of its values,
    /// which `check` runs.
    ///
    /// ```
    /// use palisade::checks::{Check, Level};
    /// use palisade::prelude::*;
    /// palisade::settings! {
    ///     /// The desk.
    ///     struct DeskSettings("desk") {
    ///         /// Address of the mails of visitors
    ///         email: Option<String> = |_| None;
    ///     }
    /// }
    /// const CHECKS: &[Check<DeskSettings>] = &[Check {
    ///     id: "desk.no_email",
    ///     django: None,
    ///     level: Level::Warning,
    ///     title: "messages of visitors go to no address",
    ///     why: "they would be lost",
    ///     fix: "set desk.email",
    ///     fires: |desk| desk.email.is_none(),
    /// }];
    /// App::new().settings::<DeskSettings>(CHECKS);
    /// ```
    #[must_use]
    pub fn settings<S: OwnSection>(mut self, checks: &'static [Check<S>]) -> Self {
        self.sections.push(RegisteredSection::new(checks));
        self
    }
}

impl Site {
    /// The site's own settings, for tasks and commands.
    ///
    /// # Errors
    /// When they were not registered with [`App::settings`].
    pub fn own_settings<S: OwnSection>(&self) -> Result<S> {
        let section = self.settings.own.get::<S>().cloned();
        section.ok_or_else(unregistered::<S>)
    }
}
