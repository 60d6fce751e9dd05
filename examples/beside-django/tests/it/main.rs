//! The forum on both frameworks at once: real Django under gunicorn and this site, on one database and with one key.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adopting;
mod browser;
mod forwarding;
mod guide;
mod journeys;
mod load;
mod pair;
