//! The registered sections of the site's own settings.

use crate::checks::{self, Check, Finding};
use crate::settings::{OwnSection, Reader, SettingsError};
use http::Extensions;
use std::sync::Arc;

/// A registered section of any type.
#[derive(Clone)]
pub(super) struct RegisteredSection {
    pub(super) name: &'static str,
    pub(super) read: fn(&mut Reader, &mut Extensions),
    checks: Arc<dyn Fn(&Extensions) -> Vec<Finding> + Send + Sync>,
}

impl RegisteredSection {
    pub(super) fn new<S: OwnSection>(checks: &'static [Check<S>]) -> Self {
        Self {
            name: S::SECTION,
            read: |reader, sections| {
                sections.insert(S::read(reader));
            },
            checks: Arc::new(move |sections| {
                let section = sections.get::<S>();
                section.map_or_else(Vec::new, |section| checks::run(checks, section))
            }),
        }
    }

    pub(super) fn findings(&self, sections: &Extensions) -> Vec<Finding> {
        (self.checks)(sections)
    }
}

/// Reads the site's own sections.
///
/// # Errors
/// A section of the framework's name.
pub(super) fn read_sections(
    reader: &mut Reader,
    registered: &[RegisteredSection],
) -> Result<Extensions, SettingsError> {
    let mut sections = Extensions::new();
    for section in registered {
        reader.refuse_known(section.name)?;
        (section.read)(reader, &mut sections);
    }
    Ok(sections)
}
