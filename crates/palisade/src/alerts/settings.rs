use super::syslog_target::SyslogTarget;
use super::webhook::{HookUrl, WebhookKey};
use crate::checks::{Check, Level};
use crate::mail::Sender;
use crate::settings::section;

section! {
    /// Alerts.
    AlertSettings("alerts") {
        /// Addresses that get alerts by mail
        mail_to: Vec<Sender> = |_| Vec::new();
        /// Most mails of one day; the last one says so
        most_mails_per_day: u64 = |_| 20;
        /// URL that gets alerts as JSON, signed as Standard Webhooks are
        webhook_url: Option<HookUrl> = |_| None;
        /// The secret of the signature: `whsec_` and 24 to 64 bytes as Base64
        webhook_secret: Option<WebhookKey> = |_| None;
        /// URL of an incoming webhook of a chat, such as Slack or Mattermost
        chat_url: Option<HookUrl> = |_| None;
        /// Syslog server, RFC 5424: unix:/dev/log, tcp://HOST:PORT or tls://HOST:PORT
        syslog: Option<SyslogTarget> = |_| None;
        /// MaxMind DB file with the locations of addresses, for impossible travel; none is shipped
        geo_file: Option<String> = |_| None;
        /// Names of rules without alerts
        quiet: Vec<String> = |_| Vec::new();
    }
}

impl AlertSettings {
    /// Whether alerts are sent anywhere.
    pub fn has_receiver(&self) -> bool {
        let urls = [&self.webhook_url, &self.chat_url];
        !self.mail_to.is_empty() || self.syslog.is_some() || urls.iter().any(|url| url.is_some())
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<AlertSettings>] = &[Check {
    id: "alerts.geo_not_built",
    django: None,
    level: Level::Error,
    title: "a geo file is set, and this program was built without the feature geo",
    why: "impossible travel would not be noticed",
    fix: "build with the feature geo, or remove alerts.geo_file",
    fires: |alerts| alerts.geo_file.is_some() && cfg!(not(feature = "geo")),
}];
