//! The tutorial: its site works, and its text is that of the site.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests run programs and write files of their own"
)]

mod guide;
mod notes;
