//! Requests that this site makes: for an address that a visitor typed, a list, a certificate. Whoever chooses the address must not reach
//! what only this machine can.
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
//! A name is resolved once, and the connection goes to the very address that was judged. Private, loopback, link-local and all other addresses that
//! are not public ([`is_public`]) are refused unless `client.private_networks` has them; redirects are followed only where the code says so, and judged again.
//! `client.only_hosts` names all that may be reached, where a site knows them. (ASVS 1.3.6, 13.2.4, 15.3.2.)

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
