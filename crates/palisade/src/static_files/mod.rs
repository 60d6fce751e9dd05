//! Static files: styles, scripts, images, fonts. They are compiled into the program.
//!
//! ```
//! use palisade::prelude::*;
//! App::new().static_files(include_static!("tests/static")); // tests/static/site.css is served as /static/site.css
//! ```
//!
//! Templates name a file by its plain URL, `/static/site.css`, and pages get the URL with the hash
//! of its content, with `integrity` where browsers check it: browsers cache files for a year, and
//! never use a stale one. The plain URL works as well, for images in styles, and is revalidated
//! each time.
//!
//! Only files that existed at build time are served, by exact name: no request becomes a path on
//! the disk (path traversal), and directories are not listed. Hidden files are excluded, and a
//! symbolic link in the folder does not compile.

mod live;
mod serve;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use serve::SharedBody;
pub use store::Store;

use std::path::PathBuf;

/// URL prefix of static files.
pub const PREFIX: &str = "/static/";

/// Files for [`Store`]: created by `include_static!("static")`.
#[derive(Debug, Clone, Default)]
pub struct StaticFiles {
    files: Vec<(&'static str, &'static [u8])>,
    folder: Option<PathBuf>,
}

impl StaticFiles {
    /// Files by their names below `/static/`.
    pub fn embedded(files: &[(&'static str, &'static [u8])]) -> Self {
        Self {
            files: files.to_vec(),
            folder: None,
        }
    }

    /// In debug builds, `serve` in the development profile reads the files of this folder for each
    /// request, new ones included. Release builds never read the disk.
    #[must_use]
    pub fn watching(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = cfg!(debug_assertions)
            .then(|| folder.into())
            .filter(|folder| folder.is_dir());
        self
    }

    /// The framework's stylesheet, light and dark.
    pub(crate) fn own() -> Self {
        Self::embedded(&[("palisade.css", include_bytes!("palisade.css"))])
    }

    /// The scripts of the framework's pages.
    pub(crate) fn scripts() -> Self {
        Self::embedded(&[
            ("password.js", include_bytes!("password.js")),
            ("upload.js", include_bytes!("upload.js")),
            #[cfg(feature = "passkeys")]
            ("passkey.js", include_bytes!("passkey.js")),
        ])
    }

    /// These, and the files of `other` with other names.
    #[must_use]
    pub fn layered_over(mut self, other: Self) -> Self {
        let is_new = |(name, _): &(&str, _)| !self.files.iter().any(|(taken, _)| taken == name);
        let new: Vec<_> = other.files.into_iter().filter(is_new).collect();
        self.files.extend(new);
        self.folder = self.folder.or(other.folder);
        self
    }
}
