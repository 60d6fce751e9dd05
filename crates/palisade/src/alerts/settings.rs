use super::syslog_target::SyslogTarget;
use super::webhook::{HookUrl, WebhookKey};
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
        /// Names of rules without alerts
        quiet: Vec<String> = |_| Vec::new();
    }
}
