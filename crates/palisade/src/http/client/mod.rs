//! Outgoing HTTP requests: to a URL that a visitor typed, a list, a certificate authority. Prevents
//! server-side request forgery (SSRF).
//!
//! ```no_run
//! use palisade::http::client::Client;
//! use palisade::prelude::*;
//!
//! async fn title_of(client: Client, link: String) -> Result<String> {
//!     let page = client.get(&link).await?; // public addresses only, 10 s, 4 MiB
//!     Ok(String::from_utf8_lossy(page.body()).into_owned())
//! }
//! ```
//!
//! A name is resolved once, and the connection uses the validated address (no DNS rebinding).
//! Private, loopback, link-local and all other addresses that are not public ([`is_public`]) are
//! refused unless they are in `client.private_networks`; redirects are followed only on request,
//! and each is validated. `client.only_hosts` is an allow-list for sites that know their hosts.
//! (ASVS 1.3.6, 13.2.4, 15.3.2.)

mod error;
mod fetch;
mod reach;
mod settings;
#[cfg(test)]
mod tests;

pub use error::{FetchError, FetchErrorKind};
pub use fetch::Client;
pub use reach::is_public;
pub use settings::{CHECKS, ClientSettings};
