//! Help of debug builds for developers.

use std::path::PathBuf;

/// The state of the site in development. Without effect in a release build.
#[derive(Debug, Clone, Default)]
pub struct Development {
    /// Whether pages reload themselves.
    pub reloads: bool,
    /// Folders in which source files are looked up.
    pub roots: Vec<PathBuf>,
}
