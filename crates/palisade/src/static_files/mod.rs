//! Files that do not change while the program runs: styles, scripts, pictures, fonts. They are part of the program, in one copy.
//!
//! ```
//! use palisade::prelude::*;
//! App::new().static_files(include_static!("tests/static")); // tests/static/site.css is served as /static/site.css
//! ```
//!
//! Templates name a file by its plain URL, `/static/site.css`, and pages get the one that holds the hash of its content, with `integrity` where
//! browsers check it: so browsers keep files for a year, and never one that a page does not mean. The plain URL works as well, for styles that name
//! pictures, and is asked for again each time.
//!
//! What can be served is what was there at build time, by its exact name: no request ever becomes a path on the disk, and nothing is listed. Hidden files are
//! left out, and a link in the folder does not compile.

mod serve;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use serve::SharedBody;
pub use store::Store;

/// Where static files are.
pub const PREFIX: &str = "/static/";

/// Files for [`Store`]: made by `include_static!("static")`.
#[derive(Debug, Clone, Default)]
pub struct StaticFiles(Vec<(&'static str, &'static [u8])>);

impl StaticFiles {
    /// Files by their names below `/static/`.
    pub fn embedded(files: &[(&'static str, &'static [u8])]) -> Self {
        Self(files.to_vec())
    }

    /// The framework's own: the stylesheet of its pages, light and dark.
    pub(crate) fn own() -> Self {
        Self::embedded(&[("palisade.css", include_bytes!("palisade.css"))])
    }

    /// The scripts of its pages that need one.
    pub(crate) fn scripts() -> Self {
        Self::embedded(&[
            ("password.js", include_bytes!("password.js")),
            #[cfg(feature = "passkeys")]
            ("passkey.js", include_bytes!("passkey.js")),
        ])
    }

    /// These, and those of `other` whose names are not taken.
    #[must_use]
    pub fn over(mut self, other: Self) -> Self {
        let is_new = |(name, _): &(&str, _)| !self.0.iter().any(|(taken, _)| taken == name);
        let new: Vec<_> = other.0.into_iter().filter(is_new).collect();
        self.0.extend(new);
        self
    }
}
