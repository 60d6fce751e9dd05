//! Typed settings: read once at start-up, each value with the place it came from.
//!
//! Later sources win: the defaults of the profile, `palisade.toml`, `.env`, the environment, the command line. A setting
//! `key` of `[section]` is `PALISADE_SECTION__KEY` in the environment and in `.env`; with `_FILE` appended, the variable names a file
//! that holds the value. `DATABASE_URL`, `CACHE_URL`, `EMAIL_URL`, `SECRET_KEY` and `SECRET_KEY_FALLBACKS` work as elsewhere.
//! Unknown keys and values of the wrong shape are errors that name key, value, place and fix: nothing is silently ignored.
//!
//! An area declares its settings with `section!`; the reader, `settings`, and the reference page come from that.

mod dot_env;
mod error;
mod profile;
mod reader;
mod sources;
#[cfg(test)]
mod tests;
mod value;

pub use error::{Problem, SettingsError};
pub use profile::Profile;
pub(crate) use reader::section;
pub use reader::{Effective, Reader};
pub use sources::{Origin, Sources};
pub use value::{Secs, Setting};
pub(crate) use value::{setting_from_str, setting_words};
