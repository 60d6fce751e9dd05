//! The helpdesk under attack: in this process, as a program, and in a real browser.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests run programs and write files of their own"
)]

mod admin;
mod api;
mod attacks;
mod browser;
mod desk;
mod driver;
mod escaping;
mod faults;
mod oddities;
mod passkeys;
mod perimeter;
mod process;
mod program;
mod proxies;
mod rights;
mod scanners;
mod screenshots;
mod social;
mod strangers;
mod wire;
