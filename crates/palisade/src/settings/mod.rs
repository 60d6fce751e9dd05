//! Typed settings: read once at start-up, each value with its source.
//!
//! Sources in order of precedence, lowest first: the defaults of the profile, `palisade.toml`,
//! `.env`, the environment, the command line. A setting `key` of `[section]` is
//! `PALISADE_SECTION__KEY` in the environment and in `.env`; with the suffix `_FILE`, the variable
//! names a file with the value. `DATABASE_URL`, `CACHE_URL`, `EMAIL_URL`, `SECRET_KEY` and
//! `SECRET_KEY_FALLBACKS` have their usual meaning. Unknown keys and invalid values are errors with
//! key, value, source and fix.
//!
//! An area declares its settings with `section!`, which generates the reader, the `settings`
//! command and the reference page.

mod dot_env;
mod error;
mod own;
mod profile;
mod reader;
mod sources;
#[cfg(test)]
mod tests;
mod value;

pub use error::{Problem, SettingsError};
pub use own::OwnSection;
pub use profile::Profile;
pub(crate) use reader::section;
pub use reader::{Effective, Reader};
pub use sources::{Origin, Sources};
pub use value::{Secs, Setting};
pub(crate) use value::{setting_from_str, setting_words};
