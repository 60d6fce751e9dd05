use super::deliverable;
use crate::checks::{Check, Level};
use crate::settings::{section, setting_from_str};
use lettre::message::Mailbox;
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

/// A sender: an address, optionally with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(pub(super) Mailbox);

setting_from_str!(
    Sender,
    "an address such as desk@example.org or Help desk <desk@example.org>"
);

impl FromStr for Sender {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.contains(|letter: char| letter.is_control() || "\u{2028}\u{2029}".contains(letter))
        {
            return Err(());
        }
        let Mailbox { name, email } = text.parse().map_err(|_| ())?;
        let written: &str = email.as_ref();
        // a host name without a dot, such as localhost, is invalid in forms, but valid in a sender
        let email =
            deliverable(written).or_else(|| Some(email.clone()).filter(|_| written.is_ascii()));
        email.map(|email| Self(Mailbox { name, email })).ok_or(())
    }
}

impl Sender {
    /// The address without its name.
    pub(crate) fn address(&self) -> &str {
        self.0.email.as_ref()
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The schemes of each kind of service.
const SCHEMES: [&[&str]; 2] = [
    &["console", "memory", "smtp", "smtps"],
    &["memory", "redis", "rediss"],
];

/// URL of the mail transport.
pub type MailUrl = ServiceUrl<0>;
/// URL of the cache.
pub type CacheUrl = ServiceUrl<1>;

setting_from_str!(
    MailUrl,
    "console:, smtp://USER:PASSWORD@HOST or smtps://USER:PASSWORD@HOST"
);
setting_from_str!(
    CacheUrl,
    "memory:, redis://HOST or rediss://USER:PASSWORD@HOST"
);

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
        Ok(Self {
            url: Secret::new(text.to_owned()),
            shown: shown.to_string(),
        })
    }
}

impl<const KIND: usize> fmt::Display for ServiceUrl<KIND> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

section! {
    /// Outgoing mail.
    MailSettings("mail") {
        /// Mail transport: console:, smtp://… or smtps://…; memory: stores mail, for tests
        url: MailUrl = |_| "console:".parse().expect("a URL");
        /// Sender, such as `Help desk <desk@example.org>`; none means noreply@ and the first
        /// allowed host
        from: Option<Sender> = |_| None;
        /// EHLO name of this machine; none means the domain of mail.from
        ehlo_name: Option<String> = |_| None;
        /// Rate limit per hour of mail to addresses without an account
        max_unknown_per_hour: u64 = |_| 100;
    }
}

section! {
    /// The cache.
    CacheSettings("cache") {
        /// Cache: memory:, redis://… or rediss://…
        url: CacheUrl = |_| "memory:".parse().expect("a URL");
    }
}

/// Configuration checks of mail.
pub const CHECKS: &[Check<MailSettings>] = &[
    Check {
        id: "mail.kept",
        django: None,
        level: Level::Warning,
        title: "mail is kept in memory and never sent",
        why: "sign-up and password reset do not work",
        fix: "set mail.url = \"smtps://USER:PASSWORD@HOST\"",
        fires: |settings| settings.url.expose().starts_with("memory:"),
    },
    Check {
        id: "mail.no_smtp",
        django: None,
        level: Level::Error,
        title: "mail is sent by SMTP, and this program was built without the feature smtp",
        why: "the site does not start",
        fix: "build with the feature smtp",
        fires: |settings| !cfg!(feature = "smtp") && settings.url.expose().starts_with("smtp"),
    },
    Check {
        id: "mail.tls_at_port",
        django: None,
        level: Level::Error,
        title: "mail.url begins with TLS at a port that does not, or the other way round",
        why: "at port 587 and 25 a server speaks first and then begins TLS (STARTTLS), at 465 \
            with TLS (RFC 8314): no mail would be taken",
        fix: "write smtp://HOST:587, or smtps://HOST:465",
        fires: |settings| match Url::parse(settings.url.expose()) {
            Ok(url) if url.scheme() == "smtps" => matches!(url.port(), Some(25 | 587)),
            Ok(url) => url.scheme() == "smtp" && url.port() == Some(465),
            Err(_) => false,
        },
    },
];
