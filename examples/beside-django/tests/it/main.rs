//! The forum on both frameworks at once: real Django under gunicorn and this site, on one database and with one key.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests run programs and write files of their own"
)]

mod admin;
mod adopting;
mod browser;
mod forwarding;
mod guide;
mod journeys;
mod load;
mod pair;
