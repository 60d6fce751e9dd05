//! Where mail goes and where the cache is, by URL. Nothing sends or caches yet; the settings are read and refused like all others.

use crate::settings::{section, setting_from_str};
use palisade_crypto::Secret;
use std::fmt;
use std::str::FromStr;
use url::Url;

/// A URL that may hold a password. Printed without it.
#[derive(Debug, Clone)]
pub struct ServiceUrl<const KIND: usize> {
    url: Secret<String>,
    shown: String,
}

/// The schemes of each kind of service.
const SCHEMES: [&[&str]; 2] = [&["console", "smtp", "smtps"], &["memory", "redis", "rediss"]];

/// Where mail goes.
pub type MailUrl = ServiceUrl<0>;
/// Where the cache is.
pub type CacheUrl = ServiceUrl<1>;

setting_from_str!(MailUrl, "console:, smtp://USER:PASSWORD@HOST or smtps://USER:PASSWORD@HOST");
setting_from_str!(CacheUrl, "memory:, redis://HOST or rediss://USER:PASSWORD@HOST");

impl<const KIND: usize> ServiceUrl<KIND> {
    /// The URL for the driver.
    pub fn expose(&self) -> &str {
        self.url.expose()
    }
}

impl<const KIND: usize> FromStr for ServiceUrl<KIND> {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(|_| ())?;
        let is_known = SCHEMES[KIND].contains(&url.scheme());
        let is_local = matches!(url.scheme(), "console" | "memory");
        if !is_known || (!is_local && url.host_str().is_none_or(str::is_empty)) {
            return Err(());
        }
        let mut shown = url.clone();
        if url.password().is_some() {
            shown.set_password(Some("***"))?;
        }
        Ok(Self { url: Secret::new(text.to_owned()), shown: shown.to_string() })
    }
}

impl<const KIND: usize> fmt::Display for ServiceUrl<KIND> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

section! {
    /// Where mail goes.
    MailSettings("mail") {
        /// Where mail goes: console:, smtp://… or smtps://…
        url: MailUrl = |_| "console:".parse().expect("a URL");
    }
}

section! {
    /// Where the cache is.
    CacheSettings("cache") {
        /// Where the cache is: memory:, redis://… or rediss://…
        url: CacheUrl = |_| "memory:".parse().expect("a URL");
    }
}
