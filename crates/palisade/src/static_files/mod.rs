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

mod serve;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use serve::SharedBody;
pub use store::Store;

/// URL prefix of static files.
pub const PREFIX: &str = "/static/";

/// Files for [`Store`]: created by `include_static!("static")`.
#[derive(Debug, Clone, Default)]
pub struct StaticFiles(Vec<(&'static str, &'static [u8])>);

impl StaticFiles {
    /// Files by their names below `/static/`.
    pub fn embedded(files: &[(&'static str, &'static [u8])]) -> Self {
        Self(files.to_vec())
    }

    /// The framework's stylesheet, light and dark.
    pub(crate) fn own() -> Self {
        Self::embedded(&[("palisade.css", include_bytes!("palisade.css"))])
    }

    /// The scripts of the framework's pages.
    pub(crate) fn scripts() -> Self {
        Self::embedded(&[
            ("password.js", include_bytes!("password.js")),
            #[cfg(feature = "passkeys")]
            ("passkey.js", include_bytes!("passkey.js")),
        ])
    }

    /// These, and the files of `other` with other names.
    #[must_use]
    pub fn layered_over(mut self, other: Self) -> Self {
        let is_new = |(name, _): &(&str, _)| !self.0.iter().any(|(taken, _)| taken == name);
        let new: Vec<_> = other.0.into_iter().filter(is_new).collect();
        self.0.extend(new);
        self
    }
}
