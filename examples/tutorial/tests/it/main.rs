//! The tutorial: its site works, and its text is that of the site.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guide;
mod notes;
